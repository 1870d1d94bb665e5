"""An exported network in PyTorch, each of its operators a function of torch; traced or compiled."""

from __future__ import annotations

import warnings
from typing import Any, Callable, Dict, Mapping, Tuple

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch.nn import functional

from repro.labeller import Labeller
from repro.threads import threads

BY_NUMBERS = ("OneHot", "Pad", "ReduceSum", "Reshape", "Resize", "Slice", "TopK")  # constants there are settings
KINDS = {onnx.TensorProto.FLOAT: torch.float32, onnx.TensorProto.INT32: torch.int32,
         onnx.TensorProto.INT64: torch.int64}
Operator = Callable[..., Any]  # of tensors; None where an optional one is not given


def _symmetric(attributes: Mapping[str, Any]) -> Tuple[int, int]:
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    if (top, left) != (bottom, right):
        raise NotImplementedError(f"pads {attributes['pads']}: not the same at both ends")
    return top, left


def _conv(a: Mapping[str, Any]) -> Operator:
    pads = _symmetric(a)
    return lambda x, weight, bias=None: functional.conv2d(
        x, weight, bias, a["strides"], pads, a.get("dilations", (1, 1)), a.get("group", 1))


def _conv_transpose(a: Mapping[str, Any]) -> Operator:
    pads = _symmetric(a)
    return lambda x, weight, bias=None: functional.conv_transpose2d(
        x, weight, bias, a["strides"], pads, groups=a.get("group", 1))


def _max_pool(a: Mapping[str, Any]) -> Operator:
    pads = _symmetric(a)
    return lambda x: functional.max_pool2d(x, a["kernel_shape"], a["strides"], pads, ceil_mode=bool(a["ceil_mode"]))


def _average_pool(a: Mapping[str, Any]) -> Operator:
    pads = _symmetric(a)
    return lambda x: functional.avg_pool2d(x, a["kernel_shape"], a["strides"], pads, bool(a["ceil_mode"]),
                                           bool(a["count_include_pad"]))


def _one_hot(a: Mapping[str, Any]) -> Operator:
    return lambda places, depth, values: functional.one_hot(places, depth[0]).to(torch.float32)


def _pad(a: Mapping[str, Any]) -> Operator:
    mode = {"constant": "constant", "edge": "replicate"}[a["mode"]]

    def run(x, widths, value=None):
        pairs = [width for axis in reversed(range(x.dim())) for width in widths[axis::x.dim()]]
        while pairs and not any(pairs[-2:]):
            del pairs[-2:]  # torch wants no others to be repeated at the edge
        return functional.pad(x, pairs, mode, value)
    return run


def _resize(a: Mapping[str, Any]) -> Operator:
    kind = a["mode"], a["coordinate_transformation_mode"]
    known: Dict[Tuple[str, str], Dict[str, Any]] = {
        ("linear", "half_pixel"): {"mode": "bilinear", "align_corners": False},
        ("nearest", "asymmetric"): {"mode": "nearest"}}
    settings = known[kind]
    return lambda x, _, scales: functional.interpolate(x, scale_factor=scales[2:], **settings)


def _slice(a: Mapping[str, Any]) -> Operator:
    def run(x, begins, ends, axes):
        for begin, end, axis in zip(begins, ends, axes):
            x = x.narrow(axis, begin, end - begin)
        return x
    return run


def _gather(a: Mapping[str, Any]) -> Operator:
    return lambda x, places: functional.embedding(places, x) if x.dim() == 2 else x[places.long()]


def _top_k(a: Mapping[str, Any]) -> Operator:
    return lambda x, count: torch.topk(x, count[0], a["axis"])


def _of(function: Operator) -> Callable[[Mapping[str, Any]], Operator]:
    """An operator without attributes."""
    return lambda attributes: function


OPERATORS: Mapping[str, Callable[[Mapping[str, Any]], Operator]] = {
    "Add": _of(torch.add), "AveragePool": _average_pool,
    "BatchNormalization": lambda a: lambda x, scale, shift, mean, variance: functional.batch_norm(
        x, mean, variance, scale, shift, eps=a["epsilon"]),
    "Cast": lambda a: lambda x: x.to(KINDS[a["to"]]), "Concat": lambda a: lambda *xs: torch.cat(xs, a["axis"]),
    "Conv": _conv, "ConvTranspose": _conv_transpose, "Gather": _gather,
    "GlobalAveragePool": _of(lambda x: functional.adaptive_avg_pool2d(x, 1)),
    "GlobalMaxPool": _of(lambda x: functional.adaptive_max_pool2d(x, 1)), "Identity": _of(lambda x: x),
    "Less": _of(torch.lt), "Max": _of(torch.maximum), "MaxPool": _max_pool, "Mul": _of(torch.mul), "OneHot": _one_hot,
    "Pad": _pad, "ReduceSum": lambda a: lambda x, axes: torch.sum(x, axes, keepdim=bool(a["keepdims"])),
    "Relu": _of(torch.relu),
    "Reshape": _of(lambda x, shape: x.reshape(shape)), "Resize": _resize, "Sigmoid": _of(torch.sigmoid),
    "Slice": _slice, "Softmax": lambda a: lambda x: torch.softmax(x, a["axis"]),
    "Split": lambda a: lambda x: torch.chunk(x, a["count"], a["axis"]), "Tanh": _of(torch.tanh), "TopK": _top_k,
    "Transpose": lambda a: lambda x: x.permute(a["perm"]), "Where": _of(torch.where),
}


class Network(torch.nn.Module):
    """The graph of an ONNX model, one function per node; NotImplementedError names an operator that has none."""

    def __init__(self, model: onnx.ModelProto, layout=torch.contiguous_format):
        super().__init__()
        strange = sorted({f"{n.op_type} ({n.name})" for n in model.graph.node if n.op_type not in OPERATORS})
        if strange:
            raise NotImplementedError(f"no function for {', '.join(strange)}; there is one for {', '.join(OPERATORS)}")
        numbers = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
        self.constants = {name: f"constant{i}" for i, name in enumerate(numbers)}
        for name, buffer in self.constants.items():
            value = torch.from_numpy(numbers[name].copy())
            self.register_buffer(buffer, value.contiguous(memory_format=layout) if value.dim() == 4 else value)
        self.steps = []
        for node in model.graph.node:
            attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
            attributes = {key: value.decode() if isinstance(value, bytes) else value
                          for key, value in attributes.items()}
            run = OPERATORS[node.op_type]({**attributes, "count": len(node.output)})
            settings = {i: numbers[name].tolist() for i, name in enumerate(node.input) if name in numbers} \
                if node.op_type in BY_NUMBERS else {}
            self.steps.append((run, tuple(node.input), tuple(node.output), settings))
        self.input, self.results = model.graph.input[0].name, [one.name for one in model.graph.output]

    def forward(self, images):
        values: Dict[str, Any] = {name: getattr(self, buffer) for name, buffer in self.constants.items()}
        values.update({self.input: images, "": None})
        for run, inputs, outputs, settings in self.steps:
            made = run(*(settings.get(i, values[name]) for i, name in enumerate(inputs)))
            values.update(zip(outputs, [made] if torch.is_tensor(made) else made))
        return tuple(values[name] for name in self.results)


class TorchEngine:
    """Runs a file of repro.export.to_onnx on images one after the other, or in batches of the file's size, on the CPU.

    channels_last  maps lie in memory pixel by pixel.
    compiled       by torch.compile with frozen parameters, which takes a minute and a C++ compiler; else traced,
                   frozen and fused (TorchScript).

    As Engine's, `OMP_NUM_THREADS` says how many threads compute.
    """

    def __init__(self, path, channels_last: bool = False, compiled: bool = False):
        torch.set_num_threads(threads())
        model = onnx.load(str(path))
        self.shape = tuple(one.dim_value for one in model.graph.input[0].type.tensor_type.shape.dim)
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        network = Network(model, self._layout).eval()
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript's
            if compiled:
                self._run = torch.compile(network, options={"freezing": True})
            else:
                image = torch.zeros(self.shape).contiguous(memory_format=self._layout)
                traced = torch.jit.trace(network, image, check_trace=False)
                self._run = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
        self._labeller = Labeller(self.shape, lambda: self.outputs(self._labeller.pixels)[0][0])

    def outputs(self, images: np.ndarray) -> Tuple[np.ndarray, ...]:
        """The file's outputs for normalised images float32 (N, 3, H, W)."""
        if images.shape != self.shape:
            raise ValueError(f"images of shape {images.shape}: this engine is for {self.shape}")
        with torch.no_grad():
            made = self._run(torch.from_numpy(images).contiguous(memory_format=self._layout))
        return tuple(one.contiguous().numpy() for one in made)

    def labels(self, image: np.ndarray) -> np.ndarray:
        """uint8 (H, W, 3) RGB, up to the engine's size -> labels uint8 (H, W), from the first output."""
        return self._labeller(image)
