"""PyTorch gives MXNet's numbers. Apart from `make test`, as it needs .venv-torch: `make engines` runs it first."""

from __future__ import annotations

import subprocess

import mxnet as mx
import numpy as np
import onnx
import pytest
from graphs import MODEL_A, STRIDE_8, Peer, built, image, named_arrays, shaken, sparse, traced
from onnx import TensorProto, helper

from experiments.engines import TORCH
from repro.engine import Engine, prepared
from repro.export import PORTABLE, to_onnx
from repro.others.worker import ENGINES, SOURCE, Worker

TRACED = [name for name in ENGINES if name.startswith("torch, traced")]


def outputs_of(name, symbol, arrays, x, folder, outputs=(0,)):
    """What torch and MXNet compute."""
    to_onnx(*prepared(symbol, arrays, x.shape, PORTABLE, outputs), x.shape, folder / "network.onnx",
            [f"output{i}" for i in outputs])
    np.save(folder / "x.npy", x.asnumpy())
    with Worker(TORCH, name, folder / "network.onnx", folder / "x.npy") as worker:
        worker.run()
        found = worker.outputs()
    return found, [one.asnumpy() for one in Engine(symbol, arrays, x.shape, outputs=outputs).outputs(x)]


def assert_same(found, wanted):
    assert found.shape == wanted.shape and found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-5 * abs(wanted).max())


@pytest.mark.parametrize("name, spec, batch, settings", [
    *((name, MODEL_A, 1, {}) for name in ENGINES if name.startswith("torch")),
    *((name, spec, batch, settings) for name in TRACED for spec, batch, settings in (
        (MODEL_A, 1, {"k": 0}), (sparse(), 1, {}), (sparse("sctf"), 2, {}), (sparse(), 1, {"fast": False}),
        (STRIDE_8, 1, {})))])
def test_scores_and_regions_are_those_of_mxnet(tmp_path, name, spec, batch, settings):
    x = image(batch, seed=3)
    arrays, settings = built(spec, x, **settings)
    found, wanted = outputs_of(name, *traced(spec, arrays, settings, x), x, tmp_path, (0, 5) if spec.sparse else (0,))
    assert_same(found[0], wanted[0])
    if spec.sparse:
        np.testing.assert_array_equal(found[1], wanted[1])


@pytest.mark.parametrize("name", TRACED)
def test_other_operators(tmp_path, name):
    x, data = image(1, 32, 32), mx.sym.var("data")
    network = shaken(Peer(), x)
    found, wanted = outputs_of(name, mx.sym.Group(list(network(data))), named_arrays(network), x, tmp_path, (0, 1))
    for one, other in zip(found, wanted):
        assert_same(one, other)
    pooled = [mx.sym.Pooling(data, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type=kind) for kind in ("max", "avg")]
    symbol = mx.sym.Group([*pooled, mx.sym.Pooling(data, global_pool=True, kernel=(1, 1), pool_type="avg"),
                           mx.sym.pad(data, mode="constant", constant_value=2, pad_width=(0, 0, 0, 0, 1, 2, 3, 4)),
                           mx.sym.UpSampling(data, scale=3, sample_type="nearest"), mx.sym.sum(data, axis=(2, 3))])
    for one, other in zip(*outputs_of(name, symbol, {}, x, tmp_path, range(6))):
        assert_same(one, other)


def in_torch(code, *arguments):
    return subprocess.run([TORCH, "-W", "ignore", "-c", f"import sys, numpy as np\n{code}", *map(str, arguments)],
                          cwd=SOURCE, stderr=subprocess.PIPE, text=True)


def test_labels_are_the_engines_without_mxnet(tmp_path):
    x = image()
    arrays, settings = built(MODEL_A, x)
    symbol, arrays = traced(MODEL_A, arrays, settings, x)
    to_onnx(*prepared(symbol, arrays, x.shape, PORTABLE), x.shape, tmp_path / "network.onnx")
    photo = np.random.RandomState(0).randint(0, 256, (97, 131, 3)).astype(np.uint8)
    np.save(tmp_path / "photo.npy", photo)
    done = in_torch("sys.modules['mxnet'] = None\nfrom repro.others.torch import TorchEngine\n"
                    "np.save(sys.argv[3], TorchEngine(sys.argv[1]).labels(np.load(sys.argv[2])))",
                    tmp_path / "network.onnx", tmp_path / "photo.npy", tmp_path / "labels.npy")
    assert done.returncode == 0, done.stderr
    assert (np.load(tmp_path / "labels.npy") != Engine(symbol, arrays, x.shape).labels(photo)).mean() < 1e-3


def test_an_operator_without_function_is_named(tmp_path):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3, 8, 8)) for name in ("data", "made")]
    node = helper.make_node("Erf", ["data"], ["made"], "strange")
    made = helper.make_graph([node], "network", values[:1], values[1:])
    onnx.save(helper.make_model(made), str(tmp_path / "network.onnx"))
    done = in_torch("from repro.others.torch import TorchEngine\nTorchEngine(sys.argv[1])", tmp_path / "network.onnx")
    assert done.returncode == 1 and "NotImplementedError: no function for Erf (strange)" in done.stderr
