"""What experiments/speed/profile_onnx.py measures of OpenVINO: `make profile ENGINE=openvino`.

A photo enters as it is and is normalised in the graph; its labels are made of the scores outside, as OpenvinoEngine
does: in its graph they take longer than the network. The ceiling of a precision is what OpenVINO reaches in it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import onnx

from repro.export.carry import in_precision
from repro.runtime.metadata import INPUT
from repro.runtime.openvino import Bound, OpenvinoEngine, has_bfloat16
from repro.runtime.profile import OPENVINO, profiled
from repro.timing.subject import normalised

PRECISIONS = {"openvino": ("float32", *(("bfloat16",) if has_bfloat16() else ()), "int8")}
LARGE = {"float32": 10 ** 10, "bfloat16": 10 ** 11, "int8": 10 ** 11}  # multiply-adds of a chain of more than one


def file_of(model, precision: str, calibration, path: Path) -> Path:
    """Write a float32 file of to_onnx in what is run in a precision."""
    onnx.save(in_precision(model, "int8" if precision == "int8" else "float32", calibration), str(path))
    return path


class Case:
    """A network in one precision, and what is timed of it."""

    def __init__(self, exported, precision: str, batch: int, images, scenes, folder: Path, place):
        self.precision, self.batch, self.name = precision, batch, precision
        self._photo, self._x = images[0], normalised(images[:1])
        self._file = file_of(exported, precision, [normalised([one]) for one in scenes], folder / f"{precision}.onnx")
        self._engine = OpenvinoEngine(self._file, precision)
        self.runs = {f"{self.name} labels": lambda: self._engine.labels(self._photo),
                     f"{self.name} scores": lambda: self._engine.outputs(self._x)}

    def clear(self) -> None:
        """Give back the memory: the profiler's process wants it."""
        self.runs.clear()
        del self._engine

    def profiled(self, frames: int, place):
        """Return what repro.runtime.profile finds."""
        return profiled(self._file, self._photo, frames, OPENVINO, precision=self.precision)


def chain(folder: Path, precision: str, layer, length: int, _):
    """Return a chain of convolutions in OpenVINO, ready to be run."""
    from repro.runtime.ceiling import convolutions

    x = np.random.default_rng(0).standard_normal((layer.batch, layer.inputs, *layer.size), np.float32)
    return Bound(file_of(convolutions(layer, length), precision, [x], folder / "chain.onnx"), {INPUT: x}, precision).run


class Ceilings:
    """The best convolution of the network's own shapes in each precision, and a copy."""

    def __init__(self, peer, precisions, folder: Path, place):
        from repro.timing.bandwidth import Copies
        from repro.timing.ceiling import Ceiling, layers_of

        layers = layers_of(peer.symbol, peer.shape)
        self._best = {one: Ceiling(layers, large=LARGE[one], made=partial(chain, folder, one), name=f" in {one}")
                      for one in precisions}
        self._copies = Copies()
        self.runs = {**self._copies.runs(), **{name: run for one in self._best.values()
                                               for name, run in one.runs().items()}}

    def rates(self, timings):
        """Return (multiply-adds a second by precision, what they were reached by in words)."""
        found = {one: best.best(timings) for one, best in self._best.items()}
        return ({one: best.rate for one, best in found.items()}, "the best convolution of the network's own shapes ("
                + "; ".join(f"{one}: {best.layer}" for one, best in found.items()) + ")")

    def bandwidth(self, timings) -> float:
        """Return the bytes a second, read and written."""
        return self._copies.best(timings)
