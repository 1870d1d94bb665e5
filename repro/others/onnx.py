"""An exported network in onnxruntime."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Dict, Optional, Sequence, Tuple

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from repro.errors import UserError
from repro.labeller import Labeller
from repro.others.metadata import KEY, Metadata, parse
from repro.others.providers import CPU, Provider, check_used
from repro.segmenter import Segmentation
from repro.threads import threads

ERRORS_ALONE = 3
UNREADABLE = (errors.Fail, errors.InvalidArgument, errors.InvalidGraph, errors.InvalidProtobuf, errors.NoSuchFile,
              errors.NotImplemented, errors.RuntimeException)


class OnnxEngine:
    """Runs a file of repro.export on images one after the other, or in batches of the file's size.

    providers  of onnxruntime, as repro.others.providers.providers gives them.

    `metadata` is the file's record; None where it has none, its images are then normalised as this project's are.
    As Engine's, threads may share it, and `OMP_NUM_THREADS` says how many compute. UserError for a file that
    onnxruntime cannot run, or whose record is not of it.
    """

    def __init__(self, path, providers: Sequence[Provider] = (CPU,)):
        self._session = session(path, providers)
        self._input, = self._session.get_inputs()
        self.shape: Tuple[int, ...] = tuple(self._input.shape)
        self.names = tuple(one.name for one in self._session.get_outputs())
        self.metadata = _record(self._session, path)
        used = self.metadata
        if used and (used.shape, used.outputs) != (self.shape, self.names):
            raise UserError(f"{path}: its record is of a network from {used.shape} to {', '.join(used.outputs)}, not "
                            f"of this one from {self.shape} to {', '.join(self.names)}")
        self._lock = threading.Lock()
        self._made: Tuple[np.ndarray, ...] = ()
        self._labeller = Labeller(self.shape, self._scores,
                                  **({"mean": used.mean, "std": used.std} if used else {}))

    def outputs(self, images: np.ndarray) -> Tuple[np.ndarray, ...]:
        """The file's outputs for normalised images float32 (N, 3, H, W)."""
        if images.shape != self.shape:
            raise ValueError(f"images of shape {images.shape}: this engine is for {self.shape}")
        return tuple(self._session.run(None, {self._input.name: images}))

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
        maps = {name: made[name][0, :height, :width] for name in ("z2",) if name in made}
        if scores:
            maps["scores"] = made["scores"][:, :height, :width]
        if self.metadata.region is not None:
            maps.update(region=self.metadata.region, active=made["mask"][0] > 0, s=made["s"][0])
        return Segmentation(labels=labels, stride=self.metadata.stride, **maps)

    def _found(self, image: np.ndarray) -> Tuple[np.ndarray, Dict[str, np.ndarray]]:
        """Labels, and the outputs that they are of, by name, without the batch's axis."""
        with self._lock:
            return self._labeller(image), {name: made[0] for name, made in zip(self.names, self._made)}

    def _scores(self) -> np.ndarray:
        self._made = self.outputs(self._labeller.pixels)
        return self._made[0][0]


def metadata(path) -> Metadata:
    """The record inside an ONNX file of this project; UserError where there is none."""
    found = _record(session(path, optimised=False), path)
    if found is None:
        raise UserError(f"{path}: has no record of this project ({KEY}); `make export` writes files that have one")
    return found


def _record(session, path) -> Optional[Metadata]:
    text = session.get_modelmeta().custom_metadata_map.get(KEY)
    return None if text is None else parse(text, str(path))


def session(path, providers: Sequence[Provider] = (CPU,), optimised: bool = True, trace: Optional[str] = None):
    """onnxruntime's session of a file, on so many threads as are asked for; UserError where it cannot be run so.

    trace  the beginning of the name of a file to which it writes what each operator takes.
    """
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file")
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.log_severity_level = threads(), ERRORS_ALONE
    if not optimised:
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if trace is not None:
        settings.enable_profiling, settings.profile_file_prefix = True, trace
    try:
        made = onnxruntime.InferenceSession(str(path), settings, providers=list(providers))
    except UNREADABLE as error:
        raise UserError(f"{path}: not an ONNX file that onnxruntime can run: "
                        f"{' '.join(str(error).split())[:200]}") from None
    check_used(providers, made.get_providers())
    return made
