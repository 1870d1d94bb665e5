"""The training losses: softmax on the fused scores and on each column's own, online bootstrapping (Section 3.4).

Legend: N images, K classes, h x w positions @1/4, T terms of the loss (the fused scores' and each column's own).
"""

from __future__ import annotations

from typing import Optional

import mxnet as mx
from mxnet.gluon import nn

from repro.data.classes import IGNORE

UNCOUNTED = 2.0  # stands for the probability of pixels that do not count: never among the smallest


def _true(F, scores, labels, counted):
    """scores (N, K, h, w), labels and counted (N, h, w) -> log p and p of the true class, and valid: all (N, h, w)."""
    # the classes last: softmax over a strided axis takes three times as long on a CPU
    log_p = F.log_softmax(F.transpose(scores, (0, 2, 3, 1)), axis=-1)
    valid = F.BlockGrad((labels != IGNORE) * counted)
    log_true = F.pick(log_p, labels * valid, axis=-1)
    return log_true, F.BlockGrad(F.exp(log_true) * valid + UNCOUNTED * (1 - valid)), valid


def _smallest(F, p_true, keep: int):
    return F.topk(F.reshape(p_true, (-1,)), k=keep, is_ascend=True, ret_typ="value")


class SoftmaxLoss(nn.HybridBlock):
    """Mean cross entropy over the labelled pixels, or with bootstrapping over the hard ones of them.

    threshold, keep  online bootstrapping (arXiv 1605.06885): of the labelled pixels only those are kept whose
                     probability of the true class is at most max(threshold, the `keep`-th smallest of the batch);
                     both None without. The loss is divided by the number of pixels kept.
    """

    def __init__(self, threshold: Optional[float] = None, keep: Optional[int] = None, **kwargs):
        super().__init__(**kwargs)
        self.threshold, self.keep = threshold, keep

    def hybrid_forward(self, F, scores, labels, counted, ranked=None):
        """scores (N, K, h, w), labels (N, h, w), counted (N, h, w) of zeros and ones -> loss (1,), pixels kept (1,).

        A pixel counts where its label is not 255 and `counted` is 1. Without any such pixel the loss is 0. `ranked`
        (1,) is the `keep`-th smallest probability, for a batch of which this is a part; by default this batch's own.
        """
        log_true, p_true, valid = _true(F, scores, labels, counted)
        if self.threshold is not None and self.keep is not None:  # both or neither
            if ranked is None:
                ranked = F.max(_smallest(F, p_true, self.keep))
            limit = F.broadcast_maximum(ranked, F.ones_like(ranked) * self.threshold)
            valid = valid * F.broadcast_lesser_equal(p_true, limit)
        kept = F.sum(valid)
        return -F.sum(log_true * valid) / F.broadcast_maximum(kept, F.ones_like(kept)), kept


class TrainingLoss(nn.HybridBlock):
    """Softmax loss of the fused scores plus, with equal weight, of each column's own scores (Section 3.4; Figure 4).

    columns          names of the network's outputs that are a column's own scores.
    spread           positions @1/4 along a region's side: the full column's own loss then counts computed regions
                     only, as elsewhere ISCTF's full column has no features of its own (assumed); None: all pixels.
    threshold, keep  bootstrapping, of each term; see SoftmaxLoss.
    """

    def __init__(self, columns=(), spread: Optional[int] = None, threshold: Optional[float] = None,
                 keep: Optional[int] = None, **kwargs):
        super().__init__(**kwargs)
        self.columns, self.spread, self.keep = tuple(columns), spread, keep
        self.inputs = ("scores", *columns, *(("mask",) if spread else ()))  # the network's outputs that it takes
        with self.name_scope():
            self.softmax = SoftmaxLoss(threshold, keep)

    def _terms(self, F, labels, inputs):
        """labels (N, h, w) and the network's outputs `self.inputs` -> (scores, counted) of each term, fused first."""
        named = dict(zip(self.inputs, inputs))
        everywhere = F.ones_like(labels)
        for name in ("scores", *self.columns):
            counted = everywhere
            if self.spread and name == "full":
                counted = F.reshape_like(F.UpSampling(named["mask"], scale=self.spread, sample_type="nearest"), labels)
            yield named[name], counted

    def hardest(self, labels, *inputs):
        """labels (N, h, w), the network's outputs `self.inputs` -> the `keep` smallest probabilities of each term.

        (T, keep), or (T, N h w) where that is less, ascending. By these a batch's parts agree on one bootstrapping
        limit.
        """
        return mx.nd.stack(*[_smallest(mx.nd, _true(mx.nd, scores, labels, counted)[1], min(self.keep, labels.size))
                             for scores, counted in self._terms(mx.nd, labels, inputs)])

    def hybrid_forward(self, F, labels, *inputs):
        """labels (N, h, w), the network's outputs `self.inputs` -> terms (T,), the fused one first, and kept (T,).

        The loss is the sum of the terms. Of a batch in parts, a term is the mean of the parts' weighted by `kept`; with
        bootstrapping a part takes, last, the `keep`-th smallest probability of each term in the whole batch, (T,).
        """
        inputs, ranked = inputs[:len(self.inputs)], inputs[len(self.inputs):]
        losses = [self.softmax(scores, labels, counted,
                               *(F.slice_axis(one, axis=0, begin=index, end=index + 1) for one in ranked))
                  for index, (scores, counted) in enumerate(self._terms(F, labels, inputs))]
        return F.concat(*[loss for loss, _ in losses], dim=0), F.concat(*[kept for _, kept in losses], dim=0)
