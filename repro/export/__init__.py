"""A traced network as an ONNX file, which runs without MXNet and without this project.

    model.py      the file's nodes and constants, as they are added
    operators.py  each operator of MXNet in those of ONNX
    write.py      the whole graph
    half.py       that file in float16
    int8.py       and in int8
    labels.py     with labels of every pixel made inside it
    carry.py      a row's network with its record, checked before the file is there
    agreement.py  whether an exported network is the one it was made from

Written from the linked graph (repro/engine/graph.py) rather than by MXNet's exporter, which has no converter for some
of its operators and gets others silently wrong. The input's size is fixed, and so every shape is a constant.
"""

from repro.export.write import PORTABLE, to_onnx

__all__ = ["PORTABLE", "to_onnx"]
