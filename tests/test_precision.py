"""int8 beside float32 on a test set, and its page."""

from __future__ import annotations

import json

import mxnet as mx
import pytest
from made_up import PROVENANCE
from model_a import EXPERIMENTS, MODEL_A

from experiments.lib import paths
from experiments.lib.paths import SHIPPED
from experiments.speed import precision
from repro.config.presets import load_preset
from repro.config.rows import Training
from repro.data import open_dataset
from repro.data.minicity import write_minicity
from repro.errors import UserError
from repro.evaluation.precision import compare, compare_exported, engines, labelled
from repro.models.build import Plan
from repro.models.parameters import arrays_of, load
from repro.prediction import weights
from repro.runtime.openvino import has_bfloat16
from repro.tables.precision import REDUCED, exported_section, lost, page, quicker, read_measured

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
    assert compare(*trained, precisions=("float32",))["alike"] == 100  # with itself


def test_what_openvino_loses_is_measured(trained, monkeypatch):
    """Of the shipped weights: labels of random values are a toss-up in bfloat16."""
    if has_bfloat16():
        names, about = ("float32", *REDUCED["openvino"]), weights.read(SHIPPED)
        plan = Plan(about.network, about.training, trained[0].preset, SIZE)
        found = compare_exported(plan, load(SHIPPED), trained[2], names, precision.maker("openvino"), calibration=2,
                                 rounds=2)
        assert list(found["mean_iou"]) == list(found["seconds"]) == ["float32", "bfloat16", "int8"]
        assert 90 < found["alike"]["bfloat16"] < 100 and found["alike"]["int8"] > 50
    monkeypatch.setattr("repro.runtime.openvino.has_bfloat16", lambda: False)
    with pytest.raises(UserError, match="ENGINE: openvino: this CPU has no bfloat16"):
        precision.maker("openvino")


def measured(**iou):
    case = {"row": "a", "label": "Model A", "data": "streets", "width": "0.25", "size": "360x480", "images": 7,
            "calibration": 16, "alike": 98.5, "mean_iou": {"float32": 40.0, "int8": 39.75, **iou}}
    return {"cases": [case], "provenance": PROVENANCE}


def test_the_page_judges_by_the_worst():
    text = page([measured()])
    assert "| Model A | streets, 7 images of 360x480 | lite   | 0.25  |             40.00 |          39.75 | " in text
    assert "0.25 are, *reached*" in text
    assert "0.60 are, *not reached*" in page([measured(int8=39.4)])
    assert lost(measured(int8=40.1)["cases"][0]) == -0.1


EXPORTED = {**measured()["cases"][0], "alike": {"float16": 99.99, "int8": 98.5},
            "mean_iou": {"float32": 40.0, "float16": 40.01, "int8": 39.75},
            "seconds": {"float32": [0.02], "float16": [0.04], "int8": [0.01, 0.01, 0.5]}}
BESIDE = {"cases": [EXPORTED], "onnxruntime": "1.31.1", "provenance": PROVENANCE}


def test_the_page_says_whether_a_precision_pays():
    text = exported_section("onnxruntime", [BESIDE])
    assert "|             40.00 |             40.01 |          39.75 |         99.99% |      98.50% |" in text
    assert "20.00 |       40.00 |    10.00 |" in text and "in onnxruntime 1.31.1" in text
    assert "**float16** loses at most -0.01 points (0.5 are allowed) and is 0.50 to 0.50 times as fast" in text
    assert "as fast as float32: it *does not pay* on this CPU." in text
    assert "2.00 to 2.00 times as fast as float32: it *pays* on this CPU." in text
    other = {**EXPORTED, "seconds": {**EXPORTED["seconds"], "int8": [0.03]}}
    assert quicker(other, "int8") == pytest.approx(2 / 3) and lost(other, "float16") == -0.01
    assert "it *pays in part*" in exported_section("onnxruntime", [{**BESIDE, "cases": [EXPORTED, other]}])
    worse = {**EXPORTED, "mean_iou": {**EXPORTED["mean_iou"], "int8": 39.4}}
    assert "*pays*" not in exported_section("onnxruntime", [{**BESIDE, "cases": [worse]}])
    assert page([measured(), BESIDE]) == f"{page([measured()])}\n{text}"


def test_all_data_sets_and_presets_stand_in_the_page():
    street = {**BESIDE, "cases": [{**EXPORTED, "data": "camvid", "width": "1"}], "preset": "street"}
    text = page([measured(), {**measured(int8=39.4), "preset": "street"}, BESIDE, street])
    rows = [[cell.strip() for cell in line.strip("|").split("|")][1:4] for line in text.splitlines()
            if line.startswith("| Model A ")]
    assert [row[1] for row in rows] == ["lite", "street"] * 2 and "0.60 are, *not reached*" in text
    assert rows[3] == ["camvid, 7 images of 360x480", "street", "1"] and text.count("## Exported, in ") == 1
    assert page([BESIDE]).startswith("# int8\n\n## Exported, in onnxruntime 1.31.1\n")


@pytest.fixture()
def places(trained, tmp_path, monkeypatch):
    """Records and pages in folders of a test's own; both rows are trained, with the same values."""
    plan, arrays, dataset = trained
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(paths, "OWN", tmp_path / "own")
    monkeypatch.setattr(precision, "ROWS", precision.ROWS[1:])
    monkeypatch.setattr(precision, "ROUNDS", 2)
    monkeypatch.setattr(precision, "data_folder", lambda data, preset: (dataset.measured[0].image.parents[3], ""))
    monkeypatch.setattr(precision, "trained", lambda *_: "")
    monkeypatch.setattr(precision, "trained_plan", lambda *_: (plan, arrays))
    (tmp_path / "results").mkdir()
    return tmp_path


def test_exported_networks_are_measured_and_written(places, trained, capsys):
    (places / "results" / "precision.json").write_text(json.dumps(measured()))
    assert precision.main(["--engine", "onnx", "--publish"]) == 0 and not (places / "own").exists()
    found = read_measured(places / "results" / "precision-onnx.json")
    assert found["provenance"]["command"] == "make precision ENGINE=onnx"
    case, = found["cases"]
    assert (case["label"], case["images"], case["calibration"], case["size"]) == ("Model A", 2, 16, "128x256")
    assert 99 < case["alike"]["float16"] < 100 and 50 < case["alike"]["int8"] < case["alike"]["float16"]
    assert list(case["seconds"]) == list(case["mean_iou"]) == ["float32", "float16", "int8"]
    assert all(len(times) == 2 and min(times) > 0 for times in case["seconds"].values())
    here = labelled(engines(*trained, SIZE, ("float32",), 1), trained[2])
    assert here["mean_iou"]["float32"] == pytest.approx(case["mean_iou"]["float32"], abs=0.02)
    text = (places / "precision.md").read_text()
    assert text == page([measured(), found]) and "## Exported" in text
    assert precision.main(["--render"]) == 0 and (places / "precision.md").read_text() == text
    capsys.readouterr()
    assert precision.main(["--engine", "onnx", "--rounds", "0"]) == 2
    assert "ROUNDS: 0 is not 1 or more" in capsys.readouterr().err


def test_a_preset_has_a_record_of_its_own(places, monkeypatch):
    monkeypatch.setattr(precision, "case", lambda given, wanted, dataset, label: {**measured()["cases"][0],
                                                                                  "data": wanted.data, "label": label})
    assert precision.main(["--preset", "street", "--data", "/some/roads"]) == 0
    assert precision.main([]) == 0
    street = read_measured(places / "own" / "precision-street.json")
    assert street["preset"] == "street" and "preset" not in read_measured(places / "own" / "precision.json")
    assert street["provenance"]["command"] == "make precision DATA=/path/to/minicity PRESET=street"
    text = (places / "own" / "precision.md").read_text()
    assert text.count("| street |") == text.count("| lite   |") == 1


def test_what_is_published_is_not_replaced_by_less(places, capsys):
    (places / "results" / "precision.json").write_text(json.dumps(measured()))  # of "streets"
    assert precision.main(["--publish"]) == 2
    assert capsys.readouterr().err == "error: PUBLISH: DATA is without streets, which precision.json has\n"
    assert precision.main(["--publish", "--engine", "onnx", "--rounds", "1"]) == 2
    assert "--rounds 1 is less than 2: only the whole" in capsys.readouterr().err
    assert not (places / "own").exists() and not (places / "precision.md").exists()


def test_an_untrained_row_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "CACHE", tmp_path)
    monkeypatch.setattr(precision, "ROWS", precision.ROWS[1:])
    monkeypatch.setattr(precision, "data_folder", lambda data, preset: (tmp_path / "scenes", ""))
    write_minicity(tmp_path / "scenes", size=SIZE, train=1, val=1, coarse=0)
    capsys.readouterr()
    assert precision.main([]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: this machine has no parameters of 1120-1241") and error.count("\n") == 1
    assert "`make table4 DATA=minicity ROW=1120-1241" in error
