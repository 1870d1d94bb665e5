"""The inference engine: any traced network, rewritten to run fast and proven to give the same scores.

    graph.py      a traced graph as linked nodes, read and written
    inputs.py     what is made of the image before the graph
    passes.py     what is rewritten: folding, batch norm, padding, cheaper operators, oneDNN's fusion
    quantise.py   int8, calibrated on images (CPU)
    engine.py     all of it for one network at one input size; repro/labels makes labels of its scores
"""

from repro.engine.engine import Engine, Options, engine_of, prepared

__all__ = ["Engine", "Options", "engine_of", "prepared"]
