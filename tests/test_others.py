"""onnxruntime behind the engine's own interface."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from graphs import MODEL_A, built, image, traced

from repro.device import threads
from repro.engine import Engine, prepared
from repro.export import PORTABLE, to_onnx
from repro.runtime.onnx import OnnxEngine


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
