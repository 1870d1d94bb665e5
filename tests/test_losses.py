"""The losses, with online bootstrapping (arXiv 1605.06885), against one pixel after the other in NumPy; the sparsity
term against Eqs. (1) to (4)."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd
from mxnet.gluon import nn

from repro.training.losses import SoftmaxLoss, TrainingLoss
from symbols.regions import SparsityTerm

SHAPE, CLASSES = (2, 5, 6), 4


def naive(scores, labels, counted, threshold=None, keep=None):
    """(loss, pixels kept (N, h, w), gradient as the scores) of the definition, in float64."""
    probabilities, found = {}, []
    for pixel in np.ndindex(labels.shape):
        n, y, x = pixel
        if labels[pixel] != 255 and counted[pixel]:
            e = np.exp(scores[n, :, y, x].astype(np.float64))
            probabilities[pixel] = e / e.sum()
            found.append(probabilities[pixel][int(labels[pixel])])
    limit = 1 if threshold is None else max([threshold, *sorted(found)[:keep][-1:]])
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


def same(scores, labels, counted, threshold=None, keep=None):
    """Ours is the naive one; returns the number of pixels kept."""
    x, loss = mx.nd.array(scores), SoftmaxLoss(threshold, keep)
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
@pytest.mark.parametrize("threshold, keep", [(None, None), (0.6, 1), (0.05, 7), (0.0001, 20), (0.3, 30), (1.0, 1)])
def test_loss_pixels_and_gradient(threshold, keep, seed):
    same(*example(seed), threshold, keep)


def test_what_bootstrapping_keeps():
    """The larger of threshold and rank, ties with the last one too, of the pixels that count."""
    one, ties, few, easy = example(1), example(3, levels=3), example(4, void=0.8), example(2, void=0)
    assert same(*one, 0.0001, 20) == 20  # the rank reaches further than the threshold
    assert same(*one, 0.6, 1) == same(*one, 0.6, 5) > 5  # and the threshold further than the rank
    easy[0][0] = 9 * (np.arange(CLASSES)[:, None, None] == easy[1][0])  # the first image: the rank is of the batch
    assert same(*easy, 0.0001, 10) == naive(*easy, 0.0001, 10)[1][1].sum() == 10
    hardest = ((ties[0].sum(axis=1) == 0) & (ties[1] != 255)).sum()
    assert same(*ties, 0.01, 4) == hardest > 4 and same(*ties, 0.01, int(hardest) + 1) > hardest + 1
    assert 0 < same(*few, 0.0001, 25) == (few[1] != 255).sum() < 25  # fewer than the rank are labelled


def test_pixels_that_do_not_count_have_no_loss_and_no_rank():
    scores, labels, counted = example(5)
    for limits in ((0.6, 7), ()):
        assert same(scores, np.full_like(labels, 255), counted, *limits) == 0
        assert same(scores, labels, np.zeros_like(counted), *limits) == 0
    counted[:, ::2] = 0  # as in skipped regions
    assert same(scores, labels, counted, 0.0001, 9) == 9
    assert same(scores, labels, counted) == ((labels != 255) * counted).sum()


def test_every_column_has_a_loss_of_equal_weight_and_isctfs_full_column_only_where_computed():
    fused, half, full = (example(seed)[0][:, :, :4, :4] for seed in (4, 5, 6))
    labels = example(4)[1][:, :4, :4]
    mask = np.array([[1, 0, 0, 1], [0, 0, 1, 0]], np.float32).reshape(2, 1, 2, 2)
    loss = TrainingLoss(("half", "full"), spread=2)
    terms, kept = loss(*(mx.nd.array(a) for a in (labels, fused, half, full, mask)))
    counted = mask[:, 0].repeat(2, axis=1).repeat(2, axis=2)
    everywhere = np.ones_like(labels)
    expected = [naive(*term)[0] for term in ((fused, labels, everywhere), (half, labels, everywhere),
                                             (full, labels, counted))]
    np.testing.assert_allclose(terms.asnumpy(), expected, rtol=1e-5)
    assert kept.asnumpy().tolist() == [(labels != 255).sum()] * 2 + [((labels != 255) * counted).sum()]


class Head(nn.HybridBlock):
    """sigmoid(s) with the sparsity term, as the network has it."""

    def __init__(self, **settings):
        super().__init__()
        self.term = SparsityTerm(**settings)

    def hybrid_forward(self, F, s):
        return self.term(F.sigmoid(s))


@pytest.mark.parametrize("equation, axis", [(4, 1), (3, 0)])
def test_the_sparsity_term_is_per_image_eq_4_or_per_region_eq_3(equation, axis):
    """q moves towards the mean activity of an image, or of a region over the batch; the gradient follows q."""
    p, lam, values = 0.25, 0.001, np.array([[2.0, 0.0, -1.0], [1.0, -3.0, 0.5]])
    head = Head(p=p, lam=lam, batch=2, regions=3, equation=equation)
    head.initialize()
    head.hybridize()
    s = mx.nd.array(values.reshape(2, 1, 1, 3))
    s.attach_grad()
    active, q = 1 / (1 + np.exp(-values)), p
    for _ in range(3):
        with autograd.record():
            out = head(s)
            loss = (out * 0).sum()
        loss.backward()
        np.testing.assert_allclose(out.asnumpy().reshape(2, 3), active, atol=1e-6)
        q = 0.9 * q + 0.1 * active.mean(axis=axis, keepdims=True)  # Eq. (2), alpha = 0.9
        np.testing.assert_allclose(head.term.q.data().asnumpy(), q.reshape(-1), rtol=1e-5)
        expected = lam * (-p / q + (1 - p) / (1 - q)) * active * (1 - active)  # of every value; sigmoid's slope follows
        np.testing.assert_allclose(s.grad.asnumpy().reshape(2, 3), expected, rtol=1e-4)


def test_a_probability_of_0_or_1_is_an_error():
    with pytest.raises(ValueError, match="strictly between"):
        SparsityTerm(p=1.0, lam=0.001, batch=2, regions=8)
