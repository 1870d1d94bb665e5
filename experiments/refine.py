"""SparseRefine over a network at half resolution, both trained and measured: what `make refine` runs.

    python -m experiments.refine                              on minicity
    python -m experiments.refine --data FOLDER --publish      on CamVid or Cityscapes, for tables/sparserefine.md
    python -m experiments.refine --render                     the page and its picture from published records

The record goes to .cache/refine/refine-DATA.json, with --publish to tables/results/ as well; the page is then written
too. Both networks stay in .cache/refine/DATA/, for `make predict` and `make export`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import sys
from pathlib import Path

from tqdm import tqdm

from experiments.lib import lookup, paths, refined
from experiments.lib.command import Parser, at_least_one, contexts, run, seed_of
from experiments.lib.pages import SPARSEREFINE
from experiments.lib.paths import PRESETS, PRETRAINED
from experiments.lib.repeat import command_of, portable
from experiments.lib.tables import chosen_rows
from repro.errors import UserError
from repro.files import write_text
from repro.records import provenance

TABLE, ROW, DENSE = "1", "stride32", "halved"  # the dense network, and that it is trained on halved images
# the public code's 3e-4 is for 500 epochs; in 640 steps on minicity (38.05 dense), 3e-3 gives 38.78 refined, this 41.03
RATE = 1e-2
CHECKPOINT = 100  # steps of the refiner between checkpoints


def own_folder(name: str, content: str) -> Path:
    """Where this machine keeps what is trained: under `name`, unless that has another content, then with its hash."""
    folder = paths.CACHE / "refine" / name
    marker = folder / "content"
    if marker.is_file() and marker.read_text(encoding="utf-8") != content:
        folder = folder.with_name(f"{name}-{hashlib.sha256(content.encode()).hexdigest()[:8]}")
    write_text(folder / "content", content)
    return folder


def bar(what: str, total: int):
    """Return what shows the steps of a training, called with each and its loss."""
    shown = tqdm(total=total, desc=what, disable=None)

    def report(step, value):
        shown.set_postfix(loss=f"{value:.3f}", refresh=False)
        shown.update(step + 1 - shown.n)
    return report


def refine(given) -> None:
    """Train what is missing, measure, and write the record."""
    row, = chosen_rows(TABLE, ROW)
    preset, seed = lookup.preset_of(given.preset), seed_of(given.seed, "--seed")
    budget = preset.budget(given.budget)
    for name in ("rate", "threshold"):
        if not 0 < getattr(given, name) < math.inf:
            raise UserError(f"--{name}: {getattr(given, name):g} is not above 0")
    steps = budget.steps if given.steps is None else at_least_one(given.steps, "--steps")
    ctx = contexts(given.gpu)
    pretrained, backbone = lookup.backbone(given.pretrained, preset, row.training.pretrained)
    from repro.config.networks import network_dict
    from repro.config.presets import preset_dict
    from repro.config.rows import training_dict
    from repro.data import open_dataset
    from repro.data.images import image_size
    from repro.models import imagenet, parameters
    from repro.models.build import Plan
    from repro.sparserefine.measure import Refining, halved, measure_refined
    from repro.sparserefine.networks import new_refiner
    from repro.sparserefine.training import Recipe
    from repro.training.loop import Run
    from repro.training.run import train_network

    width = preset.width if given.width is None else given.width
    new_refiner(2, width)  # says of a width that there are no planes of it
    folder, content = lookup.data_folder(given.data, preset)
    dataset = open_dataset(folder)
    origin = provenance(command_of(given, "refine", data=portable(given.data)))
    refining = Refining(width, preset.recipe.batch, preset.recipe.scales, steps,
                        Recipe(rate=given.rate, threshold=given.threshold), seed, budget.images)
    found = lookup.examined(given.leak, dataset, images=budget.images)
    content = content or lookup.content_of(given, dataset, found, images=budget.images)
    words = (given.preset, "lite"), (given.budget, "full"), (f"seed{given.seed}", "seed0")
    name = "-".join([dataset.name, *(word for word, usual in words if word != usual)])
    own, size = own_folder(name, content), image_size(dataset.train[0].image)
    plan = halved(Plan(row.network, row.training, preset, size), size)

    def identity(*values) -> str:
        plain = [network_dict(row.network), training_dict(row.training), DENSE, content,
                 dataclasses.asdict(dataset.classes), preset_dict(preset), given.budget, seed, *values]
        return hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()

    same = identity("dense", budget.steps, backbone)
    arrays, _ = train_network(plan, dataset, budget.steps, seed, ctx, imagenet.load_backbone(pretrained),
                              bar("dense network", budget.steps), Run(own / f"dense-{same[:12]}", same))
    for old in (refined.DESCRIPTION, refined.RECORD):  # of other networks than those that come now
        (own / old).unlink(missing_ok=True)
    parameters.save_arrays(own / "dense.params", arrays)
    weights = hashlib.sha256(b"".join(arrays[key].asnumpy().tobytes() for key in sorted(arrays))).hexdigest()
    same = identity(weights, dataclasses.asdict(refining))
    measured = measure_refined(
        plan, arrays, dataset, size, refining, ctx[0], bar("refiner", steps),
        lambda batches, total: tqdm(batches, "testing", total, disable=None),
        Run(own / f"refiner-{same[:12]}", same, CHECKPOINT),
        lambda refiner: parameters.save_arrays(own / "refiner.params", refiner))
    record = json.dumps({
        "table": TABLE, "row": row.id, "dense_network": DENSE, "data": dataset.name, "preset": given.preset,
        "budget": given.budget, "seed": seed, "dense_steps": budget.steps,
        **{key: value for key, value in dataclasses.asdict(refining).items() if key != "seed"}, **measured,
        **({"classes": dataclasses.asdict(dataset.classes)} if dataset.classes.own else {}), "provenance": origin},
        indent=1, allow_nan=False) + "\n"
    for path in (paths.CACHE / "refine" / f"refine-{own.name}.json",
                 *((paths.RESULTS / f"refine-{name}.json",) if given.publish else ())):
        write_text(path, record)
        print(os.path.relpath(path))
    refined.describe(own, row.network, row.training, preset, record)
    density = measured["density"]
    print(f"mean IoU {measured['dense']['mean_iou']:.2f}% dense, {measured['refined']['mean_iou']:.2f}% refined; "
          f"{100 * density['mean']:.1f} +- {100 * density['spread']:.1f}% of the pixels selected")


def execute(given) -> None:
    """Measure unless only the page is asked for."""
    if not given.render:
        refine(given)
    if given.render or given.publish:
        SPARSEREFINE.render()


def parser_of() -> Parser:
    """Return the command line."""
    parser = Parser(prog="python -m experiments.refine", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--data", default="minicity", help="minicity, or a folder in Cityscapes' or CamVid's layout")
    add("--preset", default="lite", help=f"one of {', '.join(PRESETS)} (default %(default)s)")
    add("--budget", default="full", help="the dense network's, and the refiner's steps (default %(default)s)")
    add("--seed", default="0", help="of both trainings (default %(default)s)")
    add("--pretrained", default=str(PRETRAINED), help="a backbone's .params, or resnet50_v1 to download gluoncv's")
    add("--steps", type=int, help="of the refiner (default: the budget's)")
    add("--rate", type=float, default=RATE, help="learning rate of the refiner (default %(default)s)")
    add("--threshold", type=float, default=0.3, help="of the entropy, in natural units (default %(default)s)")
    add("--width", type=float, help="of the extractor's planes (default: the preset's)")
    add("--gpu", default="", help="a card, such as 0 (default: the CPU)")
    add("--leak", action="store_true", help="go on where measured images are trained on too")
    add("--publish", action="store_true", help="write the record into tables/results/ too, and the page")
    add("--render", action="store_true", help="write the page from what was published before")
    return parser


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    return run(execute, parser_of().parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
