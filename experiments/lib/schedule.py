"""Running jobs side by side, each in a process of its own or on several machines together."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from typing import List, Sequence

from tqdm import tqdm

from experiments.lib.command import Reported
from experiments.lib.paths import ROOT
from experiments.lib.worker import Job, alone
from repro.device import threads
from repro.errors import UserError
from repro.training.cluster import Cluster


def workers_for(asked: int, jobs: int, gpu: str, hosts: Sequence[str]) -> int:
    """How many jobs to run at once: one per thread of a CPU; on cards or several machines one after the other."""
    return 1 if gpu or hosts else max(1, min(asked or threads(), jobs))


def measure_all(jobs: List[Job], workers: int, hosts: Sequence[str] = ()) -> None:
    """Run the jobs, `workers` at once; each writes its record when it is done.

    The first failure stops the rest, as does an interrupt; records and checkpoints already written stay.
    """
    if not hosts:
        _measure_all(jobs, workers, hosts)
    for job in jobs if hosts else ():
        with alone(job) as due:  # its workers are several
            if due:
                _measure_all([job], 1, hosts)


def _measure_all(jobs: List[Job], workers: int, hosts: Sequence[str]) -> None:
    local = max(1, sum(host == "localhost" for host in hosts)) * workers
    environment = {"OMP_NUM_THREADS": str(max(1, threads() // local))}
    waiting, running, slots = list(jobs), {}, set(range(1, workers + 1))
    with tqdm(total=len(jobs), desc="trainings", unit="row", mininterval=1) as bar:
        try:
            while waiting or running:
                while waiting and slots:
                    job = dataclasses.replace(waiting.pop(0), slot=min(slots))
                    slots.remove(job.slot)
                    command = [sys.executable, *_warning_flags(), "-m", "experiments.lib.worker",
                               json.dumps(dataclasses.asdict(job))]
                    running[Cluster(command, hosts, environment, ROOT)] = (job, time.monotonic())
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


def _failed(job: Job, code: int, failed: str) -> None:
    kept = ("; the same command goes on from the last checkpoint"
            if (job.folder / "checkpoint.params").exists() else "")
    if code == 2:  # it said why
        if failed:
            tqdm.write(f"{job.name}: {failed}{kept}", file=sys.stderr)
        raise Reported
    raise UserError(f"{job.name}: not measured, {failed or f'its process ended with code {code}'}{kept}")


def _warning_flags() -> List[str]:
    return [f"-W{option}" for option in sys.warnoptions]
