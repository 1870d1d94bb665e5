"""Errors beside the borders of crops: the boundary problem of Section 3.4, counted."""

from __future__ import annotations

from typing import Tuple

import cv2
import numpy as np

from repro.data.classes import IGNORE
from repro.data.images import size_of
from repro.figures.outputs import Outputs


def distances(size: Tuple[int, int], region: int) -> np.ndarray:
    """Return each pixel's (H, W) distance in pixels to the nearest border of its region: 0 ... region / 2 - 1."""
    rows, columns = (np.minimum(np.arange(side) % region, region - 1 - np.arange(side) % region) for side in size)
    return np.minimum(rows[:, None], columns)


def by_distance(outputs: Outputs) -> np.ndarray:
    """Return the computed pixels labelled wrongly, and all labelled, at each distance: (2, region / 2)."""
    far = distances(size_of(outputs.truth), outputs.region)
    inside = outputs.computed & (outputs.truth != IGNORE)
    return np.stack([np.bincount(far[chosen], minlength=outputs.region // 2)
                     for chosen in (inside & outputs.wrong(), inside)])


def window(worse: Outputs, better: Outputs, size: Tuple[int, int]) -> Tuple[Tuple[int, int], int]:
    """Return where in an image `worse` has the most errors that `better` has not, in regions that both computed.

    Returns ((top, left) of a window of `size`, inside the image, and how many more pixels are wrong in it).
    """
    both = worse.computed & better.computed
    excess = ((worse.wrong().astype(np.float64) - better.wrong()) * both)
    sums = cv2.integral(excess)
    height, width = size
    found = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    at = np.unravel_index(found.argmax(), found.shape)
    return (int(at[0]), int(at[1])), int(round(found[at]))
