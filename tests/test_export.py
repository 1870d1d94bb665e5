"""The ONNX file gives MXNet's numbers, in a runtime that knows nothing of this project."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import mxnet as mx
import numpy as np
import onnx
import onnxruntime
import pytest
from graphs import MODEL_A, STRIDE_8, Peer, built, image, named_arrays, run, shaken, sparse, traced

from repro.config.networks import MODELS, Neighbour
from repro.engine import prepared
from repro.errors import UserError
from repro.evaluation.inference import named_outputs
from repro.export import PORTABLE, to_onnx
from repro.models import parameters
from repro.models.build import build
from repro.models.parameters import arrays_of, assign
from repro.models.peers import random_values
from repro.runtime.onnx import OnnxEngine
from repro.runtime.openvino import OpenvinoEngine


def run_onnx(path, x):
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"]).run(
        None, {"data": x.asnumpy()})


def exported(symbol, arrays, x, path, outputs=(0,), options=PORTABLE):
    """What MXNet and onnxruntime compute."""
    symbol, arrays = prepared(symbol, arrays, x.shape, options, outputs)
    to_onnx(symbol, arrays, x.shape, path, [f"output{i}" for i in outputs])
    return run(symbol, arrays, x), run_onnx(path, x)


def assert_same(found, wanted):
    assert found.shape == wanted.shape and found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-5 * abs(wanted).max())


@pytest.mark.parametrize("spec, batch, settings", [
    (MODEL_A, 1, {}), (MODEL_A, 1, {"k": 8}), (MODEL_A, 1, {"k": 0}), (MODEL_A, 2, {"k": 1, "frozen": False}),
    (sparse(), 1, {}), (sparse("sctf"), 2, {}), (sparse(), 1, {"fast": False}), (STRIDE_8, 1, {}),
    (replace(MODEL_A, selector="entropy"), 1, {}), (replace(MODEL_A, selector="entropy", weighting="gate"), 1, {}),
], ids=["Model A", "Model A, all regions", "Model A, no region", "Model A, live norm, batch 2", "ISCTF",
        "SCTF, batch 2", "ISCTF classic", "stride 8", "entropy", "gate"])
def test_scores_and_regions_are_those_of_mxnet(tmp_path, spec, batch, settings):
    x = image(batch, seed=3)
    arrays, settings = built(spec, x, **settings)
    symbol, arrays = traced(spec, arrays, settings, x)
    outputs = (0, len(symbol.list_outputs()) - 1) if spec.sparse else (0,)  # scores and mask
    wanted, found = exported(symbol, arrays, x, tmp_path / "network.onnx", outputs)
    assert len(found) == len(outputs)
    assert_same(found[0], wanted[0])
    if spec.sparse:
        np.testing.assert_array_equal(found[1], wanted[1])
        assert found[1].sum() == batch * settings["k"]


@pytest.mark.parametrize("model", list(MODELS))
def test_neighbours_export_at_the_aspect_of_streets(tmp_path, model):
    """ICNet's and Fast-SCNN's adaptive pooling too, whose windows are constants at one size."""
    network, x = partial(build, Neighbour(model), 5, size=(128, 256)), image(seed=1)
    made = network()
    made.initialize()
    made(x)
    arrays = {name: mx.nd.array(random_values(name, value.shape, 0)) for name, value in arrays_of(made).items()}
    assign(made, arrays)
    to_onnx(*prepared(*parameters.traced(network(), arrays, x.shape), x.shape, PORTABLE), x.shape, tmp_path / "a.onnx")
    wanted = named_outputs(made, x)["scores"].asnumpy()
    for engine in (OnnxEngine, OpenvinoEngine):
        found = engine(tmp_path / "a.onnx").outputs(x.asnumpy())[0]
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4 * abs(wanted).max())
    assert wanted.std(axis=(2, 3)).min() > 0.01  # the scores depend on the place


def test_depthwise_dilated_normed_layers(tmp_path):
    x = image(2)
    network = shaken(Peer(), x)
    symbol = mx.sym.Group(list(network(mx.sym.var("data"))))
    for options in (PORTABLE, replace(PORTABLE, padded=True)):
        for found, wanted in zip(*exported(symbol, named_arrays(network), x, tmp_path / "a.onnx", (0, 1), options)):
            assert_same(found, wanted)


S = mx.sym


@pytest.mark.parametrize("make", [
    lambda x: S.Pooling(x, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max"),
    lambda x: S.Pooling(x, kernel=(3, 3), stride=(2, 2), pool_type="max", pooling_convention="full"),
    lambda x: S.Pooling(x, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="avg"),
    lambda x: S.Pooling(x, kernel=(3, 3), pad=(1, 1), pool_type="avg", count_include_pad=False),
    lambda x: S.Pooling(x, global_pool=True, kernel=(1, 1), pool_type="avg"),
    lambda x: S.UpSampling(x, scale=3, sample_type="nearest"),
    lambda x: S.slice_axis(x, axis=-1, begin=-5, end=-1), lambda x: S.slice_axis(x, axis=2, begin=3, end=None),
    lambda x: S.split(x, num_outputs=3, axis=1)[2], lambda x: S.swapaxes(x, dim1=1, dim2=3),
    lambda x: S.sum(x, axis=(2, 3)), lambda x: S.sum(x, axis=1, keepdims=True), lambda x: S.softmax(x, axis=1),
    lambda x: S.Activation(x, act_type="sigmoid") * 3 + 1.5, lambda x: S.Activation(x, act_type="tanh"),
    lambda x: S.pad(x, mode="constant", constant_value=2, pad_width=(0, 0, 0, 0, 1, 2, 3, 4)),
    lambda x: S.broadcast_maximum(x, S.zeros_like(x)), lambda x: S.reshape(x, (0, -1, 8)),
    lambda x: S.take(S.reshape(x, (-1, 8)), S.topk(S.reshape(x, (1, -1)), k=1, axis=1, dtype="float32") * 0 + 7),
    lambda x: S.one_hot(S.topk(S.sum(x, axis=(2, 3)), k=2, axis=1, dtype="float32"), depth=3),
    *(lambda x, size=size: S.contrib.AdaptiveAvgPooling2D(x, output_size=size) for size in ((1, 1), (4, 3), (6, 8))),
    lambda x: S.contrib.BilinearResize2D(x, height=9, width=5),
    lambda x: S.contrib.BilinearResize2D(x, height=13, width=16, align_corners=False),
    lambda x: S.log(S.clip(x, 1e-2, 1)), lambda x: 1 - x, lambda x: S.transpose(x, axes=(0, 2, 3, 1)),
    lambda x: S.transpose(x),
])
def test_operators_one_by_one(tmp_path, make):
    x = mx.nd.array(np.random.RandomState(0).standard_normal((2, 3, 6, 8)))
    symbol = make(mx.sym.var("data"))
    to_onnx(symbol, {}, x.shape, tmp_path / "one.onnx")
    assert_same(run_onnx(tmp_path / "one.onnx", x)[0], run(symbol, {}, x)[0])


@pytest.mark.parametrize("pad, edge, resized", [(3, True, True), (3, False, True), (2, True, True), (1, True, False)])
def test_bilinear_up_sampling(tmp_path, pad, edge, resized):
    """Written as such where it is that, wherever its edges are; else as the deconvolution that it is."""
    x = mx.nd.array(np.random.RandomState(0).standard_normal((1, 3, 5, 6)))
    line = np.float32([0.25, 0.75, 0.75, 0.25])
    for weight, expected in ((line[:, None] * line, resized), (line[:, None] + line, False)):
        arrays = {"weight": mx.nd.array(np.broadcast_to(weight, (3, 1, 4, 4)))}
        data = mx.sym.var("data")
        if edge:
            data = mx.sym.pad(data, mode="edge", pad_width=(0, 0, 0, 0, 1, 1, 1, 1))
        symbol = mx.sym.Deconvolution(data, mx.sym.var("weight"), kernel=(4, 4), stride=(2, 2), pad=(pad, pad),
                                      num_filter=3, num_group=3, no_bias=True)
        to_onnx(symbol, arrays, x.shape, tmp_path / "up.onnx")
        assert_same(run_onnx(tmp_path / "up.onnx", x)[0], run(symbol, arrays, x)[0])
        operators = [node.op_type for node in onnx.load(str(tmp_path / "up.onnx")).graph.node]
        assert ("Resize" in operators) == expected and ("ConvTranspose" in operators) != expected
        assert ("Pad" in operators) == (edge and not (expected and pad == 3))


def test_a_file_is_of_one_opset_and_has_no_more_than_it_needs(tmp_path):
    x = image()
    arrays, settings = built(MODEL_A, x)
    exported(*traced(MODEL_A, arrays, settings, x), x, tmp_path / "network.onnx")
    model = onnx.load(str(tmp_path / "network.onnx"))
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 13)] and model.ir_version == 7
    assert [one.name for one in model.graph.output] == ["output0"]
    read = {name for node in model.graph.node for name in node.input}
    assert {one.name for one in model.graph.initializer} <= read


def test_the_same_network_is_the_same_file(tmp_path):
    x = image()
    arrays, settings = built(STRIDE_8, x)
    symbol, arrays = traced(STRIDE_8, arrays, settings, x)
    files = []
    for name in ("a", "b"):
        exported(symbol, arrays, x, tmp_path / name)
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]


def test_what_cannot_be_written_is_named_and_nothing_written(tmp_path):
    x = mx.sym.var("data")
    for symbol, message in (
            (mx.sym.arccosh(x, name="up"), r"arccosh \(up\)"),
            (mx.sym.contrib.BilinearResize2D(x, mode="odd_scale", scale_height=2, scale_width=2, name="up"),
             "_contrib_BilinearResize2D up: mode odd_scale, not size"),
            (mx.sym.Activation(x, act_type="softsign", name="soft"), "Activation soft: act_type 'softsign'; of relu"),
            (mx.sym.take(x, mx.sym.sum(x), mode="wrap", name="taken"), "take taken: mode wrap, not clip"),
            (mx.sym.cast(x, dtype="float16", name="halved"), "Cast halved: dtype 'float16'; of float32")):
        with pytest.raises(UserError, match=message):
            to_onnx(symbol, {}, (1, 3, 8, 8), tmp_path / "none.onnx")
    assert not list(tmp_path.iterdir())
