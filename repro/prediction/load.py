"""Trained weights as a call from a photo to labels, in this project's engine, onnxruntime or OpenVINO.

    segmenter = load("experiments/pretrained/camvid-model-a.params")
    found = segmenter.segment(image)                  # uint8 RGB (H, W, 3), of any size
    found.labels, found.active, found.weights         # classes, regions computed, the full column's weight
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Tuple, Union

import cv2
import numpy as np

from repro.engine import Options, engine_of, prepared
from repro.engine.engine import PRECISIONS
from repro.errors import UserError, choice
from repro.labels.prepare import Input, Mapper, prepare
from repro.models import parameters
from repro.models.build import build
from repro.prediction import weights
from repro.prediction.segmenter import OUTPUTS, Segmenter
from repro.prediction.weights import Weights
from repro.runtime.exported import Exported

ENGINES = {"mxnet": PRECISIONS, "onnx": ("float32",), "openvino": ("float32", "bfloat16")}  # and what they compute in
Size = Tuple[int, int]


def load(path: Union[str, Path, Weights], k: Optional[int] = None, engine: str = "mxnet", precision: str = "float32",
         shrink: Optional[int] = None, ctx=None, providers: Sequence[str] = ("CPUExecutionProvider",),
         calibration: Sequence[np.ndarray] = (), cache=None) -> Segmenter:
    """Return a trained network, ready for images of any size.

    path         of a .params file with its description beside it, or such a description (repro.prediction.weights).
    k            regions to compute of each image; None: as trained.
    engine       mxnet, this project's (repro.engine); onnx or openvino: the same network as an ONNX file, in
                 onnxruntime or OpenVINO.
    precision    float32; of mxnet int8 (needs calibration) too, of openvino bfloat16.
    shrink       images are shrunk so many times (1, 2, 4, 8); None: to about the size of those in training.
    ctx          MXNet's device (default: the CPU).
    providers    of onnxruntime, as repro.runtime.providers.providers gives them.
    calibration  photos, uint8 RGB, such as will be segmented.
    cache        of openvino: a folder for compiled networks.

    UserError, in one line, for what cannot be read, is not what it says it is, or cannot be run so.
    """
    about = path if isinstance(path, Weights) else weights.read(path)
    choice(precision, ENGINES[choice(engine, ENGINES, "ENGINE")], f"precision of ENGINE {engine}")
    if precision == "int8" and not len(calibration):
        raise UserError("precision int8: needs photos to find its ranges with, as calibration")
    if engine == "openvino":
        from repro.runtime.openvino import check_precision

        check_precision(precision)  # not of every image
    arrays = parameters.load(about.path)
    least = (about.multiple, about.multiple)
    parameters.check(_network(about, least, 1), arrays, (1, 3, *least), f"weights {about.path}")

    def make(size: Size, kept: Optional[int]) -> Mapper:
        """Return the engine for padded images of `size` that computes `kept` of their regions."""
        shape, network = (1, 3, *size), _network(about, size, kept)
        outputs = {name: network.outputs.index(name) for name in OUTPUTS if name in network.outputs}
        if engine == "mxnet":
            photos = [prepare(cv2.resize(photo, size[::-1], interpolation=cv2.INTER_AREA), Input(shape))
                      for photo in calibration]
            return engine_of(network, arrays, shape, Options(precision=precision), ctx, photos, outputs)
        with onnx_packages():
            from repro.export import PORTABLE, to_onnx
        symbol, named = parameters.traced(network, arrays, shape)
        with tempfile.TemporaryDirectory() as folder:  # the file is there no longer than it is read
            file = Path(folder) / "network.onnx"
            to_onnx(*prepared(symbol, named, shape, PORTABLE, list(outputs.values())), shape, file, list(outputs))
            return engine_of_file(file, engine, precision, providers, cache)
    return Segmenter(about, k, make, shrink)


def engine_of_file(path, engine: str, precision: Optional[str] = None,
                   providers: Sequence[str] = ("CPUExecutionProvider",), cache=None) -> Exported:
    """Return a file of `make export` in onnxruntime or OpenVINO; the rest is as `load` takes it, precision None the
    file's."""
    if engine == "onnx":
        with onnx_packages():
            from repro.runtime.onnx import OnnxEngine
        return OnnxEngine(path, providers)
    from repro.runtime.openvino import OpenvinoEngine

    return OpenvinoEngine(path, precision, cache)


@contextmanager
def onnx_packages():
    """UserError where what is imported inside is not installed."""
    try:
        yield
    except ImportError as error:
        raise UserError(f"ENGINE: onnx needs the packages onnx and onnxruntime ({error})") from None


def _network(about: Weights, size: Size, k: Optional[int]):
    """Return the network with fast inference for padded images of `size`."""
    settings: Dict[str, Any] = {"stem": about.stem, "decoder_width": about.decoder_width}
    if about.region is None:
        return build(about.network, len(about.classes), about.width, size=size, **settings)
    grid = (size[0] // about.region, size[1] // about.region)
    return build(about.network, len(about.classes), about.width, grid, about.region, fast=True, k=k,
                 decoder_on_crops=True, **settings)
