"""Random scale, crop and flip of an image and its label together (recipe of arXiv 1605.06885, assumed here).

A `Placement` says where a crop lies; drawing one is all the randomness, placing is a pure function of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from repro.data.classes import IGNORE

MEAN = (0.485, 0.456, 0.406)  # of ImageNet's RGB values in 0–1, as gluoncv's models expect
STD = (0.229, 0.224, 0.225)
FILL = tuple(round(255 * value) for value in MEAN)  # the padding colour: within 0.01 of 0 once normalised


@dataclass(frozen=True)
class Placement:
    """A crop of the image scaled by `scale`: its top-left corner (px of the scaled image); mirrored or not.

    A negative corner, or a crop that ends beyond the scaled image, is padded.
    """

    scale: float = 1.0
    top: int = 0
    left: int = 0
    flip: bool = False


def draw(random, size: tuple[int, int], crop: tuple[int, int], scales: tuple[float, float]) -> Placement:
    """Draw a placement of a `crop` (H, W) on an image of `size` (H, W) with numpy's RandomState `random`.

    The scale is uniform in `scales`. Along an axis where the scaled image is larger, the crop is uniform
    within it; where it is smaller, the image is uniform within the crop. Mirrored with probability 1/2.
    """
    scale = float(random.uniform(*scales))
    scaled = _scaled(size, scale)
    top, left = (int(random.randint(min(0, have - want), max(0, have - want) + 1))
                 for have, want in zip(scaled, crop))
    return Placement(scale, top, left, bool(random.randint(2)))


def place_image(image: np.ndarray, placement: Placement, crop: tuple[int, int]) -> np.ndarray:
    """Return the crop of a uint8 (H, W, 3) RGB image: scaled bilinearly, padded with the mean colour."""
    return _place(image, placement, crop, cv2.INTER_LINEAR, FILL)


def place_label(label: np.ndarray, placement: Placement, crop: tuple[int, int]) -> np.ndarray:
    """Return the crop of a uint8 (H, W) label: scaled to the nearest id, padded with 255."""
    # _EXACT, because cv2's plain INTER_NEAREST lies up to half a pixel off the bilinear grid.
    return _place(label, placement, crop, cv2.INTER_NEAREST_EXACT, IGNORE)


def normalise(image: np.ndarray, out: np.ndarray, mean=MEAN, std=STD) -> None:
    """Write a uint8 (H, W, 3) RGB image into `out`, float32 (3, H, W): (value / 255 - mean) / std."""
    for channel, plane in enumerate(cv2.split(image)):
        values = out[channel]
        values[:] = plane
        values *= np.float32(1 / (255 * std[channel]))
        values -= np.float32(mean[channel] / std[channel])


def _scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    height, width = (max(1, round(side * scale)) for side in size)
    return height, width


def _place(array, placement, crop, interpolation, fill):
    height, width = _scaled(array.shape[:2], placement.scale)
    top, left = placement.top, placement.left
    if (height, width) != array.shape[:2]:
        array = _resize(array, (height, width), (top + crop[0], left + crop[1]), interpolation)
    window = array[max(0, top):top + crop[0], max(0, left):left + crop[1]]
    above, before = max(0, -top), max(0, -left)
    below, after = crop[0] - above - window.shape[0], crop[1] - before - window.shape[1]
    if above or before or below or after:
        window = cv2.copyMakeBorder(window, above, below, before, after, cv2.BORDER_CONSTANT, value=fill)
    return cv2.flip(window, 1) if placement.flip else window


def _resize(array, size, end, interpolation):
    """`array` scaled to `size` (H, W), of which pixels from row end[0] and column end[1] on may be left out."""
    if interpolation == cv2.INTER_LINEAR:
        # Positions count from the top left, so that what lies below and right of a crop need not be computed, and
        # the rest stays equal to the bit. What lies above and left must be: positions are rounded where they are.
        scales = [want / have for want, have in zip(size, array.shape)]
        used = [min(have, math.ceil(last / scale) + 2) for have, last, scale in zip(array.shape, end, scales)]
        if any(round(side * scale) != side for side, scale in zip(used, scales)):  # else it would only be copied
            return cv2.resize(array[:used[0], :used[1]], None, fx=scales[1], fy=scales[0], interpolation=interpolation)
    return cv2.resize(array, (size[1], size[0]), interpolation=interpolation)
