"""Rewriting a traced graph for inference: each pass takes (symbol, arrays) and returns new ones of the same function.

`arrays` are the parameters by the graph's names, the input is "data". Nothing is changed in place.
"""

from __future__ import annotations

from collections import Counter
from typing import Dict, Sequence, Tuple

import mxnet as mx
import numpy as np

from repro.engine import graph
from repro.engine.graph import Arrays, Entry, Node

BACKEND = "MKLDNN"
TRAINING_ONLY = ("BlockGrad", "_copy", "IdentityAttachKLSparseReg")
GENERATORS = ("_arange", "_zeros", "_ones", "_full", "_eye", "_linspace")
OF_SHAPE = ("zeros_like", "ones_like", "_contrib_arange_like")  # read their input's shape alone
RANDOM = ("_random", "_sample", "_shuffle", "Dropout", "sample_", "random_")


def chosen(symbol, arrays: Arrays, wanted: Sequence[int]):
    """Return the outputs with these numbers alone, and what they need."""
    outputs = graph.read(symbol)
    return _done([outputs[i] for i in wanted], arrays)


def without_training(symbol, arrays: Arrays):
    """Without the operators that do nothing in inference: dropout, stopped gradients, the sparsity term."""
    def replace(node: Node):
        dropout = node.op == "Dropout" and node.attrs.get("mode", "training") == "training"
        return node.inputs[0] if dropout or node.op in TRAINING_ONLY else None
    return _done(graph.rewrite(graph.read(symbol), replace), arrays)


def folded(symbol, arrays: Arrays, shape: Tuple[int, ...]):
    """Every value that depends on parameters, and on the input's `shape`, alone is computed once, by its own operators:
    folded batch norms, up-sampling kernels, tables of places. Exact."""
    outputs = graph.read(symbol)
    shape_of = graph.shapes(outputs, arrays, {graph.INPUT: shape})
    values = dict(arrays)
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
        return _done(outputs, values)
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
    return _done([now.get((id(n), j), (n, j)) for n, j in outputs], values)


def shared(symbol, arrays: Arrays):
    """Compute once what several nodes compute alike. Exact."""
    known: Dict[Tuple, Entry] = {}

    def replace(node: Node):
        if node.op == "null" or node.op.startswith(RANDOM) or node.op == "SliceChannel":
            return None
        key = node.op, tuple(sorted(node.attrs.items())), tuple((id(n), j) for n, j in node.inputs)
        first = known.setdefault(key, (node, 0))
        return first if first[0] is not node else None
    return _done(graph.rewrite(graph.read(symbol), replace), arrays)


def normed(symbol, arrays: Arrays):
    """Batch norms with stored statistics folded into the convolution before them, where nothing else reads that."""
    outputs, values = graph.read(symbol), dict(arrays)
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
    return _done(graph.rewrite(outputs, replace), values)


def padded(symbol, arrays: Arrays, beyond: int = 3):
    """Explicit zeros left and right of a dilated convolution padded by more than `beyond`: with AVX2 oneDNN would
    compute that by a general matrix product, at a third of the speed. Exact."""
    made: Dict[Tuple[int, int, int], Entry] = {}

    def replace(node: Node):
        if node.op != "Convolution" or len(node.pair("kernel", "()")) != 2:
            return None
        rows, columns = node.pair("pad", "(0, 0)")
        if columns <= beyond or max(node.pair("dilate", "(1, 1)")) == 1:
            return None
        source, index = node.inputs[0]
        key = (id(source), index, columns)
        if key not in made:
            width = str((0,) * 6 + (columns, columns))
            made[key] = Node("Pad", f"{node.name}_pad", {"mode": "constant", "constant_value": "0", "pad_width": width},
                             [(source, index)]), 0
        return Node(node.op, node.name, {**node.attrs, "pad": str((rows, 0))}, [made[key], *node.inputs[1:]]), 0
    return _done(graph.rewrite(graph.read(symbol), replace), arrays)


def rectified(symbol, arrays: Arrays):
    """Give the operator relu the name that oneDNN's fusion knows. Exact."""
    def replace(node: Node):
        return (Node("Activation", node.name, {"act_type": "relu"}, node.inputs), 0) if node.op == "relu" else None
    return _done(graph.rewrite(graph.read(symbol), replace), arrays)


def widened(symbol, arrays: Arrays, multiple: int = 16):
    """Widen maps of another number of channels, such as score maps, that a convolution makes and a depthwise
    deconvolution up-samples: computed with channels of zeros up to a multiple, which oneDNN has quick code for, then
    cut. Exact."""
    outputs, values = graph.read(symbol), dict(arrays)
    uses = graph.uses(outputs)

    def wide(entry: Entry, channels: int, name: str) -> Entry:
        node = entry[0]
        old = values[node.name].asnumpy()
        more = np.zeros((channels - len(old),) + old.shape[1:], np.float32)
        return graph.parameter(name, np.concatenate([old, more]), values)

    def replace(node: Node):
        count = node.integer("num_filter", 0)
        channels = -(-count // multiple) * multiple
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
    return _done(graph.rewrite(outputs, replace), values)


def subsampled(symbol, arrays: Arrays):
    """Skip once what several 1x1 convolutions of one stride skip of a map; the rest is dense. Exact."""
    outputs = graph.read(symbol)

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
    return _done(graph.rewrite(outputs, replace), arrays)


def broadcast(symbol, arrays: Arrays, shape: Tuple[int, ...]):
    """Multiply by broadcasting where stack repeats a one-channel map to be multiplied by another. Exact."""
    outputs = graph.read(symbol)
    shape_of = graph.shapes(outputs, arrays, {graph.INPUT: shape})

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
    return _done(graph.rewrite(outputs, replace), arrays)


def averaged(symbol, arrays: Arrays, shape: Tuple[int, ...], below: int = 8):
    """Averages of whole blocks of an image's few channels as a depthwise convolution, four times as fast on a CPU."""
    outputs, values = graph.read(symbol), dict(arrays)
    shape_of = graph.shapes(outputs, arrays, {graph.INPUT: shape})

    def replace(node: Node):
        kernel = node.pair("kernel", "()")
        if node.op != "Pooling" or node.attrs.get("pool_type", "max") != "avg" or node.flag("global_pool", False) \
                or len(kernel) != 2 or node.pair("stride", "(1, 1)") != kernel or any(node.pair("pad", "(0, 0)")):
            return None
        source, index = node.inputs[0]
        _, channels, height, width = shape_of[source.name, index]
        if channels >= below or height % kernel[0] or width % kernel[1]:
            return None
        name = f"{node.name}_average"
        average = np.full((channels, 1, *kernel), 1 / (kernel[0] * kernel[1]))
        return Node("Convolution", name, {
            "kernel": str(kernel), "stride": str(kernel), "num_filter": str(channels), "num_group": str(channels),
            "no_bias": "True"}, [(source, index), graph.parameter(name, average, values)]), 0
    return _done(graph.rewrite(outputs, replace), values)


def fused(symbol):
    """Each convolution as one operator of oneDNN with the sum and ReLU behind it; CPUs. It can be saved and loaded."""
    return symbol.get_backend_symbol(BACKEND)


def _done(outputs: Sequence[Entry], arrays: Arrays):
    symbol = graph.write(outputs)
    return symbol, graph.needed(symbol, arrays)
