"""The losses against naive NumPy, and the sparsity term against Eqs. (1) to (4)."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd
from mxnet.gluon import nn

from repro.training.losses import SoftmaxLoss, TrainingLoss
from symbols.regions import SparsityTerm


def naive(scores, labels, counted=None, threshold=None, keep=None):
    """Mean -log p over the pixels that count, one pixel at a time."""
    values = []
    for n, y, x in np.ndindex(labels.shape):
        if labels[n, y, x] == 255 or (counted is not None and not counted[n, y, x]):
            continue
        e = np.exp(scores[n, :, y, x] - scores[n, :, y, x].max())
        values.append((e / e.sum())[int(labels[n, y, x])])
    values = np.sort(np.array(values))
    if threshold is not None:
        values = values[values <= max(threshold, values[min(keep, len(values)) - 1])]
    return -np.log(values).mean()


def example(seed=0, void=0.2):
    random = np.random.RandomState(seed)
    scores = random.standard_normal((2, 4, 5, 6)).astype(np.float32) * 2
    labels = random.randint(0, 4, (2, 5, 6)).astype(np.float32)
    labels[random.rand(*labels.shape) < void] = 255
    return scores, labels


def value(loss, scores, labels, counted=None):
    loss.hybridize()
    counted = np.ones_like(labels) if counted is None else counted
    mean, kept = loss(*(mx.nd.array(a) for a in (scores, labels, counted)))
    return float(mean.asscalar())


@pytest.mark.parametrize("threshold, keep", [(None, None), (0.6, 1), (0.05, 7), (0.0001, 20), (1.0, 1), (0.3, 60)])
def test_softmax_loss_and_bootstrapping_equal_numpy(threshold, keep):
    scores, labels = example()
    loss = SoftmaxLoss(threshold, keep)
    assert value(loss, scores, labels) == pytest.approx(naive(scores, labels, None, threshold, keep), rel=1e-5)


def test_only_counted_pixels_count_and_none_is_zero():
    scores, labels = example(1)
    counted = (np.random.RandomState(2).rand(*labels.shape) < 0.5).astype(np.float32)
    assert value(SoftmaxLoss(), scores, labels, counted) == pytest.approx(naive(scores, labels, counted), rel=1e-5)
    assert value(SoftmaxLoss(), scores, np.full_like(labels, 255)) == 0


def test_ignored_pixels_get_no_gradient():
    scores, labels = example(3)
    x = mx.nd.array(scores)
    x.attach_grad()
    with autograd.record():
        loss, _ = SoftmaxLoss()(x, mx.nd.array(labels), mx.nd.ones(labels.shape))
    loss.backward()
    gradient = np.abs(x.grad.asnumpy()).sum(axis=1)
    assert (gradient[labels == 255] == 0).all() and (gradient[labels != 255] > 0).all()


def test_every_column_has_a_loss_of_equal_weight_and_isctfs_full_column_only_where_computed():
    (fused, labels), (half, _), (full, _) = example(4), example(5), example(6)
    fused, half, full = (a[:, :, :4, :4] for a in (fused, half, full))
    labels = labels[:, :4, :4]
    mask = np.array([[1, 0, 0, 1], [0, 0, 1, 0]], np.float32).reshape(2, 1, 2, 2)
    loss = TrainingLoss(("half", "full"), spread=2)
    terms, kept = loss(*(mx.nd.array(a) for a in (labels, fused, half, full, mask)))
    counted = mask[:, 0].repeat(2, axis=1).repeat(2, axis=2)
    expected = [naive(fused, labels), naive(half, labels), naive(full, labels, counted)]
    np.testing.assert_allclose(terms.asnumpy(), expected, rtol=1e-5)
    assert kept.asnumpy().tolist() == [(labels != 255).sum()] * 2 + [((labels != 255) * counted).sum()]


class Head(nn.HybridBlock):
    """sigmoid(s) with the sparsity term, as the network has it."""

    def __init__(self, **settings):
        super().__init__()
        self.term = SparsityTerm(**settings)

    def hybrid_forward(self, F, s):
        return self.term(F.sigmoid(s))


def test_the_sparsity_term_is_per_image_eq_4():
    """q_i moves towards image i's own mean activity; its gradient follows q, per image."""
    p, lam = 0.25, 0.001
    head = Head(p=p, lam=lam, batch=2, regions=8)
    head.initialize()
    head.hybridize()
    s = mx.nd.array(np.stack([np.full((1, 2, 4), 2.0), np.full((1, 2, 4), -3.0)]))
    s.attach_grad()
    q = np.full(2, p)
    r = 1 / (1 + np.exp(-np.array([2.0, -3.0])))
    for _ in range(3):
        with autograd.record():
            out = head(s)
            loss = (out * 0).sum()
        loss.backward()
        np.testing.assert_allclose(out.asnumpy(), mx.nd.sigmoid(s).asnumpy(), atol=1e-6)
        q = 0.9 * q + 0.1 * r  # Eq. (2), alpha = 0.9
        np.testing.assert_allclose(head.term.q.data().asnumpy(), q, rtol=1e-5)
        expected = lam * (-p / q + (1 - p) / (1 - q)) * r * (1 - r)  # of every value; the sigmoid's slope follows
        np.testing.assert_allclose(s.grad.asnumpy().reshape(2, -1), np.repeat(expected[:, None], 8, 1), rtol=1e-4)


def test_the_sparsity_term_can_be_per_region_eq_3():
    """q_yx moves towards the mean of a region's activity over the batch; its gradient follows q, per region."""
    p, lam = 0.25, 0.001
    head = Head(p=p, lam=lam, batch=2, regions=3, equation=3)
    head.initialize()
    head.hybridize()
    values = np.array([[2.0, 0.0, -1.0], [1.0, -3.0, 0.5]])
    s = mx.nd.array(values.reshape(2, 1, 1, 3))
    s.attach_grad()
    with autograd.record():
        loss = (head(s) * 0).sum()
    loss.backward()
    active = 1 / (1 + np.exp(-values))
    q = 0.9 * np.full(3, p) + 0.1 * active.mean(axis=0)
    np.testing.assert_allclose(head.term.q.data().asnumpy(), q, rtol=1e-5)
    expected = lam * (-p / q + (1 - p) / (1 - q)) * active * (1 - active)
    np.testing.assert_allclose(s.grad.asnumpy().reshape(2, 3), expected, rtol=1e-4)


def test_bad_settings_are_errors():
    with pytest.raises(ValueError, match="strictly between"):
        SparsityTerm(p=1.0, lam=0.001, batch=2, regions=8)
    with pytest.raises(ValueError, match="both"):
        SoftmaxLoss(threshold=0.6)
