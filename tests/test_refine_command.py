"""experiments.refine: from a folder of images to a record, and what is said of mistakes."""

from __future__ import annotations

import json

import mxnet as mx
import pytest
from folders import write_camvid

from experiments import measure, refine
from repro.cost import count, trace, true
from repro.data import open_dataset
from repro.data.images import read_sample
from repro.measure import Plan
from repro.metrics import Confusion
from repro.parameters import load
from repro.presets import changed
from repro.refine_measure import dense_cost, halved
from repro.rows import load_table


@pytest.fixture
def street(tmp_path, monkeypatch):
    """A small data set; everything is written under tmp_path, and budgets have two steps."""
    presets = measure.preset_of
    monkeypatch.setattr(measure, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(measure, "RESULTS", tmp_path / "tables" / "results")
    monkeypatch.setattr(measure, "preset_of", lambda name: changed(presets(name), {"steps": 2}))
    return write_camvid(tmp_path / "street", train=3, val=1, test=2, size=(64, 128))


def run(*arguments):
    return refine.main(["--width", "0.0625", *map(str, arguments)])


def test_from_images_to_a_record(street, tmp_path, capsys):
    assert run("--data", street, "--publish") == 0
    text = (tmp_path / "tables" / "results" / "refine-camvid.json").read_text()
    record = json.loads(text)
    assert text == (tmp_path / "cache" / "refine" / "refine-camvid.json").read_text()
    assert (record["data"], record["row"], record["dense_network"], record["size"]) == (
        "camvid", "stride32", "halved", "64x128")
    assert record["images"] == 2 and record["steps"] == record["dense_steps"] == 2 and record["width"] == 0.0625
    assert 0 <= record["refined"]["mean_iou"] <= 100 and 0 < record["density"]["mean"] <= 1
    assert record["multiplied"]["mean"] > record["multiply_adds"]["mean"] > 0
    assert record["provenance"]["command"] == "python -m experiments.refine --data /path/to/street --width 0.0625"
    assert "refined" in capsys.readouterr().out
    assert "camvid" in (tmp_path / "tables" / "sparserefine.md").read_text()
    folder = tmp_path / "cache" / "refine" / "camvid"
    assert record["parameters"] == {
        name: sum(value.size for key, value in load(folder / f"{name}.params").items() if "running" not in key)
        for name in ("dense", "refiner")}
    made, confusion = refine.trained("camvid", mx.cpu()), Confusion(11)
    dataset = open_dataset(street)
    for sample in dataset.measured:
        image, label = read_sample(sample, dataset.classes)
        confusion.add(label, made.segment(image).labels)
    assert round(confusion.mean_iou(), 4) == record["refined"]["mean_iou"]
    dense = load(folder / "dense.params")
    assert run("--data", street, "--steps", 1) == 0  # the dense network is there, another refiner is trained
    again = load(folder / "dense.params")
    assert all((again[name] == dense[name]).min().asscalar() for name in dense)
    assert json.loads((tmp_path / "cache" / "refine" / "refine-camvid.json").read_text())["steps"] == 1
    assert run("--data", street, "--dense", "trained", "--steps", 1, "--weights", folder / "dense.params") == 0
    over = json.loads((tmp_path / "cache" / "refine" / "refine-camvid-trained.json").read_text())
    assert over["dense"]["mean_iou"] == record["dense"]["mean_iou"]


def test_the_density_curve_has_a_record(tmp_path, street):
    assert run("--density", "--size", "64x128", "--rounds", 1, "--publish") == 0
    page = (tmp_path / "tables" / "sparserefine.md").read_text()
    assert "64x128" in page and (tmp_path / "tables" / "sparserefine.png").is_file()
    assert run("--render") == 0 and (tmp_path / "tables" / "sparserefine.md").read_text() == page
    record = json.loads((tmp_path / "cache" / "refine" / "refine-density.json").read_text())
    assert record["size"] == "64x128" and record["cases"][-1]["pixels"] == 64 * 128
    assert all(len(case["seconds"]) == 1 for case in record["cases"])


@pytest.mark.parametrize("arguments, words", [
    (["--dense", "both"], ("'both'", "halved, trained")),
    (["--row", "stride64"], ("'stride64'", "stride32")),
    (["--seed", "x"], ("'x'", "--seed")),
    (["--dense", "trained"], ("no parameters", "make table1")),
    (["--width", "0.3"], ("width 0.3",)),
    (["--threshold", "9"], ("threshold, 9",)),
    (["--density", "--size", "60x100"], ("60x100", "64")),
    (["--density", "--width", "0.3", "--size", "64x64"], ("width 0.3",)),
])
def test_mistakes_are_one_line(arguments, words, street, capsys):
    assert run("--data", street, *arguments) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(error) == 1 and all(word in error[0] for word in words), error


def test_half_the_images_are_half_the_crop_and_scales():
    preset, row = measure.preset_of("lite"), load_table(measure.HERE / "table1.yaml")[2]
    plan = Plan(row.network, row.training, preset, (256, 512))
    small = halved(plan, (256, 512))
    assert small.crop == (128, 256) and small.preset.recipe.scales == (0.35, 0.65) and small.multiple == plan.multiple
    network = plan.build(11, (128, 256))
    counted = dense_cost(plan, 11, (250, 500))
    assert counted["true"] == true(count(trace(network, (1, 3, 128, 256)), (1, 3, 128, 256))) > counted["paper"] > 0
