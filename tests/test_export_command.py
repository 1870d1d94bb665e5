"""What `make export` writes is the network it was made from, says what it is, and runs without MXNet."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import mxnet as mx
import numpy as np
import onnx
import onnxruntime
import pytest
from made_up import made_up

from experiments import export
from experiments.lib import paths, tables
from repro.config.presets import load_preset
from repro.data import CITYSCAPES
from repro.data.augment import MEAN, STD, normalise
from repro.data.minicity import scene
from repro.errors import UserError
from repro.evaluation.inference import named_outputs
from repro.export import carry
from repro.export.agreement import Agreement, agreement, tied
from repro.export.carry import random_arrays
from repro.labels.labelmap import labels_of
from repro.models.build import Plan
from repro.models.parameters import save_arrays
from repro.records import record_path, write_record
from repro.runtime.metadata import KEY, parse
from repro.runtime.onnx import OnnxEngine
from repro.runtime.openvino import OpenvinoEngine

ROOT = Path(__file__).parent.parent
ROW, = tables.chosen_rows("5", "model-a")
LITE = load_preset(paths.HERE / "presets" / "lite.yaml", "lite")
SIZE = ["--size", "100x250", "--images", "2"]
RANDOM = ["--row", "model-a", "--weights", "random", *SIZE]


def call(folder, *arguments):
    assert export.main([*arguments, "--out", str(folder)]) == 0


def test_the_record_says_what_it_is(exported):
    found = OnnxEngine(exported).metadata
    assert (found.row, found.weights, found.shape, found.multiple) == (
        "model-a", "random, seed 0", (1, 3, 128, 256), 64)
    assert (found.outputs, found.stride) == (("scores", "mask", "s", "z2"), 4)
    assert (found.region, found.grid, found.k, found.classes) == (64, (2, 4), 3, CITYSCAPES)
    assert (found.mean, found.std) == (MEAN, STD) and len(found.commit.rstrip("+")) == 40
    check = found.check
    assert check.images == 2 and check.pixels == 2 * 128 * 256 - check.ties * 128 * 256
    assert check.labels < 1e-5 * check.pixels and check.apart <= 1e-4
    assert check.versions == {"mxnet": mx.__version__, "onnxruntime": onnxruntime.__version__}
    assert parse(exported.with_suffix(".json").read_text(), "") == found


def test_the_file_runs_without_mxnet_and_without_this_project(exported, tmp_path):
    """All that its record says, followed by a program that knows nothing else, gives the labels of MXNet; so does the
    engine here."""
    image = scene(0, "val", 0, (100, 250))[0]
    cv2.imwrite(str(tmp_path / "image.png"), image[:, :, ::-1])
    np.save(tmp_path / "image.npy", image)
    subprocess.run([sys.executable, "-W", "error", "-c", (
        "import sys; sys.modules.update(mxnet=None, gluoncv=None)\n"
        "import numpy as np\n"
        "from repro.runtime.onnx import OnnxEngine\n"
        f"found = OnnxEngine({str(exported)!r}).segment(np.load({str(tmp_path / 'image.npy')!r}), scores=True)\n"
        f"np.savez({str(tmp_path / 'own.npz')!r}, labels=found.labels, active=found.active, z2=found.z2, "
        "scores=found.scores, region=found.region)")], cwd=ROOT, check=True)
    subprocess.run([sys.executable, "-I", "-c", (
        "import sys; sys.modules.update(mxnet=None, repro=None)\n"
        "import json, cv2, numpy as np, onnxruntime\n"
        f"session = onnxruntime.InferenceSession({str(exported)!r})\n"
        f"record = json.loads(session.get_modelmeta().custom_metadata_map[{KEY!r}])\n"
        "image = cv2.imread('image.png')[:, :, ::-1] / 255  # RGB\n"
        "image = (image - record['input']['mean']) / record['input']['std']\n"
        "x = np.zeros(record['input']['shape'], np.float32)\n"
        "x[0, :, :image.shape[0], :image.shape[1]] = image.transpose(2, 0, 1)\n"
        "made = session.run(record['outputs']['names'], {record['input']['name']: x})\n"
        "np.savez('made.npz', **dict(zip(record['outputs']['names'], made)))")], cwd=tmp_path, check=True)
    made, own = np.load(tmp_path / "made.npz"), np.load(tmp_path / "own.npz")
    x = np.zeros((1, 3, 128, 256), np.float32)
    normalise(image, x[0, :, :100, :250])
    found = named_outputs(in_mxnet(3), mx.nd.array(x))
    scores, mask, z2 = (found[name].asnumpy()[0] for name in ("scores", "mask", "z2"))
    for labels, active, weights in ((own["labels"], own["active"], own["z2"]), (
            labels_of(made["scores"][0], (100, 250)), made["mask"][0, 0] > 0, made["z2"][0, 0, :25, :63])):
        assert (labels != labels_of(scores, (100, 250))).mean() < 1e-4
        np.testing.assert_array_equal(active, mask[0] > 0)
        np.testing.assert_allclose(weights, z2[0, :25, :63], atol=1e-5)
    assert own["active"].sum() == 3 and own["region"] == 64 and own["scores"].shape == (19, 25, 63)


def in_mxnet(k):
    """Model A with the same random values, as Gluon runs it."""
    plan = Plan(ROW.network, ROW.training, LITE, (100, 250))
    return carry.Subject(plan, random_arrays(plan, 19), 19, (1, 3, 128, 256), k).network()


def test_what_only_chooses_regions_does_not_weigh(exported, tmp_path):
    call(tmp_path / "network.onnx", "--row", "model-a-entropy", "--weights", "random", *SIZE)
    image = scene(0, "val", 1, (100, 250))[0]
    found, head = (OnnxEngine(path).segment(image) for path in (tmp_path / "network.onnx", exported))
    there = np.kron(found.active, np.ones((16, 16)))[:25, :63]
    assert [OnnxEngine(path).metadata.selector for path in (tmp_path / "network.onnx", exported)] == ["entropy", "head"]
    assert 0 < found.active.sum() < found.active.size
    np.testing.assert_allclose(found.weights, found.z2 * there)
    assert (head.weights < head.z2)[np.kron(head.active, np.ones((16, 16)))[:25, :63] > 0].all()  # times sigmoid(s)


def test_normalisation_is_the_files(exported, tmp_path):
    """A file that says otherwise is fed otherwise."""
    model = onnx.load(str(exported))
    found = OnnxEngine(exported).metadata
    other = replace(found, mean=(0.0, 0.0, 0.0), std=(0.5, 0.25, 1.0))
    onnx.helper.set_model_props(model, {KEY: other.to_text()})
    onnx.save(model, str(tmp_path / "other.onnx"))
    image = scene(0, "val", 0, (128, 256))[0]
    engine = OnnxEngine(tmp_path / "other.onnx")
    x = (image / 255 / (0.5, 0.25, 1.0)).transpose(2, 0, 1)[None].astype(np.float32)
    wanted = labels_of(engine.outputs(x)[0][0], (128, 256))
    assert (engine.labels(image) != wanted).mean() < 1e-4
    assert (OnnxEngine(exported).labels(image) != wanted).mean() > 1e-2


def test_another_k_and_batch_are_another_file(tmp_path):
    call(tmp_path / "both.onnx", *RANDOM, "--k", "5", "--batch", "2", "--images", "3")
    engine = OnnxEngine(tmp_path / "both.onnx")
    found = engine.metadata
    assert (found.k, found.shape, found.check.images) == (5, (2, 3, 128, 256), 4)  # the last batch is filled
    made = dict(zip(engine.names, engine.outputs(np.random.RandomState(0).randn(2, 3, 128, 256).astype(np.float32))))
    assert made["mask"].shape == (2, 1, 2, 4) and (made["mask"].sum((1, 2, 3)) == 5).all()


def test_a_row_without_regions(tmp_path, capsys):
    arguments = ["--row", "stride32", "--weights", "random", *SIZE]
    call(tmp_path / "single.onnx", *arguments)
    found = OnnxEngine(tmp_path / "single.onnx").metadata
    assert (found.region, found.grid, found.k, found.outputs) == (None, None, None, ("scores",))
    segmented = OnnxEngine(tmp_path / "single.onnx").segment(scene(0, "val", 0, (64, 64))[0])
    assert segmented.labels.shape == (64, 64) and segmented.active is None
    assert export.main([*arguments, "--k", "2"]) == 2
    assert "K: stride32 has no regions" in capsys.readouterr().err


def test_what_was_trained_here_is_found(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    assert export.main(["--row", "model-a", *SIZE]) == 2
    assert "no parameters of model-a trained so; `make table5 DATA=minicity ROW=model-a" in capsys.readouterr().err
    iou = dict.fromkeys(CITYSCAPES.names, 30.0)
    record = made_up(ROW, width="0.25")
    for evaluation in record.evaluations.values():
        evaluation["class_iou"] = iou
    write_record(tmp_path / "cache" / "results", record)
    path = record_path(tmp_path / "cache" / "results", record).with_suffix(".params")
    save_arrays(path, random_arrays(Plan(ROW.network, ROW.training, LITE, (128, 256)), 19, seed=4))
    assert export.main(["--row", "model-a", *SIZE]) == 0
    assert "exported/model-a-k2-128x256.onnx" in capsys.readouterr().out
    found = OnnxEngine(tmp_path / "exported" / "model-a-k2-128x256.onnx").metadata
    assert found.weights.startswith("trained on minicity") and found.training == record_path("", record).stem
    assert export.main(["--weights", str(path), *SIZE, "--out", str(tmp_path / "same.onnx")]) == 0
    one, other = (OnnxEngine(file).outputs(np.ones((1, 3, 128, 256), np.float32))[0]
                  for file in (tmp_path / "same.onnx", tmp_path / "exported" / "model-a-k2-128x256.onnx"))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("arguments, message", [
    (["--row", "modela", "--weights", "random"], "ROW: 'modela' is not known; choose from stride8, stride16"),
    ([*RANDOM, "--k", "9"], "K: 9 is not between 1 and 8, the regions of the image (2x4)"),
    ([*RANDOM, "--k", "0"], "K: 0 is not between 1 and 8"),
    ([*RANDOM, "--size", "big"], "'big' is not a height and a width"),
    ([*RANDOM, "--size", "99999x99999"], "'99999x99999' are more than"),
    ([*RANDOM, "--precision", "float64"],
     "PRECISION: 'float64' is not known; choose from float32, float16, int8"),
    ([*RANDOM, "--out", "network.pb"], "OUT: 'network.pb' does not end with .onnx"),
    ([*RANDOM, "--batch", "0"], "BATCH: 0 is not 1 or more"),
    ([*RANDOM, "--seed", "abc"], "SEED: 'abc' is not a whole number from 0 to 4294967295"),
    (["--row", "model-a", "--weights", str(export.SHIPPED)], "of another network: it lacks "),
    (["--row", "ours-isctf", "--weights", str(export.SHIPPED), "--preset", "paper"], "this network has (64, 3, 7, 7)"),
    ([*RANDOM, "--preset", "huge"], "PRESET: 'huge' is not known; choose from"),
    (["--preset", "street"], "PRESET: street: is of a trained row; give ROW too"),
    (["--weights", "/none.params"], "/none"),
    (["--row", "stride32", "--weights", "/none.params"], "weights /none.params: no such file"),
])
def test_mistakes_are_a_line(arguments, message, capsys):
    assert export.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1, error


def test_what_differs_is_not_written(tmp_path, monkeypatch, capsys):
    def other(symbol, arrays, *rest):
        name = "half_decoder_classifier_bias"
        carry_to_onnx(symbol, {**arrays, name: arrays[name] * 2}, *rest)
    carry_to_onnx = carry.to_onnx
    monkeypatch.setattr(carry, "to_onnx", other)
    assert export.main([*RANDOM, "--out", str(tmp_path / "network.onnx")]) == 2
    error = capsys.readouterr().err
    assert "network.onnx: not written: unlike in MXNet, scores is" in error and not list(tmp_path.iterdir())


def runs(*outputs):
    return [lambda batch, made=made: made for made in outputs]


def outputs(s, mask, scores=None):
    maps = np.random.RandomState(0).randn(1, 5, 8, 8).astype(np.float32) if scores is None else scores
    return {"scores": maps, "s": np.float32(s).reshape(1, 1, 1, -1), "mask": np.float32(mask).reshape(1, 1, 1, -1)}


def test_agreement_counts_ties_other_regions_and_labels():
    image = [np.zeros((1, 3, 32, 32), np.float32)]
    one = outputs([3, 1, 1, -5], [1, 1, 0, 0])
    assert agreement(*runs(one, one), image) == Agreement(1, 0, 0, 1024, 0, {"s": 0.0, "scores": 0.0})
    tie = agreement(*runs(one, outputs([3, 1, 1, -5], [1, 0, 1, 0])), image)
    assert (tie.ties, tie.others, tie.pixels) == (1, 0, 0) and "none of 1 images" in tie.problem()
    other = agreement(*runs(one, outputs([3, 1, 1, -5], [0, 1, 1, 0])), image)
    assert (other.ties, other.others) == (0, 1) and "other regions are computed in 1 of 1" in other.problem()
    compared = agreement(*runs(one, outputs([3, 1, 1, -5], [0, 1, 1, 0])), image, everywhere=True)
    assert (compared.others, compared.pixels, compared.labels, compared.apart) == (1, 1024, 0, {"s": 0.0})
    more = agreement(*runs(one, outputs([3, 1, 1, -5], [1, 1, 1, 0])), image)
    assert more.others == 1 and not tied(one["s"][0], one["mask"][0], np.ones((1, 1, 4)))
    swapped = agreement(*runs(one, outputs([3, 1, 1, -5], [1, 1, 0, 0], one["scores"][:, ::-1])), image)
    assert "scores is" in swapped.problem() and swapped.labels > 100
    near = outputs([3, 1, 1, -5], [1, 1, 0, 0], one["scores"] * (1 + 2e-5))
    found = agreement(*runs(one, near), image)
    assert found.problem() is None and 1e-5 < found.apart["scores"] < 3e-5
    nothing = outputs([3, 1, 1, -5], [1, 1, 0, 0], one["scores"] * np.nan)
    assert "scores is inf of its largest value apart" in agreement(*runs(one, nothing), image).problem()
    assert "2 of 1024 pixels" in Agreement(1, 0, 0, 1024, 2, {"scores": 0.0}).problem()


@pytest.mark.parametrize("kind", [OnnxEngine, OpenvinoEngine])
def test_files_that_are_none_are_a_line(exported, tmp_path, kind):
    (tmp_path / "text.onnx").write_text("no network")
    model, record = onnx.load(str(exported)), OnnxEngine(exported).metadata
    del model.metadata_props[:]
    onnx.save(model, str(tmp_path / "bare.onnx"))
    for name, text in (("other", replace(record, shape=(2, 3, 128, 256)).to_text()), ("empty", "{}")):
        onnx.helper.set_model_props(model, {KEY: text})
        onnx.save(model, str(tmp_path / f"{name}.onnx"))
    for name, message in (("none", "no such file"), ("text", "not an ONNX file, or damaged"), ("empty", "format"),
                          ("other", "its record is of a network from")):
        with pytest.raises(UserError, match=f"{name}.onnx: .*{message}"):
            kind(tmp_path / f"{name}.onnx")
    bare = kind(tmp_path / "bare.onnx")
    image = scene(0, "val", 0, (64, 64))[0]
    np.testing.assert_array_equal(bare.labels(image), kind(exported).labels(image))
    with pytest.raises(ValueError, match="no record that says"):
        bare.segment(image)
