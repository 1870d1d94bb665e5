"""Online bootstrapping (arXiv 1605.06885) against one pixel after the other in NumPy: loss, pixels kept, gradient."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd

from repro.training.losses import SoftmaxLoss

SHAPE, CLASSES = (2, 5, 6), 4


def naive(scores, labels, counted, threshold, keep):
    """(loss, pixels kept (N, h, w), gradient as the scores) of the definition, in float64."""
    probabilities, found = {}, []
    for pixel in np.ndindex(labels.shape):
        n, y, x = pixel
        if labels[pixel] != 255 and counted[pixel]:
            e = np.exp(scores[n, :, y, x].astype(np.float64))
            probabilities[pixel] = e / e.sum()
            found.append(probabilities[pixel][int(labels[pixel])])
    limit = max(threshold, sorted(found)[min(keep, len(found)) - 1]) if found else threshold
    kept, loss, gradient = np.zeros(labels.shape, bool), 0.0, np.zeros(scores.shape)
    for pixel, p in probabilities.items():
        n, y, x = pixel
        if p[int(labels[pixel])] <= limit * (1 + 1e-6):  # ties at the limit, which float32 may have to either side
            kept[pixel] = True
            loss -= np.log(p[int(labels[pixel])])
            gradient[n, :, y, x] = p - np.eye(len(p))[int(labels[pixel])]
    return loss / max(1, kept.sum()), kept, gradient / max(1, kept.sum())


def example(seed, void=0.2, levels=None):
    """Scores, labels, counted; with `levels` the pixels have only so many different probabilities, hence ties."""
    random = np.random.RandomState(seed)
    scores = random.standard_normal((SHAPE[0], CLASSES, *SHAPE[1:])).astype(np.float32) * 2
    labels = random.randint(0, CLASSES, SHAPE).astype(np.float32)
    if levels:
        wanted = random.randint(0, levels, SHAPE)
        scores = (np.arange(CLASSES)[None, :, None, None] == labels[:, None]) * wanted[:, None].astype(np.float32)
    labels[random.rand(*SHAPE) < void] = 255
    return scores, labels, np.ones(SHAPE, np.float32)


def same(loss, scores, labels, counted, threshold, keep):
    """Ours is the naive one; returns the number of pixels kept."""
    x = mx.nd.array(scores)
    x.attach_grad()
    loss.hybridize()
    with autograd.record():
        value, kept = loss(x, mx.nd.array(labels), mx.nd.array(counted))
    value.backward()
    expected, mask, gradient = naive(scores, labels, counted, threshold, keep)
    assert float(value.asscalar()) == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert int(kept.asscalar()) == mask.sum()
    ours = x.grad.asnumpy()
    assert np.array_equal(np.abs(ours).sum(axis=1) > 0, mask)
    np.testing.assert_allclose(ours, gradient, rtol=1e-4, atol=1e-7)
    return int(mask.sum())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("threshold, keep", [(0.6, 1), (0.05, 7), (0.0001, 20), (0.3, 30), (1.0, 1)])
def test_loss_pixels_and_gradient(threshold, keep, seed):
    same(SoftmaxLoss(threshold, keep), *example(seed), threshold, keep)


def test_the_rank_decides_where_it_reaches_further_than_the_threshold():
    assert same(SoftmaxLoss(0.0001, 20), *example(1), 0.0001, 20) == 20


def test_the_threshold_decides_where_it_reaches_further_than_the_rank():
    kept = [same(SoftmaxLoss(0.6, keep), *example(1), 0.6, keep) for keep in (1, 5)]
    assert kept[0] == kept[1] > 5


def test_the_rank_is_of_the_batch_not_of_an_image():
    scores, labels, counted = example(2, void=0)
    scores[0] = 0
    for y, x in np.ndindex(SHAPE[1:]):
        scores[0, int(labels[0, y, x]), y, x] = 9  # the first image is easy everywhere
    loss, keep = SoftmaxLoss(0.0001, 10), 10
    assert same(loss, scores, labels, counted, 0.0001, keep) == keep
    assert naive(scores, labels, counted, 0.0001, keep)[1][1].sum() == keep


def test_pixels_that_tie_with_the_last_of_the_rank_are_all_kept():
    scores, labels, counted = example(3, levels=3)
    hardest = ((scores.sum(axis=1) == 0) & (labels != 255)).sum()
    assert hardest > 4
    assert same(SoftmaxLoss(0.01, 4), scores, labels, counted, 0.01, 4) == hardest
    assert same(SoftmaxLoss(0.01, int(hardest) + 1), scores, labels, counted, 0.01, int(hardest) + 1) > hardest + 1


def test_with_fewer_labelled_pixels_than_the_rank_all_of_them_are_kept():
    scores, labels, counted = example(4, void=0.8)
    labelled = int((labels != 255).sum())
    assert 0 < labelled < 25
    assert same(SoftmaxLoss(0.0001, 25), scores, labels, counted, 0.0001, 25) == labelled


def test_with_everything_ignored_the_loss_and_its_gradient_are_0():
    scores, labels, counted = example(5)
    assert same(SoftmaxLoss(0.6, 7), scores, np.full_like(labels, 255), counted, 0.6, 7) == 0
    assert same(SoftmaxLoss(0.6, 7), scores, labels, np.zeros_like(counted), 0.6, 7) == 0


def test_the_rank_passes_over_pixels_that_do_not_count():
    scores, labels, counted = example(6)
    counted[:, ::2] = 0  # as in skipped regions
    assert same(SoftmaxLoss(0.0001, 9), scores, labels, counted, 0.0001, 9) == 9
