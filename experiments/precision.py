"""Measure what int8 loses of trained networks' accuracy, and write tables/precision.md.

    python -m experiments.precision --data minicity,FOLDER     measures rows trained by `make table3` and `make table4`
    python -m experiments.precision --engine onnx --data ...   the same exported, in float16 too, with their times
    python -m experiments.precision --render                   writes the page from what was measured
"""

from __future__ import annotations

import json
import os
import sys

from tqdm import tqdm

from experiments import submit
from experiments.command import Parser, run
from experiments.measure import RESULTS, data_folder, preset_of
from repro.errors import UserError
from repro.files import write_text
from repro.records import provenance
from repro.tables.precision import page, read_exported, read_measured

MEASURED, PAGE = RESULTS / "precision.json", RESULTS.parent / "precision.md"
ROUNDS = 50
EXPORTED = "precision-onnx.json"  # beside it
ROWS = (("3", "isctf-sparse-p0.25-l0.001-r256", "ISCTF (p = 0.25)"), ("4", "1120-1241", "Model A"))  # of which table


def case(given, data: str, table: str, row_id: str, label: str) -> dict:
    """One row's network, trained on `data` with the lite preset, in the engine that is asked for."""
    from repro.data import open_dataset
    from repro.data.images import image_size
    from repro.precision import compare, compare_exported

    chosen = submit.parse(["--table", table, "--row", row_id, "--data", data])
    dataset = open_dataset(data_folder(data, preset_of(chosen.preset))[0])
    plan, arrays = submit.trained_plan(chosen, dataset, image_size(dataset.measured[0].image))

    def progress(samples):
        return tqdm(samples, f"{row_id} on {dataset.name}", unit="image", disable=None)
    found = compare_exported(plan, arrays, dataset, rounds=given.rounds, progress=progress) \
        if given.engine == "onnx" else compare(plan, arrays, dataset, progress=progress)
    return {"row": row_id, "label": label, "data": dataset.name, "width": f"{plan.preset.width:g}", **found}


def write(given) -> None:
    """Measure unless only the page is asked for; write the page and print its path."""
    exported = MEASURED.with_name(EXPORTED)
    if given.rounds < 1:
        raise UserError(f"--rounds: {given.rounds} is not 1 or more")
    if not given.render:
        folders = given.data.split(",")
        origin = provenance("")  # of the code that starts, whatever is committed meanwhile
        cases = [case(given, data, *row) for data in folders for row in ROWS]
        names = ["minicity" if data == "minicity" else f"/path/to/{one['data']}"
                 for data, one in zip(folders, cases[::len(ROWS)])]
        engine = " ENGINE=onnx" * (given.engine == "onnx")
        origin["command"] = f"make precision{engine} DATA={','.join(names)}"
        record = {"cases": cases, "provenance": origin}
        if given.engine == "onnx":
            import onnxruntime

            record["onnxruntime"] = onnxruntime.__version__
        write_text(exported if engine else MEASURED, json.dumps(record, indent=1) + "\n")
    write_text(PAGE, page(read_measured(MEASURED), read_exported(exported) if exported.is_file() else None))
    print(os.path.relpath(PAGE))


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
