"""Find where the time of one inference goes, and write profile.md, its picture and a trace for Chrome.

    python -m experiments.speed.profile                measures Model A in float32 and int8 (about 5 minutes)
    python -m experiments.speed.profile --row single   another row of table6.yaml; --size, --width, --gpu
    python -m experiments.speed.profile --render       writes the page from what was published
    python -m experiments.speed.profile --engine onnx  exported, in onnxruntime or openvino (profile_onnx.py)

Traces are written to .cache/speed/.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path

from experiments.lib import paths
from experiments.lib.command import Parser, at_least_one, contexts, run
from experiments.lib.measurement import options
from experiments.lib.pages import PROFILE, PROFILED
from experiments.lib.paths import parse_size
from experiments.lib.processes import Process
from experiments.lib.repeat import command_of
from experiments.lib.subject import CALIBRATION, chosen_rows, machine, progress
from repro.errors import UserError, choice
from repro.files import write_text
from repro.records import provenance
from repro.timing.clock import rounded

ROUNDS, FRAMES = 30, 10


def chosen_row(name: str):
    """Return the row of table6.yaml with this id."""
    rows = {row.id: row for row in chosen_rows()}
    return rows[choice(name, rows, "ROW")]


def device(gpu: str):
    """Return the one MXNet device of GPU=, "" the CPU; a UserError says why it cannot be used, and what can instead."""
    found = contexts(gpu)
    if len(found) > 1:
        raise UserError(f"GPU: {gpu!r}: a profile is of one card")
    return found[0]


def ceiling_of(peer, context):
    """Return the Ceiling of a network's own convolutions."""
    from repro.timing.ceiling import ceiling

    return machine([peer])[0] if context.device_type == "cpu" else ceiling(peer.symbol, peer.shape, context)


def prepare(row, size, width: float, precision: str, context):
    """Return (Peer, multiply-adds in the paper's convention, Engine, image) of a row."""
    from repro.engine import Engine
    from repro.timing.subject import images, normalised, subject

    made = subject(row, precision, size, width)
    options = made.options
    if context.device_type == "gpu":  # what is oneDNN's is not for cuDNN
        options = dataclasses.replace(options, fused=False, padded=False)
    scenes = [normalised([scene]) for scene in images(size, CALIBRATION)] if precision == "int8" else ()
    engine = Engine(made.peer.symbol, made.peer.arrays, made.peer.shape, options, context, scenes)
    return made.peer, made.paper, engine, images(size, 1, "val")[0]


def serve_operators(pipe, row, size, width: float, precision: str, gpu: str, frames: int) -> None:
    """Be the process for the profiler: send what it finds of one precision, and its trace."""
    from repro.timing import operators as profiler
    from repro.timing.memory import forget_peak, peak

    context = device(gpu)
    peer, _, engine, image = prepare(row, size, width, precision, context)
    built = peak()
    forget_peak()
    for _ in range(3):
        engine.labels(image)
    memory = {"built": max(built, peak()), "running": peak()}
    found = profiler.operators_of(engine.symbol, peer.shape, peer.counts)
    best = ceiling_of(peer, context)
    with tempfile.TemporaryDirectory() as folder:
        events, timings = profiler.profiled(engine, image, frames, Path(folder) / "events", best.runs())
    shown = profiler.frames_of(events, found)

    def median(values) -> float:
        return rounded([statistics.median(values)])[0]
    spent = [median(values) for values in zip(*(frame.operators for frame in shown))]
    keys = ("name", "kind", "block", "shape", "multiply_adds", "moved")
    pipe.send(({
        "ceiling": best.best(timings).rate, "frames": len(shown), "memory": memory,
        **{key: median([getattr(frame, name) for frame in shown])
           for key, name in (("filling", "filling"), ("map", "labels"), ("between", "between"))},
        "operators": [{**{key: getattr(one, key) for key in keys}, "seconds": seconds}
                      for one, seconds in zip(found, spent)]}, profiler.chrome_trace(shown, found)))


def profile(given, row, size, precision: str) -> dict:
    """Return one precision's operators, found in a process of its own, whose MXNet runs them one after the other."""
    from repro.timing.operators import ENVIRONMENT

    with Process(serve_operators, row, size, given.width, precision, given.gpu, given.frames, **ENVIRONMENT) as process:
        found, trace = process.read()
    name = row.id + ("" if precision == "float32" else f"-{precision}")
    write_text(paths.OWN / f"{name}.trace.json", json.dumps(trace))
    return found


def measure(given, row, size, precisions) -> dict:
    """Time every precision and the ceilings in turn, without a profiler; then profile each."""
    import mxnet as mx

    from repro.timing.bandwidth import Copies
    from repro.timing.blocks import BLOCKS
    from repro.timing.clock import interleaved
    from repro.timing.subject import normalised

    origin = provenance(command_of(given, "profile"))  # of the code that starts, whatever is committed meanwhile
    context, runs = device(given.gpu), {}

    def add(precision):
        peer, paper, engine, image = prepare(row, size, given.width, precision, context)
        x = mx.nd.array(normalised([image]), ctx=context)
        runs[f"{precision} labels"] = lambda: engine.labels(image)
        runs[f"{precision} scores"] = lambda: engine.outputs(x)[0].wait_to_read()
        return peer, paper
    made = [add(precision) for precision in precisions]
    (peer, paper), best, copies = made[0], ceiling_of(made[0][0], context), Copies(ctx=context)
    timings = interleaved({**runs, **best.runs(), **copies.runs()}, given.rounds, 2, progress=progress("rounds"))
    best, bandwidth = best.best({name: timings[name] for name in best.runs()}), copies.best(timings)
    runs.clear()  # and the engines with them: the profiler's process wants the memory
    del copies
    profiles = [{"precision": one, "labels": rounded(timings[f"{one} labels"].seconds),
                 "scores": rounded(timings[f"{one} scores"].seconds), **profile(given, row, size, one)}
                for one in progress("profiled", "precision")(precisions)]
    return {
        "row": row.id, "label": row.label, "size": given.size, "width": given.width,
        "device": f"GPU {given.gpu}" if given.gpu else "CPU", "multiply_adds": peer.true, "paper": paper,
        "ceiling": {"rate": best.rate, "layer": best.layer}, "bandwidth": bandwidth, "blocks": list(BLOCKS),
        "profiles": profiles, "provenance": origin,
    }


def checked(given):
    """Return the row and (H, W) that are asked for."""
    row, size = chosen_row(given.row), parse_size(given.size)
    for name in ("rounds", "frames"):
        at_least_one(getattr(given, name), name.upper())
    if row.model and given.width != 1:
        raise UserError(f"WIDTH: {given.width:g} is not for {row.id}, which is gluoncv's")
    return row, size


def write(given) -> None:
    """Measure what is asked for."""
    if given.engine != "mxnet":
        from experiments.speed import profile_onnx

        return profile_onnx.write(given, *checked(given))
    row, size = checked(given)
    if given.provider:
        raise UserError("PROVIDER: is for ENGINE=onnx")
    if not given.render:
        device(given.gpu)  # raises what is wrong before anything is made
    PROFILE.run(given, partial(measure, given, row, size, ["float32"] if given.gpu else row.precisions))


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.speed.profile", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--row", default=PROFILED["row"], help="an id of experiments/table6.yaml (default %(default)s)")
    add("--size", default=PROFILED["size"], help="height x width of the image (default %(default)s)")
    add("--width", type=float, default=1.0, help="of this project's networks, for a quick look (default %(default)s)")
    add("--gpu", default="", help="a card, such as 0 (default: the CPU)")
    add("--rounds", type=int, default=ROUNDS, help="timed images (default %(default)s)")
    add("--frames", type=int, default=FRAMES, help="profiled images (default %(default)s)")
    add("--engine", choices=("mxnet", "onnx", "openvino"), default="mxnet",
        help="mxnet, onnx for onnxruntime, or openvino (default %(default)s)")
    add("--provider", default="", help="of onnxruntime: cpu, cuda or tensorrt (default: cuda with a card, else cpu)")
    options(parser)
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
