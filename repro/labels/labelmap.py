"""From score maps to labels at full size, as bilinear up-sampling and arg-max give them, but of mixed cells alone.

Between four neighbouring positions, their cell, every interpolated score is a mean of the four with the same weights.
Where one class is the arg-max of all four, its mean is therefore at least every other class's: the cell has that label,
and nothing is interpolated. Only cells whose corners disagree are.
"""

from __future__ import annotations

from typing import Sequence, Tuple

import cv2
import numpy as np

from repro.errors import UserError

STRIDES = (2, 4, 8, 16, 32)  # pixels along a cell
HIGHEST = 1e30  # of scores, which are added up
STRIP, CHUNK = 16384, 32768  # positions, and pixels of mixed cells, at a time: what fits into a cache


def check_finite(scores: np.ndarray) -> None:
    """UserError where scores are not finite, or cannot be added up."""
    if scores.size:
        _check_range(scores.min(), scores.max())


def _check_range(least, most) -> None:
    if not -HIGHEST < least <= most < HIGHEST:  # NaN compares with nothing
        raise UserError("the network's scores are not finite: its weights are damaged, or of another network")


class _ArgMax:
    """The first class with the largest score, class by class, without a branch: labels only grow while it runs."""

    def __init__(self, shape: Tuple[int, ...]):
        self.best, self.label = np.empty(shape, np.float32), np.empty(shape, np.uint8)
        self.above, self.own = np.empty(shape, bool), np.empty(shape, np.uint8)

    def see(self, label: int, scores: np.ndarray) -> None:
        """Scores of the next class; those of class 0 begin anew."""
        if label == 0:
            self.best[:], self.label[:] = scores, 0
            return
        np.greater(scores, self.best, out=self.above)
        np.multiply(self.above.view(np.uint8), np.uint8(label), out=self.own)
        np.maximum(self.label, self.own, out=self.label)
        np.maximum(self.best, scores, out=self.best)


def arg_max(scores: np.ndarray) -> np.ndarray:
    """Scores (K, h, w) -> labels uint8 (h, w), the first of equal ones; several times as fast as NumPy's argmax.

    UserError where scores are not finite, which is checked while they are in the cache.
    """
    labels = np.empty(scores.shape[1:], np.uint8)
    rows = max(1, STRIP // scores.shape[2])
    for at in range(0, scores.shape[1], rows):
        strip = scores[:, at:at + rows]
        found, least = _ArgMax(strip.shape[1:]), strip[0].copy()
        for label, values in enumerate(strip):
            found.see(label, values)
            np.minimum(least, values, out=least)
        _check_range(least.min(), found.best.max())
        labels[at:at + rows] = found.label
    return labels


class _Mixed:
    """Labels of mixed cells, `count` at a time, in memory that is made once. Interpolated as cv2 does: first along
    rows, then along columns."""

    def __init__(self, stride: int, count: int):
        self.second = (np.arange(1, 2 * stride, 2, dtype=np.float32) / (2 * stride)).reshape(-1, 1)  # 1/8, 3/8, ...
        self.first = 1 - self.second
        self.found = _ArgMax((stride, stride, count))
        self.lines, self.others = (np.empty((2, stride, count), np.float32) for _ in range(2))
        self.values, self.more = (np.empty((stride, stride, count), np.float32) for _ in range(2))

    def __call__(self, planes: Sequence[np.ndarray], corners: np.ndarray) -> np.ndarray:
        """Each class's scores (h * w,), places in them (2, 2, count), top and bottom, left and right -> labels uint8
        (count, stride, stride)."""
        first, second, lines, values = self.first, self.second, self.lines, self.values
        for label, plane in enumerate(planes):
            ends = plane[corners]
            np.multiply(ends[:, :1], first, out=lines)
            lines += np.multiply(ends[:, 1:], second, out=self.others)
            np.multiply(lines[0], first[:, None], out=values)
            values += np.multiply(lines[1], second[:, None], out=self.more)
            self.found.see(label, values)
        return np.ascontiguousarray(self.found.label.transpose(2, 0, 1))


def labels_of(scores: np.ndarray, size: Tuple[int, int], stride: int = 4) -> np.ndarray:
    """Scores float32 (K, h, w) of a padded image at 1/stride -> labels uint8 (H, W) of its top left `size`.

    The same labels as `labels_everywhere`'s, up to ties. At most 255 classes. UserError for scores that are not finite.
    """
    _check_size(scores, size, stride)
    (_, h, w), (height, width) = scores.shape, size
    # cells begin half a cell before the first pixel; the outermost positions are repeated
    half = stride // 2
    rows, columns = (height - 1 + half) // stride + 1, (width - 1 + half) // stride + 1
    check_finite(scores[:, rows:])  # what no label is of
    check_finite(scores[:, :rows, columns:])
    tops = np.pad(arg_max(scores[:, :rows, :columns]), ((1, max(0, rows - h)), (1, max(0, columns - w))), mode="edge")
    a, b, c, d = (tops[i:i + rows, j:j + columns] for i in (0, 1) for j in (0, 1))
    word = np.dtype(f"u{min(stride, 8)}")  # pixels of a row that are written as one number
    canvas = np.empty((rows, stride, columns, stride // word.itemsize), word)
    np.multiply(a[..., None], word.type(int("01" * word.itemsize, 16)), out=canvas[:, 0], dtype=word)  # all alike
    canvas[:, 1:] = canvas[:, :1]

    mixed = np.flatnonzero((a != b) | (a != c) | (a != d))
    planes = [np.ascontiguousarray(plane).reshape(-1) for plane in scores]
    chunk = CHUNK // stride ** 2
    for at in range(0, mixed.size, chunk):
        row, column = np.divmod(mixed[at:at + chunk], columns)
        if at == 0 or row.size < chunk:
            labels_in = _Mixed(stride, row.size)
        upper_lower = np.stack([np.maximum(row - 1, 0) * w, np.minimum(row, h - 1) * w])
        left_right = np.stack([np.maximum(column - 1, 0), np.minimum(column, w - 1)])
        pixels = labels_in(planes, upper_lower[:, None] + left_right)
        canvas[row, :, column] = pixels.view(word)
    return canvas.view(np.uint8).reshape(rows * stride, columns * stride)[half:half + height, half:half + width]


def labels_everywhere(scores: np.ndarray, size: Tuple[int, int], stride: int = 4) -> np.ndarray:
    """Return the same labels by interpolating every pixel: scores are up-sampled bilinearly, then the largest is
    taken."""
    _check_size(scores, size, stride)
    check_finite(scores)
    height, width = size
    rows, columns = -(-height // stride), -(-width // stride)
    # one position more than needed, so that the last pixels are interpolated as in the padded image
    maps = np.ascontiguousarray(scores[:, :rows + 1, :columns + 1].transpose(1, 2, 0))
    full = cv2.resize(maps, (maps.shape[1] * stride, maps.shape[0] * stride), interpolation=cv2.INTER_LINEAR)
    return full[:height, :width].argmax(axis=2).astype(np.uint8)


def _check_size(scores: np.ndarray, size: Tuple[int, int], stride: int) -> None:
    if stride not in STRIDES:
        raise ValueError(f"stride {stride}: of {', '.join(map(str, STRIDES))}")
    if size[0] > stride * scores.shape[1] or size[1] > stride * scores.shape[2]:
        raise ValueError(f"size {size[0]}x{size[1]}: larger than {stride} times the maps, "
                         f"{scores.shape[1]}x{scores.shape[2]}")
