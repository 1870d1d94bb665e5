"""The networks: one column (Figure 2), several columns fused (Figure 3), spatial sparsity (Figures 1 and 4).

Columns and decoders arrive built. Every network names what it returns in `outputs`; the first is always "scores",
the fused score maps (N, K, H/4, W/4). Nothing but convolutions has parameters, so that the same parameters serve
classic and fast inference on any grid of regions of one size.
"""

from __future__ import annotations

from typing import Tuple

from mxnet.gluon import nn

from symbols.decoder import Upsample
from symbols.fusion import Max, ScaleWeights, Sum, WeightedSum
from symbols.regions import Crop, Gather, Scatter, SparseHead, Uncrop, filled, largest, mask_of, masked, slots_of
from symbols.rows import PlaceRegions, TakeRegions

COLUMN_NAMES = {0.25: "quarter", 0.5: "half", 1: "full", 2: "double"}
STOPS = ("cross", "weights", "sparse_head")  # paths from the half column: to the full decoder, to z1 and z2, to s


def rescale(channels: int, scale: float) -> nn.HybridBlock:
    """A block that resizes maps by `scale`: averages of 2x2 or 4x4 pixels down, bilinear up (assumed: the paper
    does not say how)."""
    block = nn.HybridSequential(prefix="")
    while scale > 1:
        block.add(Upsample(channels))
        scale /= 2
    if scale < 1:
        block.add(nn.AvgPool2D(int(1 / scale)))
    return block


class SingleColumn(nn.HybridBlock):
    """A column and its decoder: Table 1 and the right of Figure 2."""

    outputs = ("scores",)

    def __init__(self, column, decoder, **kwargs):
        super().__init__(**kwargs)
        self.full_column, self.full_decoder = column, decoder

    def hybrid_forward(self, F, image):
        """(N, 3, H, W) -> scores."""
        scores, *_ = self.full_decoder(*self.full_column(image))
        return scores


class MultiColumn(nn.HybridBlock):
    """Two or three columns, fused by max, sum, attention-to-scale or coarse-to-fine: Figure 3, Table 2.

    columns, decoders  of the column at each of `scales` (of the input), coarse to fine.
    fusion             "max", "sum", "attention" or "ctf"; the latter two return z2, the full column's weight, as well.
    classes            score maps, K.
    """

    def __init__(self, scales, columns, decoders, fusion: str, classes: int, **kwargs):
        super().__init__(**kwargs)
        self.scales, self.fusion = tuple(scales), fusion
        self.names = [COLUMN_NAMES[scale] for scale in scales]
        if fusion in ("attention", "ctf") and self.names != ["half", "full"]:
            raise ValueError(f"fusion {fusion}: of the half and the full column, not {self.names}")
        self.outputs = ("scores", *self.names, *(("z2",) if fusion in ("attention", "ctf") else ()))
        with self.name_scope():
            for scale, name, column, decoder in zip(scales, self.names, columns, decoders):
                setattr(self, f"{name}_column", column)
                setattr(self, f"{name}_decoder", decoder)
                setattr(self, f"{name}_input", rescale(3, scale))
                setattr(self, f"{name}_scores", rescale(classes, 1 / scale))
            if fusion in ("attention", "ctf"):
                self.weights = ScaleWeights(2, prefix="weights_")
                self.last_up, self.weights_up = rescale(decoders[0].channels, 2), rescale(2, 2)
                self.fuse: nn.HybridBlock = WeightedSum(classes, prefix="fusion_")
            else:
                self.fuse = {"max": Max, "sum": Sum}[fusion](prefix="fusion_")

    def hybrid_forward(self, F, image):
        """(N, 3, H, W) -> scores, each column's own scores at their size, and z2 (N, 1, H/4, W/4)."""
        scores, lasts = [], []
        for name in self.names:
            levels = getattr(self, f"{name}_column")(getattr(self, f"{name}_input")(image))
            own, *sums = getattr(self, f"{name}_decoder")(*levels)
            scores.append(getattr(self, f"{name}_scores")(own))
            lasts.append(sums[-1])
        if self.fusion in ("max", "sum"):
            return (self.fuse(*scores), *scores)
        if self.fusion == "attention":  # the weights see both columns
            z = self.weights(F.concat(self.last_up(lasts[0]), lasts[1], dim=1))
        else:  # coarse-to-fine: the half column alone
            z = self.weights_up(self.weights(lasts[0]))
        z1, z2 = F.split(z, num_outputs=2, axis=1)
        return (self.fuse(z1, z2, *scores), *scores, z2)


class SparseTwoColumn(nn.HybridBlock):
    """Sparse coarse-to-fine, SCTF, and improved, ISCTF: the half column decides what the full column computes.

    grid, region  rows and columns of regions, and their side R in pixels; the input is (N, 3, Y * R, X * R).
    improved      ISCTF: cross-column connections, and crops in classic inference (and so in training) too, which makes
                  classic and fast inference the same function. SCTF's classic inference runs the whole image through
                  the full column and masks its weight alone.
    fast          fast inference (Figure 1): the full column's backbone runs on the k selected regions only.
    uncropped     the whole image through the full column at once: what fast inference is as quick as many times over.
    k             regions kept per image, those of the largest s; None: all with s > 0 (classic only).
    sparsity      the SparsityTerm of a training graph, or None.
    stops         paths out of the half column, of STOPS, that pass no gradient back to it (Figure 4's dashed lines;
                  the text does not name them; assumed: none).
    rows          fast inference's crop and uncrop as gathers of rows: the same numbers, sooner on a CPU.

    A full decoder that is `jumped` or has `crops` gets its maps so, in fast inference alone. With `crops` the full
    column's own scores are zero in the skipped regions, elsewhere what crosses over; `scores` are the same.
    """

    outputs: Tuple[str, ...] = ("scores", "half", "full", "z2", "s", "mask")

    def __init__(self, half_column, half_decoder, full_column, full_decoder, classes: int, grid, region: int,
                 improved: bool, fast: bool, k=None, sparsity=None, stops=(), rows: bool = False,
                 uncropped: bool = False, **kwargs):
        super().__init__(**kwargs)
        regions = grid[0] * grid[1]
        if region % 32:
            raise ValueError(f"region {region}: a multiple of 32 pixels, so that it has whole positions @1/32")
        if k is None and fast:
            raise ValueError("fast inference needs k, the number of regions")
        if k is not None and not 0 <= k <= regions:
            raise ValueError(f"k {k}: 0 to {regions}, the regions of the grid {grid[0]}x{grid[1]}")
        if not fast and (rows or full_decoder.jumped):
            raise ValueError("rows, and a decoder that is jumped or has crops: for fast inference")
        if fast and uncropped:
            raise ValueError("fast inference is on crops")
        if not set(stops) <= set(STOPS):
            raise ValueError(f"stops {list(stops)}: of {', '.join(STOPS)}")
        self.half_column, self.half_decoder = half_column, half_decoder
        self.full_column, self.full_decoder = full_column, full_decoder
        self.regions, self.improved, self.fast, self.k, self.sparsity = regions, improved, fast, k, sparsity
        self.stops, self.by_rows, self.on_crops = frozenset(stops), rows, improved and not uncropped
        self.spread = region // 4  # positions @1/4 along a region's side
        with self.name_scope():
            self.halve, self.half_up = rescale(3, 0.5), rescale(classes, 2)
            self.add_weights(classes, grid)
            self.add_selector(region // 8)  # tau positions of half@1/4
            self.crop = (TakeRegions if rows else Crop)(grid, 3, region, prefix="crop_")
            self.gather, self.scatter = Gather(regions), Scatter()
            self.uncrops = nn.HybridSequential(prefix="uncrop_")
            place = PlaceRegions if rows else Uncrop
            levels = sum(count > 0 for count in full_column.units)
            for i, channels in enumerate(full_decoder.reads(full_column.channels[:levels])):
                self.uncrops.add(place(grid, channels, region // (4 * 2 ** i)))
            self.fuse = WeightedSum(classes, prefix="fusion_")
            if full_decoder.cropped:
                self.place_scores = place(grid, classes, self.spread, prefix="uncrop_scores_")

    def add_weights(self, classes: int, grid):
        """What weighs the columns."""
        self.weights_up, self.weights = rescale(2, 2), ScaleWeights(2, prefix="weights_")
        if self.full_decoder.cropped:
            self.take_weight, self.take_activity = (
                TakeRegions(grid, 1, size, prefix=f"crop{size}_") for size in (self.spread, 1))

    def add_selector(self, tau: int):
        """What gives each region its s."""
        self.sparse_head = SparseHead(tau, prefix="sparse_head_")

    def hybrid_forward(self, F, image):
        """(N, 3, H, W) -> scores, half and full (N, K, H/4, W/4), z2 (N, 1, H/4, W/4), s and mask (N, 1, Y, X)."""
        half_scores, *half_sums = self.half_decoder(*self.half_column(self.halve(image)))
        half = self.half_up(half_scores)
        z = self.scale_weights(F, half_sums[-1])  # z1, z2

        s, activity = self.sparse_activity(F, half_scores, half_sums[-1])
        indices, mask = self.select(F, s)

        if self.k == 0:
            return (self.half_alone(F, z, half), half, F.zeros_like(half), *z[1:], s, mask)
        crossing = [self.leave(F, "cross", m) for m in half_sums] if self.improved else ()
        if self.fast:
            slots = slots_of(F, indices, self.regions)
            levels = self.fast_levels(F, image, indices, slots)
            if self.full_decoder.cropped:
                crops, *_ = self.full_decoder(*levels, *crossing, indices)
                scores, full = self.fuse_crops(F, z, activity, mask, half, crops, indices, slots)
                return (scores, half, full, *z[1:], s, mask)
        else:
            levels = self.classic_levels(F, image, mask)
        full, *_ = self.full_decoder(*levels, *crossing)
        return (self.fuse_maps(F, z, activity, mask, half, full), half, full, *z[1:], s, mask)

    def scale_weights(self, F, last):
        """The half column's last map -> z1, z2 (N, 1, H/4, W/4)."""
        z = self.weights(self.leave(F, "weights", last))
        return tuple(F.split(self.weights_up(z), num_outputs=2, axis=1))

    def sparse_activity(self, F, half_scores, last):
        """The half column's scores and last map -> s and sigmoid(s) (N, 1, Y, X)."""
        s = self.sparse_head(self.leave(F, "sparse_head", last))
        activity = F.sigmoid(s)
        return s, activity if self.sparsity is None else self.sparsity(activity)

    def half_alone(self, F, z, half):
        """The fused scores where no region is computed."""
        return F.broadcast_mul(half, z[0])

    def fuse_maps(self, F, z, activity, mask, half, full):
        """z1 * half + z2 * sigmoid(s) * mask * full, of both columns' scores (N, K, H/4, W/4)."""
        sparse = F.UpSampling(activity * mask, scale=self.spread, sample_type="nearest")  # (N, 1, H/4, W/4)
        return self.fuse(z[0], z[1] * sparse, half, full)

    def fuse_crops(self, F, z, activity, mask, half, crops, indices, slots):
        """The same of the full column's scores on the selected regions, (N * k, K, R/4, R/4); and those in place."""
        weight = F.broadcast_mul(self.take_weight(z[1], indices), self.take_activity(activity, indices))
        added, full = (self.place(self.place_scores, filled(F, m), slots)
                       for m in (F.broadcast_mul(crops, weight), crops))
        return F.broadcast_mul(half, z[0]) + added, full

    def leave(self, F, path: str, x):
        """A half-column map on its way along `path`; its gradient is stopped there if the setting says so."""
        return F.BlockGrad(x) if path in self.stops else x

    def select(self, F, s):
        """s (N, 1, Y, X) -> indices (N, k), or None where nothing is sorted, and mask (N, 1, Y, X) of 0 and 1."""
        if self.k is None:
            return None, s > 0
        if self.k == 0:
            return None, F.zeros_like(s)
        indices = F.BlockGrad(largest(F, s, self.regions, self.k))
        return indices, mask_of(F, indices, s, self.regions)

    def classic_levels(self, F, image, mask):
        """The full column's maps at the image's size, zero in the skipped regions (SCTF: those of the whole image)."""
        if not self.on_crops:
            return self.full_column(image)
        maps = self.full_column(self.crop(image))  # of N * G crops
        return [uncrop(masked(F, m, mask)) for uncrop, m in zip(self.uncrops, maps)]

    def fast_levels(self, F, image, indices, slots):
        """The full decoder's maps, computed on the selected regions alone, at the image's size (finest: `crops`)."""
        crops = self.crop(image, indices) if self.by_rows else self.gather(self.crop(image), indices)
        maps, decoder = list(self.full_column(crops)), self.full_decoder
        early = len(maps) - 1 if decoder.jumped and decoder.pointwise_top else None
        if early:  # where nothing is computed this layer gives its bias: the zeros that fill are put in front of it
            maps[early] = filled(F, maps[early])
        if decoder.jumped:
            maps = decoder.connect(maps)
        return [m if i == 0 and decoder.cropped else self.place(uncrop, m if i == early else filled(F, m), slots)
                for i, (uncrop, m) in enumerate(zip(self.uncrops, maps))]

    def place(self, uncrop, maps, slots):
        """Filled maps of the selected regions -> maps (N, C, Y * h, X * w), by way of all regions or at once."""
        return uncrop(maps, slots) if self.by_rows else uncrop(self.scatter(maps, slots))
