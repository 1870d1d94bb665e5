"""A dense network's low-resolution prediction refined by SparseRefine: labels of images, in whatever engine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Callable, Optional, Tuple

import numpy as np

from repro.config.presets import round_up
from repro.data.images import size_of
from repro.labels.labelmap import arg_max, check_finite, labels_of
from repro.labels.prepare import Input, prepare
from repro.sparserefine.refinement import STRIDE, THRESHOLD, Selected, select, selected

FACTOR = 2  # the dense network sees the image at 1/2, as published


@dataclass(frozen=True)
class Prediction:
    """Of one image (H, W): its labels, those of the dense network alone, the selected pixels (bool), the network's
    input (None: no pixel was selected)."""

    labels: np.ndarray
    dense: np.ndarray
    mask: np.ndarray
    given: Optional[Selected]

    @property
    def density(self) -> float:
        """The share of pixels selected."""
        return float(self.mask.mean())


def shrunk(x: np.ndarray, factor: int = FACTOR) -> np.ndarray:
    """Images (N, 3, H, W) -> means of factor x factor pixels, (N, 3, H / factor, W / factor)."""
    count, channels, height, width = x.shape
    return x.reshape(count, channels, height // factor, factor, width // factor, factor).mean((3, 5), dtype=np.float32)


def engine_scores(make: Callable[[int, int], Callable[[np.ndarray], np.ndarray]], factor: int = FACTOR, kept: int = 8):
    """Engines as Refined's dense predictor: images float32 (N, 3, H, W) -> scores float32 (N, K, h, w).

    make  (H, W) -> what runs shrunk images of that size; those of the `kept` sizes used last are kept.
    """
    engine = lru_cache(kept)(make)

    def scores(x: np.ndarray) -> np.ndarray:
        small = shrunk(x, factor)
        return engine(*small.shape[2:])(small)
    return scores


class Refined:
    """SparseRefine over a dense predictor.

    dense      images (N, 3, H, W) -> scores at 1/4 of their size shrunk by `factor`: engine_scores, or
               repro.sparserefine.networks.dense_scores.
    refiner    what was selected of an image -> fused scores (M, K); see repro.sparserefine.networks.fused_by.
    multiple   sides of images that `dense` takes are multiples of it.
    """

    def __init__(self, dense: Callable[[np.ndarray], np.ndarray], refiner: Callable[[Selected], np.ndarray],
                 threshold: float = THRESHOLD, factor: int = FACTOR, multiple: int = 32 * FACTOR):
        self.dense, self.refiner = dense, refiner
        self.threshold, self.factor, self.multiple = threshold, factor, multiple

    def segment(self, image: np.ndarray) -> Prediction:
        """uint8 (H, W, 3) RGB of any size -> what is predicted of it."""
        size = size_of(image)
        return self.predict(prepare(image, Input((1, 3, *round_up(size, self.multiple)))), size)

    def predict(self, x: np.ndarray, size: Tuple[int, int]) -> Prediction:
        """One padded image (1, 3, H', W') whose own size is (H, W). Pixels not selected keep the dense labels.

        UserError where scores are not finite.
        """
        scores = self.dense(x)
        check_finite(scores)
        mask = select(scores, [size], self.threshold, self.factor)
        dense = labels_of(scores[0], size, STRIDE * self.factor)
        given, labels = selected(x, scores, mask), dense
        mask = mask[0, :size[0], :size[1]]
        if given is not None:
            fused = self.refiner(given)
            check_finite(fused)
            labels = dense.copy()
            labels[mask] = arg_max(np.ascontiguousarray(fused.T)[:, None])[0]
        return Prediction(labels, dense, mask, given)
