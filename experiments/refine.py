"""SparseRefine over a row's network at half resolution: trained and measured, or its density-time curve.

    python -m experiments.refine                        dense network and refiner, trained and measured on minicity
    python -m experiments.refine --dense trained        over the row as `make table1` trained it, on halved images
    python -m experiments.refine --density --publish    the time of the sparse part against density, on an idle machine
    python -m experiments.refine --render               tables/sparserefine.md and its picture from published records

Records go to .cache/refine/, with --publish to tables/results/ as well: refine-DATA.json and refine-density.json; the
page is then written too.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import sys
from pathlib import Path

from experiments.lib import lookup, paths, refined
from experiments.lib.command import Parser, at_least_one, contexts, run, seed_of
from experiments.lib.pages import SPARSEREFINE
from experiments.lib.paths import PRESETS, PRETRAINED, parse_size
from experiments.lib.repeat import command_of, portable
from repro.errors import UserError, choice
from repro.files import write_text
from repro.records import provenance

# the public code's 3e-4 is for 500 epochs; in 640 steps on minicity (38.05 dense), 3e-3 gives 38.78 refined, this 41.03
RATE = 1e-2
CLASSES = 19  # of the density curve's network


def write_record(given, name: str, here: str, found: dict) -> str:
    """Write a measurement's record, and print where; `here`: its name on this machine. Return its text."""
    text = json.dumps(found, indent=1, allow_nan=False) + "\n"
    for path in (paths.CACHE / "refine" / f"refine-{here}.json",
                 *((paths.RESULTS / f"refine-{name}.json",) if given.publish else ())):
        write_text(path, text)
        print(os.path.relpath(path))
    return text


def own_folder(name: str, content: str) -> Path:
    """Where this machine keeps what is trained: under `name`, unless that has another content, then with its hash."""
    folder = paths.CACHE / "refine" / name
    marker = folder / "content"
    if marker.is_file() and marker.read_text(encoding="utf-8") != content:
        folder = folder.with_name(f"{name}-{hashlib.sha256(content.encode()).hexdigest()[:8]}")
    write_text(folder / "content", content)
    return folder


def density(given, command: str) -> None:
    """Measure the density-time curve."""
    from tqdm import tqdm

    size = parse_size(given.size)
    if any(side % 64 for side in size) or given.rounds < 1:
        raise UserError(f"--size {given.size}, --rounds {given.rounds}: sides are multiples of 64, rounds 1 or more")
    ctx, origin = contexts(given.gpu)[0], provenance(command)
    from repro.timing.density import density_curve

    width = width_of(given, 1.0)
    found = density_curve(size, width, CLASSES, given.rounds, ctx=ctx,
                          progress=lambda turns: tqdm(turns, "rounds", disable=None))
    write_record(given, "density", "density", {"size": given.size, "width": width, "classes": CLASSES, **found,
                                    "provenance": origin})


def width_of(given, default: float) -> float:
    """Return the width of the extractor's planes; UserError where there are none of it."""
    from repro.models.build import build_refiner

    width = default if given.width is None else given.width
    try:
        build_refiner(CLASSES, width)
    except ValueError as error:
        raise UserError(f"--width: {error}") from None
    return width


def refine(given, command: str) -> None:
    """Train what is missing and measure."""
    from repro.tables.refine import DENSE

    if choice(given.dense, tuple(DENSE), "--dense") == "halved" and given.weights:
        raise UserError("--weights: for --dense trained; halved trains the dense network itself")
    row, training = lookup.chosen(given)
    seed = seed_of(given.seed, "--seed")
    preset = lookup.preset_of(given.preset)
    budget = preset.budget(given.budget)
    for name in ("rate", "threshold"):
        if not 0 < getattr(given, name) < math.inf:
            raise UserError(f"--{name}: {getattr(given, name):g} is not above 0")
    for name in ("steps", "batch", "images", "checkpoint"):
        if getattr(given, name) is not None:
            at_least_one(getattr(given, name), f"--{name}")
    width = width_of(given, preset.width)
    ctx = contexts(given.gpu)
    pretrained, values = lookup.backbone(given.pretrained, preset, given.dense == "halved" and training.pretrained)
    from tqdm import tqdm

    from repro.config.networks import network_dict
    from repro.config.presets import preset_dict
    from repro.config.rows import training_dict
    from repro.data import open_dataset
    from repro.data.images import image_size
    from repro.models import imagenet, parameters
    from repro.models.build import Plan
    from repro.sparserefine.measure import Refining, halved, measure_refined
    from repro.sparserefine.training import Recipe
    from repro.training.loop import Run
    from repro.training.run import train_network

    folder, content = lookup.data_folder(given.data, preset)
    dataset = open_dataset(folder)
    origin = provenance(command)
    size = image_size(dataset.train[0].image)
    images = budget.images if given.images is None else given.images
    refining = Refining(width, given.batch or preset.recipe.batch,
                        preset.recipe.scales, given.steps or budget.steps,
                        Recipe(rate=given.rate, threshold=given.threshold), seed, images)
    plan = Plan(row.network, training, preset, size)
    if given.dense == "trained":
        plan, arrays = lookup.trained_plan(given, dataset, size)
    found = lookup.examined(given.leak, dataset, images=images)
    content = content or lookup.content_of(given, dataset, found, images=images)
    words = (row.id, "stride32"), (given.extra, ""), (given.dense, "halved"), (given.preset, "lite"), \
        (given.budget, "full"), (f"seed{given.seed}", "seed0")
    name = "-".join([dataset.name, *(word for word, usual in words if word != usual)])
    own = own_folder(name, content)
    steps = budget.steps if training.pretrained else budget.scratch_steps

    def identity(*values) -> str:
        plain = [network_dict(row.network), training_dict(training), given.dense, content,
                 dataclasses.asdict(dataset.classes), preset_dict(preset), given.budget, seed, *values]
        return hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()

    def bar(what: str, total: int):
        shown = tqdm(total=total, desc=what, disable=None)

        def report(step, value):
            shown.set_postfix(loss=f"{value:.3f}", refresh=False)
            shown.update(step + 1 - shown.n)
        return report

    if given.dense == "halved":
        plan, same = halved(plan, size), identity("dense", steps, values if training.pretrained else "")
        backbone = imagenet.load_backbone(pretrained) if training.pretrained else None
        arrays, _ = train_network(plan, dataset, steps, seed, ctx, backbone,
                                  bar("dense network", steps), Run(own / f"dense-{same[:12]}", same))
    for old in (refined.DESCRIPTION, refined.RECORD):  # of other networks than those that come now
        (own / old).unlink(missing_ok=True)
    parameters.save_arrays(own / "dense.params", arrays)
    weights = hashlib.sha256(b"".join(arrays[key].asnumpy().tobytes() for key in sorted(arrays))).hexdigest()
    inference, same = "fast" if row.network.sparse else "whole", identity(weights, dataclasses.asdict(refining))
    found, _ = measure_refined(
        plan, arrays, dataset, inference, size, refining, ctx[0], bar("refiner", refining.steps),
        lambda batches, total: tqdm(batches, "testing", total, disable=None),
        Run(own / f"refiner-{same[:12]}", same, given.checkpoint),
        lambda refiner: parameters.save_arrays(own / "refiner.params", refiner))
    refined.describe(own, row.network, training, preset, write_record(given, name, own.name, {
        "table": given.table, "row": row.id, "dense_network": given.dense, "data": dataset.name, "preset": given.preset,
        "budget": given.budget, "seed": seed, "dense_steps": steps,
        **{key: value for key, value in dataclasses.asdict(refining).items() if key != "seed"}, **found,
        **({"extra": given.extra} if given.extra else {}),
        **({"classes": dataclasses.asdict(dataset.classes)} if dataset.classes.own else {}), "provenance": origin}))
    density = found["density"]
    print(f"mean IoU {found['dense']['mean_iou']:.2f}% dense, {found['refined']['mean_iou']:.2f}% refined; "
          f"{100 * density['mean']:.1f} +- {100 * density['spread']:.1f}% of the pixels selected")


def execute(given) -> None:
    """Measure unless only the page is asked for."""
    if not given.render:
        command = command_of(given, "density" if given.density else "refine", ("density",), data=portable(given.data))
        (density if given.density else refine)(given, command)
    if given.render or given.publish:
        SPARSEREFINE.render()


def parser_of() -> Parser:
    """Return the command line."""
    parser = Parser(prog="python -m experiments.refine", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--table", default="1", help="the dense network's table (default %(default)s)")
    add("--row", default="stride32", help="its row (default %(default)s)")
    add("--extra", default="", help="bootstrapping or coarse: that training of the row")
    add("--dense", default="halved", help="halved: trained here on halved images; trained: as the table trained it")
    add("--data", default="minicity", help="minicity, or a folder in Cityscapes' or CamVid's layout")
    add("--preset", default="lite", help=f"one of {', '.join(PRESETS)} (default %(default)s)")
    add("--budget", default="full", help="the dense network's, and the refiner's steps (default %(default)s)")
    add("--seed", default="0", help="of both trainings (default %(default)s)")
    add("--weights", default="", help="with --dense trained: the row's .params file (default: found)")
    add("--pretrained", default=str(PRETRAINED), help="with --dense halved: a backbone's .params, or "
        "resnet50_v1 to download gluoncv's")
    add("--steps", type=int, help="of the refiner (default: the budget's)")
    add("--batch", type=int, help="images (default: the preset's)")
    add("--rate", type=float, default=RATE, help="learning rate (default %(default)s)")
    add("--threshold", type=float, default=0.3, help="of the entropy, in natural units (default %(default)s)")
    add("--width", type=float, help="of the extractor's planes (default: the preset's; the curve's: 1)")
    add("--images", type=int, help="measured (default: the budget's)")
    add("--checkpoint", type=int, default=100, help="steps between checkpoints (default %(default)s)")
    add("--density", action="store_true", help="measure time against density instead")
    add("--size", default="512x1024", help="of the curve's image (default %(default)s)")
    add("--rounds", type=int, default=7, help="of the curve (default %(default)s)")
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
