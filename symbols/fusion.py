"""Fusing the columns' score maps: max, sum, attention-to-scale, coarse-to-fine (Figure 3, Section 3.2).

Each block takes the columns' score maps (N, K, h, w), coarse to fine and at one resolution.
"""

from __future__ import annotations

from functools import reduce

from mxnet.gluon import nn

from symbols.column import convolution


class Max(nn.HybridBlock):
    """Element-wise maximum."""

    def hybrid_forward(self, F, *scores):
        return reduce(F.broadcast_maximum, scores)


class Sum(nn.HybridBlock):
    """Element-wise sum."""

    def hybrid_forward(self, F, *scores):
        return reduce(F.elemwise_add, scores)


class ScaleWeights(nn.HybridBlock):
    """Scale-aware weights: a 1x1 layer, then softmax over the columns, so that they sum to one at each position.

    Attention-to-scale reads the concatenated last maps of all columns; coarse-to-fine the half column's alone.
    """

    def __init__(self, columns: int, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.conv = convolution(columns, 1, bias=True)

    def hybrid_forward(self, F, last):
        """(N, C, h, w) -> (N, columns, h, w): z1, z2, ..."""
        return F.softmax(self.conv(last), axis=1)


class WeightedSum(nn.HybridBlock):
    """Sum of the columns' scores (N, K, h, w), each times its weight (N, 1, h, w): weights first, then scores."""

    def __init__(self, classes: int, **kwargs):
        super().__init__(**kwargs)
        self.classes = classes

    def hybrid_forward(self, F, *weights_and_scores):
        columns = len(weights_and_scores) // 2
        weights, scores = weights_and_scores[:columns], weights_and_scores[columns:]
        # repeated by stack: a broadcast product's gradient is ten times slower on a CPU; concat's is three times slower
        # and keeps what oneDNN makes for each of its inputs for ever (MXNet 1.9.1: 16 KiB a step for 19)
        repeated = [F.stack(*[F.squeeze(w, axis=1)] * self.classes, axis=1) for w in weights]
        return reduce(F.elemwise_add, [s * w for w, s in zip(repeated, scores)])
