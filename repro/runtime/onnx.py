"""An exported network in onnxruntime."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional, Sequence, Tuple

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from repro.device import threads
from repro.errors import UserError
from repro.runtime.exported import Exported, images_shape, model_of, reason
from repro.runtime.metadata import KEY, Metadata, parse
from repro.runtime.providers import CPU, Provider, check_used

TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8"}
SILENT = 4  # what onnxruntime says of a file is said here, in one line
UNREADABLE = (errors.Fail, errors.InvalidArgument, errors.InvalidGraph, errors.InvalidProtobuf, errors.NoSuchFile,
              errors.NotImplemented, errors.RuntimeException, errors.EPFail, errors.NoModel, UnicodeDecodeError)


class OnnxEngine(Exported):
    """Runs a file in onnxruntime, as Exported says.

    providers  of onnxruntime, as repro.runtime.providers.providers gives them. UserError for a file that onnxruntime
    cannot run, or whose record is not of it.
    """

    def __init__(self, path, providers: Sequence[Provider] = (CPU,)):
        self._session = session(path, providers)
        inputs = self._session.get_inputs()
        shape = images_shape(path, [(one.name, one.shape, TYPES.get(one.type, one.type)) for one in inputs])
        self._input = inputs[0].name
        names = [one.name for one in self._session.get_outputs()]
        super().__init__(path, shape, names, record_of(self._session, path))

    def outputs(self, images: np.ndarray) -> Tuple[np.ndarray, ...]:
        """Return the file's outputs for normalised images float32 (N, 3, H, W)."""
        if images.shape != self.shape:
            raise ValueError(f"images of shape {images.shape}: this engine is for {self.shape}")
        return ran(self._session, self._path, {self._input: images})


def metadata(path) -> Metadata:
    """Return the record inside an ONNX file of this project; UserError where there is none."""
    found = record_of(session(path, optimised=False), path)
    if found is None:
        raise UserError(f"{path}: has no record of this project ({KEY}); `make export` writes files that have one")
    return found


def ran(session, path, given: Mapping[str, np.ndarray],
        names: Optional[Sequence[str]] = None) -> Tuple[np.ndarray, ...]:
    """Return the outputs of a session with these names (None: all); UserError where they cannot be computed."""
    try:
        return tuple(session.run(names, given))
    except UNREADABLE as error:
        raise UserError(f"{path}: onnxruntime cannot run it: {reason(error)}") from None


def record_of(session, path, parse: Callable[[str, str], Any] = parse):
    """Return the record inside a file, which `parse` reads; None where there is none."""
    try:
        text = session.get_modelmeta().custom_metadata_map.get(KEY)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: its record is not UTF-8 ({error.reason})") from None
    return None if text is None else parse(text, str(path))


def session(path, providers: Sequence[Provider] = (CPU,), optimised: bool = True, trace: Optional[str] = None):
    """onnxruntime's session of a file, on so many threads as are asked for; UserError where it cannot be run so.

    trace  the beginning of the name of a file to which it writes what each operator takes.
    """
    model = model_of(path)
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
        raise UserError(f"{path}: not an ONNX file that onnxruntime can run: {reason(error)}") from None
    check_used(providers, made.get_providers())
    return made
