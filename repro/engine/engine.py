"""One network at one input size, ready to run: its graph prepared, its parameters loaded and its buffers made once."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Dict, Iterable, Mapping, Optional, Sequence, Tuple

import cv2
import mxnet as mx
import numpy as np

from repro.engine import inputs, passes, quantise
from repro.engine.graph import Arrays
from repro.errors import choice
from repro.labels.labelmap import labels_of
from repro.labels.prepare import Input, maps_of
from repro.models.parameters import traced

PRECISIONS = ("float32", "int8")
AVX_512F = 13  # cv2 has numbers for CPU features, and no names in Python


@dataclass(frozen=True)
class Options:
    """What a graph is rewritten for; the defaults are fastest in MXNet.

    padded     explicit zeros beside dilated convolutions; None: where oneDNN wants them, on a CPU without AVX-512.
    read_in    averages and rows of the image are made while it is read in.
    fused      oneDNN's fusion of convolutions, sums and ReLUs (CPU).
    precision  float32, or int8 (CPU, calibrated, and fused whatever `fused` says).
    """

    padded: Optional[bool] = None
    read_in: bool = True
    fused: bool = True
    precision: str = "float32"

    def __post_init__(self):
        choice(self.precision, PRECISIONS, "precision")


def prepared(symbol, arrays: Arrays, shape: Tuple[int, ...], options: Options, outputs: Sequence[int] = (0,),
             calibration: Iterable[np.ndarray] = ()) -> Tuple[Any, Arrays]:
    """Return the graph and parameters that an Engine runs: (symbol, arrays) of the chosen outputs, rewritten by
    `options`."""
    steps = [passes.without_training, passes.folded, passes.normed, passes.shared, passes.broadcast]
    if not options.read_in:
        steps += [passes.averaged]
    steps += [passes.subsampled, passes.rectified]
    if options.fused:
        steps += [passes.widened]
    if not cv2.checkHardwareSupport(AVX_512F) if options.padded is None else options.padded:
        steps += [passes.padded]
    if options.read_in:
        steps += [inputs.read_in]
    symbol, arrays = passes.applied(symbol, arrays, shape, steps, outputs)
    if options.precision == "int8":
        return quantise.quantised(symbol, arrays, calibration)
    return (passes.fused(symbol), arrays) if options.fused else (symbol, arrays)


class Engine:
    """A traced network, run on images one after the other, or in batches of one size.

    symbol       any traced Gluon network: input "data", its first output the score maps (N, K, H / stride, W / stride).
    arrays       parameters by the graph's names; copied.
    shape        (N, 3, H, W), fixed.
    outputs      those to compute, by name, and their numbers; None: the first, as "scores".
    calibration  normalised images (N, 3, H, W), for int8.

    Threads may share it: they take turns. The number of threads that compute is the caller's choice, and left alone.
    """

    def __init__(self, symbol, arrays: Arrays, shape: Tuple[int, int, int, int], options: Options = Options(),  # noqa: B008
                 ctx=None, calibration: Iterable[np.ndarray] = (), outputs: Optional[Mapping[str, int]] = None):
        outputs = outputs or {"scores": 0}
        self.shape, self.names, self.ctx = tuple(shape), tuple(outputs), ctx or mx.cpu()
        self.symbol, arrays = prepared(symbol, arrays, self.shape, options, list(outputs.values()), calibration)
        self._run = mx.nd.CachedOp(self.symbol, [("static_alloc", True), ("static_shape", True)])
        self._shapes = inputs.shapes_of(self.symbol, self.shape)
        self._inputs = {name: None if name in self._shapes else arrays[name].copyto(self.ctx)
                        for name in self.symbol.list_inputs()}
        self._reader = inputs.Reader(self._shapes)
        self._lock = threading.Lock()
        self.input = Input(self.shape)

    def outputs(self, images) -> Tuple[mx.nd.NDArray, ...]:
        """Return the chosen outputs for normalised images float32 (N, 3, H, W): for MXNet's not waited for, for NumPy's
        so."""
        if tuple(images.shape) != self.shape:
            raise ValueError(f"images of shape {images.shape}: this engine is for {self.shape}")
        with self._lock:
            if isinstance(images, mx.nd.NDArray):
                return self._outputs({name: inputs.made_of(images, shape) for name, shape in self._shapes.items()})
            return self._of_pixels(np.ascontiguousarray(images, np.float32))

    def _of_pixels(self, pixels: np.ndarray) -> Tuple[mx.nd.NDArray, ...]:
        made = self._outputs(self._reader(pixels.view()))
        for output in made:  # the pixels are the caller's again
            output.wait_to_read()
        return made

    def _outputs(self, given: Dict[str, mx.nd.NDArray]) -> Tuple[mx.nd.NDArray, ...]:
        with mx.autograd.pause():
            made = self._run(*(given[name].as_in_context(self.ctx) if value is None else value
                               for name, value in self._inputs.items()))
        return tuple(made) if isinstance(made, (list, tuple)) else (made,)

    def __call__(self, x: np.ndarray) -> Dict[str, np.ndarray]:
        """One image as repro.labels.prepare makes it -> its maps float32 (C, h, w), by name."""
        with self._lock:
            return {name: made.asnumpy()[0] for name, made in zip(self.names, self._of_pixels(x))}

    def labels(self, image: np.ndarray) -> np.ndarray:
        """uint8 (H, W, 3) RGB, up to the engine's size -> labels uint8 (H, W), from the first output.

        The image is normalised and padded with the mean colour, at the bottom and the right.
        """
        scores = maps_of(self, image)["scores"]
        return labels_of(scores, (image.shape[0], image.shape[1]), self.shape[2] // scores.shape[1])


def engine_of(network, arrays: Dict[str, mx.nd.NDArray], shape: Tuple[int, int, int, int],
              options: Options = Options(), ctx=None, calibration: Iterable[np.ndarray] = (),  # noqa: B008
              outputs: Optional[Mapping[str, int]] = None) -> Engine:
    """Return an Engine of a Gluon network, quickest as repro.models.build.build(decoder_on_crops=True) makes it; not
    necessarily initialised.

    arrays  by structural name, as parameters.load gives them; of layers not computed (k = 0) they may be more.
    """
    return Engine(*traced(network, arrays, shape), shape, options, ctx, calibration, outputs)
