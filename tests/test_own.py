"""Folders that name their classes themselves: read as written, every mistake one line, and used all the way."""

from __future__ import annotations

import dataclasses
import json
import shutil

import cv2
import numpy as np
import pytest
from folders import CLASSES, YARD, refused, write_camvid, write_cityscapes, write_own, write_png
from made_up import made_up

from experiments import export, minicity, predict, submit
from experiments import table as measure
from experiments import weights as command
from experiments.lib import lookup, paths, schedule, tables
from repro import records
from repro.data import CAMVID, CITYSCAPES, check, open_dataset, read_image, read_label, read_sample
from repro.data.classes import parse, plain
from repro.prediction import weights
from repro.prediction.photos import read_photo
from repro.runtime.onnx import OnnxEngine


def test_what_is_listed(tmp_path):
    write_own(tmp_path)
    (tmp_path / "images" / "train" / "notes.txt").write_text("no image")
    (tmp_path / "images" / "train" / "._0.jpg").write_bytes(b"left by another system")
    data = open_dataset(tmp_path)
    assert (data.name, data.classes, data.measured, data.coarse) == ("yard", YARD, data.val, ())
    assert [len(split) for split in (data.train, data.val, data.test)] == [4, 2, 1]
    assert [sample.image.name for sample in data.train] == ["0.jpg", "1.png", "2.jpg", "3.png"]
    assert data.train[2].label == tmp_path / "labels" / "train" / "2.png" and data.test[0].label is None
    check.check_files(data.train + data.val + data.test, YARD)
    shutil.rmtree(tmp_path / "images" / "test")
    assert open_dataset(tmp_path).test == ()


def test_what_is_said_in_a_file_comes_before_what_a_folder_looks_like(tmp_path):
    write_own(tmp_path)
    write_camvid(tmp_path)
    write_cityscapes(tmp_path)
    assert open_dataset(tmp_path).classes == YARD
    (tmp_path / "classes.yaml").unlink()
    assert open_dataset(tmp_path).classes == CITYSCAPES
    refused(lambda: open_dataset(tmp_path / "images"), "classes.yaml, images/train/, labels/train/")


LAWN = "{name: lawn, id: 3, colour: [0, 160, 0]}"


def numbered(count):
    """A file of so many classes, whose ids are 255, 254, ... and which leaves void out."""
    return "name: y\nclasses:\n" + "".join(
        f"- {{name: c{number}, id: {255 - number}, colour: [0, 0, {number}]}}\n" for number in range(count))


MISTAKES = (  # in the file of classes: what stands for what, and what is said
    ("name: yard", "name: my/yard", "name: 'my/yard'", "letters"),
    ("name: yard", "name: camvid", "name: 'camvid'", "known here"),
    ("name: yard", "name: minicity", "name: 'minicity'", "known here"),
    ("void:", "ignore:", "unknown key 'ignore'", "name, void, classes"),
    ("void: [0, 255]", "void: 0", "void: 0 is not a list"),
    ("void: [0, 255]", "void: [0, 256]", "void[1]: 256 is not between 0 and 255"),
    ("void: [0, 255]", "void: [0, 200]", "void: id 200 is that of garden gnome"),
    (LAWN, "{name: lawn, id: 3}", "classes[1]: key 'colour' is missing"),
    (LAWN, "{name: lawn, id: 3, color: [0, 160, 0]}", "classes[1]: unknown key 'color'", "name, id, colour"),
    (LAWN, "lawn", "classes[1]: 'lawn' is not a mapping"),
    ("id: 3", "id: 300", "classes[1]: id: 300 is not between 0 and 255"),
    ("id: 3", "id: 7", "classes: id 7 is both that of path and of lawn"),
    ("name: lawn", "name: path", "classes: name 'path' is both"),
    ("[0, 160, 0]", "[128, 64, 128]", "classes: colour [128, 64, 128] is both that of path and of lawn"),
    ("[0, 160, 0]", "[0, 160]", "classes[1]: colour: [0, 160] is not red, green and blue"),
    (CLASSES, "name: yard\nclasses: []", "classes: 0 classes; there must be 2 to 254"),
    (CLASSES, f"name: yard\nclasses: [{LAWN}]", "classes: 1 classes"), (CLASSES, numbered(255), "255 classes"),
)


def test_a_mistake_in_the_file_of_classes_is_named(tmp_path):
    write_own(tmp_path)
    for old, new, *words in MISTAKES:
        assert old in CLASSES
        (tmp_path / "classes.yaml").write_text(CLASSES.replace(old, new, 1))
        refused(lambda: open_dataset(tmp_path), tmp_path / "classes.yaml", *words)


def test_void_may_be_left_out_and_254_classes_are_possible(tmp_path):
    classes = open_dataset(write_own(tmp_path, classes=numbered(254))).classes
    assert classes.void == () and len(classes) == 254
    write_png(tmp_path / "a.png", np.array([[255, 2]], np.uint8))
    assert read_label(tmp_path / "a.png", classes).tolist() == [[0, 253]]


def test_photos_that_are_jpegs(tmp_path):
    """As the network will be given them, and whole; a label is never one."""
    sample = open_dataset(write_own(tmp_path)).train[0]
    assert np.array_equal(read_image(sample.image), read_photo(sample.image))
    label = sample.label.read_bytes()
    sample.label.write_bytes(sample.image.read_bytes())
    refused(lambda: read_sample(sample, YARD), sample.label, "not a PNG file")
    sample.label.write_bytes(label)
    sample.image.write_bytes(sample.image.read_bytes()[:-9])
    for call in (lambda: read_image(sample.image), lambda: check.check_files([sample], YARD)):
        refused(call, sample.image, "the JPEG file is truncated")
    sample.image.write_bytes(b"\xff\xd8\xff\xd9")
    refused(lambda: read_image(sample.image), sample.image, "the JPEG file cannot be decoded")


def test_classes_in_files():
    assert plain(CITYSCAPES) == "cityscapes" and parse("camvid", "x") is CAMVID
    values = json.loads(json.dumps(plain(YARD)))
    assert parse(values, "x") == YARD and YARD.own and not CAMVID.own
    assert parse(plain(dataclasses.replace(CAMVID, void=(12,))), "x").void == (12,)
    refused(lambda: parse({**values, "ids": [1, 1, 2]}, "x"), "x: id 1 is both that of path and of lawn")
    refused(lambda: parse("streets", "x"), "x: 'streets'", "cityscapes, camvid")


def test_records_name_classes_only_where_the_folder_does(tmp_path):
    row = tables.chosen_rows("4", "1110-1131")[0]
    plain_one, own = made_up(row, data="camvid"), made_up(row, data="yard", classes=YARD)
    assert "classes" not in records.to_dict(plain_one)
    assert records.read_record(records.write_record(tmp_path, own)) == own
    value = json.loads(json.dumps(records.to_dict(own)))
    value["classes"]["ids"] = [7, 3]
    refused(lambda: records.from_dict(value, "x.json"), "x.json: classes: 3 names, 3 colours and 2 ids")


def test_committed_records_are_written_as_they_are():
    for path in records.record_files(paths.RESULTS):
        text = json.dumps(records.to_dict(records.read_record(path)), indent=1, ensure_ascii=False, allow_nan=False)
        assert text + "\n" == path.read_text(encoding="utf-8"), path


@pytest.fixture()
def here(tmp_path, monkeypatch):
    """Caches of its own; nothing is rendered into tables/."""
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setattr("experiments.lib.tables.write", lambda table, local: None)
    return tmp_path


def planned(root, **options):
    """The first training that would be measured on the data in `root`."""
    return schedule.plan(schedule.Asked("4", row="1110-1131", data=str(root), steps=2, **options))[0]


def test_a_measurement_is_of_what_the_files_hold_wherever_they_lie(here):
    """Not of the folder, nor of its name: other classes, a label corrected, an image renamed are another one."""
    write_own(here / "yard", size=(128, 256))
    first = planned(here / "yard")
    shutil.copytree(here / "yard", here / "elsewhere")
    assert planned(here / "elsewhere").specification == planned(here / "yard").specification == first.specification
    images, labels = (here / "elsewhere" / kind / "train" for kind in ("images", "labels"))
    seen = [first]

    def another():
        seen.append(planned(here / "elsewhere"))
        assert len({one.specification for one in seen}) == len({one.content for one in seen}) == len(seen)
    (here / "elsewhere" / "classes.yaml").write_text(CLASSES.replace("lawn", "grass"))
    another()
    (here / "elsewhere" / "classes.yaml").write_text(CLASSES)
    write_png(labels / "1.png", np.full((128, 256), 7, np.uint8))
    another()
    (images / "3.png").rename(images / "9.png")
    (labels / "3.png").rename(labels / "9.png")
    another()
    assert planned(here / "yard").specification == first.specification  # what is remembered is of each file
    record = made_up(tables.chosen_rows("4", "1110-1131")[0], data="yard", classes=YARD)
    pairs = [dataclasses.replace(record, recipe={"content": one.content}) for one in seen[:2]]
    paths = [records.write_record(here / "cache" / "results", one) for one in pairs]
    assert paths[0].parent.name == f"yard-lite-full-{first.content[:8]}" and len(set(paths)) == 2
    assert records.record_path("", record).parent.name == "yard-lite-full"
    found = records.load_records(here / "cache" / "results")
    assert {one.data for one in records.told_apart(found)} == {f"yard {one.content[:8]}" for one in seen[:2]}
    assert records.told_apart(found[:1]) == found[:1]
    given = lookup.Wanted("4", "1110-1131", data=str(here / "yard"))
    kept = lookup.of_same_data([*zip(paths, pairs), (here, record)], given, open_dataset(here / "yard"))
    assert [path for path, _ in kept] == [paths[0], here]


def test_a_split_is_measured_on_only_where_it_is_labelled(here):
    write_own(here / "yard", size=(128, 256))
    photo, = (here / "yard" / "images" / "test").iterdir()
    refused(lambda: planned(here / "yard", split="test"), f"{photo}: no label (which SPLIT asks for); 1 of the 1 image")
    photo.unlink()
    refused(lambda: planned(here / "yard", split="test"), "SPLIT: yard has no images in test")


def test_a_first_image_whose_crops_have_too_few_regions_is_said(here):
    sample = open_dataset(write_own(here / "yard", size=(128, 256))).train[0]
    assert planned(here / "yard")
    write_png(sample.image, np.zeros((8, 8, 3), np.uint8))
    write_png(sample.label, np.full((8, 8), 7, np.uint8))
    refused(lambda: planned(here / "yard"), sample.image, "8x8 pixels (height x width) are 1 of the 64 px regions")


def test_from_a_folder_to_a_running_network(here, capfd):
    """Trained, described, predicted with, exported and run: in the folder's classes and ids all the way."""
    assert minicity.main([str(here / "street"), "--own", "--size", "128x256", "--train", "4", "--val", "2"]) == 0
    data = open_dataset(here / "street")
    assert data.classes.own and [len(split) for split in (data.train, data.val, data.test)] == [4, 2, 4]
    assert measure.main(["--table", "4", "--row", "1110-1131", "--data", str(here / "street"), "--steps", "4",
                         "--extra", "own"]) == 0
    assert capfd.readouterr().out.count(".params: mean IoU ") == 1
    trained, = (here / "cache" / "results").glob("street-lite-full+steps4-????????/*-l0.001.params")
    record = records.read_record(trained.with_suffix(".json"))
    assert (record.data, record.classes) == ("street", data.classes)
    assert command.main([str(trained), str(here / "street.params")]) == 0
    about = weights.read(here / "street.params")
    assert about.classes == data.classes and about.data == "street"

    out = here / "out"
    assert predict.main(["--weights", str(about.path), "--input", str(here / "street" / "images" / "test"),
                         "--output", str(out)]) == 0
    ids = [cv2.imread(str(out / f"{number:04d}_labelIds.png"), cv2.IMREAD_UNCHANGED) for number in range(4)]
    found = set(np.unique(ids))
    assert found <= set(data.classes.ids) and len(found) > 1
    assert len(list(out.glob("*_overlay.jpg"))) == 4

    assert export.main(["--weights", str(about.path), "--data", str(here / "street"), "--images", "2",
                        "--out", str(here / "street.onnx")]) == 0
    engine = OnnxEngine(here / "street.onnx")
    assert engine.metadata.classes == data.classes
    labels = engine.segment(read_image(data.test[0].image)).labels
    assert (np.array(data.classes.ids)[labels] != ids[0]).mean() < 1e-3
    capfd.readouterr()
    assert submit.main(["--table", "4", "--row", "1110-1131", "--data", str(here / "street")]) == 2
    assert "street has no evaluation server" in capfd.readouterr().err


def test_weights_that_find_nothing_say_so(here):
    row = tables.chosen_rows("4", "1110-1131")[0]
    record = made_up(row, data="yard", width="0.25", classes=YARD)
    figures = {**record.evaluations["fast"], "class_iou": dict.fromkeys(YARD.names, 1.5)}
    (here / "a.params").write_bytes(b"1")
    about = weights.of_record(here / "a.params", dataclasses.replace(record, evaluations={"fast": figures}),
                              lookup.preset_of("lite"))
    assert "of the 3 classes of yard it finds none (IoU of 10% or more)" in str(about)
    weights.write(about)
    assert weights.read(about.path) == about
