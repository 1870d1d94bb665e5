"""Fast inference: the full column on the k selected regions alone (Figure 1), by copying rows of maps.

A row is a run of positions that lie side by side in memory. Which rows make up a region is a table, made in NumPy: they
are copied once, no other region is cut, and nothing is transposed: a third less of a CPU's time to uncrop than whole
regions taken and transposed, and half of their gradient's. Winner-take-all training on the selected regions alone takes
two thirds of the time of masking all, with the same gradients.
"""

from __future__ import annotations

from math import gcd

import numpy as np
from mxnet import init
from mxnet.gluon import nn

from symbols.decoder import Decoder, Step, doubled
from symbols.network import SparseTwoColumn
from symbols.regions import filled, largest

RUN = 16  # positions that rows with a margin have at most: 64 bytes, a line of a CPU's cache


class Table(init.Initializer):
    """A constant's values, NumPy; a parameter that starts with them and is not trained is no part of the weights."""

    def __init__(self, value: np.ndarray):
        super().__init__()
        self.value = value

    def _init_weight(self, _, array):
        array[:] = self.value


def constant(block: nn.HybridBlock, name: str, value: np.ndarray):
    """Return the parameter of `block` that holds a constant."""
    return block.params.get(name, shape=value.shape, dtype=value.dtype.type, init=Table(value), grad_req="null",
                            differentiable=False)


def rows_taken(grid, channels: int, size: int, margin: int, side: int, run: int) -> np.ndarray:
    """Return which rows of `run` positions make up each region: int32 (G, channels * height * width / run).

    Of maps (channels, Y * size, X * size), or with a margin (1 + channels, ...), the first of zeros: row 0 is for all
    that lies outside. Taken are height = size + 2 * margin lines of width = size + 2 * side positions, whole runs.
    """
    lines, runs = grid[0] * size, grid[1] * size // run
    line = np.arange(0, lines, size)[:, None] + np.arange(-margin, size + margin)  # (Y, height)
    column = (np.arange(0, runs * run, size)[:, None] + np.arange(-side, size + side, run)) // run  # (X, width / run)
    channel = np.arange(channels) + (margin > 0)
    line, column = line[:, None, None, :, None], column[None, :, None, None, :]
    inside = (line >= 0) & (line < lines) & (column >= 0) & (column < runs)
    table = np.where(inside, (channel[:, None, None] * lines + line) * runs + column, 0)
    return table.reshape(grid[0] * grid[1], -1).astype(np.int32)


def edges(grid) -> np.ndarray:
    """Return whether each region is at the image's top, bottom, left and right: float32 (G, 4) of 0 and 1."""
    row, column = np.indices(grid).reshape(2, -1)
    return np.stack([row == 0, row == grid[0] - 1, column == 0, column == grid[1] - 1], axis=1).astype(np.float32)


class TakeRegions(nn.HybridBlock):
    """Crop: the selected regions of maps (N, C, Y * size, X * size).

    margin  positions around each region that are taken along, zeros outside the image.
    side    at least so many left and right; rows are taken in runs, so that `self.side`, what is taken, may be more.
    """

    def __init__(self, grid, channels: int, size: int, margin: int = 0, side: int = 0, **kwargs):
        super().__init__(**kwargs)
        side = max(side, margin)
        self.run = gcd(size, min(RUN, 2 ** (side - 1).bit_length())) if side else size
        self.side, self.margin = -(-side // self.run) * self.run, margin
        self.shape = (-1, channels, size + 2 * margin, size + 2 * self.side)
        self.rows = (channels + (margin > 0)) * grid[0] * size * grid[1] * size // self.run  # of an image
        with self.name_scope():
            self.places = constant(self, "places", rows_taken(grid, channels, size, margin, self.side, self.run))

    def hybrid_forward(self, F, x, indices, places):
        """Return (N * k, C, size + 2 * margin, size + 2 * side) of maps and indices (N, k)."""
        if self.margin:
            x = F.concat(F.zeros_like(F.slice_axis(x, axis=1, begin=0, end=1)), x, dim=1)
        image = F.cast(F.contrib.arange_like(indices, axis=0), dtype="int32") * self.rows
        rows = F.broadcast_add(F.take(places, indices), F.reshape(image, (-1, 1, 1)))
        return F.reshape(F.take(F.reshape(x, (-1, self.run)), F.BlockGrad(rows)), self.shape)


class PlaceRegions(nn.HybridBlock):
    """Uncrop: the selected regions in their places in maps (N, C, Y * size, X * size), zeros elsewhere."""

    def __init__(self, grid, channels: int, size: int, **kwargs):
        super().__init__(**kwargs)
        self.grid, self.size, self.rows = grid, size, channels * size  # of a region
        self.shape = (-1, channels, grid[0] * size, grid[1] * size)
        with self.name_scope():
            inside = np.arange(self.rows, dtype=np.int32).reshape((1, channels, 1, size, 1))
            self.places = constant(self, "places", inside)

    def hybrid_forward(self, F, x, slots, places):
        """Return (N, C, Y * size, X * size) of (N * k, C, size, size) and slots (N, G) of Chosen."""
        first = F.reshape(F.cast(slots, dtype="int32") * self.rows, (-1, 1, self.grid[0], 1, self.grid[1]))
        rows = F.broadcast_add(first, places)  # (N, C, Y, size, X)
        return F.reshape(F.take(F.reshape(filled(F, x), (-1, self.size)), F.BlockGrad(rows)), self.shape)


class RepeatEdges(nn.HybridBlock):
    """Regions with one position around them: what lies outside the image becomes a copy of its edge."""

    def __init__(self, grid, size: int, side: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.size, self.side = size, side
        with self.name_scope():
            self.edges = constant(self, "edges", edges(grid))

    def hybrid_forward(self, F, x, indices, edges):
        """Return (N * k, C, size + 2, size + 2) of (N * k, C, size + 2, size + 2 * side) and indices (N, k)."""
        at = F.split(F.reshape(F.take(edges, indices), (-1, 4, 1, 1)), num_outputs=4, axis=1)  # (N * k, 1, 1, 1) each
        for axis, before in ((2, 1), (3, self.side)):
            end = before + self.size
            outside, first, last, beyond = (F.slice_axis(x, axis=axis, begin=i, end=i + 1)
                                            for i in (before - 1, before, end - 1, end))
            top, bottom = at[2 * axis - 4], at[2 * axis - 3]
            x = F.concat(F.broadcast_mul(first, top) + F.broadcast_mul(outside, 1 - top),
                         F.slice_axis(x, axis=axis, begin=before, end=end),
                         F.broadcast_mul(last, bottom) + F.broadcast_mul(beyond, 1 - bottom), dim=axis)
        return x


class Chosen(nn.HybridBlock):
    """The crops of the k regions of each image that a mask selects, and where they belong."""

    def __init__(self, grid, region: int, k: int, **kwargs):
        super().__init__(**kwargs)
        self.regions, self.k = grid[0] * grid[1], k
        with self.name_scope():
            self.take = TakeRegions(grid, 3, region, prefix="")

    def hybrid_forward(self, F, image, mask):
        """Return crops (N * k, 3, R, R), indices (N, k) and slots of image (N, 3, H, W) and mask (N, 1, Y, X).

        slots (N, G): the number of each region's crop, from 1; 0 of those that are not selected.
        """
        indices = largest(F, mask, self.regions, self.k)
        number = F.expand_dims(F.contrib.arange_like(indices) + 1, axis=2)  # (N, k, 1)
        slots = F.sum(F.broadcast_mul(F.one_hot(indices, depth=self.regions), number), axis=1)
        return self.take(image, indices), indices, slots


class FastTwoColumn(SparseTwoColumn):
    """Fast inference of SCTF and ISCTF, and ISCTF's WTA training: the full column on k regions an image (Figure 1).

    k  regions that `select` keeps.
    """

    def __init__(self, *, grid, region: int, k: int, **kwargs):
        super().__init__(grid=grid, region=region, **kwargs)
        with self.name_scope():
            self.take = Chosen(grid, region, k, prefix="crop_")
            self.places = nn.HybridSequential(prefix="")
            for level, count in enumerate(self.full_column.units):
                if count:
                    size = region // (4 * 2 ** level)
                    self.places.add(PlaceRegions(grid, self.full_column.channels[level], size,
                                                 prefix=f"uncrop{level}_"))

    def full_levels(self, F, image, mask):
        """Return the full column's maps from level 2, (N, C, @1/4 ... @1/32), zero where mask (N, 1, Y, X) is."""
        crops, _, slots = self.take(image, mask)
        return [place(m, slots) for place, m in zip(self.places, self.full_column(crops))]


class QuickTwoColumn(SparseTwoColumn):
    """FastTwoColumn with a QuickDecoder, which gets the maps of the crops as they are. The scores are the same."""

    def __init__(self, *, grid, region: int, k: int, **kwargs):
        super().__init__(grid=grid, region=region, **kwargs)
        with self.name_scope():
            self.take = Chosen(grid, region, k, prefix="crop_")

    def full_levels(self, F, image, mask):
        """Return the full column's maps of the crops (N * k, C, ...), their indices (N, k) and slots (N, G)."""
        crops, indices, slots = self.take(image, mask)
        return self.full_column(crops), indices, slots


class QuickStep(Step):
    """The last step of a decoder on the selected regions alone; elsewhere its result has the weight 0.

    Its layers read a region's surroundings: one position for the up-sampling, and `dilation` more for the hidden layer.
    """

    def __init__(self, number: int, inputs: int, channels: int, dilation: int, jump_groups: int, crossed: bool, grid,
                 size: int, **kwargs):
        super().__init__(number, channels, dilation=dilation, jump_groups=jump_groups, crossed=crossed, **kwargs)
        with self.name_scope():  # the layers without padding, instead of those with
            self.hidden = nn.Conv2D(channels, 3, dilation=dilation, prefix=f"hidden{number}_")
            self.around = TakeRegions(grid, inputs, size, dilation + 1, prefix="surround_")
            self.side = self.around.side - dilation  # columns that the dilated layer leaves beside a region
            if crossed:
                self.cross = nn.Conv2D(channels, 3, use_bias=False, prefix=f"cross{number}_")
                self.crossing = TakeRegions(grid, channels, size, 2, self.side + 1, prefix="surround_other_")
            self.repeat_edges = RepeatEdges(grid, size, self.side, prefix="edges_")

    def hybrid_forward(self, F, x, level, crossing=None, indices=None):
        """Return the sum on the regions (N * k, channels, 2 * size, 2 * size); `level` is theirs alone."""
        y = self.hidden(self.around(x, indices))
        if self.cross is not None:
            cross, more = self.cross(self.crossing(crossing, indices)), self.crossing.side - 1 - self.side
            y = y + (F.slice_axis(cross, axis=3, begin=more, end=-more) if more else cross)
        y = self.repeat_edges(F.Activation(y, act_type="relu"), indices)
        return doubled(F, y, self.upsample.channels) + self.jump(level)


class QuickDecoder(Decoder):
    """A full decoder for the maps of crops: its jump connections, and all of its last step, are computed on them alone.

    Its scores are zero in the regions that are not selected, elsewhere Decoder's. For inference.

    grid, region  rows and columns of regions, and their side in pixels.
    raw           channels of the column's level 5, for a decoder with a top layer.
    Further arguments as Decoder's. Raises ValueError for a decoder of one step or with a 3x3 classifier.
    """

    def __init__(self, classes: int, grid, region: int, raw: int, widths, dilations, jump_groups,
                 classifier_kernel: int = 1, crossed: bool = False, **kwargs):
        super().__init__(classes, widths, dilations, jump_groups=jump_groups, classifier_kernel=classifier_kernel,
                         crossed=crossed, **kwargs)
        if len(widths) < 2 or classifier_kernel > 1:
            raise ValueError("the last step on crops: needs one before it, and a 1x1 classifier")
        last = len(widths) - 1
        with self.name_scope():
            setattr(self, f"step{last}", QuickStep(last, self.widths[-2], self.channels, dilations[-1],
                                                   jump_groups[-1], crossed, grid, region // 8, prefix=""))
            self.places = nn.HybridSequential(prefix="")
            for i, channels in enumerate(self.widths[:-1]):
                self.places.add(PlaceRegions(grid, channels, region // (4 * 2 ** (last - i)), prefix=f"uncrop{i}_"))
            self.place_top = None
            if self.topped:
                self.place_top = PlaceRegions(grid, raw, region // (8 * 2 ** last), prefix="uncrop_top_")
            self.place_scores = PlaceRegions(grid, classes, region // 4, prefix="uncrop_scores_")

    def hybrid_forward(self, F, chosen, crossing=None):
        """Return the scores (N, K, @1/4), alone, of what QuickTwoColumn.full_levels returns and the other sums."""
        maps, indices, slots = chosen
        x = self.place_top(maps[-1], slots) if self.place_top else None
        *steps, last = self.steps
        crossing = crossing if crossing else [None] * len(self.widths)
        for i, (step, place) in enumerate(zip(steps, self.places)):
            jump = place(step.jump(maps[len(steps) - i]), slots)
            x = step.upsample(step.rectified(F, x, crossing[i])) + jump
        x = last(x, maps[0], crossing[-1], indices)
        return (self.place_scores(self.classifier(x), slots),)
