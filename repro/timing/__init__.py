"""How long it takes.

    clock.py      several things timed side by side
    ceiling.py    the best this machine does: convolutions of the network's own shapes, copies of memory
    operators.py  where the time of one inference goes, operator by operator
    blocks.py     and to which box of the figures each of them belongs
"""
