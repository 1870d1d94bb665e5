"""Measure what int8 loses of trained networks' accuracy, and write tables/precision.md.

    python -m experiments.speed.precision --data minicity,FOLDER     rows trained by `make table3` and `make table4`
    python -m experiments.speed.precision --engine onnx --data ...   the same exported, in float16 too, with their times
    python -m experiments.speed.precision --render             writes the page from what was measured

Without data that the published measurement has, or in fewer rounds, it is written to .cache/speed/ instead.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import metadata

from tqdm import tqdm

from experiments import submit
from experiments.lib.command import Parser, at_least_one, run
from experiments.lib.repeat import fewer, lacking, places, tell
from experiments.table import CACHE, RESULTS, data_folder, preset_of
from repro.errors import UserError
from repro.files import write_text
from repro.records import provenance
from repro.tables.precision import REDUCED, page, read_exported, read_measured

MEASURED, PAGE, OWN = RESULTS / "precision.json", RESULTS.parent / "precision.md", CACHE / "speed"
ROUNDS = 50
EXPORTED = {"onnxruntime": "precision-onnx.json", "openvino": "precision-openvino.json"}  # beside it
ENGINES = {"onnx": "onnxruntime", "openvino": "openvino"}  # of ENGINE=: the package
ROWS = (("3", "isctf-sparse-p0.25-l0.001-r256", "ISCTF (p = 0.25)"), ("4", "1120-1241", "Model A"))  # of which table


def choice_of(data: str, table: str, row_id: str):
    """A row trained on `data` with the lite preset, as experiments.submit names it."""
    return submit.parse(["--table", table, "--row", row_id, "--data", data])


def opened(data: str):
    """The data set that DATA names."""
    from repro.data import open_dataset

    return open_dataset(data_folder(data, preset_of(choice_of(data, *ROWS[0][:2]).preset))[0])


def case(given, data: str, dataset, table: str, row_id: str, label: str) -> dict:
    """One row's network, trained on `dataset`, which `data` names, in the engine that is asked for."""
    from repro.data.images import image_size
    from repro.evaluation.precision import compare, compare_exported

    chosen = choice_of(data, table, row_id)
    plan, arrays = submit.trained_plan(chosen, dataset, image_size(dataset.measured[0].image))

    def progress(samples):
        return tqdm(samples, f"{row_id} on {dataset.name}", unit="image", disable=None)
    found = compare(plan, arrays, dataset, progress=progress) if given.engine == "mxnet" else compare_exported(
        plan, arrays, dataset, ("float32", *REDUCED[ENGINES[given.engine]]), maker(given.engine),
        rounds=given.rounds, progress=progress)
    return {"row": row_id, "label": label, "data": dataset.name, "width": f"{plan.preset.width:g}", **found}


def maker(engine: str):
    """What makes an engine of a file, to compute in a precision; UserError where this machine cannot."""
    if engine == "onnx":
        from repro.runtime.onnx import OnnxEngine

        return lambda path, precision: OnnxEngine(path)
    from repro.runtime.openvino import OpenvinoEngine, has_bfloat16

    if not has_bfloat16():
        raise UserError("ENGINE: openvino: this CPU has no bfloat16 (AMX, or AVX-512 with BF16) to measure")
    return OpenvinoEngine


def measure(given, sets) -> dict:
    """Measure every row on `sets`, data sets by what names them; the record."""
    origin = provenance("")  # of the code that starts, whatever is committed meanwhile
    cases = [case(given, data, dataset, *row) for data, dataset in sets.items() for row in ROWS]
    names = ["minicity" if data == "minicity" else f"/path/to/{dataset.name}" for data, dataset in sets.items()]
    named = "" if given.engine == "mxnet" else f" ENGINE={given.engine}"
    origin["command"] = f"make precision{named} DATA={','.join(names)}"
    package = ENGINES.get(given.engine)
    return {"cases": cases, "provenance": origin, **({package: metadata.version(package)} if package else {})}


def read(engine: str, path) -> dict:
    """The record of an engine, checked."""
    return read_measured(path) if engine == "mxnet" else read_exported(path, ENGINES[engine])


def write(given) -> None:
    """Measure unless only the page is asked for; write the page and print its path."""
    at_least_one(given.rounds, "--rounds")
    target, files = PAGE, {"mxnet": MEASURED, **{name: MEASURED.with_name(EXPORTED[package])
                                                 for name, package in ENGINES.items()}}
    if not given.render:
        if given.engine != "mxnet":
            maker(given.engine)  # says what is wrong before anything is read
        path = files[given.engine]
        published = read(given.engine, path)["cases"] if path.is_file() else ()
        sets = {data: opened(data) for data in given.data.split(",")}
        reduced = [lacking([one.name for one in sets.values()], [one["data"] for one in published]),
                   "" if given.engine == "mxnet" else fewer(given, rounds=ROUNDS)]
        tell(reduced, OWN)
        target, *paths = places(reduced, OWN, PAGE, *files.values())
        files = dict(zip(files, paths))
        write_text(files[given.engine], json.dumps(measure(given, sets), indent=1) + "\n")
    own = files.pop("mxnet")
    text = page(read_measured(own if own.is_file() else MEASURED),  # a reduced run of the exported has none
                [read(name, path) for name, path in files.items() if path.is_file()])
    write_text(target, text)
    print(os.path.relpath(target))


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.speed.precision", description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="minicity", help="minicity, or folders, separated by commas")
    parser.add_argument("--engine", choices=("mxnet", *ENGINES), default="mxnet", help="whose (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="timed photos of an export (default %(default)s)")
    parser.add_argument("--render", action="store_true", help="write the page from what was measured before")
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
