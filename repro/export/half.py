"""An ONNX file in float16: maps and kernels by halves, what chooses regions in float32, as inputs and outputs."""

from __future__ import annotations

from typing import Dict, Set

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from repro.errors import UserError

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
HEAD, S = "sparse_head", "s"  # the nodes that compute s begin with this; the output
FIXED = {"Resize": (1, 2)}  # inputs that are float32 in every precision: scales


def half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the same network in float16; given images and giving outputs in float32, as `model` of
    repro.export.to_onnx.

    s is computed in float32 of float16 maps, and everything from it to the numbers of the regions computed.
    UserError where a value is beyond float16.
    """
    graph = onnx.shape_inference.infer_shapes(model).graph
    kind = {one.name: one.type.tensor_type.elem_type for one in (*graph.input, *graph.value_info, *graph.output)}
    constants = {one.name: one for one in graph.initializer}
    kind.update((name, one.data_type) for name, one in constants.items())
    kept, nodes = _selecting(graph), []
    held: Dict[str, int] = {one.name: one.type.tensor_type.elem_type for one in graph.input}  # type of what is computed
    initializers: Dict[str, onnx.TensorProto] = {}

    def read(name: str, wanted: int) -> str:
        """Return the name by which a float of type `wanted` is read."""
        if name in constants:
            return _constant(constants[name], wanted, initializers)
        if held[name] == wanted:
            return name
        made = f"{name}:{TensorProto.DataType.Name(wanted).lower()}"
        if made not in held:
            nodes.append(helper.make_node("Cast", [name], [made], made, to=wanted))
            held[made] = wanted
        return made

    results = {one.name for one in graph.output}
    for node in graph.node:
        made = onnx.NodeProto()
        made.CopyFrom(node)
        own = FLOAT if node.name in kept or results.intersection(node.output) else HALF
        for index, name in enumerate(node.input):
            if not name:
                continue
            wanted = FLOAT if index in FIXED.get(node.op_type, ()) else own
            if kind[name] == FLOAT:
                made.input[index] = read(name, wanted)
            elif name in constants:
                initializers[name] = constants[name]
        for attribute in made.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == FLOAT:
                attribute.i = own
        held.update((name, own if kind[name] == FLOAT else kind[name]) for name in node.output)
        nodes.append(made)
    found = onnx.ModelProto()
    found.CopyFrom(model)
    for target, values in ((found.graph.node, nodes), (found.graph.initializer, initializers.values())):
        del target[:]
        target.extend(values)
    del found.graph.value_info[:]
    onnx.checker.check_model(found, full_check=True)
    return found


def _constant(one: onnx.TensorProto, wanted: int, into: Dict[str, onnx.TensorProto]) -> str:
    """Put a constant of type `wanted` among those of the file; its name."""
    if wanted == FLOAT:
        into[one.name] = one
        return one.name
    name = f"{one.name}:half"
    if name not in into:
        values = numpy_helper.to_array(one)
        if values.size and not abs(values).max() <= np.finfo(np.float16).max:
            raise UserError(f"PRECISION: float16: {one.name}: {abs(values).max():g} is beyond float16")
        into[name] = numpy_helper.from_array(values.astype(np.float16), name)
    return name


def _selecting(graph: onnx.GraphProto) -> Set[str]:
    """Return the nodes between the maps that s is computed of and whole numbers, by name: those that choose regions."""
    made_by = {name: node for node in graph.node for name in node.output}

    def before(starts) -> Set[str]:
        """Return the nodes that these need, and they themselves."""
        found, open_ = set(), list(starts)
        while open_:
            node = open_.pop()
            if node.name not in found:
                found.add(node.name)
                open_ += [made_by[name] for name in node.input if name in made_by]
        return found
    if S not in made_by:
        return set()
    whole = [node for node in graph.node if node.op_type == "Cast"
             and helper.get_attribute_value(node.attribute[0]) in (TensorProto.INT32, TensorProto.INT64)]
    return {name for name in before(whole) - before([made_by[S]])} | {
        node.name for node in graph.node if node.name.startswith(HEAD) or node.op_type in ("TopK", "OneHot")}
