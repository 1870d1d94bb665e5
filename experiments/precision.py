"""Measure what int8 loses of trained networks' accuracy, and write tables/precision.md.

    python -m experiments.precision --data minicity,FOLDER     measures rows trained by `make table3` and `make table4`
    python -m experiments.precision --engine onnx --data ...   the same exported, in float16 too, with their times
    python -m experiments.precision --render                   writes the page from what was measured

Without data that the published measurement has, or in fewer rounds, it is written to .cache/speed/ instead.
"""

from __future__ import annotations

import json
import os
import sys

from tqdm import tqdm

from experiments import submit
from experiments.command import Parser, at_least_one, run
from experiments.measure import CACHE, RESULTS, data_folder, preset_of
from experiments.repeat import fewer, lacking, places, tell
from repro.files import write_text
from repro.records import provenance
from repro.tables.precision import page, read_exported, read_measured

MEASURED, PAGE, OWN = RESULTS / "precision.json", RESULTS.parent / "precision.md", CACHE / "speed"
ROUNDS = 50
EXPORTED = "precision-onnx.json"  # beside it
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
    from repro.precision import compare, compare_exported

    chosen = choice_of(data, table, row_id)
    plan, arrays = submit.trained_plan(chosen, dataset, image_size(dataset.measured[0].image))

    def progress(samples):
        return tqdm(samples, f"{row_id} on {dataset.name}", unit="image", disable=None)
    found = compare_exported(plan, arrays, dataset, rounds=given.rounds, progress=progress) \
        if given.engine == "onnx" else compare(plan, arrays, dataset, progress=progress)
    return {"row": row_id, "label": label, "data": dataset.name, "width": f"{plan.preset.width:g}", **found}


def measure(given, sets) -> dict:
    """Measure every row on `sets`, data sets by what names them; the record."""
    origin = provenance("")  # of the code that starts, whatever is committed meanwhile
    cases = [case(given, data, dataset, *row) for data, dataset in sets.items() for row in ROWS]
    names = ["minicity" if data == "minicity" else f"/path/to/{dataset.name}" for data, dataset in sets.items()]
    origin["command"] = f"make precision{' ENGINE=onnx' * (given.engine == 'onnx')} DATA={','.join(names)}"
    record = {"cases": cases, "provenance": origin}
    if given.engine == "onnx":
        import onnxruntime

        record["onnxruntime"] = onnxruntime.__version__
    return record


def write(given) -> None:
    """Measure unless only the page is asked for; write the page and print its path."""
    at_least_one(given.rounds, "--rounds")
    target, measured, exported = PAGE, MEASURED, MEASURED.with_name(EXPORTED)
    if not given.render:
        path, read = (exported, read_exported) if given.engine == "onnx" else (measured, read_measured)
        published = read(path)["cases"] if path.is_file() else ()
        sets = {data: opened(data) for data in given.data.split(",")}
        reduced = [lacking([one.name for one in sets.values()], [one["data"] for one in published]),
                   fewer(given, rounds=ROUNDS) if given.engine == "onnx" else ""]
        tell(reduced, OWN)
        target, measured, exported = places(reduced, OWN, PAGE, measured, exported)
        write_text(exported if given.engine == "onnx" else measured, json.dumps(measure(given, sets), indent=1) + "\n")
    text = page(read_measured(measured if measured.is_file() else MEASURED),  # a reduced run of the exported has none
                read_exported(exported) if exported.is_file() else None)
    write_text(target, text)
    print(os.path.relpath(target))


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.precision", description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="minicity", help="minicity, or folders, separated by commas")
    parser.add_argument("--engine", choices=("mxnet", "onnx"), default="mxnet", help="whose (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="timed photos, of onnx (default %(default)s)")
    parser.add_argument("--render", action="store_true", help="write the page from what was measured before")
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
