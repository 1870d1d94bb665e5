"""The trainings that a command asks for: which this machine has not measured yet, and running those side by side."""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from tqdm import tqdm

from experiments.lib import paths
from experiments.lib.command import Reported, at_least_one, between, seed_of
from experiments.lib.lookup import backbone, content_of, data_folder, examined, own_records, preset_of
from experiments.lib.paths import ROOT, TABLES
from experiments.lib.repeat import command_of, portable
from experiments.lib.tables import chosen_rows
from experiments.lib.worker import Job, alone, forget, specification
from repro.device import threads
from repro.errors import UserError, choice
from repro.files import write_text
from repro.training.cluster import Cluster, address, parse_hosts

MOST = 64  # processes of a kind that may be asked for


class Asked(NamedTuple):
    """What is to be measured, as the options of `make tableN` name it: any that have these names stand for it too."""

    table: str = ""
    data: str = "minicity"
    preset: str = "lite"
    budget: str = ""
    row: str = ""
    extra: str = ""
    seeds: str = "0"
    gpu: str = ""
    hosts: str = ""
    pretrained: str = ""
    split: str = ""
    batch: Optional[int] = None
    steps: Optional[int] = None
    jobs: int = 0
    readers: int = 0
    checkpoint: int = 200
    fresh: bool = False
    leak: bool = False

    @property
    def usual(self) -> Dict[str, Any]:
        """The options' default values by name, as experiments.lib.command.Parser's have them."""
        return self._field_defaults


def plan(asked) -> List[Job]:
    """Return one job per distinct training and seed of what is Asked; their files are looked at first."""
    from repro import device
    from repro.config.presets import changed
    from repro.config.rows import training_name
    from repro.data import open_dataset
    from repro.data.contents import check_regions
    from repro.data.dataset import check_labelled

    rows = chosen_rows(asked.table, asked.row or None)
    changes = {name: value for name, value in (("batch", asked.batch), ("steps", asked.steps)) if value is not None}
    preset = changed(preset_of(asked.preset), changes)
    budget_name = asked.budget or ("full" if asked.row else "quick")
    budget = preset.budget(budget_name)
    seeds = sorted({seed_of(seed.strip(), f"SEEDS: {asked.seeds!r}") for seed in asked.seeds.split(",")})
    at_least_one(asked.checkpoint, "CHECKPOINT")
    between(asked.readers, 0, MOST, "READERS")
    between(asked.jobs, 0, MOST, "JOBS")
    device.check(asked.gpu)
    parts = max(1, len(device.parse(asked.gpu))) * max(1, len(parse_hosts(asked.hosts)))
    if preset.recipe.batch % parts:
        raise UserError(f"BATCH: {preset.recipe.batch} does not divide among the {parts} devices of GPU and HOSTS")
    if asked.split:
        choice(asked.split, ("val",) if asked.data == "minicity" else ("val", "test"), f"SPLIT of {asked.data}")
    named = [(name or "own", row.network, training) for row in rows for name, training in row.trainings]
    if asked.extra:
        choice(asked.extra, list(dict.fromkeys(name for name, *_ in named)), "EXTRA")
    pairs = [(network, training) for name, network, training in named if asked.extra in ("", name)]
    pretrained, weights = backbone(asked.pretrained, preset, any(training.pretrained for _, training in pairs))
    folder, identity = data_folder(asked.data, preset)
    dataset = open_dataset(folder)
    if asked.split:
        dataset = dataclasses.replace(dataset, measured_split=asked.split)
        if not check_labelled(dataset.measured, asked.split, "which SPLIT asks for"):
            raise UserError(f"SPLIT: {dataset.name} has no images in {asked.split}")
    if not dataset.coarse and any(training.coarse for _, training in pairs):
        print(f"{dataset.name} has no coarsely labelled images; rows that ask for them are trained without",
              file=sys.stderr)
        pairs = [(network, dataclasses.replace(training, coarse=False)) for network, training in pairs]
    trainings = {training_name(*pair): pair for pair in pairs}.values()
    coarse = dataset.coarse if any(training.coarse for _, training in trainings) else ()
    found = examined(asked.leak, dataset, coarse, budget.images)
    first = () if preset.crop else dataset.train[:1]  # whose size that of the crops is
    for network, training in trainings:
        check_regions((*first, *dataset.measured[:budget.images]), found, network, training, preset)
    content = content_of(asked, dataset, found, images=budget.images)
    with_coarse = content_of(asked, dataset, found, coarse, budget.images)
    label = "+".join([budget_name, *(f"{name}{value}" for name, value in changes.items()),
                      *([asked.split] if asked.split else [])])
    return [Job(
        network=network, training=training, preset=preset, budget=budget_name, label=label, seed=seed,
        data=str(folder), split=asked.split, pretrained=pretrained, specification=specification(
            network, training, seed, identity or (with_coarse if training.coarse else content), preset, budget,
            asked.split, weights),
        command=command_of(asked, TABLES[asked.table], ("table",), data=portable(asked.data, dataset.name)),
        results=str(paths.CACHE / "results"), runs=str(paths.CACHE / "runs"), gpu=asked.gpu, every=asked.checkpoint,
        readers=asked.readers, content=content, fresh=asked.fresh) for network, training in trainings for seed in seeds]


def finished(jobs: Sequence[Job]) -> Dict[str, Path]:
    """Return record files of exactly these measurements on this machine, by specification, but damaged ones."""
    found = {record.recipe.get("specification"): path for path, record in own_records()}
    return {job.specification: found[job.specification] for job in jobs if job.specification in found}


def measured(asked) -> List[Path]:
    """Measure what is Asked and missing on this machine; return the record files of all of it."""
    hosts = parse_hosts(asked.hosts)
    address(hosts)
    jobs = plan(asked)
    done = {} if asked.fresh else finished(jobs)
    due = [job for job in jobs if job.specification not in done]
    print(f"{TABLES[asked.table]}: {len(jobs)} trainings, {len(jobs) - len(due)} measured on this machine before",
          file=sys.stderr)
    for job in jobs:
        if job.specification in done:
            forget(job)
    if due:
        # one per thread of a CPU; on cards or several machines one after the other
        at_once = 1 if asked.gpu or hosts else max(1, min(asked.jobs or threads(), len(due)))
        measure_all(due, at_once, hosts)
    return list(finished(jobs).values())


def measure_all(jobs: Sequence[Job], workers: int, hosts: Sequence[str] = ()) -> None:
    """Run the jobs, `workers` at once; each writes its record when it is done.

    The first failure stops the rest, as does an interrupt; records and checkpoints already written stay.
    """
    if not hosts:
        _measure_all(jobs, workers, hosts)
    for job in jobs if hosts else ():
        with alone(job) as due:  # its workers are several
            if due:
                _measure_all([job], 1, hosts)


def _measure_all(jobs: Sequence[Job], workers: int, hosts: Sequence[str]) -> None:
    local = max(1, sum(host == "localhost" for host in hosts)) * workers
    environment = {"OMP_NUM_THREADS": str(max(1, threads() // local))}
    waiting, running, slots = list(jobs), {}, set(range(1, workers + 1))
    with tqdm(total=len(jobs), desc="trainings", unit="row", mininterval=1, disable=None) as bar:
        try:
            while waiting or running:
                while waiting and slots:
                    job = dataclasses.replace(waiting.pop(0), slot=min(slots))
                    slots.remove(job.slot)
                    command = [sys.executable, *(f"-W{option}" for option in sys.warnoptions), "-m",
                               "experiments.lib.worker", str(job.file)]
                    write_text(job.file, job.text())
                    running[Cluster(command, hosts, environment, ROOT, job.file)] = (job, time.monotonic())
                time.sleep(0.1)
                for cluster, code in [(c, c.poll()) for c in running]:
                    if code is None:
                        continue
                    job, began = running.pop(cluster)
                    slots.add(job.slot)
                    if code:
                        _failed(job, code, cluster.failed)
                    bar.update()
                    bar.write(f"{job.name}: measured in {time.monotonic() - began:.0f} s", file=sys.stderr)
        finally:
            for cluster in running:
                cluster.stop()
            for job in jobs:
                job.file.unlink(missing_ok=True)


def _failed(job: Job, code: int, failed: str) -> None:
    kept = ("; the same command goes on from the last checkpoint"
            if (job.folder / "checkpoint.params").exists() else "")
    if code == 2:  # it said why
        if failed:
            tqdm.write(f"{job.name}: {failed}{kept}", file=sys.stderr)
        raise Reported
    raise UserError(f"{job.name}: not measured, {failed or f'its process ended with code {code}'}{kept}")
