"""An ONNX file that somebody brought, looked at before an engine is: some end the process for what is in it."""

from __future__ import annotations

from typing import Dict, Iterator, Sequence, Tuple

import onnx
from google.protobuf.message import DecodeError

from repro.errors import UserError

# onnxruntime 1.19 divides by these without a look; onnx's checker lets 0 pass, and divides by it where it infers shapes
DIVISORS = ("strides", "dilations", "kernel_shape", "group", "blocksize", "block_size", "num_outputs")


def checked(data: bytes, path) -> onnx.ModelProto:
    """Return what a file holds; UserError where it is not ONNX, or an operator would divide by 0 or less."""
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError:
        raise UserError(f"{path}: not an ONNX file, or damaged") from None
    for nodes in (model.graph.node, *(one.node for one in model.functions)):
        for name, value in divisors(nodes):
            if value < 1:
                raise UserError(f"{path}: not an ONNX file that can be run: an operator's {name} is {value}")
    return model


def divisors(nodes: Sequence[onnx.NodeProto]) -> Iterator[Tuple[str, int]]:
    """Yield (name, value) of each number in the nodes' attributes, and in graphs within, that is divided by."""
    for attribute in (attribute for node in nodes for attribute in node.attribute):
        if attribute.name in DIVISORS:
            yield from ((attribute.name, value) for value in (
                *([attribute.i] if attribute.HasField("i") else ()), *attribute.ints))
        for graph in (attribute.g, *attribute.graphs):
            yield from divisors(graph.node)


def properties(data: bytes) -> Dict[str, str]:
    """Return a file's own properties, which OpenVINO does not give; UnicodeDecodeError where one is no UTF-8."""
    return {one.key: one.value if isinstance(one.value, str) else one.value.decode()
            for one in onnx.load_model_from_string(data).metadata_props}
