"""SparseRefine (Liu et al., ECCV 2024) around its network: the entropy selector, where selected pixels lie, and cost.

N images, H x W pixels, K classes. Level i of the extractor is a map at 1/2^i of the image, rounded up, of which M_i
positions are active: at level 0 the selected pixels, then every position whose 3x3 kernel of stride 2, padded by 1,
reaches an active position of the level before. Positions are counted image by image and row by row, from 1; 0 is a
position that is not active, or outside the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Optional, Sequence, Tuple

import cv2
import numpy as np

from repro.data.loader import STRIDE

LEAST = 1e-5  # as in the authors' selectors/entropy.py: probabilities below count as this in the logarithm
THRESHOLD = 0.3  # their setting for a CNN (HRNet-W48)
LEVELS = 6
BLOCKS, GATE = 2, 64  # as symbols/others/sparserefine.py has them, which needs MXNet; this module does not
STRIP = 64  # rows of a map whose entropy is computed at a time


@dataclass(frozen=True)
class Places:
    """Where each layer of the extractor finds its inputs, int32 (symbols/others/sparserefine.py).

    same  of each level, (M_i, 9): the positions under a 3x3 kernel.
    down  of each level but the last, (M_i+1, 9): the positions of level i under each kernel of stride 2.
    up    of each level but the last, (M_i, 4): 1 + 9 * coarse position (from 0) + tap, of those kernels that reach it.
    """

    same: Tuple[np.ndarray, ...]
    down: Tuple[np.ndarray, ...]
    up: Tuple[np.ndarray, ...]

    @property
    def arrays(self) -> Tuple[np.ndarray, ...]:
        """In the order that the network takes them."""
        return (*self.same, *self.down, *self.up)

    @property
    def counts(self) -> Tuple[int, ...]:
        """M_i of each level."""
        return tuple(len(one) for one in self.same)


def entropy(scores: np.ndarray) -> np.ndarray:
    """Scores (K, h, w) -> entropy of their softmax in natural units, float32 (h, w)."""
    result = np.empty(scores.shape[1:], np.float32)
    for at in range(0, scores.shape[1], STRIP):
        strip = scores[:, at:at + STRIP].astype(np.float32)
        strip -= strip.max(axis=0)
        p = np.exp(strip)
        total = p.sum(axis=0)
        strip -= np.log(total)
        np.maximum(strip, np.log(np.float32(LEAST)), out=strip)  # the logarithm of p, no smaller than that of LEAST
        strip *= p
        result[at:at + STRIP] = -strip.sum(axis=0) / total
    return result


def _numbered(mask: np.ndarray) -> np.ndarray:
    """Positions of (N, h, w), from 1, int32 (N, h + 2, w + 2) with a margin of zeros."""
    table = np.zeros((len(mask), mask.shape[1] + 2, mask.shape[2] + 2), np.int32)
    table[:, 1:-1, 1:-1][mask] = np.arange(1, np.count_nonzero(mask) + 1, dtype=np.int32)
    return table


def _under(table: np.ndarray, image, row, column) -> np.ndarray:
    """Return what lies in `table` under the 3x3 kernels whose first tap is at (image, row, column) of it: (M, 9)."""
    height, width = table.shape[1:]
    first = (image * height + row) * width + column
    taps = (np.arange(3)[:, None] * width + np.arange(3)).reshape(-1)
    return table.reshape(-1)[first[:, None] + taps]


def coarser(mask: np.ndarray) -> np.ndarray:
    """Active positions (N, h, w) -> those of a 3x3 kernel of stride 2, padded by 1, that reaches one: bool."""
    height, width = ((side + 1) // 2 for side in mask.shape[1:])
    padded = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
    result = np.zeros((len(mask), height, width), bool)
    for row in range(3):
        for column in range(3):
            result |= padded[:, row:row + 2 * height:2, column:column + 2 * width:2][:, :height, :width]
    return result


def _reached(coarse: np.ndarray, image, row, column) -> np.ndarray:
    """`up` of the positions (image, row, column), with the coarser level's numbers.

    Along an axis a position is a kernel's tap 1 where it is even, else tap 2 of one kernel and tap 0 of the next.
    """
    found = []
    for down in (0, 1):
        for right in (0, 1):
            at = coarse[image, row // 2 + down + 1, column // 2 + right + 1].astype(np.int32)
            taps = [np.zeros_like(axis) if later else 1 + axis % 2 for axis, later in ((row, down), (column, right))]
            real = (at > 0) & ((row % 2 >= down) & (column % 2 >= right))
            found.append(np.where(real, 1 + 9 * (at - 1) + 3 * taps[0] + taps[1], 0))
    return np.stack(found, axis=1).astype(np.int32)


def places_of(mask: np.ndarray, levels: int = LEVELS) -> Places:
    """Return the places of selected pixels, bool (N, H, W), of which there is one at least."""
    same, down, up = [], [], []
    table = _numbered(mask)
    for level in range(levels):
        image, row, column = np.nonzero(mask)
        same.append(_under(table, image, row, column))
        if level + 1 < levels:
            below = coarser(mask)
            finer, table = table, _numbered(below)
            up.append(_reached(table, image, row, column))
            image, row, column = np.nonzero(below)
            down.append(_under(finer, image, 2 * row, 2 * column))
            mask = below
    return Places(tuple(same), tuple(down), tuple(up))


def select(scores: np.ndarray, sizes: Sequence[Tuple[int, int]], threshold: float = THRESHOLD, factor: int = 2
           ) -> np.ndarray:
    """Scores (N, K, h, w) of the dense network -> selected pixels of the images, bool (N, H, W).

    As published: the scores, up-sampled bilinearly to the dense network's input, give one entropy for each `factor` x
    `factor` pixels of the image; those above `threshold` are selected. sizes: (H, W) of each image without its
    padding, of which nothing is selected.
    """
    count, _, h, w = scores.shape
    mask = np.zeros((count, h * STRIDE * factor, w * STRIDE * factor), bool)
    for own, values, (height, width) in zip(mask, scores, sizes):
        maps = cv2.resize(np.ascontiguousarray(values.transpose(1, 2, 0)), (w * STRIDE, h * STRIDE))
        above = entropy(maps.reshape(h * STRIDE, w * STRIDE, -1).transpose(2, 0, 1)) > threshold
        own[:] = above.repeat(factor, axis=0).repeat(factor, axis=1)
        own[height:] = False
        own[:, width:] = False
    return mask


def interpolated(scores: np.ndarray, mask: np.ndarray, stride: int) -> np.ndarray:
    """Scores (N, K, h, w), up-sampled bilinearly, at the pixels of mask (N, h * stride, w * stride): (M, K)."""
    def line(at, count):
        position = np.clip((at + np.float32(0.5)) / np.float32(stride) - np.float32(0.5), 0, count - 1)
        first = np.floor(position).astype(np.int64)
        return first, np.minimum(first + 1, count - 1), (position - first).astype(np.float32)[:, None]

    image, row, column = np.nonzero(mask)
    top, bottom, down = line(row, scores.shape[2])
    left, right, over = line(column, scores.shape[3])
    maps = np.ascontiguousarray(scores.transpose(0, 2, 3, 1))
    upper = maps[image, top, left] * (1 - over) + maps[image, top, right] * over
    lower = maps[image, bottom, left] * (1 - over) + maps[image, bottom, right] * over
    return upper * (1 - down) + lower * down


@dataclass(frozen=True)
class Selected:
    """What the network is given of a batch: selected pixels' colours (M, 3), their dense scores (M, K) and places."""

    pixels: np.ndarray
    dense: np.ndarray
    places: Places

    @property
    def arrays(self) -> Tuple[np.ndarray, ...]:
        """The network's inputs, in its order."""
        return self.pixels, self.dense, *self.places.arrays


def selected(x: np.ndarray, scores: np.ndarray, mask: np.ndarray, levels: int = LEVELS) -> Optional[Selected]:
    """Of images (N, 3, H, W), the dense network's scores (N, K, h, w) and selected pixels (N, H, W); None: no pixel."""
    if not mask.any():
        return None
    pixels = x.transpose(0, 2, 3, 1)[mask]
    return Selected(pixels, interpolated(scores, mask, x.shape[2] // scores.shape[2]), places_of(mask, levels))


def multiply_adds(places: Places, planes: Sequence[int], classes: int, existing: bool = True) -> Dict[str, int]:
    """Multiply-adds of every layer on these pixels, by its name in the network.

    existing  pairs of an active input and an active output, as sparse convolutions are counted; False: what this
              project's layers multiply, neighbours that are not active included.
    """
    def pairs(where, rows):
        return int(np.count_nonzero(where)) if existing else 9 * rows

    active, counts = places.counts, {}
    on = [pairs(where, count) for where, count in zip(places.same, active)]
    counts["unet.stem"] = on[0] * 3 * planes[0]
    for i, own in enumerate(planes):
        for side in ("in", "out")[:1 if i + 1 == len(planes) else 2]:
            for b in range(BLOCKS):
                inputs = 2 * own if side == "out" and b == 0 else own
                name = f"unet.{side}{i}_{b}"
                counts[f"{name}.conv1"], counts[f"{name}.conv2"] = on[i] * inputs * own, on[i] * own * own
                if inputs != own:
                    counts[f"{name}.shortcut"] = active[i] * inputs * own
    for i, (own, below) in enumerate(zip(planes, planes[1:])):
        counts[f"unet.down{i}"] = pairs(places.down[i], active[i + 1]) * own * below
        counts[f"unet.up{i}"] = pairs(places.up[i], active[i + 1]) * own * below
    counts["classifier"] = active[0] * planes[0] * classes
    for name, size in (("gate1", 2 * (classes + 1) * GATE), ("gate2", GATE), ("fuse1", classes * GATE),
                       ("fuse2", GATE * classes)):
        counts[f"ensembler.{name}"] = active[0] * size
    return counts
