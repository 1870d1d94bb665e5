"""What a network makes of the image before anything learned sees it, made while the image is read in instead: the
averages of its pixels that the half column looks at, and the image as the rows that crops are gathered from."""

from __future__ import annotations

from ast import literal_eval
from typing import Dict, List, Sequence, Tuple

import cv2
import mxnet as mx
import numpy as np

from repro.engine import graph
from repro.engine.graph import INPUT, Arrays, Entry, Node


def read_in(outputs: Sequence[Entry], values: Arrays, shape: Tuple[int, ...]) -> List[Entry]:
    """Averages of whole blocks of pixels of "data", and "data" in another shape, as inputs of their own. Exact."""
    shape_of = graph.shapes(outputs, values, {INPUT: shape})
    made: Dict[Tuple[int, ...], Entry] = {}

    def replace(node: Node):
        if not node.inputs or node.inputs[0][0].op != "null" or node.inputs[0][0].name != INPUT:
            return None
        after = shape_of[node.name, 0]
        if node.op != "Reshape" and not (averages_blocks(node, shape) and len(set(node.pair("kernel", "()"))) == 1):
            return None
        if after not in made:
            name = f"{INPUT}_{'x'.join(map(str, after))}"
            made[after] = Node("null", name, {"__shape__": str(after), "__dtype__": "0"}), 0
        return made[after]
    return graph.rewrite(outputs, replace)


def averages_blocks(node: Node, shape: Tuple[int, ...]) -> bool:
    """Return True if a node makes the averages of whole blocks of pixels of maps (N, C, H, W)."""
    kernel = node.pair("kernel", "()")
    return (node.op == "Pooling" and node.attrs.get("pool_type", "max") == "avg"
            and not node.flag("global_pool", False) and len(kernel) == 2
            and node.pair("stride", "(1, 1)") == kernel and not any(node.pair("pad", "(0, 0)"))
            and not (shape[2] % kernel[0] or shape[3] % kernel[1]))


def shapes_of(symbol, shape: Tuple[int, ...]) -> Dict[str, Tuple[int, ...]]:
    """Return the shapes of a graph's inputs that are no parameters: "data", of `shape`, and those of `read_in`."""
    attributes = symbol.attr_dict()
    return {name: tuple(shape) if name == INPUT else literal_eval(attributes[name]["__shape__"])
            for name in symbol.list_inputs() if graph.of_image(name)}


def averaged_by(images: Tuple[int, ...], shape: Tuple[int, ...]) -> int:
    """Return the side of the blocks of pixels whose averages an input of `shape` has; 1: it has the pixels as they
    are."""
    side = images[2] // shape[2] if len(shape) == 4 and shape[2] else 1
    return side if side > 1 and shape == (*images[:2], images[2] // side, images[3] // side) else 1


def made_of(images: mx.nd.NDArray, shape: Tuple[int, ...]) -> mx.nd.NDArray:
    """Return the input of this shape for images (N, 3, H, W): their averages, or another view of them."""
    side = averaged_by(images.shape, shape)
    if side == 1:
        return images.reshape(shape)
    return mx.nd.Convolution(images, mx.nd.full((shape[1], 1, side, side), side ** -2, ctx=images.context),
                             kernel=(side, side), stride=(side, side), num_filter=shape[1], num_group=shape[1],
                             no_bias=True)  # on a CPU twice as fast as Pooling


class Reader:
    """The inputs of a graph, by name, for images in NumPy's memory: views of that, and averages in memory of its own.

    What it returns is overwritten by the next call.
    """

    def __init__(self, shapes: Dict[str, Tuple[int, ...]]):
        self.shapes = shapes
        self._averages: Dict[str, Tuple[np.ndarray, mx.nd.NDArray]] = {}

    def __call__(self, pixels: np.ndarray) -> Dict[str, mx.nd.NDArray]:
        """pixels float32 (N, 3, H, W), contiguous."""
        return {name: self._average(name, pixels, shape) if averaged_by(pixels.shape, shape) > 1
                else mx.nd.from_numpy(pixels.reshape(shape), zero_copy=True) for name, shape in self.shapes.items()}

    def _average(self, name: str, pixels: np.ndarray, shape: Tuple[int, ...]) -> mx.nd.NDArray:
        if name not in self._averages:
            memory = np.empty(shape, np.float32)
            self._averages[name] = memory[:], mx.nd.from_numpy(memory, zero_copy=True)  # which forbids to write to it
        small, array = self._averages[name]
        for image, target in zip(pixels, small):
            for plane, averages in zip(image, target):
                cv2.resize(plane, averages.shape[::-1], dst=averages, interpolation=cv2.INTER_AREA)
        return array
