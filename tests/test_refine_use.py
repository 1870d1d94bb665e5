"""What experiments.refine leaves: predicted with, exported, and run in onnxruntime without MXNet."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import cv2
import mxnet as mx
import numpy as np
import onnx
import pytest
from onnx import helper
from refining import run, street_in

from experiments import export, predict
from experiments.lib import paths, refined
from repro.data import open_dataset
from repro.data.classes import ClassSet
from repro.data.images import read_sample
from repro.errors import UserError
from repro.export.operators import CONVERTERS
from repro.runtime.metadata import KEY
from repro.runtime.onnx import OnnxEngine
from repro.sparserefine import exported as onnx_refined
from repro.sparserefine.networks import fused_by
from repro.sparserefine.segmenter import of_record
from repro.tables.refine import read_refined


@pytest.fixture
def street(tmp_path, monkeypatch):
    return street_in(tmp_path, monkeypatch)


@pytest.fixture
def folder(street, tmp_path, capsys):
    """Where both networks are left."""
    assert run("--data", street) == 0
    capsys.readouterr()
    return tmp_path / "cache" / "refine" / "camvid"


def photo_in(street):
    sample = open_dataset(street).measured[0]
    return sample.image, read_sample(sample, open_dataset(street).classes)[0]


def test_predict_takes_such_a_folder(street, folder, tmp_path, capsys):
    path, image = photo_in(street)
    out = tmp_path / "out"
    assert predict.main(["--input", str(path), "--weights", str(folder), "--output", str(out)]) == 0
    said = capsys.readouterr().err
    assert "SparseRefine over stride32 at half resolution, trained on camvid at 64x128" in said
    wanted = refined.refined_of(refined.load(folder)).segment(image)
    ids = cv2.imread(str(out / f"{path.stem}_labelIds.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(ids, np.array(open_dataset(street).classes.ids)[wanted.labels])
    assert (out / f"{path.stem}_overlay.jpg").is_file()
    segmenter = refined.segmenter(folder, 2)
    found = segmenter.segment(image[:63, :127])
    assert found.labels.shape == found.refined.shape == (63, 127) and found.stride == 8
    np.testing.assert_array_equal(found.labels[:62:2, :126:2], found.labels[1:62:2, 1:126:2])
    assert 0 < found.refined.mean() <= 1 and found.active is None
    assert [segmenter.shrunk((64, 128)), refined.segmenter(folder, None).shrunk((256, 512))] == [2, 4]


def test_export_writes_both_networks(street, folder, tmp_path, capsys):
    prefix = tmp_path / "made" / "network"
    assert export.main(["--weights", str(folder), "--format", "gluon", "--out", str(prefix), "--data", str(street),
                        "--images", "2"]) == 0
    record = json.loads(prefix.with_name("network-refiner.json").read_text())
    trained = refined.load(folder)
    assert record["check"]["selections"] == 2 and record["check"]["apart"] <= 1e-4
    assert record["classes"] == list(trained.record["refined"]["class_iou"]) and record["threshold"] == 0.3
    dense = json.loads(prefix.with_name("network-dense.json").read_text())
    assert dense["input"]["shape"] == [1, 3, 32, 64] and dense["check"]["labels"] == 0
    there, (_, image) = refined.refined_of(trained), photo_in(street)
    wanted = there.segment(image)
    with pytest.warns(UserWarning, match="Cannot decide type"):  # of an input, in an exported graph
        loaded = mx.gluon.SymbolBlock.imports(f"{prefix}-refiner-symbol.json", record["inputs"],
                                              f"{prefix}-refiner-0000.params")
    there.refiner = fused_by(loaded, mx.cpu())
    np.testing.assert_array_equal(there.segment(image).labels, wanted.labels)
    assert "as here on 2 images" in capsys.readouterr().out
    assert sorted(path.name for path in prefix.parent.iterdir()) == sorted(
        f"network-{kind}{end}" for kind in ("dense", "refiner") for end in ("-symbol.json", "-0000.params", ".json"))


WITHOUT_MXNET = """
import sys
import numpy as np
from repro.others.refined import load
found = load(sys.argv[1]).segment(np.load(sys.argv[2]))
np.savez(sys.argv[3], labels=found.labels, refined=found.refined)
assert "mxnet" not in sys.modules
"""


def test_in_onnxruntime_both_networks_find_the_same_without_mxnet(street, folder, tmp_path, capsys):
    prefix, (path, image) = tmp_path / "made" / "network", photo_in(street)
    assert export.main(["--weights", str(folder), "--out", str(prefix), "--data", str(street), "--images", "2"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1].startswith("as here on 2 images") and said[3].endswith("made/network-refiner.onnx")
    record = json.loads(prefix.with_name("network-refiner.json").read_text())
    assert record["check"]["selections"] == 2 and record["check"]["apart"] <= 1e-4
    assert sorted(one.name for one in prefix.parent.iterdir()) == sorted(
        f"network-{kind}.{end}" for kind in ("dense", "refiner") for end in ("onnx", "json"))
    there = refined.refined_of(refined.load(folder))
    for size in ((64, 128), (40, 100)):  # of the file's size, and smaller: other numbers of pixels, none of them given
        np.save(tmp_path / "photo.npy", image[:size[0], :size[1]])
        subprocess.run([sys.executable, "-c", WITHOUT_MXNET, str(prefix), str(tmp_path / "photo.npy"),
                        str(tmp_path / "found.npz")], cwd=paths.ROOT, check=True)
        found, wanted = np.load(tmp_path / "found.npz"), there.segment(image[:size[0], :size[1]])
        assert found["labels"].shape == found["refined"].shape == size and wanted.mask.any()
        if size == (64, 128):
            np.testing.assert_array_equal(found["labels"], wanted.labels)
            np.testing.assert_array_equal(found["refined"], wanted.mask)
    out = tmp_path / "out"
    for engine in ("mxnet", "onnx"):
        assert predict.main(["--input", str(path), "--weights", str(folder), "--engine", engine, "--output",
                             str(out / engine)]) == 0
    mxnet, onnx = (cv2.imread(str(out / engine / f"{path.stem}_labelIds.png"), cv2.IMREAD_UNCHANGED)
                   for engine in ("mxnet", "onnx"))
    np.testing.assert_array_equal(mxnet, onnx)


def test_an_operator_that_onnx_has_not_is_one_line(street, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.delitem(CONVERTERS, "Convolution")
    assert predict.main(["--input", str(photo_in(street)[0]), "--weights", str(folder), "--engine", "onnx", "--output",
                         str(tmp_path / "out")]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if "this network cannot be exported" in line]
    assert len(errors) == 1 and "no converter for Convolution" in errors[0], errors


def test_exported_files_that_do_not_fit_are_one_line(street, folder, tmp_path, capsys):
    prefix = tmp_path / "network"
    assert export.main(["--weights", str(folder), "--out", str(prefix), "--data", str(street), "--images", "1"]) == 0
    dense, refiner = (prefix.with_name(f"network-{kind}.onnx") for kind in ("dense", "refiner"))
    with pytest.raises(UserError, match="image of 128x128 when padded: .*network is for up to 64x128"):
        onnx_refined.load(prefix).segment(np.zeros((65, 128, 3), np.uint8))
    with pytest.raises(UserError, match="network-dense.onnx: not a refiner's: it makes scores of data"):
        onnx_refined.OnnxRefiner(dense)
    with pytest.raises(UserError, match="its inputs .* are not one of RGB images"):
        OnnxEngine(refiner)
    damaged = prefix.with_name("damaged.onnx")
    damaged.write_bytes(refiner.read_bytes().replace(b'"threshold"', b'"thresh\xff\xfed"'))
    with pytest.raises(UserError, match="damaged.onnx: its record is not UTF-8"):
        onnx_refined.OnnxRefiner(damaged)
    model = onnx.load(str(refiner))
    for record, words in ((dataclasses.replace(onnx_refined.OnnxRefiner(refiner).record, classes=("road",)).to_text(),
                           "11 and 1 classes"), ('{"format": 2}', "format 2 is not known"), (None, "have no record")):
        del model.metadata_props[:]
        if record:
            helper.set_model_props(model, {KEY: record})
        onnx.save(model, str(refiner))
        with pytest.raises(UserError, match=words):
            onnx_refined.load(prefix)


def test_what_does_not_suit_such_a_folder_is_one_line(street, folder, tmp_path, capsys):
    path, image = photo_in(street)
    known = ["--input", str(path), "--weights", str(folder), "--output", str(tmp_path / "out")]
    for script, arguments, words in (
            (predict, [*known, "--k", "3"], "K: not for SparseRefine"),
            (predict, [*known, "--scores"], "SCORES: not for SparseRefine"),
            (predict, [*known, "--shrink", "3"], "SHRINK: 3"),
            (predict, [*known, "--weights", str(street)], "a folder, but not one that `make refine` left"),
            (export, ["--weights", str(folder), "--precision", "int8"], "PRECISION: not for SparseRefine"),
            (export, ["--weights", str(folder), "--batch", "2"], "BATCH: not for SparseRefine"),
            (export, ["--weights", str(folder), "--row", "stride32"], "ROW: not for SparseRefine"),
            (export, ["--weights", str(folder), "--format", "gluon", "--k", "0"], "K: not for SparseRefine")):
        assert script.main(arguments) == 2
        errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1 and words in errors[0], errors
    segmenter = refined.segmenter(folder, None)
    with pytest.raises(UserError, match="SCORES"):
        segmenter.segment(image, scores=True)
    with pytest.raises(UserError, match="uint8 array"):
        segmenter.segment(image[..., 0])


def test_classes_of_one_s_own_are_kept(street, folder):
    record = dict(refined.load(folder).record)
    record["refined"] = {**record["refined"], "class_iou": {"tree": 1.0, "road": 2.0}}
    with pytest.raises(UserError, match=r"classes \(tree, road\) are of no known set; known are"):
        of_record(folder, record)
    own = ClassSet("garden", ("tree", "road"), ((0, 255, 0), (9, 9, 9)), (1, 2), ())
    path = folder.parent / "refine-garden.json"
    values = json.loads((folder.parent / "refine-camvid.json").read_text())
    path.write_text(json.dumps({**values, "refined": record["refined"], "classes": dataclasses.asdict(own)}))
    assert of_record(folder, read_refined(path)).classes == own
