"""From score maps to labels at full size, as bilinear up-sampling and arg-max give them, but of mixed cells alone.

Between four neighbouring positions, their cell, every interpolated score is a mean of the four with the same weights.
Where one class is the arg-max of all four, its mean is therefore at least every other class's: the cell has that label,
and nothing is interpolated. Only cells whose corners disagree are.
"""

from __future__ import annotations

from typing import Tuple

import cv2
import numpy as np

from repro.errors import UserError

STRIDES = (2, 4, 8, 16, 32)  # pixels along a cell
HIGHEST = 1e30  # of scores, which are added up
STRIP, CHUNK = 16384, 32768  # positions, and pixels of mixed cells, at a time: what fits into a cache


def check_finite(scores: np.ndarray) -> None:
    """UserError where scores are not finite, or cannot be added up."""
    if not -HIGHEST < scores.min() <= scores.max() < HIGHEST:  # NaN compares with nothing
        raise UserError("the network's scores are not finite: its weights are damaged, or of another network")


class _ArgMax:
    """The first class with the largest score, class by class, without a branch: labels only grow while it runs."""

    def __init__(self, shape):
        self.best = np.full(shape, -np.inf, np.float32)
        self.label = np.zeros(shape, np.uint8)
        self.above, self.own = np.empty(shape, bool), np.empty(shape, np.uint8)

    def see(self, label: int, scores: np.ndarray) -> None:
        np.greater(scores, self.best, out=self.above)
        np.multiply(self.above.view(np.uint8), np.uint8(label), out=self.own)
        np.maximum(self.label, self.own, out=self.label)
        np.maximum(self.best, scores, out=self.best)


def arg_max(scores: np.ndarray) -> np.ndarray:
    """Scores (K, h, w) -> labels uint8 (h, w), the first of equal ones; several times as fast as NumPy's argmax."""
    labels = np.empty(scores.shape[1:], np.uint8)
    rows = max(1, STRIP // scores.shape[2])
    for at in range(0, scores.shape[1], rows):
        strip = scores[:, at:at + rows]
        found = _ArgMax(strip.shape[1:])
        for label, values in enumerate(strip):
            found.see(label, values)
        labels[at:at + rows] = found.label
    return labels


def _mixed(scores: np.ndarray, corners: Tuple[np.ndarray, ...], stride: int) -> np.ndarray:
    """Labels uint8 (stride, stride, m), rows and columns, of m cells whose `corners` are at these places in a map: top
    left and right, bottom left and right. Interpolated as cv2 does: first along rows, then along columns."""
    second = (np.arange(1, 2 * stride, 2, dtype=np.float32) / (2 * stride)).reshape(-1, 1)  # 1/8, 3/8, 5/8, 7/8
    first, count = 1 - second, corners[0].size
    found = _ArgMax((stride, stride, count))
    lines, part = np.empty((2, stride, count), np.float32), np.empty((stride, count), np.float32)
    values, more = (np.empty((stride, stride, count), np.float32) for _ in range(2))
    for label, plane in enumerate(scores):
        for line, left, right in zip(lines, corners[::2], corners[1::2]):
            np.multiply(plane[left], first, out=line)
            line += np.multiply(plane[right], second, out=part)
        np.multiply(lines[0], first[:, None], out=values)
        values += np.multiply(lines[1], second[:, None], out=more)
        found.see(label, values)
    return found.label


def labels_of(scores: np.ndarray, size: Tuple[int, int], stride: int = 4) -> np.ndarray:
    """Scores float32 (K, h, w) of a padded image at 1/stride -> labels uint8 (H, W) of its top left `size`.

    The same labels as `labels_everywhere`'s, up to ties. At most 255 classes. UserError for scores that are not finite.
    """
    _, h, w = _checked(scores, size, stride)
    height, width = size
    # cells begin half a cell before the first pixel; the outermost positions are repeated
    half = stride // 2
    rows, columns = (height - 1 + half) // stride + 1, (width - 1 + half) // stride + 1
    tops = np.pad(arg_max(scores[:, :rows, :columns]), ((1, max(0, rows - h)), (1, max(0, columns - w))), mode="edge")
    a, b, c, d = (tops[i:i + rows, j:j + columns] for i in (0, 1) for j in (0, 1))
    bytes_ = min(stride, 8)  # pixels of a row that are written as one number
    word = np.dtype(f"u{bytes_}")
    cells = a.astype(word)
    cells *= word.type(int("01" * bytes_, 16))  # all pixels alike
    canvas = np.empty((rows, stride, columns, stride // bytes_), word)
    canvas[:] = cells[:, None, :, None]

    mixed = np.flatnonzero((a ^ b) | (a ^ c) | (a ^ d))
    planes = np.ascontiguousarray(scores).reshape(len(scores), -1)
    chunk = CHUNK // stride ** 2
    for at in range(0, mixed.size, chunk):
        row, column = np.divmod(mixed[at:at + chunk], columns)
        up, down = np.maximum(row - 1, 0) * w, np.minimum(row, h - 1) * w
        left, right = np.maximum(column - 1, 0), np.minimum(column, w - 1)
        labels = _mixed(planes, (up + left, up + right, down + left, down + right), stride)
        pixels = np.ascontiguousarray(labels.transpose(2, 0, 1))  # (m, rows, columns)
        canvas[row, :, column] = pixels.view(word)
    whole = canvas.view(np.uint8).reshape(rows * stride, columns * stride)
    return np.ascontiguousarray(whole[half:half + height, half:half + width])


def labels_everywhere(scores: np.ndarray, size: Tuple[int, int], stride: int = 4) -> np.ndarray:
    """The same by interpolating every pixel: scores are up-sampled bilinearly, then the largest is taken."""
    _checked(scores, size, stride)
    height, width = size
    rows, columns = -(-height // stride), -(-width // stride)
    # one position more than needed, so that the last pixels are interpolated as in the padded image
    maps = np.ascontiguousarray(scores[:, :rows + 1, :columns + 1].transpose(1, 2, 0))
    full = cv2.resize(maps, (maps.shape[1] * stride, maps.shape[0] * stride), interpolation=cv2.INTER_LINEAR)
    return full[:height, :width].argmax(axis=2).astype(np.uint8)


def _checked(scores: np.ndarray, size: Tuple[int, int], stride: int) -> Tuple[int, int, int]:
    if stride not in STRIDES:
        raise ValueError(f"stride {stride}: of {', '.join(map(str, STRIDES))}")
    if size[0] > stride * scores.shape[1] or size[1] > stride * scores.shape[2]:
        raise ValueError(f"size {size[0]}x{size[1]}: larger than {stride} times the maps, "
                         f"{scores.shape[1]}x{scores.shape[2]}")
    check_finite(scores)
    classes, h, w = scores.shape
    return classes, h, w
