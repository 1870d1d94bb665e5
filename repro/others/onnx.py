"""An exported network in onnxruntime."""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Tuple

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from repro.data.augment import MEAN, STD
from repro.data.classes import MOST
from repro.data.headers import LARGEST
from repro.errors import UserError
from repro.files import contents
from repro.labeller import Labeller
from repro.labelmap import STRIDES
from repro.others.metadata import KEY, Metadata, parse
from repro.others.onnx_format import divisors
from repro.others.providers import CPU, Provider, check_used
from repro.segmenter import Segmentation
from repro.threads import threads

SILENT = 4  # what onnxruntime says of a file is said here, in one line
UNREADABLE = (errors.Fail, errors.InvalidArgument, errors.InvalidGraph, errors.InvalidProtobuf, errors.NoSuchFile,
              errors.NotImplemented, errors.RuntimeException, errors.EPFail, errors.NoModel, UnicodeDecodeError)


class OnnxEngine:
    """Runs a file of repro.export on images one after the other, or in batches of the file's size.

    providers  of onnxruntime, as repro.others.providers.providers gives them.

    `metadata` is the file's record; None where it has none, its images are then normalised as this project's are.
    As Engine's, threads may share it, and `OMP_NUM_THREADS` says how many compute. UserError for a file that
    onnxruntime cannot run, or whose record is not of it.
    """

    def __init__(self, path, providers: Sequence[Provider] = (CPU,)):
        self._session = session(path, providers)
        self._path, self._input = path, _input(self._session, path)
        self.shape: Tuple[int, ...] = tuple(self._input.shape)
        self.names = tuple(one.name for one in self._session.get_outputs())
        self.metadata: Optional[Metadata] = record_of(self._session, path)
        used = self.metadata
        if used and (used.shape, used.outputs) != (self.shape, self.names):
            raise UserError(f"{path}: its record is of a network from {used.shape} to {', '.join(used.outputs)}, not "
                            f"of this one from {self.shape} to {', '.join(self.names)}")
        if used and used.region is not None and not {"mask", "s"} <= set(self.names):
            raise UserError(f"{path}: its record is of regions, its outputs ({', '.join(self.names)}) have none")
        self._lock = threading.Lock()
        self._made: Tuple[np.ndarray, ...] = ()
        self._labeller = Labeller(self.shape, self._scores, mean=used.mean if used else MEAN,
                                  std=used.std if used else STD)

    def outputs(self, images: np.ndarray) -> Tuple[np.ndarray, ...]:
        """The file's outputs for normalised images float32 (N, 3, H, W)."""
        if images.shape != self.shape:
            raise ValueError(f"images of shape {images.shape}: this engine is for {self.shape}")
        return ran(self._session, self._path, {self._input.name: images})

    def labels(self, image: np.ndarray) -> np.ndarray:
        """uint8 (H, W, 3) RGB, up to the engine's size -> labels uint8 (H, W), from the first output."""
        return self._found(image)[0]

    def segment(self, image: np.ndarray, scores: bool = False) -> Segmentation:
        """uint8 (H, W, 3) RGB, up to the engine's size -> what is found in it, with its score maps if asked for.

        As Segmenter's, but of one size and k, those of the file, and without MXNet. ValueError where the file has no
        record.
        """
        if self.metadata is None:
            raise ValueError("this file has no record that says what its outputs are")
        labels, made = self._found(image)
        height, width = (-(-side // self.metadata.stride) for side in labels.shape)
        maps: Dict[str, Any] = {name: made[name][0, :height, :width] for name in ("z2",) if name in made}
        if scores:
            maps["scores"] = made["scores"][:, :height, :width]
        if self.metadata.region is not None:
            maps.update(region=self.metadata.region, active=made["mask"][0] > 0, s=made["s"][0],
                        learned=self.metadata.selector != "entropy")
        return Segmentation(labels=labels, stride=self.metadata.stride, **maps)

    def _found(self, image: np.ndarray) -> Tuple[np.ndarray, Dict[str, np.ndarray]]:
        """Labels, and the outputs that they are of, by name, without the batch's axis."""
        with self._lock:
            return self._labeller(image), {name: made[0] for name, made in zip(self.names, self._made)}

    def _scores(self) -> np.ndarray:
        self._made = self.outputs(self._labeller.pixels)
        scores, known = self._made[0][0], self.metadata
        strides = (known.stride,) if known else STRIDES
        fitting = [(one * scores.shape[1], one * scores.shape[2]) == self.shape[2:] for one in strides] \
            if scores.ndim == 3 and scores.dtype == np.float32 else []
        if not any(fitting) or not 0 < len(scores) <= MOST or known and len(scores) != len(known.classes):
            wanted = f"{len(known.classes)} classes, stride {known.stride}" if known else "K, H / stride, W / stride"
            raise UserError(f"{self._path}: its first output, {scores.shape} of {scores.dtype}, is not score maps of "
                            f"({wanted}) for images of {self.shape[2]}x{self.shape[3]}")
        return scores


def metadata(path) -> Metadata:
    """The record inside an ONNX file of this project; UserError where there is none."""
    found = record_of(session(path, optimised=False), path)
    if found is None:
        raise UserError(f"{path}: has no record of this project ({KEY}); `make export` writes files that have one")
    return found


def _input(session, path):
    """The one input; UserError unless it is of images, as large as can be."""
    found = session.get_inputs()
    shape: Sequence[Any] = found[0].shape if len(found) == 1 else ()
    if len(shape) != 4 or not all(isinstance(side, int) and side > 0 for side in shape) or shape[1] != 3 \
            or shape[0] * shape[2] * shape[3] > LARGEST or found[0].type != "tensor(float)":
        given = ", ".join(f"{one.name} {one.shape} of {one.type}" for one in found) or "none"
        raise UserError(f"{path}: its inputs ({given}) are not one of RGB images, float32 (N, 3, H, W) of known sides "
                        f"and up to {LARGEST} pixels")
    return found[0]


def ran(session, path, given: Mapping[str, np.ndarray],
        names: Optional[Sequence[str]] = None) -> Tuple[np.ndarray, ...]:
    """The outputs of a session with these names (None: all); UserError where they cannot be computed."""
    try:
        return tuple(session.run(names, given))
    except UNREADABLE as error:
        raise UserError(f"{path}: onnxruntime cannot run it: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def record_of(session, path, parse: Callable[[str, str], Any] = parse):
    """The record inside a file, which `parse` reads; None where there is none."""
    try:
        text = session.get_modelmeta().custom_metadata_map.get(KEY)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: its record is not UTF-8 ({error.reason})") from None
    return None if text is None else parse(text, str(path))


def session(path, providers: Sequence[Provider] = (CPU,), optimised: bool = True, trace: Optional[str] = None):
    """onnxruntime's session of a file, on so many threads as are asked for; UserError where it cannot be run so.

    trace  the beginning of the name of a file to which it writes what each operator takes.
    """
    try:
        model = contents(path)  # given as bytes, it cannot have values taken from other files
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    for name, value in divisors(model):
        if value < 1:
            raise UserError(f"{path}: not an ONNX file that can be run: an operator's {name} is {value}")
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.log_severity_level = threads(), SILENT
    if not optimised:
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if trace is not None:
        settings.enable_profiling, settings.profile_file_prefix = True, trace
    try:
        made = onnxruntime.InferenceSession(model, settings, providers=list(providers),
                                            enable_fallback=int(list(providers) != [CPU]))
    except UNREADABLE as error:
        raise UserError(f"{path}: not an ONNX file that onnxruntime can run: {_reason(error)}") from None
    check_used(providers, made.get_providers())
    return made
