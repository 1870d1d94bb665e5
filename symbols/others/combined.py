"""What SparseRefine (Liu et al., ECCV 2024) puts in the places of the sparse head and of the weights z2 * sigmoid(s).

Not the paper's: for rows that ask what combining the two buys (experiments/ablations.yaml).
"""

from __future__ import annotations

from mxnet.gluon import nn

from symbols.fusion import WeightedSum
from symbols.others.sparserefine import GatedEnsembler, entropy


class RegionEntropy(nn.HybridBlock):
    """s of each region as the mean entropy of its tau x tau positions, in natural units: nothing is learned."""

    def __init__(self, tau: int, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.mean = nn.AvgPool2D(tau)

    def hybrid_forward(self, F, scores):
        """Return s (N, 1, Y, X) of the half column's scores (N, K, Y * tau, X * tau); no gradient passes."""
        return F.BlockGrad(self.mean(entropy(F, F.softmax(scores, axis=1), 1)))


class EntropySelector(nn.HybridBlock):
    """RegionEntropy in the place of the sparse head. The full column weighs z2 in the regions selected: as nothing is
    learned, there is no sigmoid(s)."""

    def __init__(self, tau: int, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.entropy = RegionEntropy(tau, prefix="sparse_head_")  # nodes are named as what chooses regions is

    def hybrid_forward(self, F, half, last):
        """Return s and ones (N, 1, Y, X) of the half column's scores; its last map is not read."""
        s = self.entropy(half)
        return s, F.ones_like(s)


class GatedMaps(nn.HybridBlock):
    """The gated ensembler at every position of two columns' scores."""

    def __init__(self, classes: int, **kwargs):
        super().__init__(**kwargs)
        self.classes = classes
        with self.name_scope():
            self.ensembler = GatedEnsembler(classes, prefix="ensembler_")

    def hybrid_forward(self, F, half, full):
        """Return (N, K, h, w) of both columns' scores (N, K, h, w)."""
        half, full = (F.transpose(scores, axes=(0, 2, 3, 1)) for scores in (half, full))
        rows = self.ensembler(*(F.reshape(scores, (-1, self.classes)) for scores in (half, full)))
        return F.transpose(F.reshape_like(rows, half), axes=(0, 3, 1, 2))


class GatedFusion(nn.HybridBlock):
    """The gated ensembler's scores in the selected regions, the half column's elsewhere, as SparseRefine keeps the
    dense prediction of pixels that are not selected. `spread`: positions @1/4 along a region's side."""

    outputs = ()

    def __init__(self, classes: int, spread: int, **kwargs):
        super().__init__(**kwargs)
        self.spread = spread
        with self.name_scope():
            self.gate, self.sum = GatedMaps(classes, prefix="weights_"), WeightedSum(classes, prefix="fusion_")

    def hybrid_forward(self, F, half, full, last, activity, mask):
        """Return the scores (N, K, H/4, W/4), alone, of the same inputs as symbols.fusion.SparseFusion's."""
        chosen = F.UpSampling(mask, scale=self.spread, sample_type="nearest")
        return (self.sum([1 - chosen, chosen], [half, self.gate(half, full)]),)
