"""Measure what int8 loses of trained networks' accuracy, and write precision.md.

    python -m experiments.speed.precision --data minicity,FOLDER     rows trained by `make table3` and `make table4`
    python -m experiments.speed.precision --engine onnx --data ...   the same exported, in float16 too, with their times
    python -m experiments.speed.precision --preset street --data FOLDER   as trained with another preset
    python -m experiments.speed.precision --render                   writes the page from what was published

A preset has a record of its own in each engine.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib import metadata

from experiments.lib import paths
from experiments.lib.command import Parser, at_least_one, run
from experiments.lib.lookup import Wanted, chosen, data_folder, preset_of, trained, trained_plan
from experiments.lib.measurement import options
from experiments.lib.pages import PACKAGES, PRECISION
from experiments.lib.paths import PRESETS
from experiments.lib.repeat import portable
from experiments.lib.subject import progress
from repro.errors import UserError
from repro.tables.precision import REDUCED, read_measured

ROUNDS = 50
ROWS = (("3", "isctf-sparse-p0.25-l0.001-r256", "ISCTF (p = 0.25)"), ("4", "1120-1241", "Model A"))  # of which table


def case(given, wanted: Wanted, dataset, label: str) -> dict:
    """Measure one row's network, trained on `dataset`, in the engine that is asked for."""
    from repro.data.images import image_size
    from repro.evaluation.precision import compare, compare_exported

    plan, arrays = trained_plan(wanted, dataset, image_size(dataset.measured[0].image))
    shown = progress(f"{wanted.row} on {dataset.name}", "image")
    found = compare(plan, arrays, dataset, progress=shown) if given.engine == "mxnet" else compare_exported(
        plan, arrays, dataset, ("float32", *REDUCED[PACKAGES[given.engine]]), maker(given.engine),
        rounds=given.rounds, progress=shown)
    return {"row": wanted.row, "label": label, "data": dataset.name, "width": f"{plan.preset.width:g}", **found}


def maker(engine: str):
    """Return what makes an engine of a file, to compute in a precision; UserError where this machine cannot."""
    if engine == "onnx":
        from repro.runtime.onnx import OnnxEngine

        return lambda path, precision: OnnxEngine(path)
    from repro.runtime.openvino import OpenvinoEngine, has_bfloat16

    if not has_bfloat16():
        raise UserError("ENGINE: openvino: this CPU has no bfloat16 (AMX, or AVX-512 with BF16) to measure")
    return OpenvinoEngine


def rows_of(given, sets):
    """Return (what is wanted, its data set, its label) of each row on each of `sets`, data sets by what names them."""
    return [(Wanted(table, row, data=data, preset=given.preset), dataset, label)
            for data, dataset in sets.items() for table, row, label in ROWS]


def measure(given, sets) -> dict:
    """Measure every row on `sets`; return the record."""
    cases = [case(given, wanted, dataset, label) for wanted, dataset, label in rows_of(given, sets)]
    package = PACKAGES.get(given.engine)
    return {"cases": cases, **({package: metadata.version(package)} if package else {}),
            **({"preset": given.preset} if given.preset != "lite" else {})}


def record_name(given) -> str:
    """Return the name of the record of an engine and preset: precision, precision-onnx, precision-onnx-street."""
    parts = ("precision", *([given.engine] if given.engine != "mxnet" else []),
             *([given.preset] if given.preset != "lite" else []))
    return "-".join(parts) + ".json"


def check_published(names, path) -> None:
    """Raise a UserError where a published record has data that is not to be measured."""
    if path.is_file():
        lost = sorted({one["data"] for one in read_measured(path)["cases"]} - set(names))
        if lost:
            raise UserError(f"PUBLISH: DATA is without {', '.join(lost)}, which {path.name} has")


def write(given) -> None:
    """Measure what is asked for."""
    from repro.data import open_dataset

    sets = {}
    if not given.render:
        at_least_one(given.rounds, "ROUNDS")
        preset = preset_of(given.preset)
        if given.engine != "mxnet":
            maker(given.engine)  # raises what is wrong before anything is read
        sets = {data: open_dataset(data_folder(data, preset)[0]) for data in given.data.split(",")}
        for wanted, dataset, _ in rows_of(given, sets):
            trained(wanted, *chosen(wanted), dataset)  # as what names the command that trains it
        if given.publish:
            check_published([one.name for one in sets.values()], paths.RESULTS / record_name(given))
    PRECISION.run(given, partial(measure, given, sets), record_name(given), but=("data", "engine", "preset"),
                  data=",".join(portable(data, dataset.name) for data, dataset in sets.items()))


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.speed.precision", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--data", default="minicity", help="minicity, or folders, separated by commas (default %(default)s)")
    add("--preset", default="lite", help=f"that the rows were trained with, of {', '.join(PRESETS)} "
        "(default %(default)s)")
    add("--engine", choices=("mxnet", *PACKAGES), default="mxnet",
        help="mxnet, onnx or openvino, whose precisions are measured (default %(default)s)")
    options(parser, ROUNDS)
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
