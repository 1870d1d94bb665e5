"""A prepared graph as an ONNX file."""

from __future__ import annotations

from typing import List, Sequence, Tuple

import onnx
from onnx import helper

from repro.engine import Options, graph
from repro.engine.graph import INPUT, Arrays
from repro.errors import UserError
from repro.export.model import TYPES, Model, Value
from repro.export.operators import CONVERTERS
from repro.files import replacing

OPSET, IR = 13, 7  # of one year, 2020: read by every runtime since
PORTABLE = Options(padded=False, read_in=False, fused=False)  # without what serves MXNet's own operators alone
OF_FLOATS = ("topk", "one_hot")  # MXNet's operators that give floats, whatever they are given


def to_onnx(symbol, arrays: Arrays, shape: Tuple[int, ...], path, names: Sequence[str] = ("scores",)) -> None:
    """Write a network to the file `path`, whole or not at all.

    symbol, arrays  as repro.engine.prepared makes them by PORTABLE; the one input is "data".
    shape           of the input (N, 3, H, W); another one is another file.
    names           of the outputs, in their order.

    UserError names an operator that has no converter.
    """
    outputs = graph.read(symbol)
    nodes = graph.ordered(outputs)
    strange = sorted({f"{n.op} ({n.name})" for n in nodes if n.op != "null" and n.op not in CONVERTERS})
    if strange:
        raise UserError(f"no converter into ONNX for {', '.join(strange)}")
    shape_of = graph.shapes(outputs, arrays, {INPUT: shape})
    model = Model()
    for node in nodes:
        model.at = node.name
        if node.op == "null" and node.name == INPUT:
            made, kind = node.name, "float32"
        elif node.op == "null":
            kind = arrays[node.name].dtype.__name__
            made = model.constant(arrays[node.name].asnumpy(), kind, node.name)
        else:
            inputs = [model.made[id(n), j] for n, j in node.inputs]
            kind = node.attrs["dtype"] if node.op == "Cast" else "float32" if node.op in OF_FLOATS else inputs[0].kind
            made = CONVERTERS[node.op](model, node, inputs, shape_of[node.name, 0])
        for index, name in enumerate([made] if isinstance(made, str) else made):
            model.made[id(node), index] = Value(name, shape_of[node.name, index], kind)
    found = [model.made[id(n), j] for n, j in outputs]
    for name, value in zip(names, found):
        model.nodes.append(helper.make_node("Identity", [value.name], [name], name))
    kept, read = _alive(model.nodes, names)
    made = helper.make_model(
        helper.make_graph(
            kept, "network", [helper.make_tensor_value_info(INPUT, TYPES["float32"], shape)],
            [helper.make_tensor_value_info(name, TYPES[v.kind], v.shape) for name, v in zip(names, found)],
            [constant for name, constant in model.constants.items() if name in read]),
        producer_name="spatial-sparsity", ir_version=IR, opset_imports=[helper.make_opsetid("", OPSET)])
    onnx.checker.check_model(made, full_check=True)
    with replacing(path) as temporary:
        onnx.save(made, str(temporary))


def _alive(nodes: Sequence[onnx.NodeProto], names: Sequence[str]):
    """Return the nodes that these outputs need, and the names of all that they read."""
    read = set(names)
    kept: List[onnx.NodeProto] = []
    for node in reversed(nodes):
        if read.intersection(node.output):
            kept.insert(0, node)
            read.update(node.input)
    return kept, read
