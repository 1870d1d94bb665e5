"""Runs that survive: stopped anywhere and started again, they end as one that never stopped."""

from __future__ import annotations

import dataclasses

import cv2
import mxnet as mx
import numpy as np
import pytest
from model_a import BACKBONE, MODEL_A

from repro.config.rows import Training
from repro.data import open_dataset
from repro.errors import UserError
from repro.models import parameters
from repro.models.build import Plan
from repro.training import checkpoints, logs
from repro.training.loop import Run
from repro.training.run import train_network

CPU = [mx.cpu()]
SPARSE = Training("sparse", 0.25, 0.001, bootstrapping=True, coarse=False, pretrained=True)
SCRATCH = dataclasses.replace(SPARSE, pretrained=False)


class Stopped(Exception):
    pass


@pytest.fixture(scope="module")
def setting(lite, city, backbone):
    """(the preset, its data, the backbone)."""
    return lite, open_dataset(city), backbone


def same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name].asnumpy(), other[name].asnumpy(), err_msg=name)


@pytest.mark.parametrize("training, changes", (
    (SPARSE, {}), (SCRATCH, {"dense_share": 0.5, "clip": None})), ids=("frozen", "scratch in phases"))
def test_a_run_stopped_twice_ends_as_one_never_stopped(training, changes, setting, tmp_path):
    """The second has a first phase of three steps, on all regions: it is stopped in both."""
    preset, dataset, backbone = setting
    preset = dataclasses.replace(preset, recipe=dataclasses.replace(preset.recipe, **changes))
    plan = Plan(MODEL_A, training, preset, (128, 256))
    whole, trained = train_network(plan, dataset, 6, 0, CPU, backbone, run=Run(tmp_path / "whole", "a", 100))
    for stop in (3, 5):  # behind the checkpoints of steps 2 and 4
        def report(step, value, stop=stop):
            if step + 1 == stop:
                raise Stopped
        with pytest.raises(Stopped):
            train_network(plan, dataset, 6, 0, CPU, backbone, report, Run(tmp_path / "parts", "a", 2))
    begun = []
    arrays, again = train_network(plan, dataset, 6, 0, CPU, backbone, lambda step, value: begun.append(step),
                                  Run(tmp_path / "parts", "a", 2))
    assert begun[0] == 4 and again.history == trained.history
    same(whole, arrays)
    assert (again.loss_first, again.loss_last) == (trained.loss_first, trained.loss_last)
    lines = [logs.read(tmp_path / name / "log.jsonl") for name in ("whole", "parts")]
    assert lines[0] == lines[1] and [line["step"] for line in lines[0]] == list(range(1, 7))
    assert all(0 < line["q"] < 1 and 0 <= line["active"] <= 8 and line["gradient"] > 0 for line in lines[0])
    assert all(0 <= line[name] <= 1 for line in lines[0] for name in ("saturated", "none", "all"))
    if changes:
        assert [line["active"] for line in lines[0][:3]] == [8] * 3 > [min(line["active"] for line in lines[0][3:])] * 3
    assert trained.core_seconds > 0


def test_a_loss_that_is_not_finite_names_step_and_batch_and_keeps_the_last_checkpoint(setting, tmp_path):
    preset, dataset, backbone = setting
    run, recipe = Run(tmp_path, "a", 1), preset.recipe
    recipes = [dataclasses.replace(recipe, learning_rate=rate, warmup=0, clip=None) for rate in (1e9, 1e-9)]
    wild, tame = (dataclasses.replace(preset, recipe=one) for one in recipes)
    train_network(Plan(MODEL_A, SPARSE, tame, (128, 256)), dataset, 1, 0, CPU, backbone, run=run)
    before = run.checkpoint.read_bytes()
    with pytest.raises(UserError) as error:
        train_network(Plan(MODEL_A, SPARSE, wild, (128, 256)), dataset, 20, 0, CPU, backbone,
                              run=dataclasses.replace(run, every=100))
    message = str(error.value)
    assert "the loss is" in message and "of 20" in message and message.count("leftImg8bit.png") == 2
    assert run.checkpoint.read_bytes() == before


def packed(text):
    return mx.nd.array(list(text.encode()), dtype="uint8")


def test_what_is_wrong_is_neither_saved_nor_set(setting, tmp_path, capsys):
    preset, _, _ = setting
    network = Plan(MODEL_A, SPARSE, preset, (128, 256)).build(19, (128, 256))
    network.initialize()
    network(mx.nd.zeros((1, 3, 128, 256)))
    trainer = mx.gluon.Trainer(network.collect_params(), "sgd", update_on_kvstore=False)
    own, none = parameters.parameters_of(network), np.zeros(0, np.float32)
    path = tmp_path / "checkpoint.params"
    assert checkpoints.read(path) is None
    parameters.save_arrays(path, checkpoints.state("a", own, trainer, none, [[1.0]], 0.0))
    before, arrays = path.read_bytes(), checkpoints.read(path)
    own["weights.conv.bias"].set_data(mx.nd.array([0, float("nan")]))
    with pytest.raises(UserError, match="weights.conv.bias is no longer finite after step 2"):
        checkpoints.state("a", own, trainer, none, [[1.0], [1.0]], 0.0)
    for damaged, words in ((before[:1000], "damaged"), (b"", "damaged"), (BACKBONE.read_bytes(), "not a checkpoint")):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=words):
            checkpoints.read(path)
    for changes, identity, words in (({}, "b", "of another run"), ({"more": mx.nd.ones(1)}, "a", "network: 'more'"),
                                     ({"parameter:weights.conv.bias": mx.nd.ones(3)}, "a", "weights.conv.bias"),
                                     ({checkpoints.META: packed('{"format": 9}')}, "a", "format 9 is not known")):
        with pytest.raises(UserError, match=words):
            checkpoints.set_state({**arrays, **changes}, path, identity, own, trainer, CPU)
    assert np.isnan(own["weights.conv.bias"].data().asnumpy()).any()  # nothing was set
    parameters.save_arrays(path, {checkpoints.META: packed('{"format": 2, "step": 1}')})
    assert checkpoints.read(path) is None and capsys.readouterr().err.endswith("the run begins anew\n")


def test_a_log_drops_what_is_done_again_and_half_a_line(tmp_path):
    path = tmp_path / "log.jsonl"
    log = logs.Log(path)
    for step in (1, 2, 3):
        log.add({"step": step})
    log.close()
    path.write_text(path.read_text() + '{"step": 4, "lo')
    logs.Log(path, after=2).close()
    assert [line["step"] for line in logs.read(path)] == [1, 2]
    path.write_text('{"step": 1}\nsome words\n')
    with pytest.raises(UserError, match="line 2 is not a step's"):
        logs.read(path)


def test_curves_are_drawn(tmp_path):
    lines = [{"step": n, "loss": 1 / n, "total": 3 / n, "rate": 0.1, "q": 0.3, "active": 9.0} for n in range(1, 90)]
    for name, chosen in (("sparse.png", lines), ("plain.png", [{**line, "q": None, "active": None} for line in lines])):
        logs.plot(chosen, tmp_path / name, "title", 0.25, 32)
        picture = cv2.imread(str(tmp_path / name))
        assert picture.shape[1] == 1000 and picture.std() > 10
