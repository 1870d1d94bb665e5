"""int8 beside float32 on a test set, and its page."""

from __future__ import annotations

import json

import mxnet as mx
import numpy as np
import pytest
from made_up import PROVENANCE
from model_a import EXPERIMENTS, MODEL_A

from experiments import precision
from repro.data import open_dataset
from repro.errors import UserError
from repro.measure import Plan
from repro.minicity import write_minicity
from repro.parameters import arrays_of
from repro.precision import compare, engines
from repro.presets import load_preset
from repro.rows import Training
from repro.tables.precision import lost, page, read_measured

SIZE = (128, 256)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Model A with random values, on scenes of 128x256."""
    folder = tmp_path_factory.mktemp("minicity")
    write_minicity(folder, size=SIZE, train=3, val=2, coarse=0)
    dataset = open_dataset(folder)
    training = Training("sparse", 0.25, 0.001, bootstrapping=False, coarse=False, pretrained=True)
    plan = Plan(MODEL_A, training, load_preset(EXPERIMENTS / "presets" / "lite.yaml", "lite"), SIZE)
    mx.random.seed(3)
    network = plan.build(len(dataset.classes), SIZE, fast=True)
    network.initialize(mx.init.Xavier(rnd_type="gaussian", factor_type="in", magnitude=2))
    network(mx.nd.zeros((1, 3, *SIZE)))
    return plan, arrays_of(network), dataset


def test_both_precisions_label_nearly_alike(trained):
    found = compare(*trained, calibration=2)
    assert (found["images"], found["calibration"], found["size"]) == (2, 2, "128x256")
    assert set(found["mean_iou"]) == {"float32", "int8"} and 50 < found["alike"] < 100
    assert abs(found["mean_iou"]["float32"] - found["mean_iou"]["int8"]) < 5


def test_a_precision_compared_with_itself_loses_nothing(trained):
    plan, arrays, dataset = trained
    found = compare(plan, arrays, dataset, precisions=("float32",))
    made = engines(plan, arrays, dataset, SIZE, ("float32", "int8"), 1)
    assert found["alike"] == 100 and list(made) == ["float32", "int8"]
    image = np.zeros((*SIZE, 3), np.uint8)
    assert made["int8"].labels(image).shape == made["float32"].labels(image).shape == SIZE


def measured(**iou):
    case = {"row": "a", "label": "Model A", "data": "streets", "width": "0.25", "size": "360x480", "images": 7,
            "calibration": 16, "alike": 98.5, "mean_iou": {"float32": 40.0, "int8": 39.75, **iou}}
    return {"cases": [case], "provenance": PROVENANCE}


def test_the_page_judges_by_the_worst():
    text = page(measured())
    assert "| Model A | streets, 7 images of 360x480 | 0.25  |             40.00 |          39.75 | 0.25 |" in text
    assert "0.25 are, *reached*" in text
    assert "0.60 are, *not reached*" in page(measured(int8=39.4))
    assert lost(measured(int8=40.1)["cases"][0]) == -0.1


def test_a_damaged_record_and_an_untrained_row_are_one_line(tmp_path, monkeypatch, capsys):
    path = tmp_path / "precision.json"
    path.write_text(json.dumps({**measured(), "speed": 3}))
    with pytest.raises(UserError, match="unknown key 'speed'"):
        read_measured(path)
    monkeypatch.setattr("experiments.measure.CACHE", tmp_path)
    monkeypatch.setattr(precision, "ROWS", precision.ROWS[1:])
    monkeypatch.setattr(precision, "data_folder", lambda data, preset: (tmp_path / "scenes", ""))
    write_minicity(tmp_path / "scenes", size=SIZE, train=1, val=1, coarse=0)
    assert precision.main([]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: this machine has no parameters of 1120-1241")
    assert "`make table4 DATA=minicity ROW=1120-1241" in error
