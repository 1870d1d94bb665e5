"""What SparseRefine (Liu et al., ECCV 2024) puts in the places of the sparse head and of the weights z2 * sigmoid(s).

Not the paper's: for rows that ask what combining the two buys (experiments/ablations.yaml).
"""

from __future__ import annotations

from mxnet.gluon import nn

from symbols.network import SparseTwoColumn
from symbols.refine import GatedEnsembler, entropy
from symbols.regions import filled
from symbols.rows import TakeRegions


class RegionEntropy(nn.HybridBlock):
    """s of each region as the mean entropy of its tau x tau positions, in natural units: nothing is learned."""

    def __init__(self, tau: int, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.mean = nn.AvgPool2D(tau)

    def hybrid_forward(self, F, scores):
        """The half column's scores (N, K, Y * tau, X * tau) -> s (N, 1, Y, X); no gradient passes."""
        return F.BlockGrad(self.mean(entropy(F, F.softmax(scores, axis=1), 1)))


class GatedMaps(nn.HybridBlock):
    """The gated ensembler at every position of two columns' scores."""

    def __init__(self, classes: int, **kwargs):
        super().__init__(**kwargs)
        self.classes = classes
        with self.name_scope():
            self.ensembler = GatedEnsembler(classes, prefix="ensembler_")

    def hybrid_forward(self, F, half, full):
        """(N, K, h, w) both -> (N, K, h, w)."""
        half, full = (F.transpose(scores, axes=(0, 2, 3, 1)) for scores in (half, full))
        rows = self.ensembler(*(F.reshape(scores, (-1, self.classes)) for scores in (half, full)))
        return F.transpose(F.reshape_like(rows, half), axes=(0, 3, 1, 2))


class EntropyTwoColumn(SparseTwoColumn):
    """ISCTF whose regions are those of the largest mean entropy of the half column's prediction: no sparse head.

    The full column weighs z2 there, 0 elsewhere, as sigmoid(s) has nothing to learn. Arguments as SparseTwoColumn's.
    """

    def add_selector(self, tau: int):
        """The entropy of regions."""
        self.sparse_head = RegionEntropy(tau, prefix="sparse_head_")

    def sparse_activity(self, F, half_scores, last):
        """The half column's scores -> s and ones (N, 1, Y, X)."""
        s = self.sparse_head(half_scores)
        return s, F.ones_like(s)


class GatedTwoColumn(EntropyTwoColumn):
    """The same with the gated ensembler in place of the weights: its scores in the selected regions, the half column's
    elsewhere, as SparseRefine keeps the dense prediction of pixels that are not selected."""

    outputs = ("scores", "half", "full", "s", "mask")

    def add_weights(self, classes: int, grid):
        """The gate."""
        self.gate = GatedMaps(classes, prefix="weights_")
        if self.full_decoder.cropped:
            self.take_half = TakeRegions(grid, classes, self.spread, prefix="crop_half_")

    def scale_weights(self, F, last):
        """None: the gate weighs."""
        return ()

    def half_alone(self, F, z, half):
        """The half column's scores."""
        return half

    def fuse_maps(self, F, z, activity, mask, half, full):
        """The gate's scores where mask is 1, else half: (N, K, H/4, W/4)."""
        chosen = F.UpSampling(mask, scale=self.spread, sample_type="nearest")
        return self.fuse(1 - chosen, chosen, half, self.gate(half, full))

    def fuse_crops(self, F, z, activity, mask, half, crops, indices, slots):
        """The same of the full column's scores on the selected regions; and those in place."""
        kept = F.UpSampling(1 - mask, scale=self.spread, sample_type="nearest")
        fused = self.gate(self.take_half(half, indices), crops)
        added, full = (self.place(self.place_scores, filled(F, m), slots) for m in (fused, crops))
        return F.broadcast_mul(half, kept) + added, full
