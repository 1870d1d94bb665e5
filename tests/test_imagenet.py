"""The model zoo's resnet50_v1 and a column loaded from it compute the same features, all units or some."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon.model_zoo import vision

from repro.build import build
from repro.errors import UserError
from repro.imagenet import from_model_zoo, load_backbone
from repro.parameters import assign_backbones
from repro.rows import Column, Network


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """A randomly initialised resnet50_v1, its biases and statistics random too, and its .params file."""
    mx.random.seed(3)
    random = np.random.RandomState(3)
    network = vision.resnet50_v1()
    network.initialize(mx.init.Xavier(rnd_type="gaussian", factor_type="in", magnitude=2))
    network(mx.nd.zeros((1, 3, 64, 64)))
    for name, parameter in network.collect_params().items():
        if name.endswith(("bias", "beta", "running_mean")):
            parameter.set_data(mx.nd.array(random.standard_normal(parameter.shape) * 0.1))
        elif name.endswith(("gamma", "running_var")):
            parameter.set_data(mx.nd.array(random.uniform(0.5, 1.5, parameter.shape)))
    path = tmp_path_factory.mktemp("zoo") / "resnet50_v1.params"
    network.save_parameters(str(path))
    return network, path


def column(units, path):
    network = build(Network("single", (Column(1.0, units),), 32, "plain", None), 19)
    network.initialize()
    assign_backbones(network, load_backbone(path))
    return network.full_column


def test_all_levels_equal_the_zoos(zoo):
    network, path = zoo
    x = mx.nd.array(np.random.RandomState(0).standard_normal((1, 3, 64, 96)).astype(np.float32))
    maps = column((3, 4, 6, 3), path)(x)
    expected = x
    for layer in network.features[:4]:
        expected = layer(expected)
    for stage, ours in zip(network.features[4:8], maps):
        expected = stage(expected)
        np.testing.assert_allclose(ours.asnumpy(), expected.asnumpy(), rtol=1e-3,
                                   atol=1e-4 * float(expected.abs().max().asscalar()))


def test_removed_units_leave_the_first_ones_in_place(zoo):
    network, path = zoo
    x = mx.nd.array(np.random.RandomState(1).standard_normal((1, 3, 64, 64)).astype(np.float32))
    maps = column((1, 1, 2, 1), path)(x)
    expected = x
    for layer in network.features[:4]:
        expected = layer(expected)
    for stage, kept, ours in zip(network.features[4:8], (1, 1, 2, 1), maps):
        for unit in list(stage)[:kept]:
            expected = unit(expected)
        np.testing.assert_allclose(ours.asnumpy(), expected.asnumpy(), rtol=1e-3,
                                   atol=1e-4 * float(expected.abs().max().asscalar()))


def test_what_is_missing_is_named(zoo):
    arrays = mx.nd.load(str(zoo[1]))
    del arrays["features.6.5.body.7.gamma"]
    with pytest.raises(UserError, match="x.params: .* lacks features.6.5.body.7.gamma"):
        from_model_zoo(arrays, "x.params")
