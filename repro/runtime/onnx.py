"""An exported network in onnxruntime."""

from __future__ import annotations

from typing import Optional, Sequence, Tuple

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from repro.device import threads
from repro.errors import UserError
from repro.runtime.exported import Exported, reason
from repro.runtime.onnx_format import read
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
        super().__init__(path)
        self._session = session(path, providers)

    def _outputs(self, images: np.ndarray) -> Tuple[np.ndarray, ...]:
        try:
            return tuple(self._session.run(None, {self.input_name: images}))
        except UNREADABLE as error:
            raise UserError(f"{self._path}: onnxruntime cannot run it: {reason(error)}") from None


def session(path, providers: Sequence[Provider] = (CPU,), trace: Optional[str] = None):
    """onnxruntime's session of a file, on so many threads as are asked for; UserError where it cannot be run so.

    trace  the beginning of the name of a file to which it writes what each operator takes.
    """
    model, _ = read(path)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.log_severity_level = threads(), SILENT
    if trace is not None:
        settings.enable_profiling, settings.profile_file_prefix = True, trace
    try:
        made = onnxruntime.InferenceSession(model, settings, providers=list(providers),
                                            enable_fallback=int(list(providers) != [CPU]))
    except UNREADABLE as error:
        raise UserError(f"{path}: not an ONNX file that onnxruntime can run: {reason(error)}") from None
    check_used(providers, made.get_providers())
    return made
