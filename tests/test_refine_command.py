"""experiments.refine: from a folder of images to a record, and what is said of mistakes."""

from __future__ import annotations

import json
import shutil

import pytest
from folders import write_camvid
from refining import run

from experiments import refine
from experiments.lib import lookup, paths, refined
from experiments.lib.paths import PRETRAINED
from repro.config.rows import load_rows
from repro.data import open_dataset
from repro.data.images import read_sample
from repro.errors import UserError
from repro.evaluation.metrics import Confusion
from repro.models.build import Plan
from repro.models.cost import count, trace, true
from repro.models.parameters import load, save_arrays
from repro.sparserefine import measure as refine_measure
from repro.sparserefine.measure import dense_cost, halved


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
    assert record["provenance"]["command"] == "make refine DATA=/path/to/street WIDTH=0.0625"
    assert "refined" in capsys.readouterr().out
    assert "camvid" in (tmp_path / "tables" / "sparserefine.md").read_text()
    folder = tmp_path / "cache" / "refine" / "camvid"
    assert record["parameters"] == {
        name: sum(value.size for key, value in load(folder / f"{name}.params").items() if "running" not in key)
        for name in ("dense", "refiner")}
    made, confusion = refined.refined_of(refined.load(folder)), Confusion(11)
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
    assert refine.own_folder("camvid", (folder / "content").read_text()) == folder
    other = refine.own_folder("camvid", "other labels")  # does not take its place
    assert other.name.startswith("camvid-") and refine.own_folder("camvid", "other labels") == other
    assert run("--data", street, "--dense", "trained", "--steps", 1, "--weights", folder / "dense.params") == 0
    over = json.loads((tmp_path / "cache" / "refine" / "refine-camvid-trained.json").read_text())
    assert over["dense"]["mean_iou"] == record["dense"]["mean_iou"]


@pytest.mark.parametrize("dense", ("halved", "trained"))
def test_the_refiner_is_trained_on_images_of_the_scales_that_it_is_used_at(dense, street, tmp_path, monkeypatch):
    assert run("--data", street) == 0  # leaves a dense network for the second case
    made, given = refine_measure.Batches, []
    monkeypatch.setattr(refine_measure, "Batches", lambda *of, **named: given.append(named) or made(*of, **named))
    weights = ("--weights", tmp_path / "cache" / "refine" / "camvid" / "dense.params") if dense == "trained" else ()
    assert run("--data", street, "--dense", dense, "--steps", 1, *weights) == 0
    assert [one["scales"] for one in given] == [lookup.preset_of("lite").recipe.scales] == [(0.7, 1.3)]
    name = "refine-camvid.json" if dense == "halved" else "refine-camvid-trained.json"
    assert json.loads((tmp_path / "cache" / "refine" / name).read_text())["scales"] == [0.7, 1.3]


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
    (["--seed", "5000000000"], ("'5000000000'", "--seed", "4294967295")),
    (["--images", "0"], ("--images: 0 is not 1 or more",)),
    (["--steps", "-5"], ("--steps: -5 is not",)),
    (["--batch", "0"], ("--batch: 0 is not",)),
    (["--checkpoint", "0"], ("--checkpoint: 0 is not",)),
    (["--rate", "nan"], ("--rate: nan is not above 0",)),
    (["--weights", "x.params"], ("--weights", "--dense trained")),
    (["--extra", "coarse"], ("EXTRA", "'coarse'", "stride32", "leave it out")),
    (["--pretrained", "/no/such.params"], ("PRETRAINED: /no/such.params: no such file",)),
    (["--preset", "paper"], ("PRETRAINED", "width 1", "resnet50_v1")),
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


def test_another_backbone_or_training_is_another_dense_network(street, tmp_path):
    assert run("--data", street) == 0
    folder, other = tmp_path / "cache" / "refine" / "camvid", tmp_path / "other.params"
    first = load(folder / "dense.params")
    save_arrays(other, {name: value * 1.02 for name, value in load(PRETRAINED).items()})
    assert run("--data", street, "--pretrained", other) == 0
    second = load(folder / "dense.params")
    name = "full_column.level2.0.conv1.weight"
    assert not (first[name] == second[name]).min().asscalar()
    wide = write_camvid(tmp_path / "wide", train=2, val=0, test=1, size=(256, 512))
    model_a = ("--data", wide, "--table", "4", "--row", "1120-1241", "--batch", 1, "--steps", 1)
    assert run(*model_a) == run(*model_a, "--extra", "bootstrapping") == 0
    own, other = (refined.load(folder.with_name(f"camvid-1120-1241{extra}")) for extra in ("", "-bootstrapping"))
    assert other.record["extra"] == "bootstrapping" and "extra" not in own.record
    assert other.plan.training.bootstrapping and not own.plan.training.bootstrapping
    name = name.replace("full", "half")
    assert not (own.dense[name] == other.dense[name]).min().asscalar()


def test_a_folder_describes_itself(refined_folder, tmp_path, monkeypatch):
    """Neither another place nor an edited table or preset makes it another."""
    before, moved = refined.load(refined_folder), tmp_path / "moved"
    shutil.copytree(refined_folder, moved)
    for name in ("chosen_rows", "preset_of"):
        monkeypatch.setattr(lookup, name, None)
    plan = refined.load(moved).plan
    assert [getattr(plan, name) for name in ("network", "training", "preset", "region", "width")] == [
        getattr(before.plan, name) for name in ("network", "training", "preset", "region", "width")]
    place = moved / refined.DESCRIPTION
    values = json.loads(place.read_text())
    for change, words in (({"format": 9}, "format 9 is not known"), ({"network": {}}, "networks.json: network: key")):
        place.write_text(json.dumps({**values, **change}))
        with pytest.raises(UserError, match=words):
            refined.load(moved)
    for name in (refined.DESCRIPTION, refined.RECORD):
        (moved / name).unlink()
    with pytest.raises(UserError, match="left by an earlier `make refine`.*run it again"):
        refined.load(moved)


def test_half_the_images_are_half_the_crop_and_scales():
    preset, row = lookup.preset_of("lite"), load_rows(paths.HERE / "table1.yaml")[2]
    plan = Plan(row.network, row.training, preset, (256, 512))
    small = halved(plan, (256, 512))
    assert small.crop == (128, 256) and small.preset.recipe.scales == (0.35, 0.65) and small.multiple == plan.multiple
    network = plan.build(11, (128, 256))
    counted = dense_cost(plan, 11, (250, 500))
    assert counted["true"] == true(count(trace(network, (1, 3, 128, 256)), (1, 3, 128, 256))) > counted["paper"] > 0
