"""The best that is done through an engine, to be timed beside a network: on a card a large matrix product and a copy,
on a CPU a chain of one of the network's convolutions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Dict, Mapping, Optional, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from repro.runtime.bound import Bound
from repro.runtime.metadata import INPUT
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


def convolutions(layer, length: int) -> onnx.ModelProto:
    """`length` convolutions with their ReLUs, of a repro.timing.ceiling.Layer, as its `chain` has them."""
    random, nodes, arrays, last = np.random.default_rng(0), [], [], INPUT
    pads, dilations = [layer.kernel // 2 * layer.dilation] * 4, [layer.dilation] * 2
    for i in range(length):
        inputs, outputs = (layer.inputs, layer.outputs)[::1 if i % 2 == 0 else -1]
        weight = random.standard_normal((outputs, inputs, layer.kernel, layer.kernel), np.float32)
        for name, values in (("weight", weight * (2 / weight[0].size) ** 0.5), ("bias", np.zeros(outputs, np.float32))):
            arrays.append(numpy_helper.from_array(values, f"{name}{i}"))
        nodes += [helper.make_node("Conv", [last, f"weight{i}", f"bias{i}"], [f"made{i}"], f"conv{i}:0", pads=pads,
                                   dilations=dilations, kernel_shape=[layer.kernel] * 2),
                  helper.make_node("Relu", [f"made{i}"], [f"part{i}"], f"relu{i}:1")]
        last = f"part{i}"
    nodes.append(helper.make_node("GlobalAveragePool", [last], ["scores"], "pool:2"))  # nothing large is handed out
    graph = helper.make_graph(nodes, "chain", [
        helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [layer.batch, layer.inputs, *layer.size])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [layer.batch, outputs, 1, 1])], arrays)
    return helper.make_model(graph, ir_version=IR, opset_imports=[helper.make_opsetid("", OPSET)])


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
