"""Crop and uncrop of the selected regions alone, as gathers of rows: fast inference's, on any side (Figure 1).

A row is a run of positions that lie side by side in memory. Where the rows of the selected regions are is looked up,
and they are copied once: no other region is cut, and nothing is transposed.
"""

from __future__ import annotations

from math import gcd

from mxnet.gluon import nn

RUN = 16  # positions that rows with a margin have at most: 64 bytes, a line of a CPU's cache


def whole(F, x):
    """Whole numbers for places in memory; those of large maps are beyond float32's exact ones."""
    return F.cast(x, dtype="int32")


def grid_of(F, *axes):
    """(count, step), ... -> int32 places: sums of a multiple of each step, the last axis fastest, flattened."""
    places = None
    for count, step in axes:
        line = F.arange(0, count * step, step, dtype="int32")
        if places is not None:
            line = F.broadcast_add(F.reshape(places, (-1, 1)), F.reshape(line, (1, -1)))
        places = F.reshape(line, (-1,))
    return places


class TakeRegions(nn.HybridBlock):
    """The selected regions of maps (N, C, Y * size, X * size): (N * k, C, size + 2 * margin, size + 2 * side).

    margin  positions around each region that are taken along, zeros outside the image.
    side    at least so many left and right; rows are taken in runs, so that `self.side`, what is taken, may be more.
    """

    def __init__(self, grid, channels: int, size: int, margin: int = 0, side: int = 0, **kwargs):
        super().__init__(**kwargs)
        (self.rows, self.columns), self.channels, self.size, self.margin = grid, channels, size, margin
        side = max(side, margin)
        self.run = gcd(size, min(RUN, 2 ** (side - 1).bit_length())) if side else size
        self.side = -(-side // self.run) * self.run

    def hybrid_forward(self, F, x, indices):
        """Maps, indices (N, k)."""
        lines, runs = self.rows * self.size, self.columns * self.size // self.run  # of a map, in a line
        height, width = self.size + 2 * self.margin, self.size + 2 * self.side
        channels = self.channels + (1 if self.margin else 0)
        image = whole(F, F.contrib.arange_like(indices, axis=0)) * (channels * lines * runs)
        first = F.take(grid_of(F, (self.rows, self.size * runs), (self.columns, self.size // self.run)), indices)
        first = F.reshape(F.broadcast_add(first, F.expand_dims(image, axis=1)), (-1, 1, 1))
        channel = F.reshape(grid_of(F, (self.channels, lines * runs)), (1, -1, 1))
        taken = grid_of(F, (height, runs), (width // self.run, 1)) - (self.margin * runs + self.side // self.run)
        places = F.broadcast_add(F.broadcast_add(first, channel), F.reshape(taken, (1, 1, -1)))
        if self.margin:  # a channel of zeros in front, for all outside the image
            x = F.concat(F.zeros_like(F.slice_axis(x, axis=1, begin=0, end=1)), x, dim=1)
            inside = F.take(self.inside(F, height, width // self.run, lines, runs), indices)
            inside = F.reshape(inside, (-1, 1, height * width // self.run))
            places = F.broadcast_mul(places + lines * runs, inside)
        return F.reshape(F.take(F.reshape(x, (-1, self.run)), places), (-1, self.channels, height, width))

    def inside(self, F, height: int, width: int, lines: int, runs: int):
        """Which of the rows taken for each region lie in the image: int32 (G, height * width) of 0 and 1."""
        line = grid_of(F, (self.rows, self.size), (height, 1)) - self.margin
        run = grid_of(F, (self.columns, self.size // self.run), (width, 1)) - self.side // self.run
        line, run = (F.broadcast_equal(at, F.clip(at, 0, count - 1)) for at, count in ((line, lines), (run, runs)))
        both = F.broadcast_mul(F.reshape(line, (self.rows, 1, height, 1)), F.reshape(run, (1, self.columns, 1, width)))
        return F.reshape(both, (self.rows * self.columns, height * width))


class PlaceRegions(nn.HybridBlock):
    """The inverse: (1 + N * k, C, size, size), the filler of skipped regions first, slots (N, G) of `slots_of` ->
    (N, C, Y * size, X * size)."""

    def __init__(self, grid, channels: int, size: int, **kwargs):
        super().__init__(**kwargs)
        (self.rows, self.columns), self.channels, self.size = grid, channels, size

    def hybrid_forward(self, F, x, slots):
        first = F.reshape(whole(F, slots) * (self.channels * self.size), (-1, 1, self.rows, 1, self.columns))
        inside = F.reshape(grid_of(F, (self.channels * self.size, 1)), (1, self.channels, 1, self.size, 1))
        placed = F.take(F.reshape(x, (-1, self.size)), F.broadcast_add(first, inside))  # (N, C, Y, size, X, size)
        return F.reshape(placed, (-1, self.channels, self.rows * self.size, self.columns * self.size))


class RepeatEdges(nn.HybridBlock):
    """Regions with one position around them: what lies outside the image becomes a copy of its edge.

    (N * k, C, size + 2, size + 2 * side) of TakeRegions, indices (N, k) -> (N * k, C, size + 2, size + 2).
    """

    def __init__(self, grid, size: int, side: int = 1, **kwargs):
        super().__init__(**kwargs)
        (self.rows, self.columns), self.size, self.side = grid, size, side

    def hybrid_forward(self, F, x, indices):
        region = F.arange(self.rows * self.columns)
        row = F.floor((region + 0.5) / self.columns)
        x = self.repeat(F, x, indices, 2, row, self.rows, 1)
        return self.repeat(F, x, indices, 3, region - row * self.columns, self.columns, self.side)

    def repeat(self, F, x, indices, axis: int, at, count: int, side: int):
        """Both edges along `axis`; `at` (G,) of `count`: where in the grid each region lies."""
        first, last = 1 - F.clip(at, 0, 1), F.clip(at - (count - 2), 0, 1)  # 1 at the image's edge, else 0

        def position(outer: int, inner: int, edge):
            outer, inner = (F.slice_axis(x, axis=axis, begin=i, end=i + 1) for i in (outer, inner))
            inside, edge = (F.reshape(F.take(e, indices), (-1, 1, 1, 1)) for e in (1 - edge, edge))
            return F.broadcast_mul(inner, edge) + F.broadcast_mul(outer, inside)

        end = side + self.size
        return F.concat(position(side - 1, side, first), F.slice_axis(x, axis=axis, begin=side, end=end),
                        position(end, end - 1, last), dim=axis)
