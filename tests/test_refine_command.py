"""experiments.refine: from a folder of images to a record; and what it leaves, predicted with."""

from __future__ import annotations

import dataclasses
import json
import shutil

import cv2
import numpy as np
import pytest
from refining import run

from experiments import export, predict, refine
from experiments.lib import lookup, paths, refined
from experiments.lib.paths import PRETRAINED
from repro.config.rows import load_rows
from repro.data import open_dataset
from repro.data.classes import ClassSet
from repro.data.images import read_sample
from repro.errors import UserError
from repro.evaluation.metrics import Confusion
from repro.models.build import Plan
from repro.models.cost import count, trace, true
from repro.models.parameters import load, save_arrays
from repro.sparserefine import measure
from repro.sparserefine.measure import dense_cost, halved
from repro.sparserefine.refined import of_record
from repro.tables.refine import read_refined


def test_from_images_to_a_record(refined_folder):
    root, trained = refined_folder.parents[2], refined.load(refined_folder)
    text = (root / "tables" / "results" / "refine-camvid.json").read_text()
    assert text == (root / "cache" / "refine" / "refine-camvid.json").read_text()
    record = json.loads(text)
    assert (record["data"], record["row"], record["dense_network"], record["size"], record["scales"]) == (
        "camvid", "stride32", "halved", "64x128", [0.7, 1.3])
    assert record["images"] == 2 and record["steps"] == record["dense_steps"] == 2 and record["width"] == 0.0625
    assert 0 <= record["refined"]["mean_iou"] <= 100 and 0 < record["density"]["mean"] <= 1
    assert record["multiplied"]["mean"] > record["multiply_adds"]["mean"] > 0
    assert record["provenance"]["command"] == "make refine DATA=/path/to/street WIDTH=0.0625"
    assert "camvid" in (root / "tables" / "sparserefine.md").read_text()
    assert record["parameters"] == {
        name: sum(value.size for key, value in values.items() if "running" not in key)
        for name, values in (("dense", trained.dense), ("refiner", trained.refiner))}
    made, confusion, dataset = refined.refined_of(trained), Confusion(11), open_dataset(root / "street")
    for sample in dataset.measured:
        image, label = read_sample(sample, dataset.classes)
        confusion.add(label, made.segment(image).labels)
    assert round(confusion.mean_iou(), 4) == record["refined"]["mean_iou"]


def test_only_what_changes_the_dense_network_trains_it_anew(street, refined_folder, tmp_path, monkeypatch, capsys):
    shutil.copytree(refined_folder.parents[1], tmp_path / "cache")
    folder, made, given = tmp_path / "cache" / "refine" / "camvid", measure.Batches, []
    monkeypatch.setattr(measure, "Batches", lambda *of, **named: given.append(named) or made(*of, **named))
    before = load(folder / "dense.params")

    def same():
        return all((value == before[name]).min().asscalar() for name, value in load(folder / "dense.params").items())

    assert run("--data", street, "--steps", 1) == 0  # another refiner
    assert same() and json.loads((folder / refined.RECORD).read_text())["steps"] == 1
    # on images of the scales that it is used at, whatever the dense network's were
    assert [one["scales"] for one in given] == [lookup.preset_of("lite").recipe.scales] == [(0.7, 1.3)]
    assert "% refined; " in capsys.readouterr().out
    other = tmp_path / "other.params"
    save_arrays(other, {name: value * 1.02 for name, value in load(PRETRAINED).items()})
    assert run("--data", street, "--pretrained", other) == 0 and not same()


def test_another_content_does_not_take_a_folder_s_place(street):
    one = refine.own_folder("camvid", "labels")
    assert one.name == "camvid" and refine.own_folder("camvid", "labels") == one
    other = refine.own_folder("camvid", "other labels")
    assert other.name.startswith("camvid-") and refine.own_folder("camvid", "other labels") == other


@pytest.mark.parametrize("arguments, words", [
    (["--seed", "x"], ("'x'", "--seed")),
    (["--steps", "-5"], ("--steps: -5 is not",)),
    (["--rate", "nan"], ("--rate: nan is not above 0",)),
    (["--width", "0.3"], ("width 0.3",)),
])
def test_mistakes_are_one_line_before_data_are_drawn(arguments, words, street, capsys, monkeypatch):
    monkeypatch.setattr(lookup, "data_folder", lambda data, preset: 1 / 0)
    assert run("--data", street, *arguments) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(error) == 1 and all(word in error[0] for word in words), error


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
    place.unlink()
    with pytest.raises(UserError, match="not one that `make refine` left whole: there is no .*networks.json"):
        refined.load(moved)


def test_half_the_images_are_half_the_crop_and_scales():
    preset, row = lookup.preset_of("lite"), load_rows(paths.HERE / "table1.yaml")[2]
    plan = Plan(row.network, row.training, preset, (256, 512))
    small = halved(plan, (256, 512))
    assert small.crop == (128, 256) and small.preset.recipe.scales == (0.35, 0.65) and small.multiple == plan.multiple
    network = plan.build(11, (128, 256))
    counted = dense_cost(plan, 11, (250, 500))
    assert counted["true"] == true(count(trace(network, (1, 3, 128, 256)), (1, 3, 128, 256))) > counted["paper"] > 0


@pytest.fixture(scope="module")
def photo(refined_folder):
    """A photo of the data: its file and its pixels."""
    dataset = open_dataset(refined_folder.parents[2] / "street")
    return dataset.measured[0].image, read_sample(dataset.measured[0], dataset.classes)[0]


def test_predict_takes_such_a_folder(photo, refined_folder, tmp_path, capsys):
    path, image = photo
    assert predict.main(["--input", str(path), "--weights", str(refined_folder), "--output", str(tmp_path)]) == 0
    assert "SparseRefine over stride32 at half resolution, trained on camvid at 64x128" in capsys.readouterr().err
    ids = cv2.imread(str(tmp_path / f"{path.stem}_labelIds.png"), cv2.IMREAD_UNCHANGED)
    segmenter = refined.segmenter(refined_folder, 1)
    np.testing.assert_array_equal(ids, np.array(segmenter.weights.classes.ids)[segmenter.segment(image).labels])
    assert (tmp_path / f"{path.stem}_overlay.jpg").is_file()
    segmenter = refined.segmenter(refined_folder, 2)
    found = segmenter.segment(image[:63, :127])
    assert found.labels.shape == found.refined.shape == (63, 127) and found.stride == 8
    np.testing.assert_array_equal(found.labels[:62:2, :126:2], found.labels[1:62:2, 1:126:2])
    assert 0 < found.refined.mean() <= 1 and found.active is None
    assert [segmenter.shrunk((64, 128)), refined.segmenter(refined_folder, None).shrunk((256, 512))] == [2, 4]
    for wrong, words in (({"image": image, "scores": True}, "SCORES"), ({"image": image[..., 0]}, "uint8 array")):
        with pytest.raises(UserError, match=words):
            segmenter.segment(**wrong)


def test_what_does_not_suit_such_a_folder_is_one_line(photo, refined_folder, tmp_path, capsys):
    known = ["--weights", str(refined_folder), "--input", str(photo[0]), "--output", str(tmp_path / "out")]
    for script, arguments, words in (
            (predict, [*known, "--k", "3"], "K: not for SparseRefine"),
            (predict, [*known, "--scores"], "SCORES: not for SparseRefine"),
            (predict, [*known, "--shrink", "3"], "SHRINK: 3"),
            (predict, [*known, "--engine", "onnx"], "ENGINE: onnx does not run a folder of SparseRefine's"),
            (predict, ["--weights", str(tmp_path), *known[2:]], "a folder, but not one that `make refine` left"),
            (export, known[:2], "SparseRefine, which `make refine` leaves in one, is not exported")):
        assert script.main(arguments) == 2
        errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1 and words in errors[0], errors


def test_classes_of_one_s_own_are_kept(refined_folder, tmp_path):
    record = dict(refined.load(refined_folder).record)
    record["refined"] = {**record["refined"], "class_iou": {"tree": 1.0, "road": 2.0}}
    with pytest.raises(UserError, match=r"classes \(tree, road\) are of no known set; known are"):
        of_record(refined_folder, record)
    own = ClassSet("garden", ("tree", "road"), ((0, 255, 0), (9, 9, 9)), (1, 2), ())
    values = json.loads((refined_folder / refined.RECORD).read_text())
    (tmp_path / "garden.json").write_text(json.dumps({**values, "refined": record["refined"],
                                                      "classes": dataclasses.asdict(own)}))
    assert of_record(refined_folder, read_refined(tmp_path / "garden.json")).classes == own
