"""A file in onnxruntime, run again and again on the same inputs, with all that goes in and out bound on the device."""

from __future__ import annotations

from typing import Mapping, Optional, Sequence, Tuple

import numpy as np
import onnxruntime

from repro.runtime.onnx import TYPES, session
from repro.runtime.providers import CPU, Provider, on_card


class Bound:
    """Inputs lie in the device's memory when `run` begins, and outputs when it ends: nothing is copied from or to it.

    path       a file whose shapes are fixed.
    inputs     arrays by name, copied to the device once.
    providers  as repro.runtime.providers says; with a card, on that.
    trace      a file's beginning: onnxruntime then writes what each operator took to a file of that beginning, which
               `ended` names.
    """

    def __init__(self, path, inputs: Mapping[str, np.ndarray], providers: Sequence[Provider] = (CPU,),
                 card: Optional[int] = None, trace: Optional[str] = None):
        device = ("cuda", card or 0) if on_card(providers) else ("cpu", 0)
        self._session = session(path, providers, trace=trace)
        self._binding = self._session.io_binding()
        self._given = {one.name: onnxruntime.OrtValue.ortvalue_from_numpy(
            np.ascontiguousarray(inputs[one.name]), *device) for one in self._session.get_inputs()}
        self._made = {one.name: onnxruntime.OrtValue.ortvalue_from_shape_and_type(
            one.shape, np.dtype(TYPES[one.type]).type, *device) for one in self._session.get_outputs()}
        for name, value in self._given.items():  # kept, as those that are made are: the binding only points to them
            self._binding.bind_ortvalue_input(name, value)
        for name, value in self._made.items():
            self._binding.bind_ortvalue_output(name, value)
        self._binding.synchronize_inputs()

    def run(self) -> None:
        """Once; it returns when the outputs are there."""
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()

    def outputs(self) -> Tuple[np.ndarray, ...]:
        """Return what the last run made, copied from the device."""
        return tuple(value.numpy() for value in self._made.values())

    def ended(self) -> str:
        """End the trace; the name of its file."""
        return self._session.end_profiling()
