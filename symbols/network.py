"""The networks: one column (Figure 2), several columns fused (Figure 3), spatial sparsity (Figures 1 and 4).

Columns, decoders, selectors and fusions arrive built. Every network names what it returns in `outputs`; the first is
always "scores", the fused score maps (N, K, H/4, W/4). No trained parameter depends on the grid, so that the same
parameters serve classic and fast inference on any grid of regions of one size.
"""

from __future__ import annotations

from typing import Tuple

from mxnet.gluon import nn

from symbols.decoder import rescale
from symbols.fusion import WeightedSum
from symbols.regions import Crop, Uncrop, masked

COLUMN_NAMES = {0.25: "quarter", 0.5: "half", 1: "full", 2: "double"}


class SingleColumn(nn.HybridBlock):
    """A column and its decoder: Table 1 and Figure 2."""

    outputs = ("scores",)

    def __init__(self, column, decoder, **kwargs):
        super().__init__(**kwargs)
        self.full_column, self.full_decoder = column, decoder

    def hybrid_forward(self, F, image):
        """Return the scores (N, K, H/4, W/4) of (N, 3, H, W)."""
        scores, *_ = self.full_decoder(self.full_column(image))
        return scores


class MultiColumn(nn.HybridBlock):
    """Two or three columns, fused element by element: Figure 3, Table 2.

    columns, decoders  of the column at each of `scales` (of the input), coarse to fine.
    fusion             symbols.fusion.Max or Sum.
    classes            score maps, K.
    """

    outputs: Tuple[str, ...]

    def __init__(self, scales, columns, decoders, fusion, classes: int, **kwargs):
        super().__init__(**kwargs)
        self.names = [COLUMN_NAMES[scale] for scale in scales]
        self.outputs, self.fusion = ("scores", *self.names), fusion
        with self.name_scope():
            for scale, name, column, decoder in zip(scales, self.names, columns, decoders):
                setattr(self, f"{name}_column", column)
                setattr(self, f"{name}_decoder", decoder)
                setattr(self, f"{name}_input", rescale(3, scale))
                setattr(self, f"{name}_scores", rescale(classes, 1 / scale))

    def hybrid_forward(self, F, image):
        """Return the fused scores and each column's own (N, K, H/4, W/4) of (N, 3, H, W)."""
        scores = []
        for name in self.names:
            levels = getattr(self, f"{name}_column")(getattr(self, f"{name}_input")(image))
            own, *_ = getattr(self, f"{name}_decoder")(levels)
            scores.append(getattr(self, f"{name}_scores")(own))
        return (self.fusion(*scores), *scores)


class WeightedTwoColumn(nn.HybridBlock):
    """The half and the full column, each weighted at every position: Figure 3, Table 2.

    weights  symbols.fusion.Attention or CoarseToFine.
    classes  score maps, K.
    """

    outputs = ("scores", "half", "full", "z2")

    def __init__(self, half_column, half_decoder, full_column, full_decoder, weights, classes: int, **kwargs):
        super().__init__(**kwargs)
        self.half_column, self.half_decoder = half_column, half_decoder
        self.full_column, self.full_decoder = full_column, full_decoder
        self.weights = weights
        with self.name_scope():
            self.halve, self.half_up = rescale(3, 0.5), rescale(classes, 2)
            self.fusion = WeightedSum(classes, prefix="fusion_")

    def hybrid_forward(self, F, image):
        """Return scores, half and full (N, K, H/4, W/4) and z2 (N, 1, H/4, W/4) of (N, 3, H, W)."""
        half, *half_sums = self.half_decoder(self.half_column(self.halve(image)))
        full, *full_sums = self.full_decoder(self.full_column(image))
        half = self.half_up(half)
        z1, z2 = self.weights(half_sums[-1], full_sums[-1])
        return self.fusion([z1, z2], [half, full]), half, full, z2


class SparseTwoColumn(nn.HybridBlock):
    """Sparse coarse-to-fine: the half column decides what the full column computes (Figures 1 and 4).

    As it stands, classic inference and training of ISCTF: all regions are computed, each on its own, and those that
    are not selected are zero. It is the same function as fast inference (symbols/fast.py).

    selector      half scores, half's last map -> s and activity: regions.HeadSelector.
    select        s -> mask: regions.Largest or AboveZero.
    fusion        fusion.SparseFusion.
    classes       score maps, K.
    grid, region  rows and columns of regions, and their side R in pixels; the input is (N, 3, Y * R, X * R).
    Raises ValueError for a region that is no multiple of 32 pixels.
    """

    def __init__(self, half_column, half_decoder, full_column, full_decoder, selector, select, fusion, classes: int,
                 grid, region: int, **kwargs):
        super().__init__(**kwargs)
        if region % 32:
            raise ValueError(f"region {region}: a multiple of 32 pixels, so that it has whole positions @1/32")
        self.half_column, self.half_decoder = half_column, half_decoder
        self.full_column, self.full_decoder = full_column, full_decoder
        self.selector, self.select, self.fusion = selector, select, fusion
        self.outputs = ("scores", "half", "full", *fusion.outputs, "s", "mask")
        with self.name_scope():
            self.halve, self.half_up = rescale(3, 0.5), rescale(classes, 2)
            self.crop = Crop(grid, 3, region, prefix="crop_")
            self.uncrops = nn.HybridSequential(prefix="uncrop_")
            for level, count in enumerate(full_column.units):
                if count:
                    self.uncrops.add(Uncrop(grid, full_column.channels[level], region // (4 * 2 ** level)))

    def hybrid_forward(self, F, image):
        """Return scores, half, full (N, K, H/4, W/4), z2 (N, 1, H/4, W/4), s, mask (N, 1, Y, X) of (N, 3, H, W)."""
        half, *half_sums = self.half_decoder(self.half_column(self.halve(image)))
        s, activity = self.selector(half, half_sums[-1])
        mask = self.select(s)
        levels = self.full_levels(F, image, mask)
        full, *_ = self.full_decoder(levels, half_sums)
        half = self.half_up(half)
        scores, *z2 = self.fusion(half, full, half_sums[-1], activity, mask)
        return (scores, half, full, *z2, s, mask)

    def full_levels(self, F, image, mask):
        """Return the full column's maps from level 2, (N, C, @1/4 ... @1/32), zero where mask (N, 1, Y, X) is."""
        maps = self.full_column(self.crop(image))  # of N * G crops
        return [uncrop(masked(F, m, mask)) for uncrop, m in zip(self.uncrops, maps)]


class WholeTwoColumn(SparseTwoColumn):
    """The whole image through the full column, uncropped: SCTF's classic inference and training (Section 3.3).

    Only the full column's weight is masked (assumed).
    """

    def full_levels(self, F, image, mask):
        """Return the full column's maps (N, C, @1/4 ... @1/32)."""
        return self.full_column(image)


class HalfAlone(SparseTwoColumn):
    """No region is selected, k = 0: the full column is not computed, and its scores are zero."""

    def hybrid_forward(self, F, image):
        """Return what SparseTwoColumn returns."""
        half, *half_sums = self.half_decoder(self.half_column(self.halve(image)))
        s, activity = self.selector(half, half_sums[-1])
        half, mask = self.half_up(half), self.select(s)
        scores, *z2 = self.fusion(half, F.zeros_like(half), half_sums[-1], activity, mask)
        return (scores, half, F.zeros_like(half), *z2, s, mask)
