"""Multiply-adds of a network, counted by walking its traced graph: nothing is run and no activation allocated.

The paper's convention, derived from its tables: one multiply-add is 1; layers of learned kernels only (convolutions, in
the paper's networks), their biases and everything else uncounted; the projection shortcuts of ResNet-50 are not counted
either. `true` counts those too. Neither counts up-sampling by a fixed kernel, nor what depends on parameters alone (a
folded batch norm), which has no image in it. The graph is to be the network's own, before an engine rewrites it.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Dict, List, Optional, Sequence, Tuple

import mxnet as mx

from repro.config.networks import HEIGHT, WIDTH, Network
from repro.config.rows import Row
from repro.models.build import build, is_constant

# In the name of a projection shortcut's convolution: this project's networks, gluoncv's ResNets for segmentation.
SHORTCUT = re.compile(r"shortcut|_down\d+_")
CLASSES = 19  # of Cityscapes


@dataclass(frozen=True)
class Count:
    """Multiply-adds of one layer."""

    name: str
    multiply_adds: int

    @property
    def shortcut(self) -> bool:
        return SHORTCUT.search(self.name) is not None


LEARNED = ("Convolution", "Deconvolution", "FullyConnected")
FREE = frozenset((
    # resizing and pooling
    "UpSampling", "_contrib_BilinearResize2D", "Pooling", "_contrib_AdaptiveAvgPooling2D", "mean", "Pad",
    # batch norm, activations, dropout
    "BatchNorm", "Activation", "relu", "sigmoid", "hard_sigmoid", "softmax", "clip", "log", "Dropout",
    # fusion
    "elemwise_add", "elemwise_sub", "elemwise_mul", "broadcast_add", "broadcast_mul", "broadcast_maximum", "_maximum",
    "Concat", "stack", "SliceChannel", "_plus_scalar", "_minus_scalar", "_rminus_scalar", "_mul_scalar", "_div_scalar",
    "_greater_scalar",
    # regions
    "topk", "one_hot", "SequenceMask", "squeeze", "sum", "take", "slice_axis", "Reshape", "reshape_like", "transpose",
    "Cast", "SwapAxis", "expand_dims", "zeros_like", "ones_like", "_contrib_arange_like", "BlockGrad",
    "IdentityAttachKLSparseReg", "Flatten",
))


def trace(network, shape: Tuple[int, ...]):
    """Return the symbol of `network` for one input: its first output, the score maps, without what only training
    reads."""
    outputs = network(mx.sym.var("data", shape=shape))
    return outputs[0] if isinstance(outputs, (list, tuple)) else outputs


def count(symbol, shape: Tuple[int, ...]) -> Tuple[Count, ...]:
    """Return the counted layers behind `symbol` for an input "data" of `shape` (N, 3, H, W), in graph order.

    A layer multiplies each element of its output, a deconvolution of its input, by what a kernel holds of one.
    Raises NotImplementedError where the image meets an operator not in LEARNED or FREE: a cost is never guessed.
    """
    internals = symbol.get_internals()
    _, shapes, _ = internals.infer_shape(data=shape)
    shape_of = dict(zip(internals.list_outputs(), shapes))
    nodes = json.loads(symbol.tojson())["nodes"]

    def shape_at(number: int, index: int, *_) -> Tuple[int, ...]:
        name = nodes[number]["name"]
        return next(shape_of[one] for one in (name, f"{name}_output{index}", f"{name}_output") if one in shape_of)

    counts = []
    seen: List[bool] = []  # of each node: whether it depends on the image,
    learned: List[bool] = []  # and on a parameter
    for number, node in enumerate(nodes):
        inputs, variable = node["inputs"], node["op"] == "null"
        seen.append(node["name"] == "data" if variable else any(seen[i] for i, *_ in inputs))
        learned.append(node["name"] != "data" if variable else any(learned[i] for i, *_ in inputs))
        if variable or not seen[-1] or node["op"] in FREE:
            continue
        if node["op"] not in LEARNED:
            raise NotImplementedError(f"no count for operator {node['op']} (node {node['name']})")
        if learned[inputs[1][0]]:  # fixed kernels up-sample bilinearly
            counted = shape_at(*inputs[0]) if node["op"] == "Deconvolution" else shape_at(number, 0)
            counts.append(Count(node["name"], math.prod(counted) * math.prod(shape_at(*inputs[1])[1:])))
    return tuple(counts)


def paper(counts: Sequence[Count]) -> int:
    """Multiply-adds in the paper's convention, without the projection shortcuts."""
    return sum(c.multiply_adds for c in counts if not c.shortcut)


def true(counts: Sequence[Count]) -> int:
    """Multiply-adds of all counted layers."""
    return sum(c.multiply_adds for c in counts)


@lru_cache(maxsize=None)  # rows of several tables, and trainings of a row, are of one network: half a second each
def _figures(network: Network, k: Optional[int], fast: bool) -> Tuple[Tuple[Count, ...], int]:
    """Return the counted layers on the paper's image, 1024x2048, and the number of learned parameters."""
    regions: Dict[str, Any] = {}
    if network.region is not None:
        grid = (HEIGHT // network.region, WIDTH // network.region)
        regions = {"grid": grid, "region": network.region, "k": k, "fast": fast}
    made, shape = build(network, CLASSES, size=(HEIGHT, WIDTH), **regions), (1, 3, HEIGHT, WIDTH)
    symbol = trace(made, shape)
    arguments, _, _ = symbol.infer_shape(data=shape)
    shapes = dict(zip(symbol.list_arguments(), arguments))
    constants = {name for name, one in made.collect_params().items() if is_constant(one)}
    return count(symbol, shape), sum(math.prod(shapes[name]) for name in shapes.keys() - constants - {"data"})


def row_figures(row: Row) -> Tuple[int, int, int]:
    """Return what a row's full network costs on the paper's image, 1024x2048, as its inference runs it.

    Those are its multiply-adds (in the paper's convention, true), the Calc. cells of Tables 1 to 5, and how many
    parameters are learned.
    """
    regions = row.network.regions
    counts, parameters = _figures(row.network, None if regions is None else row.k(regions), row.inference == "fast")
    return paper(counts), true(counts), parameters
