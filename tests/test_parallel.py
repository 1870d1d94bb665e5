"""A batch divided among devices or processes is trained on as the whole: same parameters, to float error."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from model_a import BACKBONE, MODEL_A

from experiments.lib import paths, schedule
from repro.config.presets import changed
from repro.config.rows import Training
from repro.data import open_dataset
from repro.errors import UserError
from repro.models import parameters
from repro.models.build import Plan
from repro.training import checkpoints, cluster
from repro.training.loop import Run, train
from repro.training.losses import TrainingLoss
from repro.training.run import train_network
from repro.training.team import Summed, Team

PLAIN = Training("sparse", 0.25, 0.001, bootstrapping=False, coarse=False, pretrained=True)
HARD = dataclasses.replace(PLAIN, bootstrapping=True)
STEPS = 4


@pytest.fixture(scope="module")
def preset(lite):
    """Bootstrapping by rank binds: 5,000 of a batch's 8,192 pixels, whatever their probability."""
    return dataclasses.replace(lite, recipe=dataclasses.replace(lite.recipe, batch=4, keep=5000, threshold=0.01))


def trained(city, preset, training, ctx):
    """(parameters, the moving averages of all images of a batch) after STEPS."""
    plan = Plan(MODEL_A, training, preset, (128, 256))
    arrays, found = train_network(plan, open_dataset(city), STEPS, 0, ctx, parameters.load(BACKBONE))
    return arrays, found.state[checkpoints.AVERAGES].asnumpy()


def close(one, other, moved):
    """Equal to float error, which training grows: 1% of what it moved each array by, or 1e-5.

    Measured: 0.03%. Means of the parts' means instead of the whole batch's: 20%; a rank too low by a tenth: 10%.
    """
    assert one.keys() == other.keys()
    for name in one:
        a, b, start = (arrays[name].asnumpy() for arrays in (one, other, moved))
        np.testing.assert_allclose(a, b, rtol=0, atol=max(1e-5, 1e-2 * np.abs(a - start).max()), err_msg=name)


@pytest.fixture(scope="module")
def whole(city, preset):
    """({training: what one device gives}, the parameters before)."""
    still = dataclasses.replace(preset, recipe=dataclasses.replace(preset.recipe, learning_rate=1e-12))
    return ({training: trained(city, preset, training, [mx.cpu()]) for training in (PLAIN, HARD)},
            trained(city, still, PLAIN, [mx.cpu()])[0])


@pytest.mark.parametrize("training", (PLAIN, HARD), ids=("plain", "bootstrapping"))
def test_two_devices_train_as_one(training, city, preset, whole):
    """Labels are ignored in unequal numbers in the two halves, which a mean of means would get wrong. Every image has
    its own moving average: the kvstore, told of q, gave each part the first one's, or that before the first step."""
    ones, start = whole
    arrays, averages = trained(city, preset, training, [mx.cpu(0), mx.cpu(1)])
    close(ones[training][0], arrays, start)
    assert len(set(averages)) == len(averages) == 4
    np.testing.assert_allclose(averages, ones[training][1], rtol=1e-4)


def test_parts_of_a_batch_agree_on_the_rank_of_the_whole():
    random = np.random.RandomState(0)
    scores = [mx.nd.array(random.standard_normal((1, 3, 4, 4))) for _ in range(2)]
    labels = [mx.nd.array(random.randint(0, 3, (1, 4, 4))) for _ in range(2)]
    keep = 9
    loss = TrainingLoss(threshold=0.01, keep=keep)
    expected, kept = loss(mx.nd.concat(*labels, dim=0), mx.nd.concat(*scores, dim=0))
    assert kept.asscalar() == keep
    ranks = np.sort(np.concatenate([loss.hardest(y, x).asnumpy() for x, y in zip(scores, labels)], axis=1), axis=1)
    losses, counts = zip(*(loss(y, x, mx.nd.array(ranks[:, keep - 1])) for x, y in zip(scores, labels)))
    assert sum(counts).asscalar() == keep
    total = sum(loss * count for loss, count in zip(losses, counts)) / keep
    assert total.asscalar() == pytest.approx(expected.asscalar(), rel=1e-5)


class Recorder:
    """A kvstore of one process that writes down what it is asked for."""

    rank, num_workers = 0, 1

    def __init__(self):
        self.asked = []

    def init(self, key, value):
        self.asked.append(("init", key))

    def push(self, key, value, priority=0):
        self.asked.append(("push", key))

    def pull(self, key, out, priority=0):
        self.asked.append(("pull", key))


def test_parameters_are_shared_before_a_gradient_is_summed_and_before_the_first_batch(preset):
    """dist_sync answered a pull of a parameter with the sum of its gradients where both were under way."""
    network = mx.gluon.nn.Dense(2, in_units=3)
    network.initialize()
    store, seen = Recorder(), []

    def batches(step):
        seen.extend(store.asked)
        return
        yield

    with pytest.raises(StopIteration):
        train(network, None, mx.optimizer.SGD(), None, batches, 1, [mx.cpu()], run=Run(team=Team(store)))
    assert seen == [("init", 0), ("init", 1), ("pull", 0), ("pull", 1)]


def test_each_phase_of_a_training_has_keys_of_its_own():
    """dist_sync waited for ever for a key that a dense phase had begun with before."""
    network = mx.gluon.nn.Dense(2, in_units=3)
    network.initialize()
    team = Team(Recorder())
    for _ in range(2):
        Summed(list(network.collect_params().values()), team).sum()
    begun = [key for what, key in team.kvstore.asked if what == "init"]
    assert begun == [0, 1, 2, 3] and [key for what, key in team.kvstore.asked if what == "push"] == begun


@pytest.fixture()
def job(city, preset, tmp_path, monkeypatch):
    """The job of one row of Table 4 with bootstrapping, at batch 4."""
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    job, = schedule.plan(schedule.Asked("4", data=str(city), row="1120-1241", extra="bootstrapping", steps=STEPS,
                                        batch=4, checkpoint=2))
    return dataclasses.replace(job, preset=dataclasses.replace(job.preset, recipe=preset.recipe))


def test_two_workers_train_as_one(job, whole):
    """Two processes on this machine, dist_sync between them, each with half of every batch; bootstrapping is on."""
    schedule.measure_all([job], 1, ["localhost", "localhost"])
    ones, start = whole
    close(ones[HARD][0], parameters.load(next(Path(job.results).glob("*/*.params"))), start)


def test_a_server_that_dies_ends_the_run_with_a_word_and_a_checkpoint(job, monkeypatch):
    """A worker's death is test_faults.py's."""
    job, started = dataclasses.replace(job, preset=changed(job.preset, {"steps": 100000})), []

    class Cluster(cluster.Cluster):
        def poll(self):
            if not started and job.folder.joinpath("checkpoint.params").exists():
                started.extend([*self.workers, *self.helpers])
                self.helpers[1].kill()
                self.helpers[1].wait()
            return super().poll()
    monkeypatch.setattr(schedule, "Cluster", Cluster)
    with pytest.raises(UserError, match=r"a server of the kvstore ended \(killed by SIGKILL\); the same command goes "
                                        "on from the last checkpoint"):
        schedule.measure_all([job], 1, ["localhost", "localhost"])
    assert job.folder.joinpath("checkpoint.params").exists()
    assert not list(job.folder.parent.glob("*.json"))  # the job's file has gone
    assert len(started) == 5 and all(process.poll() is not None for process in started)


@pytest.mark.parametrize("text, words", [("a,,b", "'' in 'a,,b'"), ("-oProxy=x", "is not a host"), ("a b", "'a b'")])
def test_hosts_that_are_none(text, words):
    with pytest.raises(UserError, match=words):
        cluster.parse_hosts(text)


def test_a_remote_worker_is_reached_over_ssh_with_its_environment(tmp_path, monkeypatch):
    """A stand-in for ssh that runs the command here; what the worker reads is written there first."""
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    out = tmp_path / "out"
    job = tmp_path / "runs" / "job.json"
    job.parent.mkdir()
    job.write_text('{"a": "it\'s %s"}')
    code = f"import os; open({str(out)!r}, 'w').write(os.environ['A'] + os.getcwd() + open({str(job)!r}).read())"
    worker = cluster.worker([sys.executable, "-c", code], "other", {"A": "x y"}, tmp_path, job)
    assert worker.wait() == 0 and out.read_text() == f"x y{tmp_path}{{\"a\": \"it's %s\"}}"
