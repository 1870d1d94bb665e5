"""Exported files in float16 and int8: given and giving what the float32 file is; what they lose is in the record."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import pytest
from graphs import MODEL_A, STRIDE_8, image, sparse, written
from onnx import TensorProto, numpy_helper

from experiments import export
from experiments.lib import paths
from repro.data.minicity import scene
from repro.errors import UserError
from repro.export import carry
from repro.export.agreement import Agreement, agreement
from repro.export.carry import onnx_run
from repro.export.half import half
from repro.export.int8 import int8
from repro.runtime.metadata import parse
from repro.runtime.onnx import OnnxEngine

RANDOM = ["--row", "model-a", "--weights", "random", "--size", "100x250", "--images", "2", "--k", "3"]


def exported(spec, path):
    """A network with random values as an ONNX file; its outputs are scores, and s and mask where it has them."""
    written(spec, path, ("scores", "s", "mask") if spec.sparse else ("scores",))
    return onnx.load(str(path))


def beside(model, made, folder):
    """How far `made` is from `model`, on two images."""
    engines = []
    for name, one in (("whole.onnx", model), ("made.onnx", made)):
        onnx.save(one, str(folder / name))
        engines.append(OnnxEngine(folder / name))
    images = [image(seed=seed).asnumpy() for seed in (3, 4)]
    return agreement(*map(onnx_run, engines), images, everywhere=True)


@pytest.mark.parametrize("spec", [MODEL_A, sparse("sctf"), STRIDE_8], ids=["model-a", "sctf", "stride8"])
def test_float16_is_nearly_float32(spec, tmp_path):
    model = exported(spec, tmp_path / "network.onnx")
    made = half(model)
    found = beside(model, made, tmp_path)
    assert found.others == 0 and 0 < found.apart["scores"] < 1e-2 and found.labels < 0.02 * found.pixels
    kernels = [one for one in made.graph.initializer if one.name.startswith("full_backbone")]
    assert kernels and {one.data_type for one in kernels} == {TensorProto.FLOAT16}
    for one, other in zip((*model.graph.input, *model.graph.output), (*made.graph.input, *made.graph.output)):
        assert one == other


def test_regions_are_chosen_in_float32(tmp_path):
    made = half(exported(MODEL_A, tmp_path / "network.onnx"))
    graph = onnx.shape_inference.infer_shapes(made).graph
    kind = {one.name: one.type.tensor_type.elem_type for one in (*graph.value_info, *graph.output)}
    for node in graph.node:
        if node.op_type in ("TopK", "OneHot") or node.name.startswith("sparse_head"):
            assert kind[node.output[0]] != TensorProto.FLOAT16 or node.op_type == "Cast", node.name
        if node.op_type == "Resize":
            scales = next(one for one in graph.initializer if one.name == node.input[2])
            assert scales.data_type == TensorProto.FLOAT
    top = next(node for node in graph.node if node.op_type == "TopK")
    assert kind[top.output[0]] == TensorProto.FLOAT


def test_a_value_beyond_float16_is_a_line(tmp_path):
    model = exported(STRIDE_8, tmp_path / "network.onnx")
    first = next(one for one in model.graph.initializer if one.name.endswith("weight"))
    first.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(first) * 1e7, first.name))
    with pytest.raises(UserError, match=f"PRECISION: float16: {first.name}: .* is beyond float16"):
        half(model)


def test_int8_computes_convolutions_in_8_bits_and_leaves_the_selection(tmp_path):
    model = exported(MODEL_A, tmp_path / "network.onnx")
    made = int8(model, [image(seed=seed).asnumpy() for seed in (1, 2)])
    found = beside(model, made, tmp_path)
    assert 1e-4 < found.apart["s"] < 0.5 and found.labels < 0.5 * found.pixels
    kinds = {one.name: one.data_type for one in made.graph.initializer}
    source = {name: node for node in made.graph.node for name in node.output}
    eight, floats = [], []
    for node in made.graph.node:
        if node.op_type == "Conv":
            kernel = source.get(node.input[1])
            (eight if kernel is not None and kinds[kernel.input[0]] == TensorProto.INT8 else floats).append(node.name)
    assert len(eight) > 40 and any(name.startswith("full_decoder_hidden") for name in eight)
    assert {name.split("_fwd")[0].rstrip("0123456789") for name in floats} == {
        "pool", "half_decoder_classifier", "full_decoder_classifier", "weights_conv", "sparse_head_conv"}
    with pytest.raises(ValueError, match="int8: no images to calibrate on"):
        int8(model, [])


def test_without_the_packages_int8_is_a_line(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxruntime.quantization.shape_inference", None)
    with pytest.raises(UserError, match=r"PRECISION: int8 needs onnxruntime\[quantization\]"):
        int8(exported(STRIDE_8, tmp_path / "network.onnx"), [image().asnumpy()])


@pytest.mark.parametrize("precision, most", [("float16", 0.02), ("int8", 0.5)])
def test_export_writes_them_with_what_they_lose(precision, most, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    assert export.main([*RANDOM, "--precision", precision]) == 0
    assert f"{precision} beside float32, which is as MXNet's, on 2 images: " in capsys.readouterr().out
    path = tmp_path / "exported" / f"model-a-k3-128x256-{precision}.onnx"
    found = OnnxEngine(path).metadata
    assert found.precision == precision and parse(path.with_suffix(".json").read_text(), "") == found
    assert found.check.pixels == 2 * 128 * 256 and 0 < found.check.labels < most * found.check.pixels
    segmented = OnnxEngine(path).segment(scene(0, "val", 0, (100, 250))[0], scores=True)
    assert segmented.active.sum() == 3 and segmented.scores.dtype == np.float32
    assert segmented.labels.shape == (100, 250)


def test_what_is_not_finite_is_not_written(tmp_path, monkeypatch, capsys):
    def broken(model):
        made = half(model)
        bias = next(one for one in made.graph.initializer if one.name == "half_decoder_classifier_bias:half")
        bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) * np.float16(np.inf), bias.name))
        return made
    monkeypatch.setattr(carry, "half", broken)
    assert export.main([*RANDOM, "--precision", "float16", "--out", str(tmp_path / "network.onnx")]) == 2
    assert "network.onnx: not written: unlike in MXNet, scores is not finite" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert Agreement(1, 0, 0, 1, 0, {"s": 0.5}).broken() is None
