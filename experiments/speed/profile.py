"""Find where the time of one inference goes, and write tables/profile.md, its picture and a trace for Chrome.

    python -m experiments.speed.profile                measures Model A in float32 and int8 (about 5 minutes)
    python -m experiments.speed.profile --row single   another row of table6.yaml; --size, --width, --precision, --gpu
    python -m experiments.speed.profile --render       writes the page from what was measured
    python -m experiments.speed.profile --draw         the page and the picture
    python -m experiments.speed.profile --engine onnx  exported, in onnxruntime or openvino (profile_onnx.py)

Another measurement than the first, or a shorter one, is written to .cache/profile/ instead, as are all traces.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from experiments.lib.command import HERE, Parser, at_least_one, contexts, run
from experiments.lib.repeat import command_of, fewer, other, places, tell
from experiments.render import published
from experiments.speed.table6 import machine, parse_size
from experiments.table import CACHE, RESULTS
from repro.config.peers import PRECISIONS, load_peers
from repro.config.rows import HEIGHT, WIDTH
from repro.errors import UserError, choice
from repro.files import write_text
from repro.records import provenance
from repro.tables.profile import page, read_measured
from repro.tables.speed_figures import draw
from repro.timing.clock import rounded

PUBLISHED, OWN = RESULTS, CACHE / "profile"
ROW = "model-a"
USUAL = {"row": ROW, "size": f"{HEIGHT}x{WIDTH}", "width": 1.0}  # of what is published
ROUNDS, FRAMES, CALIBRATION = 30, 10, 2


def chosen_row(name: str):
    """The row of table6.yaml with this id."""
    rows = {row.id: row for row in load_peers(HERE / "table6.yaml") if row.measured}
    choice(name, rows, "ROW")
    return rows[name]


def device(gpu: str):
    """The one MXNet device of GPU=, "" the CPU; a UserError says why it cannot be used, and what can instead."""
    found = contexts(gpu)
    if len(found) > 1:
        raise UserError(f"GPU: {gpu!r}: a profile is of one card")
    return found[0]


def precisions_of(row, given) -> list:
    """Those to be measured: what the row has on a CPU, float32 on a card, or the one asked for."""
    chosen = [given.precision] if given.precision else list(row.precisions) if not given.gpu else ["float32"]
    for precision in chosen:
        choice(precision, ("float32", "float16") if given.gpu else ("float32", "int8"),
               f"--precision on {'a GPU' if given.gpu else 'a CPU'}")
    return chosen


def ceiling_of(peer, context):
    """The Ceiling of a network's own convolutions."""
    from repro.timing.ceiling import ceiling

    return machine([peer])[0] if context.device_type == "cpu" else ceiling(peer.symbol, peer.shape, context)


def prepare(row, size, width: float, precision: str, context):
    """(Peer, multiply-adds in the paper's convention, Engine, image) of a row."""
    from repro.engine import Engine
    from repro.timing.subject import images, normalised, subject

    made = subject(row, precision, size, width)
    options = made.options
    if context.device_type == "gpu":  # what is oneDNN's is not for cuDNN
        options = dataclasses.replace(options, fused=False, padded=False)
    scenes = [normalised([scene]) for scene in images(size, CALIBRATION)] if precision == "int8" else ()
    engine = Engine(made.peer.symbol, made.peer.arrays, made.peer.shape, options, context, scenes)
    return made.peer, made.paper, engine, images(size, 1, "val")[0]


def operators(given) -> None:
    """What the process for the profiler does: one precision, written to a file of JSON, and its trace."""
    from repro.timing import operators as profiler
    from repro.timing.memory import forget_peak, peak

    row, context = chosen_row(given.row), device(given.gpu)
    peer, _, engine, image = prepare(row, parse_size(given.size), given.width, given.precision, context)
    built = peak()
    forget_peak()
    for _ in range(3):
        engine.labels(image)
    memory = {"built": max(built, peak()), "running": peak()}
    found = profiler.operators_of(engine.symbol, peer.shape, peer.counts)
    best = ceiling_of(peer, context)
    target = Path(given.operators)
    events, timings = profiler.profiled(engine, image, given.frames, target.with_suffix(".events"), best.runs())
    frames = profiler.frames_of(events, found)

    def median(values) -> float:
        return rounded([statistics.median(values)])[0]
    spent = [median(values) for values in zip(*(frame.operators for frame in frames))]
    keys = ("name", "kind", "block", "shape", "multiply_adds", "moved")
    write_text(target, json.dumps({
        "ceiling": best.best(timings).rate, "frames": len(frames), "memory": memory,
        **{key: median([getattr(frame, name) for frame in frames])
           for key, name in (("filling", "filling"), ("map", "labels"), ("between", "between"))},
        "operators": [{**{key: getattr(one, key) for key in keys}, "seconds": seconds}
                      for one, seconds in zip(found, spent)]}))
    write_text(target.with_suffix(".trace"), json.dumps(profiler.chrome_trace(frames, found)))


def profile(given, precision: str) -> dict:
    """One precision's operators, found in a process of its own, whose MXNet runs them one after the other."""
    from repro.timing.operators import ENVIRONMENT

    print(f"profiling {given.row} in {precision}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "operators"
        ended = subprocess.run(
            [sys.executable, "-m", "experiments.speed.profile", "--row", given.row, "--size", given.size, "--width",
             repr(given.width), "--precision", precision, "--gpu", given.gpu, "--frames", str(given.frames),
             "--operators", str(target)],
            cwd=HERE.parent, env={**os.environ, **ENVIRONMENT}, stderr=subprocess.PIPE, text=True)
        if ended.returncode:
            raise RuntimeError(f"the profiler's process ended with {ended.returncode}:\n{ended.stderr}")
        name = given.row + ("" if precision == "float32" else f"-{precision}")
        write_text(OWN / f"{name}.trace.json", target.with_suffix(".trace").read_text(encoding="utf-8"))
        return json.loads(target.read_text(encoding="utf-8"))


def measure(given, row, size, precisions) -> dict:
    """Time every precision and the ceilings in turn, without a profiler; then profile each."""
    import mxnet as mx
    from tqdm import tqdm

    from repro.timing.blocks import BLOCKS
    from repro.timing.ceiling import Copies
    from repro.timing.clock import interleaved
    from repro.timing.subject import normalised

    origin = provenance(given.command)  # of the code that starts, whatever is committed meanwhile
    context, runs = device(given.gpu), {}

    def add(precision):
        peer, paper, engine, image = prepare(row, size, given.width, precision, context)
        x = mx.nd.array(normalised([image]), ctx=context)
        runs[f"{precision} labels"] = lambda: engine.labels(image)
        runs[f"{precision} scores"] = lambda: engine.outputs(x)[0].wait_to_read()
        return peer, paper
    made = [add(precision) for precision in precisions]
    (peer, paper), best, copies = made[0], ceiling_of(made[0][0], context), Copies(ctx=context)
    timings = interleaved({**runs, **best.runs(), **copies.runs()}, given.rounds, 2,
                          progress=lambda turns: tqdm(turns, "rounds", disable=None))
    best, bandwidth = best.best({name: timings[name] for name in best.runs()}), copies.best(timings)
    runs.clear()  # and the engines with them: the profiler's process wants the memory
    del copies
    return {
        "row": row.id, "label": row.label, "size": given.size, "width": given.width,
        "device": f"GPU {given.gpu}" if given.gpu else "CPU", "multiply_adds": peer.true, "paper": paper,
        "ceiling": {"rate": best.rate, "layer": best.layer}, "bandwidth": bandwidth, "blocks": list(BLOCKS),
        "profiles": [{"precision": one, "labels": rounded(timings[f"{one} labels"].seconds),
                      "scores": rounded(timings[f"{one} scores"].seconds), **profile(given, one)}
                     for one in precisions],
        "provenance": origin,
    }


def write(given) -> None:
    """Measure unless only the page is asked for; write what was measured, page and picture, and print the page."""
    row, size = chosen_row(given.row), parse_size(given.size)
    for name in ("rounds", "frames"):
        at_least_one(getattr(given, name), f"--{name}")
    if row.model and given.width != 1:
        raise UserError(f"--width: {given.width:g} is not for {row.id}, which is gluoncv's")
    if given.operators:
        operators(given)
        return
    if given.provider or given.batches or given.cuda_graph:
        raise UserError("--provider, --batches, --cuda-graph: are for --engine onnx")
    another = other(given, **USUAL)
    reduced = another, other(given, gpu="", precision=None), fewer(given, rounds=ROUNDS, frames=FRAMES)
    path, target = places(reduced, OWN, PUBLISHED / "profile.json", PUBLISHED.parent / "profile.md")
    if not (given.render or given.draw):
        precisions = precisions_of(row, given)
        device(given.gpu)  # says what is wrong before anything is made
        write_text(path, json.dumps(measure(given, row, size, precisions), indent=1) + "\n")
    measured = read_measured(path)
    if not given.render:
        draw(measured, target.with_suffix(".png"))
    text = page(measured, None if another else float(published("table6")["rows"]["Ours"]["time"]) / 1e3)
    write_text(target, text)
    print(f"{'' if given.render else text}{os.path.relpath(target)}")
    tell(reduced, OWN)


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.speed.profile", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--row", default=ROW, help="an id of experiments/table6.yaml (default %(default)s)")
    add("--size", default=f"{HEIGHT}x{WIDTH}", help="height x width of the image (default %(default)s)")
    add("--width", type=float, default=1.0, help="of this project's networks, for a quick look (default %(default)s)")
    add("--precision", choices=(*PRECISIONS, "tf32"),
        help="one only (default: what the row has on a CPU, float32 on a card)")
    add("--gpu", default="", help="a card, such as 0 (default: the CPU)")
    add("--rounds", type=int, default=ROUNDS, help="timed images (default %(default)s)")
    add("--frames", type=int, default=FRAMES, help="profiled images (default %(default)s)")
    add("--engine", choices=("mxnet", "onnx", "openvino"), default="mxnet",
        help="whose inference (default %(default)s)")
    add("--provider", default="", help="of onnxruntime: cpu, cuda or tensorrt (default: cuda with a card, else cpu)")
    add("--batches", default="", help="of onnxruntime: images at once, such as 1,8 (default: 1; on a card 1,8)")
    add("--cuda-graph", action="store_true", help="of onnxruntime on a card: a run is started at once")
    add("--render", action="store_true", help="write the page from what was measured before")
    add("--draw", action="store_true", help="the picture too")
    add("--operators", help=argparse.SUPPRESS)  # the profiler's process: where it writes
    given = parser.parse_args(arguments)
    given.command = command_of(parser, given, "profile", ("render", "draw", "operators"))
    if given.engine != "mxnet":
        from experiments.speed import profile_onnx

        return run(profile_onnx.write, given)
    return run(write, given)


if __name__ == "__main__":
    sys.exit(main())
