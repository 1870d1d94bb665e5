"""The nodes and constants of an ONNX file, as they are added."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Tuple, Union

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TYPES = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32, "int64": TensorProto.INT64}


class Value(NamedTuple):
    """An output of a node: its name in the file, shape and type."""

    name: str
    shape: Tuple[int, ...]
    kind: str


Name = Union[str, Value]


class Model:
    """The nodes and constants of the file, as they are added.

    made  what each entry of the graph, (id of node, index), has become.
    at    the name of the node that is being written.
    """

    def __init__(self) -> None:
        self.nodes: List[onnx.NodeProto] = []
        self.constants: Dict[str, onnx.TensorProto] = {}
        self.made: Dict[Tuple[int, int], Value] = {}
        self.at = ""

    def constant(self, array, kind: str = "int64", name: str = "") -> str:
        """Return a constant of these values; the name says what it is, so that what is equal is kept once."""
        array = np.asarray(array, kind, order="C")
        name = name or f"{kind}_{'x'.join(map(str, array.shape))}_" + "_".join(map(str, array.ravel().tolist()))
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(array, name)
        return name

    def value(self, one: Value) -> np.ndarray:
        """Return the values of a constant; of anything else, NaN."""
        return numpy_helper.to_array(self.constants[one.name]) if one.name in self.constants else np.array(np.nan)

    def add(self, op: str, *inputs: Name, outputs: int = 0, **attributes):
        """Add a node of ONNX; return the name of its output, or those of its `outputs`."""
        number = len(self.nodes)
        names = [f"{self.at}:{number}" + (f":{i}" if outputs else "") for i in range(outputs or 1)]
        read = [one.name if isinstance(one, Value) else one for one in inputs]
        self.nodes.append(helper.make_node(op, read, names, f"{self.at}:{number}", **attributes))
        return names if outputs else names[0]
