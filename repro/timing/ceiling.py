"""The best this machine does, to be timed beside a network: chains of its own convolutions, and copies of memory.

A chain keeps its maps in the layout that the library likes, reads nothing from elsewhere and does nothing between two
convolutions but the ReLU that is fused with them: what a network made of that layer alone would reach.
"""

from __future__ import annotations

import json
import math
from ast import literal_eval
from collections import Counter
from dataclasses import dataclass
from typing import Callable, Dict, List, Mapping, Tuple

import mxnet as mx
import numpy as np

from repro.engine.passes import fused
from repro.timing.clock import Timing

SHAPES = 8  # of a network, those that cost most
LENGTH = 8  # convolutions in a chain at most, fewer where they are large
LARGE = 10 ** 10  # multiply-adds, of a chain of more than one
COPIED = 2 ** 28  # bytes: more than a cache holds


@dataclass(frozen=True)
class Layer:
    """A convolution that keeps the size of its maps: (N, inputs, H, W) -> (N, outputs, H, W)."""

    batch: int
    inputs: int
    outputs: int
    size: Tuple[int, int]
    kernel: int
    dilation: int

    @property
    def multiply_adds(self) -> int:
        return self.batch * self.inputs * self.outputs * math.prod(self.size) * self.kernel ** 2

    def __str__(self) -> str:
        dilated = f", dilation {self.dilation}" if self.dilation > 1 else ""
        return (f"{self.kernel}x{self.kernel}{dilated}, {self.inputs} to {self.outputs} channels, "
                f"{self.batch}x{self.size[0]}x{self.size[1]} positions")


@dataclass(frozen=True)
class Best:
    """Multiply-adds a second, and the layer that reaches them."""

    rate: float
    layer: str


def layers_of(symbol, shape: Tuple[int, ...], most: int = SHAPES) -> List[Layer]:
    """Return the dense convolutions of a traced graph that a chain can be made of, those first that cost it most."""
    inside = symbol.get_internals()
    _, shapes, _ = inside.infer_shape(data=shape)
    shape_of = dict(zip(inside.list_outputs(), shapes))
    nodes = json.loads(symbol.tojson())["nodes"]
    found: Counter = Counter()
    for node in nodes:
        if node["op"] != "Convolution":
            continue
        settings = node["attrs"]
        source, index, *_ = node["inputs"][0]
        name = nodes[source]["name"]
        names = (name,) if nodes[source]["op"] == "null" else (f"{name}_output", f"{name}_output{index}")
        before = next(shape_of[one] for one in names if one in shape_of)
        after = shape_of[f"{node['name']}_output"]
        kernel, dilation = ((literal_eval(settings.get(key, "(1, 1)")) or (1, 1))[0] for key in ("kernel", "dilate"))
        if before[2:] != after[2:] or int(settings.get("num_group", "1")) > 1 or kernel % 2 == 0:
            continue
        layer = Layer(after[0], before[1], after[1], tuple(after[2:]), kernel, dilation)
        found[layer] += layer.multiply_adds
    return [layer for layer, _ in found.most_common(most)]


def chained(layer: Layer, length: int):
    """Return a graph of `length` such convolutions after each other, every other one back where channels change, and
    values by its names, "data" among them."""
    random = np.random.default_rng(0)
    x, arrays = mx.sym.var("data"), {}
    for i in range(length):
        inputs, outputs = (layer.inputs, layer.outputs)[::1 if i % 2 == 0 else -1]
        weight = random.standard_normal((outputs, inputs, layer.kernel, layer.kernel), np.float32)
        arrays[f"weight{i}"] = mx.nd.array(weight * math.sqrt(2 / weight[0].size))
        arrays[f"bias{i}"] = mx.nd.zeros(outputs)
        x = mx.sym.Convolution(x, mx.sym.var(f"weight{i}"), mx.sym.var(f"bias{i}"), kernel=(layer.kernel,) * 2,
                               dilate=(layer.dilation,) * 2, pad=(layer.kernel // 2 * layer.dilation,) * 2,
                               num_filter=outputs)
        x = mx.sym.Activation(x, act_type="relu")
    x = mx.sym.Pooling(x, global_pool=True, pool_type="avg", kernel=(1, 1))  # so that nothing large is handed out
    arrays["data"] = mx.nd.array(random.standard_normal((layer.batch, layer.inputs, *layer.size), np.float32))
    return x, arrays


def chain(layer: Layer, length: int, ctx) -> Callable[[], None]:
    """Return a run of a chain in MXNet."""
    symbol, arrays = chained(layer, length)
    symbol = fused(symbol) if ctx.device_type == "cpu" else symbol
    given = [arrays[name].as_in_context(ctx) for name in symbol.list_inputs()]
    run = mx.nd.CachedOp(symbol, [("static_alloc", True), ("static_shape", True)])
    return lambda: run(*given).wait_to_read()


class Ceiling:
    """Chains of `layers`: `runs` are to be timed in turn with a network, `best` is then the ceiling beside it.

    large  multiply-adds of a chain of more than one. made: of `chain`'s kind. name: tells one's runs from another's.
    """

    def __init__(self, layers: List[Layer], ctx=None, length: int = LENGTH, large: int = LARGE, made=chain, name=""):
        self._layers = {f"ceiling{name}: {layer}": layer for layer in layers}
        self._lengths = {name: max(1, min(length, large // layer.multiply_adds))
                         for name, layer in self._layers.items()}
        self._runs = {name: made(layer, self._lengths[name], ctx) for name, layer in self._layers.items()}

    def runs(self) -> Dict[str, Callable[[], None]]:
        """Return what is to be timed, by name."""
        return dict(self._runs)

    def best(self, timings: Mapping[str, Timing]) -> Best:
        """Return the best of the chains' medians, from the timings of `runs`."""
        rates = {name: self._lengths[name] * layer.multiply_adds / timings[name].median
                 for name, layer in self._layers.items()}
        name = max(rates, key=rates.__getitem__)
        return Best(rates[name], str(self._layers[name]))


class Copies:
    """Copies of COPIED bytes, read once and written once."""

    def __init__(self, ctx=None):
        self._from, self._to = np.ones(COPIED, np.uint8), np.ones(COPIED, np.uint8)
        self._device_from = mx.nd.ones((COPIED // 4,), ctx=ctx or mx.cpu())
        self._device_to = self._device_from.copy()
        self._device_to.wait_to_read()

    def runs(self) -> Dict[str, Callable[[], object]]:
        """Return what is to be timed."""
        return {"copy by NumPy": lambda: np.copyto(self._to, self._from),
                "copy by MXNet": lambda: self._device_from.copyto(self._device_to).wait_to_read()}

    def best(self, timings: Mapping[str, Timing]) -> float:
        """Return bytes a second, of the faster one, from the timings of `runs`."""
        return 2 * COPIED / min(timings[name].median for name in self.runs())
