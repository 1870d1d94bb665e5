"""Fusing the columns' score maps: max, sum, attention-to-scale, coarse-to-fine (Figure 3, Section 3.2), and the sparse
coarse-to-fine fusion of Section 3.3. Score maps are (N, K, h, w), coarse to fine and at one resolution."""

from __future__ import annotations

from functools import reduce

from mxnet.gluon import nn

from symbols.column import convolution
from symbols.decoder import rescale


class Max(nn.HybridBlock):
    """The element-wise maximum of score maps."""

    def hybrid_forward(self, F, *scores):
        """Return (N, K, h, w)."""
        return reduce(F.broadcast_maximum, scores)


class Sum(nn.HybridBlock):
    """The element-wise sum of score maps."""

    def hybrid_forward(self, F, *scores):
        """Return (N, K, h, w)."""
        return reduce(F.elemwise_add, scores)


class Attention(nn.HybridBlock):
    """Attention-to-scale: a 1x1 layer on the last maps of both columns, softmax, so that z1 + z2 = 1 everywhere.

    channels  of the half column's last map.
    """

    def __init__(self, channels: int, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.up, self.conv = rescale(channels, 2), convolution(2, 1, bias=True)

    def hybrid_forward(self, F, half, full):
        """Return z1, z2 (N, 1, H/4, W/4) of both columns' last maps (N, C, half@1/4), (N, C, H/4, W/4)."""
        z = F.softmax(self.conv(F.concat(self.up(half), full, dim=1)), axis=1)
        return tuple(F.split(z, num_outputs=2, axis=1))


class CoarseToFine(nn.HybridBlock):
    """Coarse-to-fine: the same weights of the half column alone; `stopped`: no gradient passes back to it."""

    def __init__(self, stopped: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.stopped = stopped
        with self.name_scope():
            self.up, self.conv = rescale(2, 2), convolution(2, 1, bias=True)

    def hybrid_forward(self, F, half, full=None):
        """Return z1, z2 (N, 1, H/4, W/4) of the half column's last map (N, C, half@1/4); `full` is not read."""
        z = F.softmax(self.conv(F.BlockGrad(half) if self.stopped else half), axis=1)
        return tuple(F.split(self.up(z), num_outputs=2, axis=1))


def times(F, weight, scores, classes: int):
    """Return scores (N, K, h, w) times their weight (N, 1, h, w), repeated by stack.

    A broadcast product's gradient takes ten times as long on a CPU, a training step 1.07. Concat's takes three times as
    long and keeps what oneDNN makes for each of its inputs for ever (MXNet 1.9.1: 16 KiB a step for 19).
    """
    return scores * F.stack(*[F.squeeze(weight, axis=1)] * classes, axis=1)


class WeightedSum(nn.HybridBlock):
    """The sum of the columns' scores, each times its weight."""

    def __init__(self, classes: int, **kwargs):
        super().__init__(**kwargs)
        self.classes = classes

    def hybrid_forward(self, F, weights, scores):
        """Return (N, K, h, w) of weights (N, 1, h, w) and scores (N, K, h, w), a list of each."""
        return reduce(F.elemwise_add, [times(F, w, s, self.classes) for w, s in zip(weights, scores)])


class SparseFusion(nn.HybridBlock):
    """z1 * half + z2 * activity * mask * full: z1 and z2 as in coarse-to-fine, the rest of each region (Section 3.3).

    spread   positions @1/4 along a region's side, R / 4; a region's value is repeated over it (assumed).
    stopped  no gradient passes from z1 and z2 back to the half column.
    """

    outputs = ("z2",)  # what it returns beside the scores

    def __init__(self, classes: int, spread: int, stopped: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.spread = spread
        with self.name_scope():
            self.weights = CoarseToFine(stopped, prefix="weights_")
            self.sum = WeightedSum(classes, prefix="fusion_")

    def hybrid_forward(self, F, half, full, last, activity, mask):
        """Return the fused scores (N, K, H/4, W/4) and z2 (N, 1, H/4, W/4).

        half, full      both columns' scores (N, K, H/4, W/4).
        last            the half column's last map (N, C, half@1/4).
        activity, mask  sigmoid(s) and 0 or 1 of each region (N, 1, Y, X).
        """
        z1, z2 = self.weights(last)
        sparse = F.UpSampling(activity * mask, scale=self.spread, sample_type="nearest")  # (N, 1, H/4, W/4)
        return self.sum([z1, z2 * sparse], [half, full]), z2
