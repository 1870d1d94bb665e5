"""Measure one training and write its record: the process that experiments/lib/schedule.py starts per row.

    python -m experiments.lib.worker .cache/runs/SPECIFICATION.PROCESS.json

Of several workers on one training (repro/training/cluster.py), the first one measures and writes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import hashlib
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Iterator

from tqdm import tqdm

from experiments.lib.command import Parser, contexts, run
from repro.config import parsing
from repro.config.networks import AnyNetwork, network_dict, parse_network
from repro.config.presets import Budget, Preset, parse_preset, preset_dict
from repro.config.rows import Training, parse_training, training_dict, training_name
from repro.files import locked, replacing, write_bytes
from repro.training.cluster import PARENT, ROLE, end_with_parent


@dataclasses.dataclass(frozen=True)
class Job:
    """One training to measure, whole: what a worker knows of it."""

    network: AnyNetwork
    training: Training
    preset: Preset         # with the changes that the command line makes
    budget: str
    label: str             # of the budget with the changes, for the record
    seed: int
    data: str              # folder
    split: str             # that it is measured on; "": the data's own
    pretrained: str        # .params file
    specification: str     # what makes two measurements the same
    command: str           # for the record
    results: str           # folder of records
    runs: str              # folder of runs not yet finished
    gpu: str = ""
    every: int = 200       # steps between checkpoints
    readers: int = 0       # threads that read batches ahead; 0: one
    content: str = ""      # hash of the data's files, "" of minicity
    fresh: bool = False    # whether what an unfinished run has kept is not to be used
    slot: int = 0          # line of the progress bar

    @property
    def name(self) -> str:
        """That of the training, for messages."""
        return training_name(self.network, self.training)

    @property
    def folder(self) -> Path:
        """Where this training keeps its checkpoint and log until its record is written."""
        return Path(self.runs) / self.specification[:16]

    @property
    def file(self) -> Path:
        """Where this process writes the job for its workers: beside the folder, which another may take away."""
        return self.folder.with_suffix(f".{os.getpid()}.json")

    def text(self) -> str:
        """Return the job as JSON, which `read_job` reads."""
        return json.dumps({**vars(self), "network": network_dict(self.network), "preset": preset_dict(self.preset),
                           "training": training_dict(self.training), "preset_name": self.preset.name})


def read_job(path) -> Job:
    """Return the job in a file; UserError where it is damaged."""
    values = parsing.read_json(path, "job")
    preset = parse_preset(values.pop("preset"), str(path), values.pop("preset_name"))
    return Job(**{**values, "preset": preset, "network": parse_network(values["network"], str(path)),
                  "training": parse_training(values["training"], str(path))})


def specification(network: AnyNetwork, training: Training, seed: int, content: str, preset: Preset, budget: Budget,
                  split: str, weights: str) -> str:
    """Return the hash of all that makes two measurements the same; `content` identifies the data, `weights` the
    backbone."""
    row = {"network": network_dict(network), "training": training_dict(training), "seed": seed}
    return hashlib.sha256(json.dumps(
        [row, content, dataclasses.asdict(preset.recipe), dataclasses.asdict(budget), preset.crop, preset.width,
         preset.stem, preset.decoder_width, preset.shrink, split, weights if training.pretrained else ""],
        sort_keys=True).encode()).hexdigest()


@contextlib.contextmanager
def alone(job: Job) -> Iterator[bool]:
    """Hold a job's lock: whether it is to be measured, or was by another process while this one waited for it.

    Its folder goes at the end, unless that is an error's.
    """
    began = time.time()
    with locked(job.folder.with_suffix(".lock"),
                lambda: print(f"{job.name}: another process is at it; waiting", file=sys.stderr)):
        done = job.folder.with_suffix(".done")
        due = not (done.exists() and done.stat().st_mtime > began)
        if due and job.fresh:
            shutil.rmtree(job.folder, ignore_errors=True)
        yield due
        if due:
            done.touch()
        shutil.rmtree(job.folder, ignore_errors=True)


def forget(job: Job) -> None:
    """Remove the folder of a job that has its record, which a process killed behind that has left; none that is in use.
    """
    def busy():
        raise BlockingIOError
    if job.folder.exists():
        with contextlib.suppress(BlockingIOError), locked(job.folder.with_suffix(".lock"), busy):
            shutil.rmtree(job.folder, ignore_errors=True)


def work(job: Job) -> None:
    """Measure and write the record; one of a cluster's leaves the lock to the process that started that."""
    with contextlib.nullcontext(True) if os.environ.get(ROLE) else alone(job) as due:
        if due:
            _measure(job)


def _measure(job: Job) -> None:
    ctx = contexts(job.gpu)
    import cv2
    import mxnet as mx
    import numpy as np

    from repro import records
    from repro.data import open_dataset
    from repro.data.images import image_size
    from repro.models import imagenet, parameters
    from repro.prediction import weights
    from repro.training import logs
    from repro.training.loop import Run
    from repro.training.run import measure
    from repro.training.team import Team

    provenance = records.provenance(job.command)  # of the code that starts, whatever is committed meanwhile
    cv2.setNumThreads(1)  # decoding shares the cores with training
    training, budget = job.training, job.preset.budget(job.budget)
    dataset = open_dataset(job.data)
    if job.split:
        dataset = dataclasses.replace(dataset, measured_split=job.split)
    backbone = imagenet.load_backbone(job.pretrained) if training.pretrained else None
    steps = budget.steps_of(job.network)
    team = Team(mx.kv.create("dist_sync") if os.environ.get(ROLE) else None)
    shown = {"position": job.slot, "leave": False, "mininterval": 2, "disable": True if team.rank else None}
    here = Run(job.folder, job.specification, job.every, job.readers, team)
    recipe = {"specification": job.specification, **dataclasses.asdict(job.preset.recipe),
              **({"content": job.content, "size": "{}x{}".format(*image_size(dataset.train[0].image))}
                 if job.content else {})}
    record = records.Record(job.network, training, dataset.name, job.preset.name, job.label, job.seed, steps, "", "",
                            {}, {}, {}, provenance, recipe, dataset.classes if dataset.classes.own else None)
    path = records.record_path(job.results, record)
    with tqdm(total=steps, desc=job.name[-40:], unit="step", **shown) as bar:
        def report(step, loss):
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update(step + 1 - bar.n)

        def progress(batches, total, what):
            return tqdm(batches, total=total, desc=what, unit="batch", **shown)

        def keep(arrays):  # before they are measured, which may fail
            if team.rank == 0:
                path.unlink(missing_ok=True)  # another measurement's, which is not of these parameters
                parameters.save_arrays(path.with_suffix(".params"), arrays)
        measured, _, matrices = measure(job.network, training, dataset, job.preset, budget, job.seed, ctx, backbone,
                                        report, progress, here, keep)
    if team.rank:
        return
    record = dataclasses.replace(record, **measured, sha256=weights.digest(path.with_suffix(".params")))
    with replacing(path.with_suffix(".npz")) as temporary:  # of every image, to compare rows by
        np.savez_compressed(temporary, images=[Path(one.image).stem for one in dataset.measured[:budget.images]],
                            **{name: found.astype(np.uint32) for name, found in matrices.items()})
    lines = logs.read(job.folder / "log.jsonl")
    logs.plot(lines, path.with_suffix(".png"), f"{dataset.name}, {job.name}, seed {job.seed}", training.p,
              next((e["regions"] for e in measured["evaluations"].values()), None))
    write_bytes(path.with_suffix(".jsonl.gz"), gzip.compress((job.folder / "log.jsonl").read_bytes(), mtime=0))
    records.write_record(job.results, record)  # last: where it is, all is


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches experiments/table.py too, which ends this process
    end_with_parent(int(os.environ.get(PARENT, 0)))
    parser = Parser(prog="python -m experiments.lib.worker", description=__doc__.split("\n")[0])
    parser.add_argument("job", help="a Job's file")
    return run(lambda given: work(read_job(given.job)), parser.parse_args(arguments),
               "\n" * sys.stderr.isatty())  # below the bar


if __name__ == "__main__":
    sys.exit(main())
