"""Find where the time of an exported network goes in onnxruntime or OpenVINO: `make profile ENGINE=onnx`.

    python -m experiments.speed.profile --engine onnx           Model A in float32 and int8 on the CPU (some minutes)
    python -m experiments.speed.profile --engine onnx --gpu 0   float32, tf32 and float16, 1 and 8 images at once
    python -m experiments.speed.profile --engine openvino       in OpenVINO: experiments/speed/profile_openvino.py

A card needs onnxruntime-gpu (requirements/onnx-gpu.txt) and no MXNet for it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Dict, NamedTuple, Optional

import numpy as np
import onnx

from experiments.lib.command import card_of
from experiments.lib.pages import EXPORTED, PACKAGES
from experiments.lib.repeat import command_of
from experiments.lib.subject import CALIBRATION, progress
from experiments.speed import profile
from repro.errors import UserError
from repro.records import provenance
from repro.runtime.profile import LABELS, layers_of, operators_of, profiled
from repro.timing.clock import rounded

PRECISIONS = {"cpu": ("float32", "int8"), "gpu": ("float32", "tf32", "float16")}
BATCHES = {"cpu": (1,), "gpu": (1, 8), "openvino": (1,)}  # images at once


class Place(NamedTuple):
    """Where it is run: `kind` is cpu, gpu or openvino, `provider` of repro.runtime.providers."""

    kind: str
    provider: str
    card: Optional[int]

    def providers(self, precision: str):
        """Return onnxruntime's, to compute in a precision."""
        from repro.runtime.providers import providers

        return providers(self.provider, self.card, precision == "tf32")


def place_of(engine: str, gpu: str, provider: str) -> Place:
    """Return GPU= and PROVIDER= as they were given; UserError, in one line, where that cannot be run on."""
    if engine == "openvino":
        if gpu:
            raise UserError(f"GPU: {gpu!r}: ENGINE=openvino computes on the CPU")
        return Place("openvino", "", None)
    from repro.runtime.providers import on_card, providers

    card = card_of(gpu)
    found = on_card(providers(provider, card))
    return Place("gpu" if found else "cpu", provider, (card or 0) if found else None)


class Case:
    """A network in one precision for `batch` images at once: files, and what is timed of them."""

    def __init__(self, exported, precision: str, batch: int, images, scenes, folder: Path, place: Place):
        from repro.export.carry import in_precision
        from repro.export.labels import with_labels
        from repro.runtime.bound import Bound
        from repro.runtime.metadata import INPUT
        from repro.runtime.onnx import OnnxEngine
        from repro.timing.subject import normalised

        self.precision, self.batch, self.name = precision, batch, f"{precision}, batch {batch}"
        self.images, kind = normalised([images[0]] * batch), "float32" if precision == "tf32" else precision
        calibration = [normalised([scene] * batch) for scene in scenes] if precision == "int8" else ()
        self.files = {}
        for what, model in (("scores", exported), (LABELS, with_labels(exported))):
            self.files[what] = folder / f"{what}-{precision}-{batch}.onnx"
            onnx.save(in_precision(model, kind, calibration), str(self.files[what]))
        providers = place.providers(precision)
        self.bound = {what: Bound(path, {INPUT: self.images}, providers, place.card)
                      for what, path in self.files.items()}
        self.runs = {f"{self.name} {what}": bound.run for what, bound in self.bound.items()}
        if batch == 1:
            engine = OnnxEngine(self.files["scores"], place.providers(precision))
            self.runs[f"{self.name} photo"] = lambda: engine.labels(images[0])
        self._check()

    def clear(self) -> None:
        """Give back the memory: the profiler's process wants it."""
        self.bound.clear()
        self.runs.clear()

    def profiled(self, frames: int, place: Place):
        """Return what repro.runtime.profile finds."""
        return profiled(self.files[LABELS], self.images, frames, place.provider, place.card, self.precision)

    def _check(self) -> None:
        """RuntimeError unless the graph's labels are those of its scores, which float16 interpolates in float16."""
        from repro.labels.labelmap import labels_of

        for bound in self.bound.values():
            bound.run()
        scores, labels = (self.bound[what].outputs()[0] for what in ("scores", LABELS))
        size = labels.shape[1:]
        wanted = np.stack([labels_of(np.ascontiguousarray(one), size, size[0] // one.shape[1]) for one in scores])
        apart = float((wanted != labels).mean())
        if not apart < (0.05 if self.precision in ("float16", "tf32") else 1e-3):
            raise RuntimeError(f"{self.name}: {apart:.2%} of the labels are not those of the scores")


def exported(row, peer, shape, folder: Path):
    """Return (the ONNX model of a row for images of `shape`, the graph it was made of); UserError where none."""
    from repro.engine import prepared
    from repro.export import PORTABLE, to_onnx

    path = folder / "network.onnx"
    symbol, arrays = prepared(peer.symbol, peer.arrays, shape, PORTABLE)
    try:
        to_onnx(symbol, arrays, shape, path)
    except NotImplementedError as error:
        raise UserError(f"ROW: {row.id} cannot be exported: {str(error)[:120]}") from None
    return onnx.load(str(path)), symbol


def blocks_by_name(symbol) -> Dict[str, str]:
    """Return the block of each operator of a graph."""
    from repro.timing.blocks import blocks_of

    nodes = [node["name"] for node in json.loads(symbol.tojson())["nodes"] if node["op"] != "null"]
    return dict(zip(nodes, blocks_of(symbol)))


def measure(given, row, size, place: Place) -> dict:
    """Time every case and the ceilings in turn, without a profiler; then profile each."""
    from repro.runtime.providers import card_name, names
    from repro.timing.blocks import BLOCKS
    from repro.timing.clock import interleaved
    from repro.timing.subject import images, subject

    origin = provenance(command_of(given, "profile"))  # of the code that starts, whatever is committed meanwhile
    package, way = PACKAGES[given.engine], sys.modules[__name__]
    if given.engine == "openvino":
        from experiments.speed import profile_openvino as way
    precisions = way.PRECISIONS[place.kind]
    made = subject(row, "float32", size, given.width)
    peer, counts = made.peer, {one.name: one.multiply_adds for one in made.peer.counts}
    photo, scenes = images(size, 1, "val"), images(size, CALIBRATION)
    with tempfile.TemporaryDirectory() as kept:
        folder, cases, layers, blocks, found = Path(kept), [], {}, {}, []
        for batch in progress("exported and made", "batch")(BATCHES[place.kind]):
            model, symbol = exported(row, peer, (batch, 3, *size), folder)
            layers[batch], blocks[batch] = layers_of(model), blocks_by_name(symbol)
            for precision in precisions:
                cases.append(way.Case(model, precision, batch, photo, scenes, folder, place))
        best = way.Ceilings(peer, precisions, folder, place)
        timings = interleaved({**{name: run for case in cases for name, run in case.runs.items()}, **best.runs},
                              given.rounds, 2, progress=progress("rounds"))
        (rates, of), bandwidth = best.rates(timings), best.bandwidth(timings)
        del best
        for case in cases:
            case.clear()
        for case in progress("profiled", "case")(cases):
            one = case.profiled(given.frames, place)
            times = {what: timings.get(f"{case.name} {what}") for what in (LABELS, "scores", "photo")}
            found.append({"precision": case.precision, "batch": case.batch,
                          **{what: rounded(timing.seconds) if timing else [] for what, timing in times.items()},
                          "ceiling": rates[case.precision],
                          **{key: one[key] for key in ("frames", "before", "after", "between", "memory")},
                          "operators": operators_of(one, layers[case.batch], blocks[case.batch], counts, case.batch)})
    return {
        "row": row.id, "label": row.label, "size": given.size, "width": given.width,
        "device": card_name(place.card) if place.kind == "gpu" else "CPU",
        "provider": "CPU" if given.engine == "openvino" else names(place.providers(""))[0],
        package: import_module(package).__version__.split("-")[0],
        "multiply_adds": peer.true, "paper": made.paper, "ceiling": of, "bandwidth": bandwidth,
        "blocks": [*BLOCKS, LABELS], "cases": found, "provenance": origin,
    }


class Ceilings:
    """What the machine does at best: on a card through onnxruntime, on a CPU as `make profile` measures it."""

    def __init__(self, peer, precisions, folder: Path, place: Place):
        self._precisions, self._card = precisions, place.kind == "gpu"
        if self._card:
            from repro.runtime.ceiling import FLOATS, Best

            floats = [one for one in precisions if one in FLOATS] or ["float32"]
            self._best = Best({one: place.providers(one) for one in floats}, folder, place.card)
            self.runs = self._best.runs()
        else:
            import mxnet as mx

            from repro.timing.bandwidth import Copies

            self._best, self._copies = profile.ceiling_of(peer, mx.cpu()), Copies()
            self.runs = {**self._best.runs(), **self._copies.runs()}

    def rates(self, timings):
        """Return (multiply-adds a second by precision, what they were reached by in words)."""
        if self._card:
            found = self._best.rates(timings)
            return {one: found.get(one, max(found.values())) for one in self._precisions}, "large matrix products"
        best = self._best.best({name: timings[name] for name in self._best.runs()})
        return dict.fromkeys(self._precisions, best.rate), f"the best float32 convolution, {best.layer}, for all"

    def bandwidth(self, timings) -> float:
        """Return the bytes a second, read and written."""
        return self._best.bandwidth(timings) if self._card else self._copies.best(timings)


def write(given, row, size) -> None:
    """Measure what is asked for."""
    if given.engine == "openvino" and given.provider:
        raise UserError("PROVIDER: is for ENGINE=onnx")
    if given.render:
        return EXPORTED[given.engine].render()
    place = place_of(given.engine, given.gpu, given.provider)
    EXPORTED[given.engine].run(given, partial(measure, given, row, size, place),
                               f"profile-{given.engine}{'-gpu' * (place.kind == 'gpu')}.json", but=("engine", "gpu"))
