"""Each operator of MXNet that a network prepared for inference has, in operators of ONNX.

A function is given the file, the node, what its inputs have become and the shape of its output. It adds nodes and
returns the name of its output, or names. What would not be the same function is refused by name.
"""

from __future__ import annotations

import math
from typing import Any, Callable, Dict, Mapping, Sequence, Tuple

import numpy as np
from onnx import TensorProto

from repro.engine.graph import Node
from repro.errors import UserError
from repro.export.model import TYPES, Model, Value


def _simple(op: str) -> Callable:
    return lambda model, node, inputs, shape: model.add(op, *inputs)


def _with_scalar(op: str, scalar_first: bool = False) -> Callable:
    def convert(model: Model, node: Node, inputs: Sequence[Value], shape):
        both = inputs[0], model.constant(float(node.attrs["scalar"]), inputs[0].kind)
        return model.add(op, *(both[::-1] if scalar_first else both))
    return convert


def _activation(model: Model, node: Node, inputs: Sequence[Value], shape):
    return model.add({"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh"}[_known(node, "act_type")], *inputs)


def _adaptive_pooling(model: Model, node: Node, inputs: Sequence[Value], shape):
    """Means of windows that need not be of one size: the product with a matrix of them on either side."""
    rows, columns = (_windows(side, out) for side, out in zip(inputs[0].shape[2:], shape[2:]))
    kind = inputs[0].kind
    return model.add("MatMul", model.constant(rows, kind),
                     model.add("MatMul", inputs[0], model.constant(columns.T, kind)))


def _windows(side: int, count: int) -> np.ndarray:
    """Return which of `side` positions each of `count` means is of, (count, side): those that its share touches."""
    at = np.arange(count)[:, None]
    inside = (np.arange(side) >= at * side // count) & (np.arange(side) < -(-(at + 1) * side // count))
    return inside / inside.sum(axis=1, keepdims=True)


def _batch_norm(model: Model, node: Node, inputs: Sequence[Value], shape):
    _only(node, axis="1")
    data, gamma, *others = inputs
    scale = model.constant(np.ones(gamma.shape), "float32") if node.flag("fix_gamma", True) else gamma
    return model.add("BatchNormalization", data, scale, *others, epsilon=float(node.attrs.get("eps", 1e-3)))


def _cast(model: Model, node: Node, inputs: Sequence[Value], shape):
    return model.add("Cast", inputs[0], to=TYPES[_known(node, "dtype")])


def _clip(model: Model, node: Node, inputs: Sequence[Value], shape):
    least, most = (model.constant(float(node.attrs[key]), inputs[0].kind) for key in ("a_min", "a_max"))
    return model.add("Clip", inputs[0], least, most)


def _concat(model: Model, node: Node, inputs: Sequence[Value], shape):
    return model.add("Concat", *inputs, axis=node.integer("dim", 1))


def window(node: Node) -> Dict[str, Any]:
    """Kernel, strides and pads of a convolution or pooling of images, in ONNX's words."""
    kernel = node.pair("kernel", "()")
    if len(kernel) != 2:
        raise UserError(f"{node.op} {node.name}: kernel {kernel}, not of two dimensions")
    return {"kernel_shape": list(kernel), "strides": list(node.pair("stride", "(1, 1)")),
            "pads": list(node.pair("pad", "(0, 0)")) * 2}


def _convolution(model: Model, node: Node, inputs: Sequence[Value], shape):
    return model.add("Conv", *inputs, **window(node), dilations=list(node.pair("dilate", "(1, 1)")),
                     group=node.integer("num_group", 1))


def _deconvolution(model: Model, node: Node, inputs: Sequence[Value], shape):
    """Bilinear up-sampling as such, which runtimes have quick code for; else as it is."""
    _only(node, target_shape="()", adj="(0, 0)", dilate="(1, 1)")
    settings, source = window(node), inputs[0]
    scale, pad = settings["strides"][0], settings["pads"][0]
    cut = pad - scale // 2  # of what up-sampling the whole map gives
    if not (settings["kernel_shape"] == [2 * scale] * 2 and settings["strides"] == [scale] * 2 and scale % 2 == 0
            and settings["pads"] == [pad] * 4 and cut >= scale // 2  # beyond its edge, where the two differ
            and len(inputs) == 2 and node.integer("num_group", 1) == source.shape[1] == node.integer("num_filter", 0)
            and (model.value(inputs[1]) == _bilinear(scale)).all()):
        return model.add("ConvTranspose", *inputs, **settings, group=node.integer("num_group", 1))
    before = node.inputs[0][0]
    if cut == scale and before.op == "Pad" and before.attrs["mode"] == "edge" and \
            before.pair("pad_width", "()") == (0, 0, 0, 0, 1, 1, 1, 1):
        source, cut = model.made[id(before.inputs[0][0]), before.inputs[0][1]], 0  # it repeats the edges by itself
    made = model.add("Resize", source, "", model.constant([1, 1, scale, scale], "float32"), mode="linear",
                     coordinate_transformation_mode="half_pixel")
    if not cut:
        return made
    begin, end = [cut] * 2, [cut + shape[2], cut + shape[3]]
    return model.add("Slice", made, *(model.constant(numbers) for numbers in (begin, end, [2, 3])))


def _bilinear_resize(model: Model, node: Node, inputs: Sequence[Value], shape):
    _only(node, mode="size")
    corners = "align_corners" if node.flag("align_corners", True) else "half_pixel"
    return model.add("Resize", inputs[0], "", "", model.constant(shape), mode="linear",
                     coordinate_transformation_mode=corners)


def _bilinear(scale: int) -> np.ndarray:
    """Return the kernel (2 * scale, 2 * scale) of a deconvolution that up-samples bilinearly."""
    line = 1 - abs(np.arange(2 * scale) - scale + 0.5) / scale
    return (line[:, None] * line).astype(np.float32)


def _fully_connected(model: Model, node: Node, inputs: Sequence[Value], shape):
    if len(inputs[0].shape) != 2:
        raise UserError(f"{node.op} {node.name}: of {len(inputs[0].shape)} dimensions, not of rows")
    return model.add("Gemm", *inputs, transB=1)


def _hard_sigmoid(model: Model, node: Node, inputs: Sequence[Value], shape):
    return model.add("HardSigmoid", inputs[0], alpha=float(node.attrs.get("alpha", 0.2)),
                     beta=float(node.attrs.get("beta", 0.5)))


def _one_hot(model: Model, node: Node, inputs: Sequence[Value], shape):
    _only(node, on_value="1", off_value="0", dtype="float32")
    return model.add("OneHot", model.add("Cast", inputs[0], to=TensorProto.INT64),
                     model.constant([node.integer("depth", 0)]), model.constant([0, 1], "float32"))


def _pad(model: Model, node: Node, inputs: Sequence[Value], shape):
    mode, widths = _known(node, "mode"), node.pair("pad_width", "()")
    value = [model.constant(float(node.attrs.get("constant_value", 0)), "float32")] if mode == "constant" else []
    return model.add("Pad", inputs[0], model.constant([*widths[::2], *widths[1::2]]), *value, mode=mode)


def _pooling(model: Model, node: Node, inputs: Sequence[Value], shape):
    kind = _known(node, "pool_type", "max")
    if node.flag("global_pool", False):
        return model.add({"max": "GlobalMaxPool", "avg": "GlobalAveragePool"}[kind], *inputs)
    settings = {**window(node), "ceil_mode": int(node.attrs.get("pooling_convention", "valid") == "full")}
    if kind == "max":
        return model.add("MaxPool", *inputs, **settings)
    return model.add("AveragePool", *inputs, **settings, count_include_pad=int(node.flag("count_include_pad", True)))


def _reshape(model: Model, node: Node, inputs: Sequence[Value], shape):
    return model.add("Reshape", inputs[0], model.constant(shape))


def _rsqrt(model: Model, node: Node, inputs: Sequence[Value], shape):
    return model.add("Reciprocal", model.add("Sqrt", *inputs))


def _sequence_mask(model: Model, node: Node, inputs: Sequence[Value], shape):
    """Write SequenceMask, steps along axis 0, sequences along axis 1: zeros where a step is not below its sequence's
    length."""
    _only(node, axis="0", value="0", use_sequence_length="True")
    lengths = model.add("Reshape", inputs[1], model.constant((1, -1) + (1,) * (len(shape) - 2)))
    steps = model.constant(np.arange(shape[0]).reshape((-1,) + (1,) * (len(shape) - 1)), inputs[1].kind)
    return model.add("Where", model.add("Less", steps, lengths), inputs[0], model.constant(0, inputs[0].kind))


def _slice_axis(model: Model, node: Node, inputs: Sequence[Value], shape):
    axis = node.integer("axis", 0)
    begin, end = (default if node.attrs.get(key, "None") == "None" else int(node.attrs[key])
                  for key, default in (("begin", 0), ("end", inputs[0].shape[axis])))
    return model.add("Slice", inputs[0], *(model.constant([number]) for number in (begin, end, axis)))


def _slice_channel(model: Model, node: Node, inputs: Sequence[Value], shape):
    _only(node, squeeze_axis="False")
    return model.add("Split", inputs[0], outputs=node.integer("num_outputs", 0), axis=node.integer("axis", 1))


def _softmax(model: Model, node: Node, inputs: Sequence[Value], shape):
    _only(node, temperature="None", use_length="False")
    return model.add("Softmax", inputs[0], axis=node.integer("axis", -1))


def _sum(model: Model, node: Node, inputs: Sequence[Value], shape):
    _only(node, exclude="False")
    axes = node.pair("axis", "()") if "(" in node.attrs.get("axis", "()") else (node.integer("axis", 0),)
    summed = list(axes or range(len(inputs[0].shape)))
    return model.add("ReduceSum", inputs[0], model.constant(summed), keepdims=int(node.flag("keepdims", False)))


def _swap_axis(model: Model, node: Node, inputs: Sequence[Value], shape):
    order = list(range(len(shape)))
    one, other = node.integer("dim1", 0), node.integer("dim2", 0)
    order[one], order[other] = order[other], order[one]
    return model.add("Transpose", inputs[0], perm=order)


def _take(model: Model, node: Node, inputs: Sequence[Value], shape):
    """Places outside are clipped by MXNet, and an error here; regions, which it is used for, are inside."""
    _only(node, axis="0", mode="clip")
    places = inputs[1] if inputs[1].kind in ("int32", "int64") else model.add("Cast", inputs[1], to=TensorProto.INT32)
    return model.add("Gather", inputs[0], places, axis=0)


def _topk(model: Model, node: Node, inputs: Sequence[Value], shape):
    _only(node, ret_typ="indices", is_ascend="False", dtype="float32")
    axis = node.integer("axis", -1)
    _, places = model.add("TopK", inputs[0], model.constant([shape[axis]]), outputs=2, axis=axis)
    return model.add("Cast", places, to=TensorProto.FLOAT)


def _transpose(model: Model, node: Node, inputs: Sequence[Value], shape):
    return model.add("Transpose", inputs[0], perm=list(node.pair("axes", "()")) or list(range(len(shape)))[::-1])


def _up_sampling(model: Model, node: Node, inputs: Sequence[Value], shape):
    _only(node, sample_type="nearest", num_args="1")
    scales = model.constant([1, 1, *[node.integer("scale", 1)] * 2], "float32")
    return model.add("Resize", inputs[0], "", scales, mode="nearest", coordinate_transformation_mode="asymmetric",
                     nearest_mode="floor")


def _zeros_like(model: Model, node: Node, inputs: Sequence[Value], shape):
    return model.constant(np.zeros(shape), inputs[0].kind, f"{inputs[0].kind}_zeros_{'x'.join(map(str, shape))}")


CONVERTERS: Mapping[str, Callable[[Model, Node, Sequence[Value], Tuple[int, ...]], Any]] = {
    "Activation": _activation, "_contrib_AdaptiveAvgPooling2D": _adaptive_pooling,
    "_contrib_BilinearResize2D": _bilinear_resize, "BatchNorm": _batch_norm, "Cast": _cast, "Concat": _concat,
    "Convolution": _convolution, "Deconvolution": _deconvolution, "FullyConnected": _fully_connected, "Pad": _pad,
    "Pooling": _pooling, "Reshape": _reshape, "SequenceMask": _sequence_mask, "SliceChannel": _slice_channel,
    "SwapAxis": _swap_axis, "UpSampling": _up_sampling, "_mul_scalar": _with_scalar("Mul"),
    "_plus_scalar": _with_scalar("Add"), "_rminus_scalar": _with_scalar("Sub", scalar_first=True),
    "broadcast_add": _simple("Add"), "broadcast_maximum": _simple("Max"), "broadcast_mul": _simple("Mul"),
    "clip": _clip, "elemwise_add": _simple("Add"), "elemwise_mul": _simple("Mul"), "elemwise_sub": _simple("Sub"),
    "expand_dims": _reshape, "hard_sigmoid": _hard_sigmoid, "log": _simple("Log"), "one_hot": _one_hot,
    "relu": _simple("Relu"), "reshape_like": _reshape, "rsqrt": _rsqrt, "sigmoid": _simple("Sigmoid"),
    "slice_axis": _slice_axis, "softmax": _softmax, "squeeze": _reshape, "sum": _sum, "take": _take,
    "topk": _topk, "transpose": _transpose, "zeros_like": _zeros_like,
}


def _known(node: Node, key: str, default: str = "") -> str:
    choices = {"act_type": ("relu", "sigmoid", "tanh"), "dtype": tuple(TYPES), "mode": ("constant", "edge"),
               "pool_type": ("max", "avg")}[key]
    value = node.attrs.get(key, default)
    if value not in choices:
        raise UserError(f"{node.op} {node.name}: {key} {value!r}; of {', '.join(choices)}")
    return value


def _only(node: Node, **settings: str) -> None:
    """UserError unless these attributes are absent or so."""
    for key, value in settings.items():
        found = node.attrs.get(key, value)
        if found not in (value, "()", "None") and (not _number(found) or float(found) != float(value)):
            raise UserError(f"{node.op} {node.name}: {key} {found}, not {value}")


def _number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
