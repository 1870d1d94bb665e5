"""Time the same networks in MXNet, onnxruntime and OpenVINO, and write their record and engines.md.

    python -m experiments.speed.engines               every row and precision in one interleaved run (half an hour)
    python -m experiments.speed.engines --render      writes the page from what was published

From a photo to labels of every pixel, from a normalised image to score maps, and Model A from photo after photo in a
pipeline. An engine is measured only if its float32 scores are MXNet's. Each kind of CPU has a record of its own.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib import metadata
from pathlib import Path

from experiments.lib import pages
from experiments.lib.command import Parser, run
from experiments.lib.measurement import options
from experiments.lib.paths import parse_size
from experiments.lib.subject import CALIBRATION, Competitor, chosen_rows, enter, progress, turns
from repro.config.networks import Neighbour
from repro.config.rows import PeerRow
from repro.device import cpu, threads
from repro.errors import UserError
from repro.tables.engines import PIPELINED, READY, WHOLE
from repro.timing.clock import interleaved, rounded

SGCPNET = "sgcpnet"
ROWS = f"icnet,fastscnn,{SGCPNET},single,isctf-fast,{PIPELINED},{WHOLE}"
ENGINES = ("mxnet", "onnxruntime", "openvino")  # and the names of their packages
ROUNDS = 15
ALIKE = 1e-3  # of the largest score: fifty layers of random weights part by 1e-4
SETTLE = 0.2  # seconds before a turn, in which the threads of the engine before it go to sleep


def rows_of(text: str):
    """Return the rows with these ids; WHOLE is Model A that computes all its regions, SGCPNET not of Table 6's page."""
    names = text.split(",")
    rows = {row.id: row for row in chosen_rows(",".join(set(names) - {WHOLE, SGCPNET}) or PIPELINED)}
    rows[SGCPNET] = PeerRow(SGCPNET, "SGCPNet", network=Neighbour(SGCPNET), inference="whole", precisions=("float32",))
    if WHOLE in names:
        model_a, = chosen_rows(PIPELINED)
        rows[WHOLE] = replace(model_a, id=WHOLE, label=f"{model_a.label}, k = {model_a.network.regions}",
                              k=model_a.network.regions)
    return [rows[name] for name in names]


def scores(one: Competitor, x):
    """Return the score maps of a normalised image."""
    made = one.engine.outputs(x)[0]
    return made if hasattr(made, "ctypes") else made.asnumpy()


def pipelined(one: Competitor) -> None:
    """Label photo after photo, labels of one made while the network runs for the next."""
    from repro.pipeline import pipeline

    for _ in pipeline([one.image] * READY, one.engine.labels, 2):
        pass


def competitors(rows, size, width: float, folder: Path):
    """Return each of the rows in every engine and precision that it has, by name, and a normalised image.

    Files of what is exported are in `folder`.
    """
    import onnx

    from repro.engine import prepared
    from repro.export import PORTABLE, to_onnx
    from repro.export.carry import in_precision
    from repro.runtime.onnx import OnnxEngine
    from repro.runtime.openvino import OpenvinoEngine, has_bfloat16
    from repro.timing.subject import images, normalised, subject

    image, scenes = images(size, 1, "val")[0], images(size, CALIBRATION)
    x, calibration = normalised([image]), [normalised([scene]) for scene in scenes]
    in_openvino = ("float32", *(("bfloat16",) if has_bfloat16() else ()), "int8")
    found = {}
    for row in progress("exported", "network")(rows):
        made = subject(row, "float32", size, width)
        facts = {"row": row.id, "label": row.label, "multiply_adds": made.peer.true, "paper": made.paper}

        def add(engine, precision, make, facts=facts, keep=False):
            found[f"{facts['row']} {engine} {precision}"] = Competitor(
                image, make, {**facts, "engine": engine, "precision": precision}, keep)
        for precision in row.precisions:
            one = replace(made, options=replace(made.options, precision=precision))
            add("mxnet", precision, partial(one.engine, calibration), keep=precision == "int8")
        files = {precision: folder / f"{row.id}-{precision}.onnx" for precision in ("float32", "int8")}
        to_onnx(*prepared(made.peer.symbol, made.peer.arrays, x.shape, PORTABLE), x.shape, files["float32"])
        onnx.save(in_precision(onnx.load(str(files["float32"])), "int8", calibration), str(files["int8"]))
        for precision, file in files.items():
            add("onnxruntime", precision, partial(OnnxEngine, file))
        for precision in in_openvino:
            add("openvino", precision, partial(OpenvinoEngine, files.get(precision, files["float32"]), precision))
    return found, x


def check(found, x) -> None:
    """Compare all with the first of their row: "alike" of their facts, percent of the labels; UserError where the
    float32 scores differ."""
    first = {}
    for name, one in progress("compared", "network")(found.items()):
        with one.present():
            made, labels = scores(one, x), one.run()
        wanted, base = first.setdefault(one.facts["row"], (made, labels))
        apart = abs(made - wanted).max() / abs(wanted).max()
        if one.facts["precision"] == "float32" and not apart <= ALIKE:
            raise UserError(f"{name}: gives other scores, {apart:.1e} of the largest apart")
        one.facts["alike"] = round(100 * float((labels == base).mean()), 2)


def measure(given, rows, size) -> dict:
    """Time all of it in one interleaved run."""
    with tempfile.TemporaryDirectory() as kept:
        found, x = competitors(rows, size, given.width, Path(kept))
        estimates, during = enter(found)
        check(found, x)

        @contextmanager
        def turn(name):
            with found[name].present():
                time.sleep(SETTLE)
                yield
        runs = {}
        for name, one in found.items():
            runs.update({(name, "labels"): one.run, (name, "scores"): partial(scores, one, x)})
            if one.facts["row"] == PIPELINED:
                runs[name, "pipeline"] = partial(pipelined, one)
        counts = {(name, what): turns(estimates[name] * (READY if what == "pipeline" else 1), name in during)
                  for name, what in runs}
        timings = interleaved(runs, given.rounds, 1, counts, progress("rounds"),
                              {key: partial(turn, key[0]) for key in runs})
    lines = {name: {**one.facts, "pipeline": []} for name, one in found.items()}
    for (name, what), timing in timings.items():
        spent = rounded(timing.seconds, 4)
        lines[name][what] = [value / READY for value in spent] if what == "pipeline" else spent
    return {"size": list(size), "width": given.width, "threads": threads(), "rows": list(lines.values()),
            "versions": {name: metadata.version(name) for name in ENGINES}}


def record_name() -> str:
    """Return the name of the record of this kind of CPU."""
    found = cpu()
    name = "-".join(["engines", *(found[key] for key in ("vendor", "family", "model"))])
    return re.sub(r"[^\w.-]", "", name) + ".json"


def write(given) -> None:
    """Measure what is asked for."""
    rows, size = rows_of(given.row), parse_size(given.size)
    pages.ENGINES.run(given, partial(measure, given, rows, size), record_name())


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.speed.engines", description=__doc__.split("\n")[0])
    parser.add_argument("--row", default=ROWS, help="ids of experiments/table6.yaml (default %(default)s)")
    options(parser, ROUNDS, image=True)
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
