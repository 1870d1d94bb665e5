"""SparseRefine: the selector, the network against a dense one on masked maps, its gradients, and its cost, counted by
hand."""

from __future__ import annotations

import cv2
import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd

from repro.models.build import build_refiner
from repro.models.parameters import arrays_of, parameters_of
from repro.sparserefine.refinement import entropy, interpolated, multiply_adds, places_of, select
from symbols.others.sparserefine import SparseConv, SparseDeconv

PLANES, CLASSES = (4, 6, 8), 5


def scores_of(shape, seed=0, scale=2.0):
    return (np.random.RandomState(seed).normal(size=shape) * scale).astype(np.float32)


def naive_entropy(scores):
    """Of one position's scores, in natural units, as it is defined."""
    p = np.exp(scores.astype(np.float64) - scores.max())
    p /= p.sum()
    return -sum(value * np.log(max(value, 1e-5)) for value in p)


def test_entropy_is_that_of_the_softmax_in_natural_units():
    scores = scores_of((CLASSES, 70, 3))
    expected = [[naive_entropy(scores[:, y, x]) for x in range(3)] for y in range(70)]
    np.testing.assert_allclose(entropy(scores), expected, atol=1e-5)
    assert entropy(np.zeros((7, 1, 1), np.float32))[0, 0] == pytest.approx(np.log(7))
    assert entropy(np.array([500, 0, -500], np.float32).reshape(3, 1, 1))[0, 0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("threshold", [0.3, 1.0])
def test_the_selector_takes_pixels_of_high_entropy_inside_the_image(threshold):
    scores, sizes = scores_of((2, CLASSES, 3, 4)), [(24, 32), (20, 27)]
    mask = select(scores, sizes, threshold)
    assert mask.shape == (2, 24, 32) and mask.dtype == bool and 0 < mask.mean() < 1
    for own, values, (height, width) in zip(mask, scores, sizes):
        maps = cv2.resize(values.transpose(1, 2, 0), (16, 12), interpolation=cv2.INTER_LINEAR)
        for y in range(24):
            for x in range(32):
                uncertain = naive_entropy(maps[y // 2, x // 2])
                if abs(uncertain - threshold) > 1e-5:
                    assert own[y, x] == (uncertain > threshold and y < height and x < width)
    assert not select(scores, sizes, 10).any()


def test_scores_of_pixels_are_those_of_the_up_sampled_map():
    scores = scores_of((2, CLASSES, 3, 4))
    mask = np.random.RandomState(1).uniform(size=(2, 24, 32)) < 0.5
    full = np.stack([cv2.resize(values.transpose(1, 2, 0), (32, 24), interpolation=cv2.INTER_LINEAR)
                     for values in scores])
    np.testing.assert_allclose(interpolated(scores, mask, 8), full[mask], atol=1e-5)


@pytest.fixture(scope="module")
def refiner():
    """A frozen refiner with random values, statistics among them: one block for rows of any number."""
    network = build_refiner(CLASSES, 1, PLANES, frozen=True)
    network.initialize(mx.init.Xavier())
    random = np.random.RandomState(2)
    for name, parameter in parameters_of(network).items():
        if name.endswith(("gamma", "running_var", "beta", "running_mean", "bias")):
            low = 0.5 if name.endswith(("gamma", "running_var")) else -0.5
            parameter.set_data(mx.nd.array(random.uniform(low, low + 1, parameter.shape)))
    network.hybridize()
    return network


class DenseReference:
    """The same network by ordinary operators on whole maps, each masked to its active positions."""

    def __init__(self, network, mask):
        self.values = {name: value.asnumpy() for name, value in arrays_of(network).items()}
        self.masks = [mask.astype(np.float32)[:, None]]
        for _ in PLANES[1:]:
            pooled = mx.nd.Pooling(mx.nd.array(self.masks[-1]), kernel=(3, 3), stride=(2, 2), pad=(1, 1))
            self.masks.append(pooled.asnumpy())

    def conv(self, x, name, level, stride=1):
        weight = self.values[f"{name}.weight"]
        weight = mx.nd.array(weight.reshape(len(weight), 3, 3, -1).transpose(0, 3, 1, 2))
        y = mx.nd.Convolution(mx.nd.array(x), weight, kernel=(3, 3), stride=(stride, stride), pad=(1, 1),
                              num_filter=len(weight), no_bias=True)
        return y.asnumpy() * self.masks[level]

    def deconv(self, x, name, level):
        weight = self.values[f"{name}.weight"]
        weight = mx.nd.array(weight.reshape(3, 3, -1, weight.shape[1]).transpose(3, 2, 0, 1))
        more = [want - (2 * have - 1) for want, have in zip(self.masks[level].shape[2:], x.shape[2:])]
        y = mx.nd.Deconvolution(mx.nd.array(x), weight, kernel=(3, 3), stride=(2, 2), pad=(1, 1), adj=more,
                                num_filter=weight.shape[1], no_bias=True)
        return y.asnumpy() * self.masks[level]

    def norm(self, x, name, level):
        gamma, beta, mean, var = (self.values[f"{name}.{key}"].reshape(1, -1, 1, 1)
                                  for key in ("gamma", "beta", "running_mean", "running_var"))
        return np.maximum((x - mean) / np.sqrt(var + 1e-5) * gamma + beta, 0) * self.masks[level]

    def linear(self, x, name):
        """Along the last axis."""
        y = x @ self.values[f"{name}.weight"].T
        return y + self.values[f"{name}.bias"] if f"{name}.bias" in self.values else y

    def block(self, x, name, level):
        y = self.conv(self.norm(x, f"{name}.norm1", level), f"{name}.conv1", level)
        y = self.conv(self.norm(y, f"{name}.norm2", level), f"{name}.conv2", level)
        if f"{name}.shortcut.weight" in self.values:
            x = self.linear(x.transpose(0, 2, 3, 1), f"{name}.shortcut").transpose(0, 3, 1, 2)
        return x + y

    def level(self, x, i):
        """The levels from i down, and up again."""
        for b in (0, 1):
            x = self.block(x, f"unet.in{i}_{b}", i)
        if i + 1 == len(PLANES):
            return x
        y = self.conv(self.norm(x, f"unet.down_norm{i}", i), f"unet.down{i}", i + 1, 2)
        y = self.level(y, i + 1)
        y = self.deconv(self.norm(y, f"unet.up_norm{i}", i + 1), f"unet.up{i}", i)
        x = np.concatenate([x, y], axis=1)
        for b in (0, 1):
            x = self.block(x, f"unet.out{i}_{b}", i)
        return x

    def __call__(self, images, dense):
        """images (N, 3, H, W), dense scores (N, H, W, K) -> fused and own scores of every pixel (N, H, W, K)."""
        x = self.level(self.conv(images * self.masks[0], "unet.stem", 0), 0)
        own = self.linear(self.norm(x, "unet.last", 0).transpose(0, 2, 3, 1), "classifier")
        features = []
        for scores in (dense, own):
            p = np.exp(scores - scores.max(-1, keepdims=True))
            p /= p.sum(-1, keepdims=True)
            features += [p, -(p * np.log(np.maximum(p, 1e-5))).sum(-1, keepdims=True)]
        hidden = np.maximum(self.linear(np.concatenate(features, -1), "ensembler.gate1"), 0)
        w = 1 / (1 + np.exp(-self.linear(hidden, "ensembler.gate2")))
        hidden = np.maximum(self.linear(w * dense + (1 - w) * own, "ensembler.fuse1"), 0)
        return self.linear(hidden, "ensembler.fuse2"), own


@pytest.mark.parametrize("size, density", [  # images, height, width: even and odd
    ((2, 16, 24), 0.001), ((2, 16, 24), 0.6), ((3, 7, 9), 0.15), ((3, 7, 9), 1), ((1, 1, 5), 0.6)])
def test_the_refined_scores_are_those_of_a_dense_network_on_masked_maps(size, density, refiner):
    mask = np.random.RandomState(4).uniform(size=size) < density
    mask[0, size[1] // 2, size[2] // 2] = True
    images, dense = scores_of((size[0], 3, *size[1:]), 5, 1), scores_of((*size, CLASSES), 6)
    fused, own = refiner(mx.nd.array(images.transpose(0, 2, 3, 1)[mask]), mx.nd.array(dense[mask]),
                         *(mx.nd.array(one, dtype="int32") for one in places_of(mask, len(PLANES)).arrays))
    expected_fused, expected_own = DenseReference(refiner, mask)(images, dense)
    assert np.abs(expected_own[mask]).max() > 0.1
    np.testing.assert_allclose(own.asnumpy(), expected_own[mask], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(fused.asnumpy(), expected_fused[mask], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layer, kind, level", [(SparseConv, "same", 0), (SparseConv, "down", 0),
                                                (SparseDeconv, "up", 1)])
def test_gradients_are_those_of_small_differences(layer, kind, level):
    """Of a sum that is linear in the layer's inputs and in its weights: exact but for rounding."""
    mask = np.random.RandomState(0).uniform(size=(2, 5, 6)) < 0.4
    places, random, block = places_of(mask, 2), np.random.RandomState(3), layer(3, 2, prefix="")
    block.initialize(mx.init.Normal(1))
    block.hybridize()
    where = getattr(places, kind)[0]
    rows, weights = random.normal(size=(places.counts[level], 3)), random.normal(size=(len(where), 2))

    def total(rows):
        return (block(rows, mx.nd.array(where, dtype="int32")) * mx.nd.array(weights)).sum()

    x = mx.nd.array(rows)
    x.attach_grad()
    with autograd.record():
        sum_ = total(x)
    sum_.backward()
    kernel, gradient = block.weight.data().asnumpy(), block.weight.grad().asnumpy()
    for place in [(0, 0), (len(rows) // 2, 1), (len(rows) - 1, 2)]:
        changed = rows.copy()
        changed[place] += 1
        difference = total(mx.nd.array(changed)) - sum_
        assert difference.asscalar() == pytest.approx(x.grad[place].asscalar(), abs=1e-3)
    for place in [(0, 0), (1, 2), (len(kernel) - 1, kernel.shape[1] - 1)]:
        changed = kernel.copy()
        changed[place] += 1
        block.weight.set_data(mx.nd.array(changed))
        assert (total(x) - sum_).asscalar() == pytest.approx(gradient[place], abs=1e-3)


def brute_pairs(mask):
    """By level, from sets of positions: active ones, pairs of 3x3 neighbours, pairs of the stride to the next level."""
    active, (height, width) = {tuple(p) for p in np.argwhere(mask)}, mask.shape[1:]
    found = []
    for _ in PLANES:
        same = sum((n, y + i, x + j) in active for n, y, x in active for i in (-1, 0, 1) for j in (-1, 0, 1))
        height, width = -(-height // 2), -(-width // 2)
        strided = [(n, y, x) for n in range(len(mask)) for y in range(height) for x in range(width)
                   for i in (-1, 0, 1) for j in (-1, 0, 1) if (n, 2 * y + i, 2 * x + j) in active]
        found.append((len(active), same, len(strided)))
        active = set(strided)
    return found


@pytest.mark.parametrize("density", [0.05, 0.5, 1])
def test_multiply_adds_are_those_of_the_pairs_that_exist(density, refiner):
    mask = np.random.RandomState(7).uniform(size=(2, 9, 14)) < density
    counts = multiply_adds(places_of(mask, len(PLANES)), PLANES, CLASSES)
    weights = {name[:-len(".weight")]: parameter.shape for name, parameter in parameters_of(refiner).items()
               if name.endswith(".weight")}
    assert counts.keys() == weights.keys()
    levels = brute_pairs(mask)
    for name, count in counts.items():
        rows, columns = weights[name]
        layer = name.split(".")[1] if name.startswith("unet") else ""
        level = int("".join(c for c in layer.split("_")[0] if c.isdigit()) or 0)
        active, same, strided = levels[level]
        if layer.startswith(("down", "up")):
            assert count == strided * rows * columns // 9, name
        elif layer == "stem" or "conv" in name:
            assert count == same * rows * columns // 9, name
        else:
            assert count == active * rows * columns, name


def test_what_is_multiplied_includes_neighbours_that_are_not_active():
    full = places_of(np.ones((1, 32, 32), bool), 3)
    one = places_of(np.eye(32, dtype=bool)[None], 3)
    for places in (full, one):
        existing = multiply_adds(places, PLANES, CLASSES)
        multiplied = multiply_adds(places, PLANES, CLASSES, existing=False)
        assert all(existing[name] <= multiplied[name] for name in existing)
    assert multiplied["unet.stem"] == 32 * 9 * 3 * 4 and existing["unet.stem"] == (32 * 3 - 2) * 3 * 4
