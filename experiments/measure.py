"""Measure the rows of a table that this machine has not measured yet, then render it: what `make table3` runs."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List, Tuple

from tqdm import tqdm

from experiments.command import HERE, PRETRAINED, Reported, run
from experiments.worker import Job
from repro.errors import UserError, choice
from repro.files import write_bytes

ROOT = HERE.parent
CACHE = ROOT / ".cache"
RESULTS = ROOT / "tables" / "results"
ROWS = {**{number: f"table{number}" for number in "12345"}, "ablations": "ablations"}  # --table: its YAML
PRESETS = tuple(sorted(path.stem for path in (HERE / "presets").glob("*.yaml") if path.stem != "pretrain"))


def data_folder(data: str, preset) -> Tuple[Path, str]:
    """The folder DATA names, minicity written first if it is that; and what identifies its content."""
    if data == "minicity":
        from repro.minicity import MARKER, write_minicity

        folder = CACHE / "data" / "minicity-{}x{}".format(*preset.size)
        write_minicity(folder, size=preset.size)
        return folder, (folder / MARKER).read_text(encoding="utf-8")
    folder = Path(data).expanduser()
    if not folder.is_dir():
        raise UserError(f"DATA: {data!r} is neither minicity nor a folder")
    return folder.absolute(), str(folder.absolute())


def plan(given) -> List[Job]:
    """One job per distinct training and seed of the chosen rows."""
    from repro import devices
    from repro.data import open_dataset
    from repro.presets import load_preset
    from repro.rows import load_table, network_dict, training_dict, training_name

    choice(given.table, tuple(ROWS), "table")
    choice(given.preset, PRESETS, "PRESET")
    preset_path = HERE / "presets" / f"{given.preset}.yaml"
    preset = load_preset(preset_path, given.preset)
    budget = preset.budget(given.budget)
    rows = load_table(HERE / f"{ROWS[given.table]}.yaml")
    if given.row:
        choice(given.row, [row.id for row in rows], f"ROW of {ROWS[given.table]}")
        rows = [row for row in rows if row.id == given.row]
    try:
        seeds = sorted({int(seed) for seed in given.seeds.split(",")})
    except ValueError:
        raise UserError(f"SEEDS: {given.seeds!r} is not a list of numbers such as 0,1,2") from None
    devices.check(given.gpu)
    folder, identity = data_folder(given.data, preset)
    dataset = open_dataset(folder)
    if not dataset.coarse:
        skipped = [row.id for row in rows if any(training.coarse for _, training in row.trainings)]
        if skipped:
            print(f"{dataset.name} has no coarsely labelled images; left out: {', '.join(skipped)}'s trainings on them")
    pretrained = Path(given.pretrained).expanduser().absolute()
    if not pretrained.is_file() and any(training.pretrained for row in rows for _, training in row.trainings):
        raise UserError(f"PRETRAINED: {given.pretrained}: no such file; `make pretrain` makes the quarter-width one")
    if pretrained == PRETRAINED and preset.width != 0.25:
        raise UserError(f"PRETRAINED: preset {given.preset} needs a backbone of width {preset.width:g}, the shipped "
                        "one has 0.25; give the .params file of Gluon's or gluoncv's resnet50_v1")
    weights = hashlib.sha256(pretrained.read_bytes()).hexdigest() if pretrained.is_file() else ""
    jobs = {}
    for row in rows:
        for _, training in row.trainings:
            if training.coarse and not dataset.coarse:
                continue
            for seed in seeds:
                name = training_name(row.network, training)
                values = {"network": network_dict(row.network), "training": training_dict(training), "seed": seed}
                specification = hashlib.sha256(json.dumps(
                    [values, identity, dataclasses.asdict(preset.recipe), dataclasses.asdict(budget), preset.crop,
                     preset.width, preset.shrink, weights if training.pretrained else ""],
                    sort_keys=True).encode()).hexdigest()
                jobs[name, seed] = Job(
                    name=name, data=str(folder), preset=str(preset_path), preset_name=given.preset, budget=given.budget,
                    gpu=given.gpu, pretrained=str(pretrained), specification=specification,
                    command=command_of(given, dataset.name), results=str(CACHE / "results"), **values)
    return list(jobs.values())


def command_of(given, dataset: str) -> str:
    """The make command that repeats the measurement, without a path of this machine."""
    words = [f"make {ROWS[given.table]}"]
    for variable, value, default in (
            ("DATA", "minicity" if given.data == "minicity" else f"/path/to/{dataset}", "minicity"),
            ("PRESET", given.preset, "lite"), ("BUDGET", given.budget, "quick"), ("SEEDS", given.seeds, "0"),
            ("GPU", given.gpu, "")):
        if value != default:
            words.append(f"{variable}={value}")
    return " ".join(words)


def finished(jobs: List[Job]) -> Dict[str, Path]:
    """Record files of exactly these measurements on this machine, by specification; damaged ones do not count."""
    from repro import records

    found = {}
    for path in sorted((CACHE / "results").glob("*/*.json")):
        try:
            found[records.read_record(path).recipe.get("specification")] = path
        except UserError as error:
            print(f"passed over: {error}", file=sys.stderr)
    return {job.specification: found[job.specification] for job in jobs if job.specification in found}


def measure_all(jobs: List[Job], workers: int) -> None:
    """Run the jobs in `workers` processes of their own; each writes its record when it is done.

    The first failure stops the rest, as does an interrupt; records already written stay.
    """
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    environment = {**os.environ, "OMP_NUM_THREADS": threads}
    waiting, running, slots = list(jobs), {}, set(range(1, workers + 1))
    with tqdm(total=len(jobs), desc="trainings", unit="row", mininterval=1) as bar:
        try:
            while waiting or running:
                while waiting and slots:
                    job = dataclasses.replace(waiting.pop(0), slot=min(slots))
                    slots.remove(job.slot)
                    process = subprocess.Popen([sys.executable, *_warning_flags(), "-m", "experiments.worker",
                                                json.dumps(dataclasses.asdict(job))], cwd=ROOT, env=environment)
                    running[process] = (job, time.monotonic())
                time.sleep(0.1)
                for process in [p for p in running if p.poll() is not None]:
                    job, began = running.pop(process)
                    slots.add(job.slot)
                    if process.returncode == 2:
                        raise Reported
                    if process.returncode:
                        raise UserError(f"{job.name}: not measured, its process ended with code {process.returncode}")
                    bar.update()
                    bar.write(f"{job.name}: measured in {time.monotonic() - began:.0f} s", file=sys.stderr)
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait()


def _warning_flags() -> List[str]:
    return [f"-W{option}" for option in sys.warnoptions]


def measure(given) -> None:
    """Measure what is missing, publish if asked, render the table."""
    from experiments import render

    jobs = plan(given)
    done = {} if given.fresh else finished(jobs)
    due = [job for job in jobs if job.specification not in done]
    print(f"{ROWS[given.table]}: {len(jobs)} trainings, {len(jobs) - len(due)} measured on this machine before",
          file=sys.stderr)
    if due:
        measure_all(due, 1 if given.gpu else max(1, min(given.jobs or os.cpu_count() or 1, len(due))))
    if given.publish:
        for path in finished(jobs).values():
            write_bytes(RESULTS / path.parent.name / path.name, path.read_bytes())
    if render.main(["--table", given.table, "--local"]):
        raise Reported


def parse(arguments=None) -> argparse.Namespace:
    """The command line's values."""
    parser = argparse.ArgumentParser(prog="python -m experiments.measure", description=__doc__)
    parser.add_argument("--table", required=True, help=f"one of {', '.join(ROWS)}")
    parser.add_argument("--data", default="minicity", help="minicity, or a folder in Cityscapes' or CamVid's layout")
    parser.add_argument("--preset", default="lite", help=f"one of {', '.join(PRESETS)} (default %(default)s)")
    parser.add_argument("--budget", default="quick", help="quick or full (default %(default)s)")
    parser.add_argument("--row", default="", help="one row's id (default: all rows)")
    parser.add_argument("--seeds", default="0", help="such as 0,1,2 (default %(default)s)")
    parser.add_argument("--gpu", default="", help="cards, such as 0 or 0,1 (default: the CPU)")
    parser.add_argument("--pretrained", default=str(PRETRAINED), help="a backbone's .params (default: the shipped one)")
    parser.add_argument("--jobs", type=int, default=0, help="rows trained at once on a CPU (default: one per core)")
    parser.add_argument("--fresh", action="store_true", help="measure again what this machine has measured")
    parser.add_argument("--publish", action="store_true", help="write the records into tables/results/")
    return parser.parse_args(arguments)


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    return run(measure, parse(arguments))


if __name__ == "__main__":
    sys.exit(main())
