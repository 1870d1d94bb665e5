"""Rewriting a traced graph for inference: each pass takes outputs, and returns new ones of the same function.

`values` are the parameters by the graph's names, to which a pass adds those that it makes; `shape` is that of the
input, "data".
"""

from __future__ import annotations

from collections import Counter
from typing import Callable, Dict, Iterable, List, Sequence, Tuple

import mxnet as mx
import numpy as np

from repro.engine import graph
from repro.engine.graph import Arrays, Entry, Node
from repro.engine.inputs import averages_blocks

BACKEND = "MKLDNN"
TRAINING_ONLY = ("BlockGrad", "_copy", "IdentityAttachKLSparseReg")
GENERATORS = ("_arange", "_zeros", "_ones", "_full", "_eye", "_linspace")
OF_SHAPE = ("zeros_like", "ones_like", "_contrib_arange_like")  # read their input's shape alone
RANDOM = ("_random", "_sample", "_shuffle", "Dropout", "sample_", "random_")
PADS = 3  # columns that oneDNN pads by itself
WHOLE, FEW = 16, 8  # channels: a multiple that oneDNN has quick code for; fewer than these are an image's
Shape = Tuple[int, ...]


def applied(symbol, arrays: Arrays, shape: Shape, passes: Iterable[Callable], wanted: Sequence[int]):
    """Return (symbol, arrays) of the outputs with these numbers after all passes, one after the other."""
    every, values = graph.read(symbol), dict(arrays)
    outputs = [every[number] for number in wanted]
    for one in passes:
        outputs = one(outputs, values, shape)
    symbol = graph.write(outputs)
    return symbol, graph.needed(symbol, values)


def without_training(outputs: Sequence[Entry], values: Arrays, shape: Shape) -> List[Entry]:
    """Without the operators that do nothing in inference: dropout, stopped gradients, the sparsity term."""
    def replace(node: Node):
        dropout = node.op == "Dropout" and node.attrs.get("mode", "training") == "training"
        return node.inputs[0] if dropout or node.op in TRAINING_ONLY else None
    return graph.rewrite(outputs, replace)


def folded(outputs: Sequence[Entry], values: Arrays, shape: Shape) -> List[Entry]:
    """Every value that depends on parameters, and on the input's `shape`, alone is computed once, by its own operators:
    folded batch norms, up-sampling kernels, tables of places. Exact."""
    shape_of = graph.shapes(outputs, values, {graph.INPUT: shape})
    constant: Dict[int, bool] = {}

    def stand_in(node: Node) -> None:  # zeros instead of the map whose shape alone matters
        source, index = node.inputs[0]
        name = f"{node.name}_like"
        values[name] = mx.nd.zeros(shape_of[source.name, index])
        node.inputs = [(graph.variable(name, values[name]), 0)]
        constant[id(node.inputs[0][0])] = True

    nodes = graph.ordered(outputs)
    for node in nodes:
        if node.op in OF_SHAPE and (node.inputs[0][0].name, node.inputs[0][1]) in shape_of \
                and not constant[id(node.inputs[0][0])]:
            stand_in(node)
        if node.op == "null":
            constant[id(node)] = node.name in values
        elif not node.inputs:
            constant[id(node)] = node.op in GENERATORS
        else:
            constant[id(node)] = not node.op.startswith(RANDOM) and all(constant[id(n)] for n, _ in node.inputs)

    border = {(id(n), j): (n, j) for n, j in outputs if constant[id(n)] and n.op != "null"}
    for node in nodes:
        if not constant[id(node)]:
            border.update({(id(n), j): (n, j) for n, j in node.inputs if constant[id(n)] and n.op != "null"})
    if not border:
        return list(outputs)
    one = mx.nd.ones(1)  # MXNet does not run a graph without inputs
    part = graph.write([*border.values(), (Node("_copy", "one", {}, [(graph.variable("one_input", one), 0)]), 0)])
    made = mx.nd.CachedOp(part)(*(values.get(name, one) for name in part.list_inputs()))
    now: Dict[Tuple[int, int], Entry] = {}
    for (key, (node, index)), value in zip(border.items(), made):
        name = f"{node.name}_{index}_folded"
        values[name] = value.copy()
        now[key] = (graph.variable(name, value), 0)
    for node in nodes:
        if not constant[id(node)]:
            node.inputs = [now.get((id(n), j), (n, j)) for n, j in node.inputs]
    return [now.get((id(n), j), (n, j)) for n, j in outputs]


def shared(outputs: Sequence[Entry], values: Arrays, shape: Shape) -> List[Entry]:
    """Compute once what several nodes compute alike. Exact."""
    known: Dict[Tuple, Entry] = {}

    def replace(node: Node):
        if node.op == "null" or node.op.startswith(RANDOM) or node.op == "SliceChannel":
            return None
        key = node.op, tuple(sorted(node.attrs.items())), tuple((id(n), j) for n, j in node.inputs)
        first = known.setdefault(key, (node, 0))
        return first if first[0] is not node else None
    return graph.rewrite(outputs, replace)


def normed(outputs: Sequence[Entry], values: Arrays, shape: Shape) -> List[Entry]:
    """Batch norms with stored statistics folded into the convolution before them, where nothing else reads that."""
    uses = graph.uses(outputs)

    def replace(node: Node):
        if node.op != "BatchNorm" or node.integer("axis", 1) != 1 or any(uses[id(node), j] for j in (1, 2)):
            return None
        (before, index), *statistics = node.inputs
        weights = before.inputs[1:]
        if before.op != "Convolution" or uses[id(before), index] > 1 or \
                any(n.name not in values for n, _ in (*weights, *statistics)):
            return None
        gamma, beta, mean, variance = (values[n.name].asnumpy().astype(np.float64) for n, _ in statistics)
        scale = 1 / np.sqrt(variance + float(node.attrs.get("eps", 1e-3)))
        scale = scale if node.flag("fix_gamma", True) else scale * gamma
        weight, *bias = (values[n.name].asnumpy().astype(np.float64) for n, _ in weights)
        shift = beta - mean * scale + (bias[0] * scale if bias else 0)
        weight = weight * scale.reshape(-1, 1, 1, 1)
        inputs = [before.inputs[0], graph.parameter(f"{before.name}_weight_normed", weight, values),
                  graph.parameter(f"{before.name}_bias_normed", shift, values)]
        made = Node("Convolution", before.name, {**before.attrs, "no_bias": "False"}, inputs)
        uses[id(made), 0] = uses[id(node), 0]
        return made, 0
    return graph.rewrite(outputs, replace)


def padded(outputs: Sequence[Entry], values: Arrays, shape: Shape) -> List[Entry]:
    """Explicit zeros left and right of a dilated convolution padded by more than PADS: with AVX2 oneDNN would compute
    that by a general matrix product, at a third of the speed. Exact."""
    made: Dict[Tuple[int, int, int], Entry] = {}

    def replace(node: Node):
        if node.op != "Convolution" or len(node.pair("kernel", "()")) != 2:
            return None
        rows, columns = node.pair("pad", "(0, 0)")
        if columns <= PADS or max(node.pair("dilate", "(1, 1)")) == 1:
            return None
        source, index = node.inputs[0]
        key = (id(source), index, columns)
        if key not in made:
            width = str((0,) * 6 + (columns, columns))
            made[key] = Node("Pad", f"{node.name}_pad", {"mode": "constant", "constant_value": "0", "pad_width": width},
                             [(source, index)]), 0
        return Node(node.op, node.name, {**node.attrs, "pad": str((rows, 0))}, [made[key], *node.inputs[1:]]), 0
    return graph.rewrite(outputs, replace)


def rectified(outputs: Sequence[Entry], values: Arrays, shape: Shape) -> List[Entry]:
    """Give the operator relu the name that oneDNN's fusion knows. Exact."""
    def replace(node: Node):
        return (Node("Activation", node.name, {"act_type": "relu"}, node.inputs), 0) if node.op == "relu" else None
    return graph.rewrite(outputs, replace)


def widened(outputs: Sequence[Entry], values: Arrays, shape: Shape) -> List[Entry]:
    """Widen maps of another number of channels, such as score maps, that a convolution makes and a depthwise
    deconvolution up-samples: computed with channels of zeros up to a multiple of WHOLE, then cut. Exact."""
    uses = graph.uses(outputs)

    def wide(entry: Entry, channels: int, name: str) -> Entry:
        node = entry[0]
        old = values[node.name].asnumpy()
        more = np.zeros((channels - len(old),) + old.shape[1:], np.float32)
        return graph.parameter(name, np.concatenate([old, more]), values)

    def replace(node: Node):
        count = node.integer("num_filter", 0)
        channels = -(-count // WHOLE) * WHOLE
        if node.op != "Deconvolution" or node.integer("num_group", 1) != count or channels == count:
            return None
        pad = node.inputs[0][0]
        maker = pad.inputs[0][0] if pad.op == "Pad" else pad
        parameters = [*maker.inputs[1:], *node.inputs[1:]]
        if maker.op != "Convolution" or maker.integer("num_group", 1) > 1 or uses[id(maker), 0] > 1 \
                or uses[id(pad), 0] > 1 or any(n.name not in values for n, _ in parameters):
            return None
        made = Node(maker.op, maker.name, {**maker.attrs, "num_filter": str(channels)}, [
            maker.inputs[0], *(wide(e, channels, f"{e[0].name}_widened") for e in maker.inputs[1:])])
        if pad is not maker:
            made = Node(pad.op, pad.name, pad.attrs, [(made, 0)])
        made = Node(node.op, node.name, {**node.attrs, "num_filter": str(channels), "num_group": str(channels)}, [
            (made, 0), *(wide(e, channels, f"{node.name}_{i}_widened") for i, e in enumerate(node.inputs[1:]))])
        return Node("slice_axis", f"{node.name}_cut", {"axis": "1", "begin": "0", "end": str(count)}, [(made, 0)]), 0
    return graph.rewrite(outputs, replace)


def subsampled(outputs: Sequence[Entry], values: Arrays, shape: Shape) -> List[Entry]:
    """Skip once what several 1x1 convolutions of one stride skip of a map; the rest is dense. Exact."""

    def key_of(node: Node):
        stride = node.pair("stride", "(1, 1)")
        if node.op != "Convolution" or node.pair("kernel", "()") != (1, 1) or any(node.pair("pad", "(0, 0)")):
            return None
        return (id(node.inputs[0][0]), node.inputs[0][1], stride) if max(stride) > 1 else None
    readers = Counter(key_of(node) for node in graph.ordered(outputs))
    made: Dict[Tuple, Entry] = {}

    def replace(node: Node):
        key = key_of(node)
        if key is None or readers[key] < 2:
            return None
        if key not in made:
            made[key] = Node("Pooling", f"{node.name}_subsample", {
                "kernel": "(1, 1)", "stride": str(key[2]), "pool_type": "max"}, [node.inputs[0]]), 0
        return Node(node.op, node.name, {**node.attrs, "stride": "(1, 1)"}, [made[key], *node.inputs[1:]]), 0
    return graph.rewrite(outputs, replace)


def broadcast(outputs: Sequence[Entry], values: Arrays, shape: Shape) -> List[Entry]:
    """Multiply by broadcasting where stack repeats a one-channel map to be multiplied by another. Exact."""
    shape_of = graph.shapes(outputs, values, {graph.INPUT: shape})

    def repeated(entry: Entry) -> bool:
        node, (first, index) = entry[0], (entry[0].inputs or [entry])[0]
        if node.op != "stack" or first.op != "squeeze" or any(n is not first or j != index for n, j in node.inputs):
            return False
        source, output = first.inputs[0]
        before, after = shape_of[source.name, output], shape_of[first.name, index]
        return node.integer("axis", 0) == 1 and before[1] == 1 and before[:1] + before[2:] == after

    def replace(node: Node):
        if node.op != "elemwise_mul":
            return None
        which = [repeated(entry) for entry in node.inputs]
        if sum(which) != 1:
            return None
        narrow, other = node.inputs[which.index(True)][0], node.inputs[which.index(False)]
        return Node("broadcast_mul", node.name, {}, [other, narrow.inputs[0][0].inputs[0]]), 0
    return graph.rewrite(outputs, replace)


def averaged(outputs: Sequence[Entry], values: Arrays, shape: Shape) -> List[Entry]:
    """Averages of whole blocks of an image's few channels as a depthwise convolution, four times as fast on a CPU."""
    shape_of = graph.shapes(outputs, values, {graph.INPUT: shape})

    def replace(node: Node):
        if node.op != "Pooling":
            return None
        (source, index), kernel = node.inputs[0], node.pair("kernel", "()")
        before = shape_of[source.name, index]
        channels = before[1]
        if channels >= FEW or not averages_blocks(node, before):
            return None
        average = np.full((channels, 1, *kernel), 1 / (kernel[0] * kernel[1]))
        return Node("Convolution", f"{node.name}_average", {
            "kernel": str(kernel), "stride": str(kernel), "num_filter": str(channels), "num_group": str(channels),
            "no_bias": "True"}, [(source, index), graph.parameter(f"{node.name}_mean", average, values)]), 0
    return graph.rewrite(outputs, replace)


def fused(symbol):
    """Each convolution as one operator of oneDNN with the sum and ReLU behind it; CPUs. It can be saved and loaded."""
    return symbol.get_backend_symbol(BACKEND)
