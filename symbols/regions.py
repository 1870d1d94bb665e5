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
        """Return s (N, 1, Y, X) of (N, C, Y * tau, X * tau)."""
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
        """Return sigmoid(s) (N, 1, Y, X) as it is."""
        flat = F.reshape(activity, (-1, self.regions))  # (N, G)
        if self.per_image:
            flat = F.transpose(F.IdentityAttachKLSparseReg(F.transpose(flat), moving_avg=q, **self.settings))
        else:
            flat = F.IdentityAttachKLSparseReg(flat, moving_avg=q, **self.settings)
        return F.reshape_like(flat, activity)


class HeadSelector(nn.HybridBlock):
    """The sparse head, the sigmoid of its s, and in training the sparsity term on that (Figure 4).

    Section 3.4 multiplies z2 by the up-sampled s; that it is the sigmoid of s is assumed, as in Eq. (3) and (4).

    tau       positions half@1/4 along a region's side, R / 8.
    sparsity  a SparsityTerm, or None.
    stopped   no gradient passes from s back to the half column.
    """

    def __init__(self, tau: int, sparsity=None, stopped: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.stopped, self.sparsity = stopped, sparsity
        with self.name_scope():
            self.sparse_head = SparseHead(tau, prefix="sparse_head_")

    def hybrid_forward(self, F, half, last):
        """Return s and sigmoid(s) (N, 1, Y, X) of the half column's last map; its scores `half` are not read."""
        s = self.sparse_head(F.BlockGrad(last) if self.stopped else last)
        activity = F.sigmoid(s)
        return s, activity if self.sparsity is None else self.sparsity(activity)


class AboveZero(nn.HybridBlock):
    """The mask of the regions with s > 0, as in training with the sparsity term (assumed)."""

    def hybrid_forward(self, F, s):
        """Return the mask of 0 and 1 of s, both (N, 1, Y, X)."""
        return s > 0


def largest(F, values, regions: int, k: int):
    """Return the indices (N, k) of the k largest values (N, 1, Y, X), whatever their sign; they have no gradient."""
    return F.BlockGrad(F.topk(F.reshape(values, (-1, regions)), k=k, axis=1, ret_typ="indices", dtype="float32"))


class Largest(nn.HybridBlock):
    """The mask of the k regions of each image with the largest s: winner-take-all (Section 4.4), fast inference."""

    def __init__(self, regions: int, k: int, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= k <= regions:
            raise ValueError(f"k {k}: 0 to {regions}, the number of regions")
        self.regions, self.k = regions, k

    def hybrid_forward(self, F, s):
        """Return the mask of 0 and 1 of s, both (N, 1, Y, X)."""
        if not self.k:
            return F.zeros_like(s)
        chosen = F.one_hot(largest(F, s, self.regions, self.k), depth=self.regions)  # (N, k, G)
        return F.reshape_like(F.sum(chosen, axis=1), s)


def masked(F, x, mask):
    """Return x (N * G, C, h, w), zero in the regions where mask (N, 1, Y, X) is 0.

    Written with SequenceMask, one step long, which passes no gradient to the mask. With a product a training step
    takes 1.06 (ISCTF) to 1.15 (Model A) times as long on a CPU.
    """
    return F.squeeze(F.SequenceMask(F.expand_dims(x, axis=0), F.reshape(mask, (-1,)), use_sequence_length=True), axis=0)


def filled(F, x):
    """Return (1 + M, ...) of (M, ...): zeros in front, which fill what is skipped."""
    return F.concat(F.zeros_like(F.slice_axis(x, axis=0, begin=0, end=1)), x, dim=0)


class Crop(nn.HybridBlock):
    """The regions of images, cut row by row (Figure 1)."""

    def __init__(self, grid, channels: int, size: int, **kwargs):
        super().__init__(**kwargs)
        (self.rows, self.columns), self.channels, self.size = grid, channels, size

    def hybrid_forward(self, F, x):
        """Return (N * G, C, size, size) of (N, C, Y * size, X * size)."""
        # rows, then columns: two transpositions of four axes take a third of the time of one of six
        x = F.reshape(x, (-1, self.channels, self.rows, self.size * self.columns * self.size))
        x = F.swapaxes(x, dim1=1, dim2=2)  # (N, Y, C, size * X * size)
        x = F.reshape(x, (-1, self.channels * self.size, self.columns, self.size))
        x = F.swapaxes(x, dim1=1, dim2=2)  # (N * Y, X, C * size, size)
        return F.reshape(x, (-1, self.channels, self.size, self.size))


class Uncrop(nn.HybridBlock):
    """The maps of all regions put together again (Figure 1)."""

    def __init__(self, grid, channels: int, size: int, **kwargs):
        super().__init__(**kwargs)
        (self.rows, self.columns), self.channels, self.size = grid, channels, size

    def hybrid_forward(self, F, x):
        """Return (N, C, Y * size, X * size) of (N * G, C, size, size)."""
        x = F.reshape(x, (-1, self.columns, self.channels * self.size, self.size))
        x = F.swapaxes(x, dim1=1, dim2=2)  # (N * Y, C * size, X, size)
        x = F.reshape(x, (-1, self.rows, self.channels, self.size * self.columns * self.size))
        x = F.swapaxes(x, dim1=1, dim2=2)  # (N, C, Y, size * X * size)
        return F.reshape(x, (-1, self.channels, self.rows * self.size, self.columns * self.size))
