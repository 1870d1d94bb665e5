"""Measure one training and write its record: the process that experiments/measure.py starts per row.

    python -m experiments.worker '{"network": {...}, "training": {...}, "data": ..., ...}'
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import sys

from tqdm import tqdm

from experiments.command import contexts, run


@dataclasses.dataclass(frozen=True)
class Job:
    """One training to measure; everything plain, so that it travels as JSON."""

    network: dict          # as in a table's YAML
    training: dict
    name: str              # of the training, for messages
    data: str              # folder
    preset: str            # YAML file
    preset_name: str
    budget: str
    seed: int
    gpu: str
    pretrained: str        # .params file
    specification: str     # what makes two measurements the same; see experiments/measure.py
    command: str           # for the record
    results: str           # folder of records
    slot: int = 0          # line of the progress bar


def work(job: Job) -> None:
    """Measure and write the record."""
    ctx = contexts(job.gpu)
    import cv2

    from repro import imagenet, measure, parameters, records
    from repro.data import open_dataset
    from repro.presets import load_preset
    from repro.rows import parse_network, parse_training

    provenance = records.provenance(job.command)  # of the code that starts, whatever is committed meanwhile
    cv2.setNumThreads(1)  # decoding shares the cores with training
    network = parse_network(job.network, "job: network")
    training = parse_training(job.training, "job: training")
    preset = load_preset(job.preset, job.preset_name)
    budget = preset.budget(job.budget)
    dataset = open_dataset(job.data)
    backbone = imagenet.load_backbone(job.pretrained) if training.pretrained else None
    steps = budget.steps if training.pretrained else budget.scratch_steps
    shown = {"position": job.slot, "leave": False, "mininterval": 2}
    with tqdm(total=steps, desc=job.name[-40:], unit="step", **shown) as bar:
        def report(step, loss):
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update()

        def progress(batches, total, what):
            return tqdm(batches, total=total, desc=what, unit="batch", **shown)
        measured, arrays = measure.measure(network, training, dataset, preset, budget, job.seed, ctx, backbone, report,
                                           progress)
    record = records.Record(network, training, dataset.name, job.preset_name, job.budget, job.seed,
                            recipe={"specification": job.specification, **dataclasses.asdict(preset.recipe)},
                            provenance=provenance, **measured)
    parameters.save_arrays(records.record_path(job.results, record).with_suffix(".params"), arrays)
    records.write_record(job.results, record)


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches experiments/measure.py too, which ends this process
    parser = argparse.ArgumentParser(prog="python -m experiments.worker", description=__doc__.split("\n")[0])
    parser.add_argument("job", type=json.loads, help="a Job as JSON")
    return run(lambda given: work(Job(**given.job)), parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
