"""Find where the time of an exported network goes in onnxruntime or OpenVINO: `make profile ENGINE=onnx`.

    python -m experiments.speed.profile --engine onnx           Model A in float32 and int8 on the CPU (some minutes)
    python -m experiments.speed.profile --engine onnx --gpu 0   float32, tf32 and float16, 1 and 8 images at once
    python -m experiments.speed.profile --engine openvino       in OpenVINO: experiments/speed/profile_openvino.py

A card needs onnxruntime-gpu (requirements/onnx-gpu.txt) and no MXNet for it.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

import onnx

from experiments.lib.command import card_of
from experiments.lib.pages import EXPORTED, PACKAGES
from experiments.lib.processes import Process
from experiments.lib.subject import CALIBRATION, machine, progress
from repro.errors import UserError
from repro.runtime.profile import LABELS, layers_of, operators_of, profiled
from repro.timing.blocks import BLOCKS, blocks_of
from repro.timing.clock import interleaved, rounded

PRECISIONS = {"cpu": ("float32", "int8"), "gpu": ("float32", "tf32", "float16")}
BATCHES = {"cpu": (1,), "gpu": (1, 8), "openvino": (1,)}  # images at once


class Place(NamedTuple):
    """Where it is run: `kind` is cpu, gpu or openvino, `card` onnxruntime's."""

    kind: str
    card: Optional[int] = None

    def providers(self, precision: str = ""):
        """Return onnxruntime's, to compute in a precision; UserError where that cannot be."""
        from repro.runtime.providers import providers

        return providers("", self.card, precision == "tf32")


class Case(NamedTuple):
    """A network in one precision for `batch` images at once.

    runs       what is timed, which holds its engines.
    profiler   a function of repro.runtime.profile and its values.
    """

    precision: str
    batch: int
    runs: Dict[str, Callable[[], object]]
    profiler: Tuple[Any, ...]


def place_of(engine: str, gpu: str) -> Place:
    """Return GPU= as it was given; UserError, in one line, where that cannot be run on."""
    if engine == "openvino":
        if gpu:
            raise UserError(f"GPU: {gpu!r}: ENGINE=openvino computes on the CPU")
        return Place("openvino")
    card = card_of(gpu)
    found = Place("cpu" if card is None else "gpu", card)
    found.providers()
    return found


def case_of(exported, precision: str, batch: int, photo, scenes, folder: Path, place: Place, frames: int) -> Case:
    """Return the case of an exported network, whose files are written into `folder`."""
    from repro.export.carry import in_precision
    from repro.export.labels import with_labels
    from repro.runtime.bound import Bound
    from repro.runtime.metadata import INPUT
    from repro.runtime.onnx import OnnxEngine
    from repro.timing.subject import normalised

    images, kind = normalised([photo] * batch), "float32" if precision == "tf32" else precision
    calibration = [normalised([scene] * batch) for scene in scenes] if precision == "int8" else ()
    files, runs, providers = {}, {}, place.providers(precision)
    for what, model in (("scores", exported), (LABELS, with_labels(exported))):
        files[what] = folder / f"{what}-{precision}-{batch}.onnx"
        onnx.save(in_precision(model, kind, calibration), str(files[what]))
        runs[what] = Bound(files[what], {INPUT: images}, providers, place.card).run
    if batch == 1:
        engine = OnnxEngine(files["scores"], providers)
        runs["photo"] = lambda: engine.labels(photo)
    return Case(precision, batch, runs, (profiled, files[LABELS], images, frames, providers, place.card))


def ceilings(peer, precisions, folder: Path, place: Place):
    """Return what is timed beside the network, and a function of the timings.

    It returns multiply-adds a second by precision, what they were reached by, and bytes a second copied. On a card they
    are onnxruntime's, on a CPU those of `make profile`.
    """
    if place.kind == "gpu":
        from repro.runtime.ceiling import Best

        best = Best({one: place.providers(one) for one in precisions}, folder, place.card)
        return best.runs(), lambda timings: (best.rates(timings), "large matrix products", best.bandwidth(timings))
    from repro.timing.ceiling import Copies

    chains, copies = machine([peer])[0], Copies()

    def found(timings):
        best = chains.best(timings)
        return (dict.fromkeys(precisions, best.rate), f"the best float32 convolution, {best.layer}, for all",
                copies.best(timings))
    return {**chains.runs(), **copies.runs()}, found


def exported(row, peer, shape, folder: Path):
    """Return (the ONNX model of a row for images of `shape`, the graph it was made of); UserError where none."""
    from repro.engine import prepared
    from repro.export import PORTABLE, to_onnx

    path = folder / "network.onnx"
    symbol, arrays = prepared(peer.symbol, peer.arrays, shape, PORTABLE)
    try:
        to_onnx(symbol, arrays, shape, path)
    except UserError as error:
        raise UserError(f"ROW: {row.id} cannot be exported: {str(error)[:120]}") from None
    return onnx.load(str(path)), symbol


def serve_profiler(pipe, profiler, *values) -> None:
    """Be the process of a profiler: send what it finds."""
    pipe.send(profiler(*values))


def measure(given, row, size, place: Place) -> dict:
    """Time every case and the ceilings in turn, without a profiler; then profile each."""
    from repro.runtime.providers import card_name, names
    from repro.timing.subject import images, subject

    package, way = PACKAGES[given.engine], sys.modules[__name__]
    if given.engine == "openvino":
        from experiments.speed import profile_openvino as way
    precisions = way.PRECISIONS[place.kind]
    made = subject(row, "float32", size, given.width)
    counts = {one.name: one.multiply_adds for one in made.peer.counts}
    photo, scenes = images(size, 1, "val")[0], images(size, CALIBRATION)
    with tempfile.TemporaryDirectory() as kept:
        folder, cases, layers, blocks, found = Path(kept), [], {}, {}, []
        for batch in progress("exported and made", "batch")(BATCHES[place.kind]):
            model, symbol = exported(row, made.peer, (batch, 3, *size), folder)
            layers[batch], blocks[batch] = layers_of(model), blocks_of(symbol)
            cases += [way.case_of(model, precision, batch, photo, scenes, folder, place, given.frames)
                      for precision in precisions]
        beside, best = way.ceilings(made.peer, precisions, folder, place)
        runs = {(number, what): run for number, case in enumerate(cases) for what, run in case.runs.items()}
        timings = interleaved({**runs, **beside}, given.rounds, 2, progress=progress("rounds"))
        rates, of, bandwidth = best(timings)
        for held in (runs, beside, *(case.runs for case in cases)):  # the profiler's process wants the memory
            held.clear()
        del best
        for number, case in enumerate(progress("profiled", "case")(cases)):
            with Process(serve_profiler, *case.profiler) as process:
                one = process.read()
            times = {what: timings.get((number, what)) for what in (LABELS, "scores", "photo")}
            found.append({"precision": case.precision, "batch": case.batch,
                          **{what: rounded(timing.seconds) if timing else [] for what, timing in times.items()},
                          "ceiling": rates[case.precision],
                          **{key: one[key] for key in ("frames", "before", "after", "between", "memory")},
                          "operators": operators_of(one, layers[case.batch], blocks[case.batch], counts, case.batch)})
    return {
        "row": row.id, "label": row.label, "size": given.size, "width": given.width,
        "device": card_name(place.card) if place.kind == "gpu" else "CPU",
        "provider": "CPU" if given.engine == "openvino" else names(place.providers())[0],
        package: import_module(package).__version__.split("-")[0],
        "multiply_adds": made.peer.true, "paper": made.paper, "ceiling": of, "bandwidth": bandwidth,
        "blocks": [*BLOCKS, LABELS], "cases": found,
    }


def write(given, row, size) -> None:
    """Measure what is asked for."""
    if given.render:
        return EXPORTED[given.engine].render()
    place = place_of(given.engine, given.gpu)
    file = f"profile-{given.engine}{'-gpu' * (place.kind == 'gpu')}.json"
    EXPORTED[given.engine].run(given, partial(measure, given, row, size, place), file, but=("engine", "gpu"),
                               target="profile")
