"""SGCPNet is the published network: parameters, multiply-adds, and its parts against what they are said to compute."""

from __future__ import annotations

import math

import mxnet as mx
import numpy as np
import pytest

from repro.config.networks import Neighbour
from repro.engine import Options, engine_of
from repro.evaluation.inference import named_outputs
from repro.models import cost
from repro.models.build import build
from repro.models.parameters import arrays_of, parameters_of
from repro.models.peers import random_values
from symbols.others.sgcpnet import CHANNELS, Fuse, SqueezeExcite, Unit, halved

SGCP = Neighbour("sgcpnet")
SHAPE = (1, 3, 128, 256)


def valued(network, shape, seed: int = 0):
    """`network` with random values, its batch norms not the identity."""
    network.initialize()
    network(mx.nd.zeros(shape))
    for name, parameter in parameters_of(network).items():
        parameter.set_data(mx.nd.array(random_values(name, parameter.shape, seed)))
    return network


def image(shape=SHAPE, seed: int = 1):
    return mx.nd.array(np.random.default_rng(seed).standard_normal(shape, np.float32))


def test_it_has_the_published_number_of_parameters():
    network = valued(build(SGCP, 19), SHAPE)
    learned = {name: p for name, p in parameters_of(network).items() if p.grad_req != "null"}
    assert sum(math.prod(p.shape) for p in learned.values()) == 607826  # 0.61 M
    assert sum(name.endswith("shares") for name in learned) == 12  # fusions


@pytest.mark.parametrize("size, published", [((1024, 2048), 3.27), ((768, 1536), 1.84)])
def test_it_costs_what_the_published_layers_do(size, published):
    shape = (1, 3, *size)
    counts = cost.count(cost.trace(build(SGCP, 19), shape), shape)
    assert round(cost.true(counts) / 1e9, 2) == published
    assert cost.true(counts) == cost.paper(counts)  # no shortcut of a ResNet


@pytest.mark.parametrize("size", [(4, 8), (6, 4), (16, 2), (2, 2)])
def test_halving_is_pooling_and_nearest_up_sampling(size):
    """What PyTorch's MaxPool2d(3, 2) and Upsample(size) give: position i of n comes from i * m // n of the m pooled."""
    x = np.random.default_rng(0).standard_normal((1, 3, *size)).astype(np.float32)
    two = min(size) == 2
    whole = np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 1)), mode="edge") if two else x
    pooled = [(side - 3) // 2 + 1 for side in whole.shape[2:]]
    pooled = [m - two if two and side > 2 else m for m, side in zip(pooled, size)]
    wanted = np.empty((1, 3, *(side // 2 for side in size)), np.float32)
    for i in range(wanted.shape[2]):
        for j in range(wanted.shape[3]):
            a, b = (2 * (place * m // (side // 2)) for place, m, side in zip((i, j), pooled, size))
            wanted[:, :, i, j] = whole[:, :, a:a + 3, b:b + 3].max(axis=(2, 3))
    np.testing.assert_array_equal(halved(mx.nd, mx.nd.array(x), two=two).asnumpy(), wanted)
    if not two:
        np.testing.assert_array_equal(halved(mx.nd, mx.nd.array(x), two=True).asnumpy(), wanted)


def test_a_fusion_s_weights_are_cut_off_and_normalised():
    maps = [image((1, CHANNELS, 4, 6), seed) for seed in range(3)]
    fuse = Fuse(3, frozen=True)
    fuse.initialize()
    fuse(*maps)
    for name, weight in (("pointwise", np.eye(CHANNELS)), ("depthwise", np.arange(9) == 4)):
        parameter = getattr(fuse, name).weight
        parameter.set_data(mx.nd.array(np.broadcast_to(weight, (CHANNELS, CHANNELS) if name == "pointwise" else (
            CHANNELS, 9)).reshape(parameter.shape)))
    fuse.shares.set_data(mx.nd.array([2, -1, 3]))
    x = (2 * maps[0] + 3 * maps[2]).asnumpy() / (5 + 1e-4)
    wanted = x / (1 + np.exp(-x)) / math.sqrt(1 + 1e-3)  # batch norm of stored mean 0 and variance 1
    np.testing.assert_allclose(fuse(*maps).asnumpy(), wanted, rtol=1e-5, atol=1e-6)


def test_squeeze_and_excitation_weighs_channels_between_0_and_1():
    block, x = valued(SqueezeExcite(8, True), (1, 8, 3, 5)), image((2, 8, 3, 5))
    factors = (block(x) / x).asnumpy()
    assert np.ptp(factors, axis=(2, 3)).max() < 1e-5 and factors.min() > -1e-6 and factors.max() < 1 + 1e-6
    assert np.ptp(factors) > 0.1


@pytest.mark.parametrize("reads, channels, stride, more", [
    (16, 16, 1, 0), (16, 24, 1, 16 * 24 + 2 * 24), (16, 24, 2, 0)])
def test_a_unit_has_a_shortcut_where_it_does_not_stride(reads, channels, stride, more):
    x = image((1, reads, 8, 8))
    unit = valued(Unit(reads, 3, 32, channels, True, False, stride, True), x.shape)
    own = 32 * (reads + 9 + channels) + 2 * (32 + 32 + channels)
    learned = [p for p in unit.collect_params().values() if p.grad_req != "null"]
    assert sum(math.prod(p.shape) for p in learned) == own + more
    passed = x if stride == 1 and not more else unit.shortcut_norm(unit.shortcut(x)) if more else 0
    for norm in (unit.project_norm.gamma, unit.project_norm.beta):
        norm.set_data(mx.nd.zeros(channels))
    assert float((unit(x) - passed).abs().max().asscalar()) < 1e-6
    assert unit(x).shape == (1, channels, 8 // stride, 8 // stride)


def test_what_is_far_is_seen_everywhere():
    """Through the pyramid each corner of the image moves the scores of the opposite one."""
    network, x = valued(build(SGCP, 5), SHAPE), image()
    moved = x.copy()
    moved[:, :, :64, :64] *= 3
    apart = (network(x) - network(moved)).abs().asnumpy()
    assert apart[:, :, -4:, -4:].min() > 0


def test_the_engine_gives_the_network_s_scores():
    network, x = valued(build(SGCP, 5), SHAPE), image()
    arrays, wanted = arrays_of(network), named_outputs(network, x)["scores"].asnumpy()
    for options in (Options(), Options(fused=False)):
        found = engine_of(build(SGCP, 5), arrays, SHAPE, options).outputs(x)[0].asnumpy()
        np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-4 * abs(wanted).max())
