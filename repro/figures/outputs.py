"""What a network with regions gave for one image, as pictures show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Tuple

import cv2
import numpy as np

from repro.data.classes import IGNORE
from repro.data.images import size_of
from repro.data.loader import STRIDE
from repro.labels.labelmap import labels_of
from repro.prediction.segmenter import sigmoid


@dataclass(frozen=True)
class Outputs:
    """An image uint8 (H, W, 3), its true labels uint8 (H, W), and a network's outputs for it, by name, unbatched:
    score maps "scores", "half" and "full" (K, h, w), "z2" (1, h, w), "s" and "mask" (1, Y, X); `region`: a side in px.
    """

    image: np.ndarray
    truth: np.ndarray
    named: Mapping[str, np.ndarray]
    region: int

    @property
    def mask(self) -> np.ndarray:
        """Return bool (Y, X): the regions that the full column computed."""
        return self.named["mask"][0] > 0

    @property
    def computed(self) -> np.ndarray:
        """Return bool (H, W): the pixels of those regions."""
        return self.over_pixels(self.mask)

    @property
    def activity(self) -> np.ndarray:
        """Return sigmoid(s), float (Y, X)."""
        return sigmoid(self.named["s"][0])

    @property
    def z2(self) -> np.ndarray:
        """Return the full column's weight before regions are chosen, float (H, W)."""
        return self._cut(np.kron(self.named["z2"][0], np.ones((STRIDE, STRIDE), np.float32)))

    @property
    def weight(self) -> np.ndarray:
        """Return what the full column's scores are multiplied by, z2 * sigmoid(s) or 0, float (H, W)."""
        return self.z2 * self.over_pixels(self.activity * self.mask)

    def labels(self, name: str = "scores") -> np.ndarray:
        """Return the labels uint8 (H, W) that some score maps give."""
        return labels_of(np.ascontiguousarray(self.named[name]), size_of(self.truth), STRIDE)

    def wrong(self) -> np.ndarray:
        """Return bool (H, W): labelled otherwise than in truth, where there is one."""
        return (self.labels() != self.truth) & (self.truth != IGNORE)

    def over_pixels(self, values: np.ndarray) -> np.ndarray:
        """Return values (Y, X) of regions -> (H, W) of their pixels."""
        return self._cut(np.repeat(np.repeat(values, self.region, axis=0), self.region, axis=1))

    def _cut(self, values: np.ndarray) -> np.ndarray:
        return values[:self.truth.shape[0], :self.truth.shape[1]]


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
