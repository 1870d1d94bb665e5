"""Time the neighbours' networks side by side on a data set, and write neighbours.md and its picture.

    python -m experiments.speed.neighbours                    measures on minicity (2 minutes)
    python -m experiments.speed.neighbours --data FOLDER      on Cityscapes or CamVid
    python -m experiments.speed.neighbours --render           writes the page from what was published

Rows trained on this machine (`make neighbours`) are timed with the values they learned, others with random ones: where
few cells of a label map are mixed it is made sooner.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial

from experiments.lib import paths
from experiments.lib.command import Parser, at_least_one, run
from experiments.lib.lookup import Wanted, data_folder, preset_of, trained
from experiments.lib.measurement import options
from experiments.lib.pages import NEIGHBOURS, read_refined, read_speeds
from experiments.lib.paths import HERE, PRESETS
from experiments.lib.repeat import portable
from experiments.lib.subject import named, serve_turns, side_by_side
from repro.config.rows import load_rows
from repro.device import threads
from repro.errors import UserError
from repro.tables.neighbours import REFINED
from repro.timing.memory import resident

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
    """Return the rows of neighbours.yaml, or those with these ids, "a,b"; REFINED, none of them, is passed over."""
    return named(load_rows(HERE / "neighbours.yaml"), text, REFINED)


def serve_case(pipe, case: Case) -> None:
    """Be the process of one case: label the data's first image in turns."""
    import cv2
    import gluoncv.model_zoo  # noqa: F401  here, as the next, so that their memory is not counted as a network's

    import repro.export.carry  # noqa: F401
    import repro.sparserefine.measure  # noqa: F401
    from repro.data import open_dataset, read_image

    cv2.setNumThreads(threads())
    dataset = open_dataset(case.folder)
    image, classes = read_image(dataset.measured[0].image), len(dataset.classes)
    base = resident()
    labels, facts = (refined_subject if case.row == REFINED else row_subject)(case, image, classes)
    serve_turns(pipe, facts, labels, base)


def row_subject(case: Case, image, classes: int):
    """Return (a function that labels the photo by a row's network in the engine, its multiply-adds and parameters)."""
    from repro.config.presets import round_up
    from repro.engine import Options, engine_of
    from repro.export.carry import random_arrays
    from repro.models import cost
    from repro.models.build import Plan
    from repro.models.parameters import learned, load

    row, = rows_of(case.row)
    plan = Plan(row.network, row.training, preset_of(case.preset), image.shape[:2])
    shape = (1, 3, *round_up(image.shape[:2], plan.multiple))
    arrays = load(case.params) if case.params else random_arrays(plan, classes)
    settings = {"fast": row.inference == "fast"} if row.network.sparse else {}
    counted = cost.true(cost.count(cost.trace(plan.build(classes, shape[2:], **settings), shape), shape))
    cuts = Options().network() if settings.get("fast") else {}
    engine = engine_of(plan.build(classes, shape[2:], **settings, **cuts), arrays, shape)
    return lambda: engine.labels(image), {"multiply_adds": counted, "parameters": learned(arrays)}


def refined_subject(case: Case, image, classes: int):
    """Return the same of SparseRefine, its dense network in the engine; multiply-adds of this photo, as multiplied."""
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
    dense = dense_cost(found.plan, classes, image.shape[:2], record["recipe"]["factor"])["true"]
    return lambda: refined.segment(image), {"multiply_adds": dense + int(sparse),
                                            "parameters": learned(found.dense) + learned(found.refiner)}


def learned_file(row, dataset, given) -> str:
    """Return the file of the values that this row has learned on this machine; "" where it has not."""
    wanted = Wanted("neighbours", row.id, data=given.data, preset=given.preset, budget=given.budget)
    try:
        return str(trained(wanted, row, row.training, dataset))
    except UserError:
        return ""


def refined_cases(data: str, folder: str, given):
    """Return SparseRefine's case where it was trained on this machine, with this preset and budget."""
    ours = paths.CACHE / "refine"
    one = read_refined(ours).get(data)
    there = all((ours / data / f"{name}.params").is_file() for name in ("dense", "refiner"))
    if not (one and there and (one["preset"], one["budget"]) == (given.preset, given.budget)):
        return []
    return [Case(REFINED, folder, given.preset, str(ours / data))]


def cases_of(given, rows, dataset, folder):
    """Return the cases that are asked for; UserError where there are none, or fewer than a published record has."""
    cases = [Case(row.id, str(folder), given.preset, learned_file(row, dataset, given)) for row in rows]
    if not given.row or REFINED in given.row.split(","):
        cases += refined_cases(dataset.name, str(folder), given)
    if not cases:
        raise UserError(f"ROW: {given.row}: not trained on {dataset.name} on this machine; `make refine` does that")
    there = {one["row"] for one in read_speeds(paths.RESULTS).get(dataset.name, {"rows": ()})["rows"]}
    lost = sorted(there - {case.row for case in cases})
    if given.publish and lost:
        raise UserError(f"PUBLISH: the record would take the place of one with {', '.join(lost)}")
    return cases


def measure(given, cases, dataset) -> dict:
    """Time every row on the data's first measured image, in one interleaved run."""
    from repro.data.images import image_size

    timed = side_by_side(serve_case, cases, [threads()] * len(cases), given.rounds)
    measured = [{"row": case.row, "values": "trained" if case.params else "random", **facts, "memory": memory,
                 "seconds": spent} for case, (facts, spent, memory) in zip(cases, timed)]
    return {"data": dataset.name, "preset": given.preset, "threads": threads(), "rows": measured,
            "size": "{}x{}".format(*image_size(dataset.measured[0].image))}


def write(given) -> None:
    """Measure what is asked for."""
    if given.render:
        return NEIGHBOURS.render()
    from repro.data import open_dataset

    at_least_one(given.rounds, "ROUNDS")
    rows, preset = rows_of(given.row), preset_of(given.preset)
    folder, _ = data_folder(given.data, preset)
    dataset = open_dataset(folder)
    cases = cases_of(given, rows, dataset, folder)
    NEIGHBOURS.run(given, partial(measure, given, cases, dataset), f"neighbours-{dataset.name}.json",
                   but=("data", "preset", "budget", "row"), target="neighbours-time",
                   data=portable(given.data, dataset.name))


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.speed.neighbours", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--data", default="minicity", help="minicity, or a folder in a known layout (default %(default)s)")
    add("--row", default="", help="ids of experiments/neighbours.yaml, such as sgcpnet,icnet (default: all)")
    add("--preset", default="lite", help=f"one of {', '.join(PRESETS)} (default %(default)s)")
    add("--budget", default="full", help="that the rows were trained with (default %(default)s)")
    options(parser, ROUNDS)
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
