"""int8 by MXNet's quantisation, calibrated on images.

What MXNet 1.9.1's int8 convolutions get wrong is rewritten before, by equal graphs; without that scores are noise:
* a grouped convolution is scaled as if a group had one output channel: written as a dense one, zeros between groups;
* a summand fused into a convolution is read with the type of the result: one that is signed, of a sum that passes a
  ReLU, is shifted by its bias to be positive, and the other's bias is shifted back; else the sum is not fused.
"""

from __future__ import annotations

import math
from typing import Dict, Iterable, List, Sequence, Tuple

import mxnet as mx
import numpy as np
from mxnet.contrib import quantization

from repro.engine import graph, inputs
from repro.engine.graph import Arrays, Entry, Node

EXCLUDED = ("classifier", "weights", "sparse_head", "average")  # in names of convolutions that stay in float32
BACKEND = "MKLDNN_QUANTIZE"
AT_ONCE = 2 ** 28  # values of layers kept together while calibrating: 1 GiB
Range = Tuple[float, float]


def quantised(symbol, arrays: Arrays, images: Iterable[np.ndarray]):
    """Return (symbol, arrays) of the same network in int8, fused, to be run as it is.

    images  float32 (N, 3, H, W) each, normalised, all of one shape: what the layers' ranges are measured on.
    """
    images = [np.asarray(image, np.float32) for image in images]
    if not images:
        raise ValueError("int8: no images to calibrate on")
    outputs, values = graph.read(symbol), dict(arrays)
    skipped = [n.name for n in graph.ordered(outputs) if n.op == "Convolution" and any(e in n.name for e in EXCLUDED)]
    outputs = _dense(outputs, values, skipped)
    outputs = _signs_agree(outputs, values, images)
    fused = graph.write(outputs).get_backend_symbol(BACKEND)
    values = graph.needed(fused, values)
    states = {name: values[name] for name in fused.list_auxiliary_states()}
    learned = {name: value for name, value in values.items() if name not in states}
    made, _, _, found = quantization.quantize_graph(
        fused, learned, states, excluded_sym_names=_fused_names(fused, skipped), calib_mode="naive",
        quantized_dtype="auto", quantize_mode="smart")
    found.min_max_dict = ranges(fused, values, images, found.include_layer)
    made, learned, states = quantization.calib_graph(made, learned, states, found, calib_mode="naive")
    made = made.get_backend_symbol(BACKEND)
    return made, graph.needed(made, {**learned, **states})


def ranges(symbol, arrays: Arrays, images: Sequence[np.ndarray], names: Sequence[str]) -> Dict[str, Range]:
    """Return the range of each of these outputs inside `symbol` over the images."""
    inside = symbol.get_internals()
    given = inputs.shapes_of(symbol, images[0].shape)
    _, shapes, _ = inside.infer_shape(**given)
    sizes = {name: math.prod(shape) for name, shape in zip(inside.list_outputs(), shapes)}
    parts: List[List[str]] = [[]]
    for name in names:
        if parts[-1] and sum(sizes[n] for n in parts[-1]) + sizes[name] > AT_ONCE:
            parts.append([])
        parts[-1].append(name)
    found: Dict[str, Range] = {}
    for part in filter(None, parts):
        group = mx.sym.Group([inside[name] for name in part])
        run = mx.nd.CachedOp(group)
        for image in images:
            image = mx.nd.array(image)
            made = run(*(inputs.made_of(image, given[n]) if n in given else arrays[n] for n in group.list_inputs()))
            for name, value in zip(part, made if len(part) > 1 else [made]):
                low, high = float(value.min().asscalar()), float(value.max().asscalar())
                before = found.get(name, (low, high))
                found[name] = min(before[0], low), max(before[1], high)
    return found


def _dense(outputs: List[Entry], values: Arrays, skipped: Sequence[str]) -> List[Entry]:
    """Return grouped convolutions of several output channels a group as dense ones."""
    def replace(node: Node):
        groups = node.integer("num_group", 1)
        filters = node.integer("num_filter", 0)
        if node.op != "Convolution" or groups == 1 or groups == filters or node.name in skipped:
            return None
        narrow = values[node.inputs[1][0].name].asnumpy()
        inputs, share = narrow.shape[1], filters // groups
        wide = np.zeros((filters, inputs * groups) + narrow.shape[2:], np.float32)
        for g in range(groups):
            wide[g * share:(g + 1) * share, g * inputs:(g + 1) * inputs] = narrow[g * share:(g + 1) * share]
        weight = graph.parameter(f"{node.name}_dense", wide, values)
        return Node(node.op, node.name, {**node.attrs, "num_group": "1"},
                    [node.inputs[0], weight, *node.inputs[2:]]), 0
    return graph.rewrite(outputs, replace)


def _signs_agree(outputs: List[Entry], values: Arrays, images: Sequence[np.ndarray]) -> List[Entry]:
    """Return sums of a convolution and of what has the result's sign (positive, or signed); others are not fused."""
    uses = graph.uses(outputs)
    nodes = graph.ordered(outputs)
    sums = [n for n in nodes if n.op == "elemwise_add"]
    if not sums:
        return outputs
    rectified = {id(n.inputs[0][0]): n for n in nodes if n.op == "Activation" and n.attrs.get("act_type") == "relu"
                 and uses[id(n.inputs[0][0]), 0] == 1}
    entries = {(id(n), j): (n, j) for s in sums for n, j in (*s.inputs, (s, 0))}
    group = graph.write(list(entries.values()))
    names = group.list_outputs()
    found = ranges(group, values, images, names)
    low = {key: found[name][0] for key, name in zip(entries, names)}

    def movable(entry: Entry) -> bool:
        return entry[0].op == "Convolution" and uses[id(entry[0]), 0] == 1

    for node in sums:
        first, second = node.inputs
        signed = [low[id(n), j] < 0 for n, j in (first, second)]
        convolutions = [movable(first), movable(second)]
        if not any(convolutions):
            continue  # nothing to be fused with
        if id(node) not in rectified:
            if not (low[id(node), 0] < 0 and any(c and s for c, s in zip(convolutions, signed[::-1]))):
                node.op = "broadcast_add"
        elif any(c and not s for c, s in zip(convolutions, signed[::-1])):
            continue  # a convolution and what is positive already
        elif all(convolutions):
            shift = np.float32(-1.05 * low[id(second[0]), second[1]])  # and a little for images not seen
            _shift(first[0], -shift, values)
            _shift(second[0], shift, values)
            node.inputs = [first, (Node("Activation", f"{second[0].name}_positive", {"act_type": "relu"}, [second]), 0)]
        else:
            node.op = "broadcast_add"
    return outputs


def _shift(node: Node, by: np.floating, values: Arrays) -> None:
    """Add a constant to a convolution's result, by its bias."""
    if node.flag("no_bias", False):
        bias = np.zeros(node.integer("num_filter", 0), np.float32)
    else:
        bias = values[node.inputs[2][0].name].asnumpy()
    node.inputs = [*node.inputs[:2], graph.parameter(f"{node.name}_shifted", bias + by, values)]
    node.attrs = {**node.attrs, "no_bias": "False"}


def _fused_names(symbol, convolutions: Sequence[str]) -> List[str]:
    """Return the nodes of a fused graph that hold these convolutions."""
    return [node["name"] for node in graph.json_of(symbol)["nodes"]
            if any(inner["name"] in convolutions for part in node.get("subgraphs", ()) for inner in part["nodes"])]
