"""Weights say what they are; what does not fit is one line."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from described import SINGLE, random_weights
from made_up import made_up

from experiments import weights as command
from experiments.lib import lookup, paths, tables
from experiments.lib.paths import PRETRAINED, SHIPPED
from repro import records
from repro.config.networks import Column, Network
from repro.config.rows import Training
from repro.data import CAMVID, CITYSCAPES
from repro.errors import UserError
from repro.models import parameters
from repro.prediction import weights
from repro.prediction.load import load


@pytest.fixture()
def about(about, tmp_path):
    """A copy of the session's, to be changed."""
    copy = dataclasses.replace(about, path=tmp_path / "a.params")
    copy.path.write_bytes(about.path.read_bytes())
    weights.write(copy)
    return copy


def changed(about, **values):
    """Write the description with other values; the .params' path."""
    path = weights.description_of(about.path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return about.path


def test_what_is_written_is_read(about):
    assert weights.read(about.path) == about
    assert about.multiple == 64
    assert about.images_of == (128, 256)
    assert str(about) == ("trained on minicity at 128x256, width 0.125, commit 0123456: mean IoU 3.5% on 2 other "
                          "images of it; of the 19 classes of cityscapes it finds road (IoU of 10% or more)")


WRONG = [
    ({"format": 2}, "format 2 is not known; this program reads 1"),
    ({"width": "narrow"}, "width: 'narrow' is not a number"),
    ({"width": 0}, "width: 0 is not above 0"),
    ({"region": 100}, "region: 100 does not suit fusion isctf, which needs a multiple of 32"),
    ({"region": None}, "region: None does not suit fusion isctf"),
    ({"classes": "streets"}, "classes: 'streets' is not known; choose from cityscapes, camvid"),
    ({"classes": "camvid"}, "class_iou: its keys are not the classes of camvid"),
    ({"class_iou": {"road": 3}}, "class_iou: its keys are not the classes of cityscapes"),
    ({"class_iou": [1]}, "class_iou: .1. is not a mapping"),
    ({"mean_iou": float("nan")}, "mean_iou: nan is not a number"),
    ({"size": "large"}, "size: 'large' is not HxW, such as 256x512"),
    ({"seed": -1}, "seed: -1 is below 0"),
    ({"steps": 0.5}, "steps: 0.5 is not an integer"),
    ({"sha256": "0" * 64}, "not the file that .*a.json describes"),
    ({"network": {}}, "network: key 'fusion' is missing"),
    ({"provenance": {}}, "provenance: key 'commit' is missing"),
    ({"colour": 1}, "unknown key 'colour'"),
]


def test_a_wrong_description_is_one_line(about):
    described = weights.description_of(about.path).read_text()
    for values, words in WRONG:
        weights.description_of(about.path).write_text(described)
        with pytest.raises(UserError, match=words) as caught:
            weights.read(changed(about, **values))
        assert "\n" not in str(caught.value) and "a." in str(caught.value)


def test_files_that_are_not_there_or_damaged(about, tmp_path):
    with pytest.raises(UserError, match="b.params: no such file"):
        weights.read(tmp_path / "b.params")
    with pytest.raises(UserError, match="not a file"):
        weights.read(tmp_path)
    whole = about.path.read_bytes()
    about.path.write_bytes(whole[:-9])
    with pytest.raises(UserError, match="a.params: not the file that .*a.json describes .*damaged"):
        weights.read(about.path)
    description = weights.description_of(about.path)
    for text in ("", "{", "[" * 100000, "[1]", "\x00"):
        description.write_text(text)
        with pytest.raises(UserError, match="a.json: (not a readable description of weights|.1. is not a mapping)"):
            weights.read(about.path)
    description.unlink()
    with pytest.raises(UserError, match="a.params: not an MXNet .params file, or damaged"):
        weights.read(about.path)
    about.path.write_bytes(whole)
    with pytest.raises(UserError, match="a.json: no such file; it is to say which network a.params is of"):
        weights.read(about.path)


def test_an_exported_file_and_a_backbone_are_refused_as_what_they_are(about, tmp_path):
    exported = tmp_path / "a.onnx"
    exported.write_bytes(b"graph")
    said = {}
    for path in (exported, PRETRAINED):
        for read in (weights.read, command.described):
            with pytest.raises(UserError) as caught:
                read(path)
            assert said.setdefault(path, str(caught.value)) == str(caught.value)
    assert said[exported] == (f"weights {exported}: an exported file; give the .params that it was made from, "
                              "or run it by ENGINE=onnx or openvino")
    assert said[PRETRAINED] == (f"{PRETRAINED.with_suffix('.json')}: not a description of a trained network (it has no "
                                "'format') but of something else, such as a backbone")


def test_values_of_another_network_are_named_when_loaded(about):
    """The file is the one described, but what it holds is not what the description says."""
    arrays = parameters.load(about.path)

    def refused(**others):
        parameters.save_arrays(about.path, {**arrays, **others})
        changed(about, sha256=weights.digest(about.path))
        with pytest.raises(UserError) as caught:
            load(about.path)
        return str(caught.value)
    name = "full_column.level2.0.conv2.weight"
    assert name in arrays and f"{name} has shape (1, 2); this network has {arrays[name].shape}" in refused(
        **{name: arrays[name][0, :2, 0, 0].reshape((1, 2))})
    assert "it has, unlike this network, strange (1 such names)" in refused(strange=arrays[name])
    parameters.save_arrays(about.path, arrays)
    changed(about, sha256=weights.digest(about.path), width=0.25)
    with pytest.raises(UserError, match=r"a\.params: .* has shape .*; this network has"):
        load(about.path)
    about.path.write_bytes(b"no parameters")
    changed(about, sha256=weights.digest(about.path))
    with pytest.raises(UserError, match="not an MXNet .params file, or damaged"):
        load(about.path)


def with_classes(record, classes):
    """A record whose figures are of these classes."""
    figures = {**record.evaluations["fast"], "class_iou": dict.fromkeys(classes.names, 1.5), "mean_iou": 2.5}
    return records.from_dict({**records.to_dict(record), "width": "0.25",
                              "evaluations": {"classic": figures, "fast": {**figures, "mean_iou": 3.5}}}, "record")


def test_a_record_becomes_a_description(tmp_path, monkeypatch, lite):
    row = tables.chosen_rows("4", "1110-1131-scratch")[0]
    (tmp_path / "x.params").write_bytes(b"values")
    found = weights.of_record(tmp_path / "x.params", with_classes(made_up(row), CAMVID), lite)
    assert (found.classes, found.network, found.region, found.mean_iou) == (CAMVID, row.network, 64, 3.5)
    weights.write(found)
    assert weights.read(tmp_path / "x.params") == found
    (tmp_path / "x.json").write_text(json.dumps(records.to_dict(with_classes(made_up(row), CAMVID))))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert command.described("~/x.params").mean_iou == command.described(tmp_path / "x.params").mean_iou == 3.5
    weights.write(found)
    cropped = dataclasses.replace(lite, crop=(64, 128))
    assert weights.of_record(found.path, with_classes(made_up(row, scale="64x128"), CAMVID), cropped) == found
    with pytest.raises(UserError, match="classes .road, train. are of no known set; known are cityscapes, camvid"):
        weights.of_record(tmp_path / "x.params", made_up(row, width="0.25"), lite)
    with pytest.raises(UserError, match="trained at width 1/4, but preset lite has 0.25 now"):
        weights.of_record(tmp_path / "x.params", made_up(row), lite)


def test_the_command_copies_and_describes(tmp_path, capsys, monkeypatch, lite):
    """From what a training leaves: parameters and their record."""
    row = tables.chosen_rows("4", "1120-1241")[0]
    about = random_weights(tmp_path / "in" / "x.params", row.network, row.training)
    record = with_classes(made_up(row), CITYSCAPES)
    weights.description_of(about.path).write_text(json.dumps(records.to_dict(record)))
    assert command.main([str(about.path), str(tmp_path / "out" / "y.params")]) == 2  # its record says another width
    assert "this network has" in capsys.readouterr().err and not (tmp_path / "out").exists()
    record = records.from_dict({**records.to_dict(record), "width": "0.125"}, "record")
    weights.description_of(about.path).write_text(json.dumps(records.to_dict(record)))
    monkeypatch.setattr(lookup, "preset_of", lambda name: dataclasses.replace(lite, width=0.125))
    assert command.main([str(about.path), str(tmp_path / "out" / "y.params")]) == 0
    made = weights.read(tmp_path / "out" / "y.params")
    assert (made.width, made.mean_iou, made.sha256) == (0.125, 3.5, about.sha256)
    assert load(made.path).weights == made
    assert command.main([str(made.path), str(tmp_path / "half.params"), "--half"]) == 0
    half, whole = parameters.load(tmp_path / "half.params"), parameters.load(made.path)
    assert (tmp_path / "half.params").stat().st_size < 0.6 * made.path.stat().st_size
    for name, value in whole.items():  # read as float32, rounded once
        np.testing.assert_array_equal(half[name].asnumpy(), value.asnumpy().astype(np.float16).astype(np.float32))
    assert command.main([str(made.path), str(tmp_path / "z.txt")]) == 2
    assert "must end in .params" in capsys.readouterr().err


def test_the_shipped_weights_are_small_and_what_they_say(lite):
    about = weights.read(SHIPPED)
    assert SHIPPED.parent == PRETRAINED.parent and SHIPPED.stat().st_size <= 12_000_000
    assert about.data == "minicity" and about.classes == CITYSCAPES and not about.provenance["dirty"]
    published = records.read_record(paths.RESULTS / "minicity-lite-full" / (
        "isctf-half3463-full3463-r256-sparse-p0.25-l0.001.json"))
    assert (about.network, about.training) == (published.network, published.training)
    assert about == weights.of_record(SHIPPED, published, lite)
    assert about.mean_iou > 3 * published.majority["mean_iou"]


def test_networks_without_regions_have_none(tmp_path):
    plain, columns = Training("none", None, None, False, False, False), (Column(0.5, (1,) * 4), Column(1.0, (1,) * 4))
    about = random_weights(tmp_path / "single.params", SINGLE, plain)
    assert weights.read(about.path).multiple == 32
    with pytest.raises(UserError, match="region: 64 does not suit fusion single, which needs null"):
        weights.read(changed(about, region=64))
    found = load(changed(about, region=None)).segment(np.zeros((40, 50, 3), np.uint8))
    assert found.labels.shape == (40, 50) and found.active is None and found.weights is None
    about = random_weights(tmp_path / "ctf.params", Network("ctf", columns, 32, "plain", None), plain)
    found = load(about).segment(np.full((70, 130, 3), 90, np.uint8), scores=True)
    assert found.weights.shape == (18, 33) and 0 < found.weights.min() < found.weights.max() < 1
    assert found.scores.shape == (19, 18, 33) and found.active is None
