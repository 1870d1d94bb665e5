"""How long it takes.

    clock.py      several things timed side by side
    ceiling.py    the best this machine does: convolutions of the network's own shapes
    operators.py  where the time of one inference goes, operator by operator
"""
