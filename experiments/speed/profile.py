"""Find where the time of one inference goes, and write profile.md and its picture.

    python -m experiments.speed.profile                measures Model A in float32 and int8 (about 5 minutes)
    python -m experiments.speed.profile --row single   another row of table6.yaml; --size, --width, --gpu
    python -m experiments.speed.profile --render       writes the page from what was published
    python -m experiments.speed.profile --engine onnx  exported, in onnxruntime or openvino (profile_onnx.py)
"""

from __future__ import annotations

import dataclasses
import sys
from functools import partial

from experiments.lib.command import Parser, contexts, run
from experiments.lib.measurement import options
from experiments.lib.pages import PROFILE, PROFILED
from experiments.lib.paths import parse_size
from experiments.lib.processes import Process
from experiments.lib.subject import CALIBRATION, chosen_rows, machine, progress
from repro.errors import UserError, choice
from repro.timing.blocks import BLOCKS
from repro.timing.clock import interleaved, rounded
from repro.timing.memory import held_by

ROUNDS, FRAMES = 30, 10


def device(gpu: str):
    """Return the one MXNet device of GPU=, "" the CPU; a UserError says why it cannot be used, and what can instead."""
    found = contexts(gpu)
    if len(found) > 1:
        raise UserError(f"GPU: {gpu!r}: a profile is of one card")
    return found[0]


def prepare(row, size, width: float, precision: str, context):
    """Return (repro.timing.subject.Subject, Engine, image) of a row."""
    from repro.engine import Engine
    from repro.timing.subject import images, normalised, subject

    made = subject(row, precision, size, width)
    options = made.options
    if context.device_type == "gpu":  # what is oneDNN's is not for cuDNN
        options = dataclasses.replace(options, fused=False, padded=False)
    scenes = [normalised([scene]) for scene in images(size, CALIBRATION)] if precision == "int8" else ()
    engine = Engine(made.peer.symbol, made.peer.arrays, made.peer.shape, options, context, scenes)
    return made, engine, images(size, 1, "val")[0]


def serve_operators(pipe, row, size, width: float, precision: str, gpu: str, frames: int) -> None:
    """Be the process for the profiler: send what it finds of one precision."""
    from repro.timing import operators as profiler

    context = device(gpu)
    made, engine, image = prepare(row, size, width, precision, context)
    memory, best = held_by(lambda: engine.labels(image), 3), machine([made.peer], context)[0]
    names, operators = profiler.operators_of(engine.symbol, made.peer.shape, made.peer.counts)
    events, timings = profiler.profiled(engine, image, frames, best.runs())
    found = profiler.frames_of(events, names)
    pipe.send({**found, "ceiling": best.best(timings).rate, "memory": memory, "operators": [
        {**one, "seconds": seconds} for one, seconds in zip(operators, found["operators"])]})


def profile(given, row, size, precision: str) -> dict:
    """Return one precision's operators, found in a process of its own, whose MXNet runs them one after the other."""
    from repro.timing.operators import ENVIRONMENT

    with Process(serve_operators, row, size, given.width, precision, given.gpu, given.frames, **ENVIRONMENT) as process:
        return process.read()


def measure(given, row, size, precisions) -> dict:
    """Time every precision and the ceilings in turn, without a profiler; then profile each."""
    import mxnet as mx

    from repro.timing.ceiling import Copies
    from repro.timing.subject import normalised

    context, runs = device(given.gpu), {}

    def add(precision):
        made, engine, image = prepare(row, size, given.width, precision, context)
        x = mx.nd.array(normalised([image]), ctx=context)
        runs[f"{precision} labels"] = lambda: engine.labels(image)
        runs[f"{precision} scores"] = lambda: engine.outputs(x)[0].wait_to_read()
        return made
    made = [add(precision) for precision in precisions][0]
    chains, copies = machine([made.peer], context)[0], Copies(ctx=context)
    timings = interleaved({**runs, **chains.runs(), **copies.runs()}, given.rounds, 2, progress=progress("rounds"))
    best, bandwidth = chains.best(timings), copies.best(timings)
    runs.clear()  # and the engines with them: the profiler's process wants the memory
    del chains, copies
    profiles = [{"precision": one, "labels": rounded(timings[f"{one} labels"].seconds),
                 "scores": rounded(timings[f"{one} scores"].seconds), **profile(given, row, size, one)}
                for one in progress("profiled", "precision")(precisions)]
    return {
        "row": row.id, "label": row.label, "size": given.size, "width": given.width,
        "device": f"GPU {given.gpu}" if given.gpu else "CPU", "multiply_adds": made.peer.true, "paper": made.paper,
        "ceiling": {"rate": best.rate, "layer": best.layer}, "bandwidth": bandwidth, "blocks": list(BLOCKS),
        "profiles": profiles,
    }


def write(given) -> None:
    """Measure what is asked for."""
    rows = {row.id: row for row in chosen_rows()}
    row, size = rows[choice(given.row, rows, "ROW")], parse_size(given.size)
    if row.model and given.width != 1:
        raise UserError(f"WIDTH: {given.width:g} is not for {row.id}, which is gluoncv's")
    if given.engine != "mxnet":
        from experiments.speed import profile_onnx

        return profile_onnx.write(given, row, size)
    if not given.render:
        device(given.gpu)  # raises what is wrong before anything is made
    PROFILE.run(given, partial(measure, given, row, size, ["float32"] if given.gpu else row.precisions))


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.speed.profile", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--row", default=PROFILED["row"], help="an id of experiments/table6.yaml (default %(default)s)")
    add("--gpu", default="", help="a card, such as 0 (default: the CPU)")
    add("--frames", type=int, default=FRAMES, help="profiled images (default %(default)s)")
    add("--engine", choices=("mxnet", "onnx", "openvino"), default="mxnet",
        help="mxnet, onnx for onnxruntime, or openvino (default %(default)s)")
    options(parser, ROUNDS, image=True)
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
