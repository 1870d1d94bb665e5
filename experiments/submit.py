"""Label a split with a row's trained network, as Cityscapes' evaluation server takes it: what `make submit` runs."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Dict, List, Tuple

from tqdm import tqdm

from experiments import table as measure
from experiments.lib.command import Parser, contexts, run
from repro.errors import UserError, choice


def chosen(given):
    """(row, the training of it that is asked for)."""
    row, = measure.chosen_rows(given.table, given.row)
    trainings = dict(row.trainings)
    if given.extra and len(trainings) == 1:
        raise UserError(f"EXTRA of {row.id}: {given.extra!r}: it has no training but its own; leave it out")
    return row, trainings[choice(given.extra, tuple(trainings), f"EXTRA of {row.id}")]


def trained(given, row, training, dataset=None) -> Path:
    """The parameters of this training on this machine, on what `dataset` (None: minicity) holds now; UserError with the
    command that makes them."""
    data = dataset.name if dataset else "minicity"
    found: Dict[Tuple[str, str, str], List] = {}
    for path, record in measure.own_records():
        if (record.network, record.training, record.data) == (row.network, training, data) \
                and path.with_suffix(".params").is_file():
            found.setdefault((record.preset, record.budget, str(record.seed)), []).append((path, record))
    wanted = (given.preset, given.budget, given.seed)
    for path, _ in measure.of_same_data(found.pop(wanted, []), given, dataset):
        return path.with_suffix(".params")
    budget = re.sub(r"\+([a-z]+)(\d+)", lambda change: f" {change[1].upper()}={change[2]}", given.budget)
    words = [f"make {measure.ROWS[given.table]}", f"DATA={given.data}", f"ROW={row.id}", f"PRESET={given.preset}",
             f"BUDGET={budget}", f"SEEDS={given.seed}"]
    others = "; ".join(" ".join(map("=".join, zip(("PRESET", "BUDGET", "SEED"), key))) for key in sorted(found))
    raise UserError(f"this machine has no parameters of {row.id} trained so; `{' '.join(words)}` trains them"
                    + (f" (it has those of {others})" if others else ""))


def trained_plan(given, dataset, size):
    """(Plan of the chosen training on images of `size`, its parameters: those of WEIGHTS or trained here)."""
    from repro.models import parameters
    from repro.models.plan import Plan

    row, training = chosen(given)
    weights = given.weights or trained(given, row, training, dataset)
    return Plan(row.network, training, measure.preset_of(given.preset), size), parameters.load(weights)


def submit(given) -> None:
    """Find the parameters, run the network on the split, write the files."""
    chosen(given)  # before anything takes time
    preset = measure.preset_of(given.preset)
    ctx = contexts(given.gpu)
    from repro.data import open_dataset
    from repro.data.images import image_size
    from repro.evaluation import submission
    from repro.training.run import network_factory

    dataset = open_dataset(measure.data_folder(given.data, preset)[0])
    samples = submission.samples_of(dataset, given.split)
    plan, arrays = trained_plan(given, dataset, image_size(samples[0].image))
    networks = network_factory(plan, arrays, len(dataset.classes), "fast" if plan.network.sparse else "whole", ctx[0])
    files = submission.write_labels(
        given.out, samples, networks, plan.multiple, ctx[0], given.zip,
        lambda images: tqdm(images, total=len(samples), desc=given.split, unit="image"))
    print(f"{given.out}: labels of {len(samples)} images")
    if given.zip:
        print(files[-1])


def parse(arguments=None) -> argparse.Namespace:
    """The command line's values."""
    parser = Parser(prog="python -m experiments.submit", description=__doc__)
    add = parser.add_argument
    add("--table", default="", help=f"one of {', '.join(measure.ROWS)}")
    add("--row", default="", help="a row's id")
    add("--extra", default="", help="bootstrapping or coarse: that training of the row (default: the row's own)")
    add("--data", default="minicity", help="minicity, or a folder in Cityscapes' layout (default %(default)s)")
    add("--preset", default="lite", help=f"one of {', '.join(measure.PRESETS)} (default %(default)s)")
    add("--budget", default="full", help="that the row was trained with (default %(default)s)")
    add("--seed", default="0", help="that the row was trained with (default %(default)s)")
    add("--split", default="test", help="test, val or train (default %(default)s)")
    add("--weights", default="", help="the row's .params file (default: found among those trained on this machine)")
    add("--out", default="submission", help="folder to write (default %(default)s)")
    add("--zip", action="store_true", help="write OUT.zip too")
    add("--gpu", default="", help="a card, such as 0 (default: the CPU)")
    return parser.parse_args(arguments)


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    return run(submit, parse(arguments))


if __name__ == "__main__":
    sys.exit(main())
