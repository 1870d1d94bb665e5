"""The best that a card does through onnxruntime, to be timed beside a network: a large matrix product and a copy."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Dict, Mapping, Optional, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from repro.runtime.bound import Bound
from repro.runtime.providers import Provider
from repro.timing.clock import Timing

SIDE = 8192  # of a square matrix
COPIED = 2 ** 28  # values of float32: 1 GiB, more than a card's cache holds
OPSET, IR = 13, 7
FLOATS = {"float32": (TensorProto.FLOAT, np.float32), "tf32": (TensorProto.FLOAT, np.float32),
          "float16": (TensorProto.FLOAT16, np.float16)}


def one_node(op: str, inputs: Sequence[str], shape: Sequence[int], kind: int, path) -> None:
    """Write a file of one operator of ONNX, from inputs of `shape` to an output of it."""
    def info(name: str):
        return helper.make_tensor_value_info(name, kind, shape)
    graph = helper.make_graph([helper.make_node(op, list(inputs), ["made"], op)], op,
                              [info(name) for name in inputs], [info("made")])
    onnx.save(helper.make_model(graph, ir_version=IR, opset_imports=[helper.make_opsetid("", OPSET)]), str(path))


class Best:
    """`runs` are to be timed in turn with a network; the rest is then the ceiling beside it.

    given  the providers for each precision whose product is measured, of FLOATS.
    folder for the files.
    """

    def __init__(self, given: Mapping[str, Sequence[Provider]], folder, card: Optional[int] = None):
        self._bound, shape = {}, (SIDE, SIDE)
        random = np.random.default_rng(0)
        for precision, providers in given.items():
            path, (kind, dtype) = Path(folder) / f"product-{precision}.onnx", FLOATS[precision]
            one_node("MatMul", ("a", "b"), shape, kind, path)
            arrays = {name: random.standard_normal(shape, np.float32).astype(dtype) for name in "ab"}
            self._bound[f"product, {precision}"] = Bound(path, arrays, providers, card)
        path = Path(folder) / "copy.onnx"
        one_node("Neg", ("a",), (COPIED,), TensorProto.FLOAT, path)  # a copy as such is what onnxruntime leaves out
        self._bound["copy"] = Bound(path, {"a": np.ones(COPIED, np.float32)}, next(iter(given.values())), card)

    def runs(self) -> Dict[str, Callable[[], None]]:
        """Return what is to be timed, by name."""
        return {name: bound.run for name, bound in self._bound.items()}

    def rates(self, timings: Mapping[str, Timing]) -> Dict[str, float]:
        """Multiply-adds a second of each precision's product."""
        return {name.split(", ")[1]: SIDE ** 3 / timings[name].median for name in self._bound if ", " in name}

    def bandwidth(self, timings: Mapping[str, Timing]) -> float:
        """Bytes a second, read and written."""
        return 2 * 4 * COPIED / timings["copy"].median
