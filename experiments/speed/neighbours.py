"""Time the neighbours' networks side by side on a data set, and write tables/neighbours.md and its picture.

    python -m experiments.speed.neighbours              measures on minicity (2 minutes), then writes page and picture
    python -m experiments.speed.neighbours --data FOLDER      on Cityscapes or CamVid
    python -m experiments.speed.neighbours --render     writes the page from what was measured; --draw: the picture too

Rows trained on this machine (`make neighbours`) are timed with the values they learned, others with random ones: where
few cells of a label map are mixed it is made sooner. With --publish the times go into tables/results/, else into
.cache/speed/; the page is of the published ones, with --local of this machine's too.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Dict

from experiments import table as measuring
from experiments.lib.command import HERE, Parser, at_least_one, run
from experiments.lib.processes import Process, answer
from experiments.lib.repeat import changed, make_command, portable, script_command
from experiments.render import published
from repro.config.neighbours import load_rows
from repro.device import threads
from repro.errors import UserError
from repro.files import write_text
from repro.records import load_records, provenance, told_apart
from repro.tables.neighbours import PICTURE, REFINED, draw, local_part, page, read_speed
from repro.tables.refine import read_refined, record_files
from repro.timing.clock import rounded

TABLE = "neighbours"
RESULTS, OWN = measuring.RESULTS, measuring.CACHE / "speed"
ROUNDS = 15


@dataclass(frozen=True)
class Case:
    """A row on a data set's images, and the .params file of its values; "": random ones.

    row  REFINED: SparseRefine, `params` the folder of both networks' values as experiments.refine left them.
    """

    row: str
    folder: str
    preset: str
    params: str


def rows_of(text: str = ""):
    """The rows of neighbours.yaml, or those with these ids, "a,b"; REFINED, which is none of them, is passed over."""
    rows = load_rows(HERE / f"{TABLE}.yaml")
    known = [*(row.id for row in rows), REFINED]
    for name in filter(None, text.split(",")):
        if name not in known:
            raise UserError(f"--rows: {name!r} is not known; choose from {', '.join(known)}")
    return [row for row in rows if not text or row.id in text.split(",")]


def serve(case: Case) -> None:
    """Be the process of one case: label the data's first image each time, and say the memory that takes."""
    import cv2
    import gluoncv.model_zoo  # noqa: F401  here, as the next, so that their memory is not counted as a network's

    import repro.export.carry  # noqa: F401
    import repro.sparserefine.measure  # noqa: F401
    from repro.data import open_dataset, read_image
    from repro.timing.memory import forget_peak, peak, resident

    cv2.setNumThreads(threads())
    dataset = open_dataset(case.folder)
    image, classes = read_image(dataset.measured[0].image), len(dataset.classes)
    base = resident()
    labels, facts = (refined_subject if case.row == REFINED else row_subject)(case, image, classes)
    for _ in range(2):
        labels()
    forget_peak()
    print(json.dumps(facts), flush=True)
    answer(labels, lambda: {"memory": max(0, peak() - base)})


def row_subject(case: Case, image, classes: int):
    """A row's network in the engine: (its labels of the photo, multiply-adds and parameters)."""
    from repro.config.presets import round_up
    from repro.engine import Options, engine_of
    from repro.export.carry import random_arrays
    from repro.models import cost
    from repro.models.parameters import learned, load
    from repro.models.plan import Plan

    row, = rows_of(case.row)
    plan = Plan(row.network, row.training, measuring.preset_of(case.preset), image.shape[:2])
    shape = (1, 3, *round_up(image.shape[:2], plan.multiple))
    arrays = load(case.params) if case.params else random_arrays(plan, classes)
    settings = {"fast": row.inference == "fast"} if row.network.sparse else {}
    counted = cost.true(cost.count(cost.trace(plan.build(classes, shape[2:], **settings), shape), shape))
    cuts = Options().network() if settings.get("fast") else {}
    engine = engine_of(plan.build(classes, shape[2:], **settings, **cuts), arrays, shape)
    return lambda: engine.labels(image), {"multiply_adds": counted, "parameters": learned(arrays)}


def refined_subject(case: Case, image, classes: int):
    """SparseRefine, its dense network in the engine: as row_subject, multiply-adds of this photo, as multiplied."""
    from experiments.lib.refined import load, refined_of
    from repro.models.parameters import learned
    from repro.sparserefine.measure import dense_cost
    from repro.sparserefine.networks import planes_of
    from repro.sparserefine.refinement import multiply_adds

    found = load(case.params)
    refined, record = refined_of(found), found.record
    given = refined.segment(image).given
    sparse = 0 if given is None else sum(multiply_adds(
        given.places, planes_of(record["width"]), classes, existing=False).values())
    dense = dense_cost(found.plan, classes, image.shape[:2], record["recipe"]["factor"], **found.fast)["true"]
    return lambda: refined.segment(image), {"multiply_adds": dense + int(sparse),
                                            "parameters": learned(found.dense) + learned(found.refiner)}


def trained(row, dataset, given) -> str:
    """The values that this row has learned on this machine; "" where it has not."""
    found = [(path, record) for path, record in measuring.own_records()
             if (record.network, record.training, record.seed) == (row.network, row.training, 0)
             and record.group == (dataset.name, given.preset, given.budget)]
    files = [path.with_suffix(".params") for path, _ in measuring.of_same_data(found, given, dataset)]
    return next((str(path) for path in files if path.is_file()), "")


def refined_cases(data: str, folder: str, given):
    """SparseRefine where it was trained on this machine, with this preset and budget."""
    one, own = refined_records(refined_folder()).get(data), refined_folder() / data
    there = all((own / f"{name}.params").is_file() for name in ("dense", "refiner"))
    if not (one and there and (one["preset"], one["budget"]) == (given.preset, given.budget)):
        return []
    return [Case(REFINED, folder, given.preset, str(own))]


def command_of(given, data: str) -> str:
    """The command that repeats the measurement, without a path of this machine."""
    known = {"data": "minicity", "rows": "", "preset": "lite", "budget": "full", "rounds": ROUNDS}
    words = changed({**vars(given), "data": portable(given.data, data)}, known)
    if {"rows", "rounds"} & words.keys():
        return script_command(f"python -m experiments.{TABLE}", words)
    return make_command(f"{TABLE}-time", words)


def measure(given) -> dict:
    """Time every row on the data's first measured image, in one interleaved run."""
    from tqdm import tqdm

    from repro.data import open_dataset
    from repro.data.images import image_size
    from repro.timing.clock import interleaved

    rows, preset = rows_of(given.rows), measuring.preset_of(given.preset)
    folder, _ = measuring.data_folder(given.data, preset)
    dataset = open_dataset(folder)
    origin = provenance(command_of(given, dataset.name))
    cases = [Case(row.id, str(folder), given.preset, trained(row, dataset, given)) for row in rows]
    if not given.rows or REFINED in given.rows.split(","):
        cases += refined_cases(dataset.name, str(folder), given)
    if not cases:
        raise UserError(f"--rows {given.rows}: not trained on {dataset.name} on this machine; `make refine` does that")
    there = {one["row"] for one in speeds(RESULTS).get(dataset.name, {"rows": ()})["rows"]}
    lost = sorted(there - {case.row for case in cases})
    if given.publish and lost:
        raise UserError(f"--rows {given.rows}: its record would take the place of one with {', '.join(lost)}; "
                        "leave out --rows or --publish")
    with ExitStack() as stack:
        processes = []
        for case in tqdm(cases, "started", unit="network", disable=None):
            processes.append(Process("experiments.speed.neighbours", asdict(case), threads()))
            stack.callback(processes[-1].close)
            processes[-1].hear()
        timings = interleaved({case.row: one.run for case, one in zip(cases, processes)}, given.rounds, 1,
                              progress=lambda turns: tqdm(turns, "rounds", disable=None))
        measured = [{"row": case.row, "values": "trained" if case.params else "random", **one.facts,
                     "seconds": rounded(timings[case.row].seconds)} for case, one in zip(cases, processes)]
    return {"data": dataset.name, "preset": given.preset, "threads": threads(), "rows": measured, "provenance": origin,
            "size": "{}x{}".format(*image_size(dataset.measured[0].image))}


def speeds(folder: Path) -> Dict[str, dict]:
    """The measured times in a folder by the data's name."""
    return {one["data"]: one for one in map(read_speed, sorted(folder.glob(f"{TABLE}-*.json")))}


def refined_folder() -> Path:
    """Where experiments.refine keeps what it measured on this machine."""
    return measuring.CACHE / "refine"


def refined_records(folder: Path) -> Dict[str, dict]:
    """SparseRefine over the row that it is made for, by the data's name."""
    found = [(path, read_refined(path)) for path in record_files(folder)]
    return {one["data"]: one for path, one in found if path.name == f"refine-{one['data']}.json"}


def write(given) -> None:
    """Measure unless only the page is asked for; write what was measured, the picture and the page."""
    from repro.models.cost import row_cost

    if given.serve:
        serve(Case(**json.loads(given.serve)))
        return
    at_least_one(given.rounds, "--rounds")
    rows, found = rows_of(), speeds(RESULTS)
    given.local = given.local or not (given.publish or given.render or given.draw)
    if not (given.render or given.draw):
        made = measure(given)
        path = (RESULTS if given.publish else OWN) / f"{TABLE}-{made['data']}.json"
        write_text(path, json.dumps(made, indent=1) + "\n")
        print(os.path.relpath(path))
        found = speeds(RESULTS)
    records, target, drawn = load_records(measuring.RESULTS), RESULTS.parent / f"{TABLE}.md", RESULTS.parent / PICTURE
    refined = refined_records(RESULTS)
    if given.draw or not given.render:
        draw(rows, records, found, refined, drawn)
    costs = {row.id: row_cost(row) for row in rows}
    text = page(rows, published(TABLE), costs, records, found, refined, drawn.exists())
    if given.local:
        text += local_part(rows, records, found, told_apart(load_records(measuring.CACHE / "results")), speeds(OWN),
                           {**refined, **refined_records(refined_folder())})
    write_text(target, text)
    print(os.path.relpath(target))


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.speed.neighbours", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--data", default="minicity", help="minicity, or a folder in a known layout (default %(default)s)")
    add("--rows", default="", help=f"ids of experiments/{TABLE}.yaml, such as sgcpnet,icnet (default: all)")
    add("--preset", default="lite", help=f"one of {', '.join(measuring.PRESETS)} (default %(default)s)")
    add("--budget", default="full", help="that the rows were trained with (default %(default)s)")
    add("--rounds", type=int, default=ROUNDS, help="turns of each network (default %(default)s)")
    add("--publish", action="store_true", help="write the times into tables/results/")
    add("--render", action="store_true", help="write the page from what was measured before")
    add("--draw", action="store_true", help="the picture too")
    add("--local", action="store_true", help="the page with what this machine measured itself")
    add("--serve", default="", help=argparse.SUPPRESS)
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
