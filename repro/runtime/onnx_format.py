"""An ONNX file that somebody brought, looked at before an engine reads it: some end the process for what is in it."""

from __future__ import annotations

from typing import Any, Iterator, List, Optional, Sequence, Tuple

import onnx
from google.protobuf.message import DecodeError

from repro.data.headers import LARGEST
from repro.errors import UserError
from repro.files import given
from repro.runtime.metadata import KEY, Metadata, parse

# onnxruntime 1.19 divides by these without a look; onnx's checker lets 0 pass, and divides by it where it infers shapes
DIVISORS = ("strides", "dilations", "kernel_shape", "group", "blocksize", "block_size", "num_outputs")
KINDS = {number: name.lower() for name, number in onnx.TensorProto.DataType.items()}


def read(path) -> Tuple[bytes, onnx.ModelProto]:
    """Return a file's bytes and what they hold: given as bytes to an engine, it cannot have values taken from other
    files. UserError where it cannot be read, is not ONNX, or an operator would divide by 0 or less."""
    data = given(path, str(path))
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError:
        raise UserError(f"{path}: not an ONNX file, or damaged") from None
    for nodes in (model.graph.node, *(one.node for one in model.functions)):
        for name, value in divisors(nodes):
            if value < 1:
                raise UserError(f"{path}: not an ONNX file that can be run: an operator's {name} is {value}")
    return data, model


def divisors(nodes: Sequence[onnx.NodeProto]) -> Iterator[Tuple[str, int]]:
    """Yield (name, value) of each number in the nodes' attributes, and in graphs within, that is divided by."""
    for attribute in (attribute for node in nodes for attribute in node.attribute):
        if attribute.name in DIVISORS:
            yield from ((attribute.name, value) for value in (
                *([attribute.i] if attribute.HasField("i") else ()), *attribute.ints))
        for graph in (attribute.g, *attribute.graphs):
            yield from divisors(graph.node)


def input_of(model: onnx.ModelProto, path) -> Tuple[str, Tuple[int, ...]]:
    """Return (name, (N, 3, H, W)) of a file's input; UserError unless it is one, of images, float32, as large as can
    be."""
    constants = {one.name for one in model.graph.initializer}
    inputs = [(one.name, one.type.tensor_type) for one in model.graph.input if one.name not in constants]
    shapes: List[Tuple[Any, ...]] = [
        tuple(side.dim_value if side.HasField("dim_value") else side.dim_param for side in kind.shape.dim)
        for _, kind in inputs]
    shape = shapes[0] if len(inputs) == 1 and inputs[0][1].elem_type == onnx.TensorProto.FLOAT else ()
    if len(shape) != 4 or not all(isinstance(side, int) and side > 0 for side in shape) or shape[1] != 3 \
            or shape[0] * shape[2] * shape[3] > LARGEST:
        found = ", ".join(f"{name} {list(sides)} of {KINDS.get(kind.elem_type, 'no known type')}"
                          for (name, kind), sides in zip(inputs, shapes)) or "none"
        raise UserError(f"{path}: its inputs ({found}) are not one of RGB images, float32 (N, 3, H, W) of known sides "
                        f"and up to {LARGEST} pixels")
    return inputs[0][0], shape


def record_of(model: onnx.ModelProto, path) -> Optional[Metadata]:
    """Return the record inside a file; None where there is none."""
    for value in (one.value for one in model.metadata_props if one.key == KEY):
        try:
            return parse(value if isinstance(value, str) else value.decode(), str(path))
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: its record is not UTF-8 ({error.reason})") from None
    return None
