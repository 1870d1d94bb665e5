"""Measure the rows of a table that this machine has not measured yet, then render it: what `make table3` runs."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from pathlib import Path
from typing import Dict, List

from experiments.lib import paths, tables
from experiments.lib.command import Parser, at_least_one, between, run, seed_of
from experiments.lib.lookup import (
    HALF,
    backbone,
    chosen_rows,
    content_of,
    data_folder,
    examined,
    own_records,
    preset_of,
)
from experiments.lib.pages import LOCAL_NEIGHBOURS
from experiments.lib.paths import PRESETS, TABLES
from experiments.lib.repeat import command_of, portable
from experiments.lib.schedule import measure_all, workers_for
from experiments.lib.worker import Job, forget, specification
from repro.errors import UserError, choice
from repro.files import write_bytes
from repro.training.cluster import parse_hosts

MOST = 64  # processes of a kind that may be asked for


def plan(given) -> List[Job]:
    """Return one job per distinct training and seed of the chosen rows; their files are looked at first."""
    from repro import device
    from repro.config.presets import changed
    from repro.config.rows import training_name
    from repro.data import open_dataset
    from repro.data.contents import check_regions

    rows = chosen_rows(given.table, given.row or None)
    changes = {name: value for name, value in (("batch", given.batch), ("steps", given.steps)) if value is not None}
    preset = changed(preset_of(given.preset), changes)
    budget_name = given.budget or ("full" if given.row else "quick")
    budget = preset.budget(budget_name)
    seeds = sorted({seed_of(seed.strip(), f"SEEDS: {given.seeds!r}") for seed in given.seeds.split(",")})
    at_least_one(given.checkpoint, "CHECKPOINT")
    between(given.readers, 0, MOST, "READERS")
    between(given.jobs, 0, MOST, "JOBS")
    device.check(given.gpu)
    pretrained, weights = backbone(given, preset, rows)
    folder, identity = data_folder(given.data, preset)
    dataset = open_dataset(folder)
    if given.split:
        dataset = dataclasses.replace(dataset, measured_split=choice(given.split, ("val", "test"), "SPLIT"))
        if given.publish:
            raise UserError("PUBLISH: what is measured on another split is not published")
    trainings = {training_name(row.network, training): (row.network, training)
                 for row in rows for name, training in row.trainings if given.extra in ("", name or "own")}
    if not trainings:
        raise UserError(f"EXTRA: {given.extra!r} is no training of these rows; choose from own, bootstrapping, coarse")
    if not dataset.coarse and any(training.coarse for _, training in trainings.values()):
        print(f"{dataset.name} has no coarsely labelled images; rows that ask for them are trained without",
              file=sys.stderr)
        without = [(network, dataclasses.replace(training, coarse=False)) for network, training in trainings.values()]
        trainings = {training_name(*pair): pair for pair in without}
    coarse = dataset.coarse if any(training.coarse for _, training in trainings.values()) else ()
    found = examined(given, dataset, coarse, budget.images)
    for network, training in trainings.values():
        check_regions(dataset.measured[:budget.images], found, network, training, preset)
    content = content_of(given, dataset, found, images=budget.images)
    with_coarse = content_of(given, dataset, found, coarse, budget.images)
    label = "+".join([budget_name, *(f"{name}{value}" for name, value in changes.items()),
                      *([given.split] if given.split else [])])
    jobs = []
    for network, training in trainings.values():
        for seed in seeds:
            jobs.append(Job(
                network=network, training=training, preset=preset, budget=budget_name, label=label, seed=seed,
                data=str(folder), split=given.split, pretrained=pretrained, specification=specification(
                    network, training, seed, identity or (with_coarse if training.coarse else content), preset, budget,
                    given.split, weights),
                command=command_of(given, TABLES[given.table], ("table",), data=portable(given.data, dataset.name)),
                results=str(paths.CACHE / "results"), runs=str(paths.CACHE / "runs"), gpu=given.gpu,
                every=given.checkpoint, readers=given.readers, content=content, fresh=given.fresh))
    return jobs


def finished(jobs: List[Job]) -> Dict[str, Path]:
    """Return record files of exactly these measurements on this machine, by specification, but damaged ones."""
    found = {record.recipe.get("specification"): path for path, record in own_records()}
    return {job.specification: found[job.specification] for job in jobs if job.specification in found}


def measure(given) -> None:
    """Measure what is missing, publish if asked, render the table."""
    hosts = parse_hosts(given.hosts)
    jobs = plan(given)
    done = {} if given.fresh else finished(jobs)
    due = [job for job in jobs if job.specification not in done]
    print(f"{TABLES[given.table]}: {len(jobs)} trainings, {len(jobs) - len(due)} measured on this machine before",
          file=sys.stderr)
    for job in jobs:
        if job.specification in done:
            forget(job)
    if due:
        measure_all(due, workers_for(given.jobs, len(due), given.gpu, hosts), hosts)
    if given.publish:
        from repro.records import read_record

        for path in finished(jobs).values():
            folder = paths.RESULTS / "-".join(read_record(path).group)
            for kind in (".npz", ".jsonl.gz", ".json"):  # what each image gave, the log, the record
                if path.with_suffix(kind).exists():
                    write_bytes(folder / (path.stem + kind), path.with_suffix(kind).read_bytes())
    if given.table in tables.PAGES and not given.unrendered:
        tables.write(given.table, local=True)
    elif not given.unrendered:
        LOCAL_NEIGHBOURS.render()
    if given.row:
        say_where(finished(jobs).values())


def say_where(paths) -> None:
    """Print where the parameters of these records lie, and the accuracy they have reached."""
    from repro.records import read_record

    for path in paths:
        found = read_record(path).evaluations
        accuracy = (found.get("fast") or found["whole"])["mean_iou"]
        print(f"{os.path.relpath(path.with_suffix('.params'))}: mean IoU {accuracy:.2f}%")


def parse(arguments=None) -> argparse.Namespace:
    """Return the command line's values."""
    parser = Parser(prog="python -m experiments.table", description=__doc__)
    add = parser.add_argument
    add("--table", required=True, help=f"one of {', '.join(TABLES)}")
    add("--unrendered", action="store_true", help=argparse.SUPPRESS)  # the page stays as it is: make check
    add("--data", default="minicity", help="minicity, or a folder: Cityscapes' layout, CamVid's, or with classes.yaml")
    add("--preset", default="lite", help=f"one of {', '.join(PRESETS)} (default %(default)s)")
    add("--budget", default="", help="quick or full (default: quick for a table, full for one row)")
    add("--row", default="", help="one row's id (default: all rows)")
    add("--extra", default="", help="own, bootstrapping or coarse: only that training of the row (default: all)")
    add("--seeds", default="0", help="such as 0,1,2 (default %(default)s)")
    add("--gpu", default="", help="cards, such as 0 or 0,1 (default: the CPU)")
    add("--hosts", default="", help="machines to train each row on together, such as localhost,other (default: this)")
    add("--pretrained", default="", help=f"a backbone's .params; {HALF}: open_nsfw's, downloaded and converted; "
        "resnet50_v1: gluoncv's, downloaded (default: the preset's, or the shipped one)")
    add("--split", default="", help="val: measure on it, to choose by (default: the split that the tables report)")
    add("--batch", type=int, help="another batch than the preset's")
    add("--steps", type=int, help="other steps than the budget's")
    add("--jobs", type=int, default=0, help="rows trained at once on a CPU (default: one per core)")
    add("--readers", type=int, default=0, help="threads that read images ahead of training (default: one)")
    add("--checkpoint", type=int, default=200, help="steps between checkpoints (default %(default)s)")
    add("--fresh", action="store_true", help="measure again what this machine has measured")
    add("--leak", action="store_true", help="go on where measured images are trained on too")
    add("--publish", action="store_true", help="write the records into tables/results/")
    return parser.parse_args(arguments)


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    return run(measure, parse(arguments))


if __name__ == "__main__":
    sys.exit(main())
