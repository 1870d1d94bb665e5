"""Spatial sparsity: the sparse head and its penalty, selecting regions, crop and uncrop (Section 3.3, Figures 1, 4)."""

from __future__ import annotations

from mxnet import init
from mxnet.gluon import nn


class SparseHead(nn.HybridBlock):
    """One tau x tau kernel with stride tau on the half column's last map: s, one value per region (Section 3.3)."""

    def __init__(self, tau: int, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.conv = nn.Conv2D(1, tau, strides=tau)

    def hybrid_forward(self, F, last):
        """(N, C, Y * tau, X * tau) -> s (N, 1, Y, X)."""
        return self.conv(last)


class SparsityTerm(nn.HybridBlock):
    """The sparsity term of Eq. (1), attached to sigmoid(s) by MXNet's own operator; the forward pass is the identity.

    The operator averages over its first dimension: on (G, N) that is Eq. (4), one moving average q per image of the
    batch; on (N, G) it is Eq. (3), one q per region. Its gradient is lambda * (-p / q + (1 - p) / (1 - q)) on every
    value, whatever the scale of the loss. q starts at p: from 0 the first gradient would be huge. Only for hybridized
    training graphs of a fixed batch.
    """

    def __init__(self, p: float, lam: float, batch: int, regions: int, equation: int = 4, alpha: float = 0.9, **kwargs):
        super().__init__(**kwargs)
        if not 0 < p < 1:
            raise ValueError(f"p {p}: a probability strictly between 0 and 1")
        self.settings = {"sparseness_target": p, "penalty": lam, "momentum": alpha}
        self.regions, self.per_image = regions, equation == 4
        size = batch if self.per_image else regions
        with self.name_scope():
            self.q = self.params.get("q", shape=(size,), init=init.Constant(p), grad_req="null", differentiable=False)

    def hybrid_forward(self, F, activity, q):
        """sigmoid(s) (N, 1, Y, X) -> the same."""
        flat = F.reshape(activity, (-1, self.regions))  # (N, G)
        if self.per_image:
            flat = F.transpose(F.IdentityAttachKLSparseReg(F.transpose(flat), moving_avg=q, **self.settings))
        else:
            flat = F.IdentityAttachKLSparseReg(flat, moving_avg=q, **self.settings)
        return F.reshape_like(flat, activity)


def largest(F, s, regions: int, k: int):
    """s (N, 1, Y, X) -> indices (N, k) of the k largest, whatever their sign: winner-take-all (Section 4.4)."""
    return F.topk(F.reshape(s, (-1, regions)), k=k, axis=1, ret_typ="indices", dtype="float32")


def mask_of(F, indices, s, regions: int):
    """indices (N, k) -> mask shaped as s: 1 where a region is computed."""
    return F.reshape_like(F.sum(F.one_hot(indices, depth=regions), axis=1), s)


def masked(F, x, mask):
    """x (N * G, C, h, w), mask (N, 1, Y, X) -> x, zero in the regions whose mask is 0.

    Written with SequenceMask, one step long: it passes no gradient to the mask, which a product would compute, slowly.
    """
    return F.squeeze(F.SequenceMask(F.expand_dims(x, axis=0), F.reshape(mask, (-1,)), use_sequence_length=True), axis=0)


class Crop(nn.HybridBlock):
    """Cut images (N, C, Y * size, X * size) into their regions (N * G, C, size, size), row by row."""

    def __init__(self, grid, channels: int, size: int, **kwargs):
        super().__init__(**kwargs)
        (self.rows, self.columns), self.channels, self.size = grid, channels, size

    def hybrid_forward(self, F, x):
        # rows, then columns: two transpositions of four axes take a third of the time of one of six
        x = F.reshape(x, (-1, self.channels, self.rows, self.size * self.columns * self.size))
        x = F.swapaxes(x, dim1=1, dim2=2)  # (N, Y, C, size * X * size)
        x = F.reshape(x, (-1, self.channels * self.size, self.columns, self.size))
        x = F.swapaxes(x, dim1=1, dim2=2)  # (N * Y, X, C * size, size)
        return F.reshape(x, (-1, self.channels, self.size, self.size))


class Uncrop(nn.HybridBlock):
    """Put the maps of all regions (N * G, C, size, size) together again: (N, C, Y * size, X * size)."""

    def __init__(self, grid, channels: int, size: int, **kwargs):
        super().__init__(**kwargs)
        (self.rows, self.columns), self.channels, self.size = grid, channels, size

    def hybrid_forward(self, F, x):
        x = F.reshape(x, (-1, self.columns, self.channels * self.size, self.size))
        x = F.swapaxes(x, dim1=1, dim2=2)  # (N * Y, C * size, X, size)
        x = F.reshape(x, (-1, self.rows, self.channels, self.size * self.columns * self.size))
        x = F.swapaxes(x, dim1=1, dim2=2)  # (N, C, Y, size * X * size)
        return F.reshape(x, (-1, self.channels, self.rows * self.size, self.columns * self.size))


def filled(F, x):
    """(N * k, ...) -> (1 + N * k, ...): zeros in front, which fill the skipped regions."""
    return F.concat(F.zeros_like(F.slice_axis(x, axis=0, begin=0, end=1)), x, dim=0)


def slots_of(F, indices, regions: int):
    """indices (N, k) -> slots (N, G): where each region is among the filler and the computed regions behind it."""
    position = F.contrib.arange_like(indices) + 1  # (N, k)
    chosen = F.one_hot(indices, depth=regions)  # (N, k, G)
    return F.sum(F.broadcast_mul(chosen, F.expand_dims(position, axis=2)), axis=1)


class Gather(nn.HybridBlock):
    """Keep the selected regions of each image: (N * G, ...), indices (N, k) -> (N * k, ...)."""

    def __init__(self, regions: int, **kwargs):
        super().__init__(**kwargs)
        self.regions = regions

    def hybrid_forward(self, F, x, indices):
        first = F.contrib.arange_like(indices, axis=0) * self.regions  # (N,) each image's first region
        rows = F.broadcast_add(indices, F.expand_dims(first, axis=1))
        return F.take(x, F.reshape(rows, (-1,)))


class Scatter(nn.HybridBlock):
    """The inverse of Gather: (1 + N * k, ...), the filler of skipped regions first, slots (N, G) -> (N * G, ...).

    Written as a gather: exportable, and no write races.
    """

    def hybrid_forward(self, F, x, slots):
        return F.take(x, F.reshape(slots, (-1,)))
