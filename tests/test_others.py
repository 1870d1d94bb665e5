"""onnxruntime behind the engine's own interface, and engines in processes of their own, side by side."""

from __future__ import annotations

import json
import sys
import threading

import numpy as np
import onnx
import pytest
from graphs import MODEL_A, built, image, traced

from experiments import engines
from repro.engine import Engine, prepared
from repro.errors import UserError
from repro.export import PORTABLE, to_onnx
from repro.others.onnx import OnnxEngine
from repro.others.worker import Worker
from repro.tables.table6 import read_engines
from repro.threads import threads


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Model A in the project's engine, and exported: (engine, path)."""
    x = image()
    arrays, settings = built(MODEL_A, x)
    symbol, arrays = traced(MODEL_A, arrays, settings, x)
    path = tmp_path_factory.mktemp("exported") / "network.onnx"
    to_onnx(*prepared(symbol, arrays, x.shape, PORTABLE), x.shape, path)
    return Engine(symbol, arrays, x.shape), path


def test_labels_are_the_engines(both):
    made, path = both
    other = OnnxEngine(path)
    for height, width in ((128, 256), (97, 131), (128, 256), (1, 1)):
        photo = np.random.RandomState(height).randint(0, 256, (height, width, 3)).astype(np.uint8)
        labels = other.labels(photo)
        assert labels.shape == (height, width) and labels.dtype == np.uint8
        assert (labels != made.labels(photo)).mean() < 1e-4
    x = image(seed=5)
    found, wanted = other.outputs(x.asnumpy())[0], made.outputs(x)[0].asnumpy()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-5 * abs(wanted).max())


def test_threads_may_share_it(both):
    other = OnnxEngine(both[1])
    photos = [np.random.RandomState(i).randint(0, 256, (128, 256, 3)).astype(np.uint8) for i in range(3)]
    expected, found = [other.labels(photo) for photo in photos], []
    workers = [threading.Thread(target=lambda i=i: found.append((i, other.labels(photos[i])))) for i in (0, 1, 2, 1, 0)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 5 and all((labels == expected[i]).all() for i, labels in found)


def test_what_does_not_fit_is_refused(both):
    other = OnnxEngine(both[1])
    with pytest.raises(ValueError, match=r"\(1, 3, 64, 64\): this engine is for \(1, 3, 128, 256\)"):
        other.outputs(np.zeros((1, 3, 64, 64), np.float32))
    for photo in (np.zeros((129, 256, 3), np.uint8), np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32)):
        with pytest.raises(ValueError, match="up to 128x256 pixels, uint8 RGB"):
            other.labels(photo)


def test_threads_are_those_asked_for(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert threads() >= 1


def test_a_worker_computes_what_the_engine_does(both, tmp_path):
    x = image().asnumpy()
    np.save(tmp_path / "x.npy", x)
    with Worker(sys.executable, "onnxruntime", both[1], tmp_path / "x.npy") as worker:
        assert worker.version[0].isdigit() and 0 < worker.run() < 60
        found, = worker.outputs()
        assert worker.run() > 0
    np.testing.assert_array_equal(found, OnnxEngine(both[1]).outputs(x)[0])
    assert worker._process.returncode is not None


def test_a_worker_that_cannot_work_is_a_line(both, tmp_path, capfd):
    np.save(tmp_path / "x.npy", np.zeros((1, 3, 8, 8), np.float32))
    with pytest.raises(UserError, match="onnxruntime: its process ended with exit code 1"):
        Worker(sys.executable, "onnxruntime", both[1], tmp_path / "x.npy")
    assert "this engine is for (1, 3, 128, 256)" in capfd.readouterr().err
    with pytest.raises(UserError, match="onnxruntime: .*python cannot be run: No such file"):
        Worker(tmp_path / "python", "onnxruntime", both[1], tmp_path / "x.npy")
    with pytest.raises(UserError, match="engine: 'tensorrt' is not known; choose from onnxruntime, torch"):
        Worker(sys.executable, "tensorrt", both[1], tmp_path / "x.npy")


def test_a_worker_that_dies_is_a_line(both, tmp_path):
    np.save(tmp_path / "x.npy", image().asnumpy())
    worker = Worker(sys.executable, "onnxruntime", both[1], tmp_path / "x.npy")
    worker._process.kill()
    with pytest.raises(UserError, match="onnxruntime: its process ended with exit code -9"):
        worker.run()


SMALL = ["--rows", "model-a", "--engines", "onnxruntime", "--size", "128x256", "--width", "0.25", "--rounds", "2"]


def test_measured_side_by_side(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(engines, "OWN", tmp_path / "speed")
    assert engines.main(SMALL) == 0
    path = tmp_path / "speed" / "engines.json"
    found = read_engines(path)
    assert [(one["row"], one["engine"], one["precision"], len(one["seconds"])) for one in found["rows"]] == [
        ("model-a", "ours", "float32", 2), ("model-a", "onnxruntime", "float32", 2)]
    assert set(found["versions"]) == {"mxnet", "onnxruntime"}
    assert found["provenance"]["command"] == "python -m experiments.engines " + " ".join(SMALL)
    assert capsys.readouterr().out.strip().endswith("engines.json") and json.loads(path.read_text())


def test_other_scores_are_not_measured(tmp_path, monkeypatch, capsys):
    def other(symbol, arrays, shape, path):
        to_onnx(symbol, arrays, shape, path)
        model = onnx.load(str(path))
        bias = next(one for one in model.graph.initializer if one.name == "half_decoder_classifier_bias")
        bias.CopyFrom(onnx.numpy_helper.from_array(1.01 * onnx.numpy_helper.to_array(bias), bias.name))
        onnx.save(model, str(path))
    monkeypatch.setattr("repro.export.to_onnx", other)
    monkeypatch.setattr(engines, "OWN", tmp_path / "speed")
    assert engines.main(SMALL) == 2
    assert "model-a: onnxruntime gives other scores" in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments, message", [
    (["--engines", "tvm"], "--engines: 'tvm' is not known; choose from onnxruntime; torch, traced"),
    (["--torch", "/none/python"], "--torch: /none/python is not there; `make engines` sets it up"),
    (["--rows", "modela"], "--rows: 'modela' is not known"), (["--rounds", "0"], "--rounds: 0 is not 1 or more"),
])
def test_mistakes_are_a_line(arguments, message, capsys):
    assert engines.main(arguments) == 2
    assert message in capsys.readouterr().err
