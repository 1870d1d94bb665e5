"""The same seed gives the same result: in another process, however its hashes are salted, read and computed.

With as many threads every bit is the same, on Python 3.8 and 3.11 alike. Another number of threads sums the gradients
of a convolution's weights in another order. Measured, one thread against two: after these 4 steps 9e-8, or 0.01% of
what training moved an array by; of 100 steps by the lite preset the first 24 losses are equal, the 50th differs by 0.1%
and the last by 2%, the parameters by 5% of what they moved: a training with other threads is another draw, as with
another seed. Inference sums nothing across threads.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from model_a import BACKBONE

from repro.models import parameters

ROOT = Path(__file__).resolve().parent.parent
# by name: threads, salt of hashes, threads that read
RUNS = {"one": (1, 0, 0), "again": (1, 1, 2), "two": (2, 2, 0), "two again": (2, 3, 0)}
BOUND = 1e-3  # of what training moved an array by


@pytest.fixture(scope="module")
def runs(tmp_path_factory, city):
    """{name: what tests/repeated.py wrote}."""
    folder = tmp_path_factory.mktemp("runs")
    processes = {}
    for name, (threads, salt, readers) in RUNS.items():
        processes[name] = subprocess.Popen(
            [sys.executable, "-W", "ignore", "tests/repeated.py", str(city), str(readers),
             str(folder / f"{name}.npz")], cwd=ROOT, stderr=subprocess.PIPE, text=True,
            # threads that wait asleep, as these processes share the cores
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(salt), "OMP_NUM_THREADS": str(threads),
                 "OMP_WAIT_POLICY": "PASSIVE"})
    for process in processes.values():
        _, said = process.communicate()
        assert process.returncode == 0, said
    return {name: dict(np.load(folder / f"{name}.npz")) for name in RUNS}


@pytest.mark.parametrize("one, other", [("one", "again"), ("two", "two again")])
def test_every_bit_with_as_many_threads(runs, one, other):
    assert runs[one].keys() == runs[other].keys() and len(runs[one]) > 100
    for name, values in runs[one].items():
        np.testing.assert_array_equal(values, runs[other][name], err_msg=name)


def test_inference_data_and_cost_do_not_depend_on_the_number_of_threads(runs):
    one, two = runs["one"], runs["two"]
    for name in ("same", "labels", "active"):
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)
    np.testing.assert_allclose(one["scores"], two["scores"], rtol=0, atol=1e-5 * np.abs(one["scores"]).max())
    assert len(np.unique(one["labels"])) > 5 and 0 < one["active"].mean() < 1


def test_training_depends_on_the_number_of_threads_in_the_last_bit_alone(runs):
    one, two = runs["one"], runs["two"]
    moved = 0
    for name, start in parameters.load(BACKBONE).items():
        for trained in (f"trained.{column}_column.{name}" for column in ("half", "full")):
            if trained in one:
                far = np.abs(one[trained] - start.asnumpy()).max()
                moved += far > 0
                np.testing.assert_allclose(one[trained], two[trained], rtol=0, atol=max(1e-6, BOUND * far),
                                           err_msg=trained)
    assert moved > 50
    figures = [json.loads(str(run["evaluations"])) for run in (one, two)]
    for how, values in figures[0].items():
        for name in ("pixel_acc", "mean_acc", "mean_iou", "active_mean", "z2_mean"):
            assert values[name] == pytest.approx(figures[1][how][name], abs=0.02), (how, name)
