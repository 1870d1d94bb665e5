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
from experiments.lib.repeat import command_of
from experiments.lib.subject import CALIBRATION, Competitor, chosen_rows, enter, progress, turns
from repro.config.networks import Neighbour
from repro.config.rows import PeerRow
from repro.device import cpu, threads
from repro.errors import UserError, choice
from repro.records import provenance
from repro.tables.engines import PIPELINED, READY, WHOLE
from repro.timing.clock import rounded

SGCPNET = "sgcpnet"
ROWS = f"icnet,fastscnn,{SGCPNET},single,isctf-fast,{PIPELINED},{WHOLE}"
ENGINES = ("mxnet", "onnxruntime", "openvino")
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


class Timed(Competitor):
    """A row in one engine and precision, which is timed in three ways."""

    def __init__(self, image, x, make, facts, keep=False):
        super().__init__(image, make, facts, keep)
        self.x = x

    def scores(self):
        """Return the score maps of a normalised image."""
        made = self.engine.outputs(self.x)[0]
        return made if hasattr(made, "ctypes") else made.asnumpy()

    def pipelined(self):
        """Label photo after photo, labels of one made while the network runs for the next."""
        from repro.pipeline import pipeline

        for _ in pipeline([self.image] * READY, self.engine.labels, 2):
            pass

    def runs(self):
        """Return what is timed, by name."""
        found = {"labels": self.run, "scores": self.scores}
        return {**found, "pipeline": self.pipelined} if self.facts["row"] == PIPELINED else found


def competitors(rows, size, width: float, engines, folder: Path):
    """Return each of the rows in every engine and precision that it has, by name; its files are in `folder`."""
    import onnx

    from repro.engine import prepared
    from repro.export import PORTABLE, to_onnx
    from repro.export.carry import in_precision
    from repro.timing.subject import images, normalised, subject

    image, scenes = images(size, 1, "val")[0], images(size, CALIBRATION)
    x, calibration = normalised([image]), [normalised([scene]) for scene in scenes]
    makers, found = exported_makers(engines), {}
    for row in progress("exported", "network")(rows):
        made = subject(row, "float32", size, width)
        facts = {"row": row.id, "label": row.label, "multiply_adds": made.peer.true, "paper": made.paper}

        def add(engine, precision, make, facts=facts, keep=False):
            found[f"{facts['row']} {engine} {precision}"] = Timed(
                image, x, make, {**facts, "engine": engine, "precision": precision}, keep)
        if "mxnet" in engines:
            for precision in row.precisions:
                one = replace(made, options=replace(made.options, precision=precision))
                add("mxnet", precision, partial(one.engine, calibration), keep=precision == "int8")
        files = {precision: folder / f"{row.id}-{precision}.onnx" for precision in ("float32", "int8")}
        to_onnx(*prepared(made.peer.symbol, made.peer.arrays, x.shape, PORTABLE), x.shape, files["float32"])
        onnx.save(in_precision(onnx.load(str(files["float32"])), "int8", calibration), str(files["int8"]))
        for engine, precision, kind, make in makers:
            add(engine, precision, partial(make, files[kind]))
    return found


def exported_makers(engines):
    """Return (engine, precision, that of the file, what makes one of a file) of each way to run an exported network."""
    found = []
    if "onnxruntime" in engines:
        from repro.runtime.onnx import OnnxEngine

        found += [("onnxruntime", kind, kind, OnnxEngine) for kind in ("float32", "int8")]
    if "openvino" in engines:
        from repro.runtime.openvino import OpenvinoEngine, has_bfloat16

        found += [("openvino", precision, "int8" if precision == "int8" else "float32",
                   partial(OpenvinoEngine, precision=precision))
                  for precision in ("float32", "bfloat16", "int8") if precision != "bfloat16" or has_bfloat16()]
    return found


def check(found) -> None:
    """Compare all with the first of their row: "alike" of their facts, percent of the labels; UserError where the
    float32 scores differ."""
    first = {}
    for name, one in progress("compared", "network")(found.items()):
        with one.present():
            scores, labels = one.scores(), one.run()
        wanted, base = first.setdefault(one.facts["row"], (scores, labels))
        apart = abs(scores - wanted).max() / abs(wanted).max()
        if one.facts["precision"] == "float32" and not apart <= ALIKE:
            raise UserError(f"{name}: gives other scores, {apart:.1e} of the largest apart")
        one.facts["alike"] = round(100 * float((labels == base).mean()), 2)


def measure(given, rows, size, engines) -> dict:
    """Time all of it in one interleaved run."""
    from repro.timing.clock import interleaved

    origin = provenance(command_of(given, "engines"))  # of the code that starts, whatever is committed meanwhile
    with tempfile.TemporaryDirectory() as kept:
        found = competitors(rows, size, given.width, engines, Path(kept))
        estimates, during = enter(found)
        check(found)

        @contextmanager
        def turn(name):
            with found[name].present():
                time.sleep(SETTLE)
                yield
        runs = {(name, what): run for name, one in found.items() for what, run in one.runs().items()}
        counts = {(name, what): turns(estimates[name] * (READY if what == "pipeline" else 1), name in during)
                  for name, what in runs}
        timings = interleaved(runs, given.rounds, 1, counts, progress("rounds"),
                              {key: partial(turn, key[0]) for key in runs})
    lines = [{**one.facts, **{what: rounded(timings[name, what].seconds, 4) for what in one.runs()}}
             for name, one in found.items()]
    for one in lines:
        one["pipeline"] = [value / READY for value in one.get("pipeline", ())]
    return {"size": list(size), "width": given.width, "threads": threads(), "rows": lines, "provenance": origin,
            "versions": {name: metadata.version(name) for name in engines}}


def record_name() -> str:
    """Return the name of the record of this kind of CPU."""
    found = cpu()
    name = "-".join(["engines", *(found[key] for key in ("vendor", "family", "model"))])
    return re.sub(r"[^\w.-]", "", name) + ".json"


def write(given) -> None:
    """Measure what is asked for."""
    rows, size = rows_of(given.row), parse_size(given.size)
    engines = [choice(name, ENGINES, "ENGINES") for name in given.engines.split(",")]
    pages.ENGINES.run(given, partial(measure, given, rows, size, engines), record_name())


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.speed.engines", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--row", default=ROWS, help="ids of experiments/table6.yaml (default %(default)s)")
    add("--engines", default=",".join(ENGINES), help="some of them (default %(default)s)")
    options(parser, ROUNDS, image=True)
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
