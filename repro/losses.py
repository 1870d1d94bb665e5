"""The training losses: softmax on the fused scores and on each column's own, online bootstrapping (Section 3.4)."""

from __future__ import annotations

from typing import Optional

from mxnet.gluon import nn

IGNORE = 255  # label of pixels that count nowhere


class SoftmaxLoss(nn.HybridBlock):
    """Mean cross entropy over the labelled pixels, or with bootstrapping over the hard ones of them.

    threshold, keep  online bootstrapping (arXiv 1605.06885): of the labelled pixels only those are kept whose
                     probability of the true class is at most max(threshold, the `keep`-th smallest of the batch);
                     both None without. The loss is divided by the number of pixels kept.
    """

    def __init__(self, threshold: Optional[float] = None, keep: Optional[int] = None, **kwargs):
        super().__init__(**kwargs)
        if (threshold is None) != (keep is None):
            raise ValueError("bootstrapping needs both threshold and keep")
        self.threshold, self.keep = threshold, keep

    def hybrid_forward(self, F, scores, labels, counted):
        """scores (N, K, h, w), labels (N, h, w), counted (N, h, w) of zeros and ones -> loss (1,).

        A pixel counts where its label is not 255 and `counted` is 1. Without any such pixel the loss is 0.
        """
        # the classes last: softmax over a strided axis takes three times as long on a CPU
        log_p = F.log_softmax(F.transpose(scores, (0, 2, 3, 1)), axis=-1)
        valid = F.BlockGrad((labels != IGNORE) * counted)
        log_true = F.pick(log_p, labels * valid, axis=-1)
        if self.threshold is not None:
            p_true = F.BlockGrad(F.exp(log_true) * valid + 2 * (1 - valid))  # 2: never among the kept
            smallest = F.topk(F.reshape(p_true, (-1,)), k=self.keep, is_ascend=True, ret_typ="value")
            limit = F.broadcast_maximum(F.max(smallest), F.ones_like(F.max(smallest)) * self.threshold)
            valid = valid * F.broadcast_lesser_equal(p_true, limit)
        return -F.sum(log_true * valid) / F.broadcast_maximum(F.sum(valid), F.ones_like(F.sum(valid)))


class TrainingLoss(nn.HybridBlock):
    """Softmax loss of the fused scores plus, with equal weight, of each column's own scores (Section 3.4; Figure 4).

    columns   names of the network's outputs that are a column's own scores.
    spread    positions @1/4 along a region's side: the full column's own loss then counts computed regions only, as
              elsewhere ISCTF's full column has no features of its own (assumed); None: all pixels.
    """

    def __init__(self, columns=(), spread: Optional[int] = None, threshold: Optional[float] = None,
                 keep: Optional[int] = None, **kwargs):
        super().__init__(**kwargs)
        self.columns, self.spread = tuple(columns), spread
        self.inputs = ("scores", *columns, *(("mask",) if spread else ()))  # the network's outputs that it takes
        with self.name_scope():
            self.softmax = SoftmaxLoss(threshold, keep)

    def hybrid_forward(self, F, labels, *inputs):
        """labels (N, H/4, W/4) and the network's outputs `self.inputs` -> the total (1,), then the fused loss (1,)."""
        named = dict(zip(self.inputs, inputs))
        everywhere = F.ones_like(labels)
        fused = self.softmax(named["scores"], labels, everywhere)
        total = fused
        for column in self.columns:
            counted = everywhere
            if self.spread and column == "full":
                counted = F.reshape_like(F.UpSampling(named["mask"], scale=self.spread, sample_type="nearest"), labels)
            total = total + self.softmax(named[column], labels, counted)
        return total, fused
