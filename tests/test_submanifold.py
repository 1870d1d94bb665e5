"""Sparse convolutions against ordinary ones on masked maps, their gradients, and the places they read."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd

from repro.sparserefine.refinement import coarser, places_of
from symbols.others.sparserefine import SparseConv, SparseDeconv

SIZES = ((2, 8, 12), (3, 7, 9), (1, 1, 5))  # images, height, width: even and odd
DENSITIES = (0.02, 0.3, 0.8, 1)


def mask_of(size, density, seed=0):
    """Random positions, one at least."""
    mask = np.random.RandomState(seed).uniform(size=size) < density
    mask[0, size[1] // 2, size[2] // 2] = True
    return mask


def masked_map(mask, channels, seed=1):
    """(dense map (N, C, h, w), zero outside the mask; its rows (M, C))."""
    values = np.random.RandomState(seed).normal(size=(*mask.shape, channels)).astype(np.float32)
    values *= mask[..., None]
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2)), values[mask]


def at(dense, mask):
    """A dense map (N, C, h, w) read at the mask: (M, C)."""
    return dense.asnumpy().transpose(0, 2, 3, 1)[mask]


def ordinary(block, dense, stride, transposed_to=None):
    """The ordinary operator with the sparse layer's own parameters."""
    weight = block.weight.data()
    if transposed_to is not None:  # (9 * C', C) -> (C, C', 3, 3)
        weight = weight.reshape((3, 3, -1, weight.shape[1])).transpose((3, 2, 0, 1))
        padded = [want - (2 * have - 1) for want, have in zip(transposed_to, dense.shape[2:])]
        return mx.nd.Deconvolution(mx.nd.array(dense), weight, kernel=(3, 3), stride=(2, 2), pad=(1, 1), adj=padded,
                                   num_filter=weight.shape[1], no_bias=True)
    weight = weight.reshape((weight.shape[0], 3, 3, -1)).transpose((0, 3, 1, 2))
    return mx.nd.Convolution(mx.nd.array(dense), weight, kernel=(3, 3), stride=(stride, stride), pad=(1, 1),
                             num_filter=weight.shape[0], no_bias=True)


def sparse(layer, inputs, channels, hybrid=True):
    block = layer(inputs, channels, prefix="")
    block.initialize(mx.init.Normal(1))
    if hybrid:
        block.hybridize()
    return block


def run(block, rows, places):
    return block(mx.nd.array(rows), mx.nd.array(places, dtype="int32")).asnumpy()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("density", DENSITIES)
def test_sparse_layers_are_the_ordinary_ones_of_the_masked_map(size, density):
    """A convolution, a strided one, which is zero where it is not computed, and a transposed one."""
    mask = mask_of(size, density)
    below, places = coarser(mask), places_of(mask, 2)
    (dense, rows), (small, few) = masked_map(mask, 5), masked_map(below, 5)
    conv, deconv = sparse(SparseConv, 5, 4), sparse(SparseDeconv, 5, 4)
    strided, raised = ordinary(conv, dense, 2), ordinary(deconv, small, 2, transposed_to=size[1:])
    assert strided.shape[2:] == below.shape[1:] and not at(strided, ~below).any()
    for block, given, where, wanted in ((conv, rows, places.same[0], at(ordinary(conv, dense, 1), mask)),
                                        (conv, rows, places.down[0], at(strided, below)),
                                        (deconv, few, places.up[0], at(raised, mask))):
        found = run(block, given, where)
        assert found.shape == wanted.shape == (len(where), 4)
        np.testing.assert_allclose(found, wanted, atol=2e-5)


def test_no_selected_pixel_is_refused_and_all_selected_is_the_dense_map():
    with pytest.raises(ValueError, match="no pixel"):
        places_of(np.zeros((2, 4, 4), bool))
    places = places_of(np.ones((1, 8, 16), bool), 4)
    assert places.counts == (128, 32, 8, 2)
    assert [len(one) for one in places.down] == [32, 8, 2] and [len(one) for one in places.up] == [128, 32, 8]
    assert all(one.dtype == np.int32 for one in places.arrays) and len(places.arrays) == 10


def test_neighbours_never_lie_in_another_image():
    mask = np.ones((3, 4, 4), bool)
    places = places_of(mask, 2)
    image = np.repeat(np.arange(3), 16)
    assert all(image[one - 1] == image[i] for i, row in enumerate(places.same[0]) for one in row if one)
    assert np.count_nonzero(places.same[0]) == 3 * (4 * 4 + 8 * 6 + 4 * 9)  # corners, edges, inside


@pytest.mark.parametrize("kind", ["conv", "strided", "deconv"])
def test_gradients_are_those_of_small_differences(kind):
    mask = mask_of((2, 5, 6), 0.4)
    places = places_of(mask, 2)
    block = sparse(SparseDeconv if kind == "deconv" else SparseConv, 3, 2)
    where = {"conv": places.same[0], "strided": places.down[0], "deconv": places.up[0]}[kind]
    random = np.random.RandomState(3)
    rows = random.normal(size=(places.counts[1 if kind == "deconv" else 0], 3)).astype(np.float32)
    weights = random.normal(size=(len(where), 2)).astype(np.float32)  # of the outputs, in the sum that is derived
    x = mx.nd.array(rows)
    x.attach_grad()
    with autograd.record():
        total = (block(x, mx.nd.array(where, dtype="int32")) * mx.nd.array(weights)).sum()
    total.backward()

    def difference(change):  # the sum is linear in the inputs and in the weights: exact but for rounding
        return float((run(block, rows + change, where).astype(np.float64) * weights).sum()) - float(total.asscalar())

    for place in [(0, 0), (len(rows) // 2, 1), (len(rows) - 1, 2)]:
        change = np.zeros_like(rows)
        change[place] = 1
        assert difference(change) == pytest.approx(float(x.grad[place].asscalar()), abs=1e-3)
    kernel, gradient = block.weight.data().copy(), block.weight.grad().asnumpy()
    for place in [(0, 0), (1, 2), (kernel.shape[0] - 1, kernel.shape[1] - 1)]:
        changed = kernel.asnumpy()
        changed[place] += 1
        block.weight.set_data(mx.nd.array(changed))
        assert difference(0) == pytest.approx(float(gradient[place]), abs=1e-3)
    block.weight.set_data(kernel)


def test_one_hybridized_block_takes_rows_of_any_number():
    block, plain = sparse(SparseConv, 2, 3), sparse(SparseConv, 2, 3, hybrid=False)
    plain.weight.set_data(block.weight.data())
    for seed, density in enumerate((0.5, 0.1, 0.9, 0.5)):
        mask = mask_of((1, 9, 9), density, seed)
        _, rows = masked_map(mask, 2)
        where = places_of(mask, 1).same[0]
        np.testing.assert_allclose(run(block, rows, where), run(plain, rows, where), atol=1e-5)
