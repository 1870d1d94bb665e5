"""A dense network's low-resolution prediction refined by SparseRefine, in whatever engine: from photos to labels."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Tuple

import numpy as np

from repro.config.presets import round_up
from repro.data.classes import of_names
from repro.data.images import size_of
from repro.errors import UserError
from repro.labels.labelmap import arg_max, check_finite, labels_of
from repro.labels.prepare import Input, prepare
from repro.prediction import segmenter
from repro.prediction.weights import Known
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


def dense_scores(make: Callable[[int, int], Callable[[np.ndarray], np.ndarray]], factor: int = FACTOR, kept: int = 8):
    """Return Refined's dense predictor: images float32 (N, 3, H, W) -> scores float32 (N, K, h, w).

    make  (H, W) -> what runs shrunk images of that size; those of the `kept` sizes used last are kept.
    """
    runner = lru_cache(kept)(make)

    def scores(x: np.ndarray) -> np.ndarray:
        small = shrunk(x, factor)
        return runner(*small.shape[2:])(small)
    return scores


class Refined:
    """SparseRefine over a dense predictor.

    dense      images (N, 3, H, W) -> scores at 1/4 of their size shrunk by `factor`; see dense_scores.
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


class RefinedSegmenter(segmenter.Shrinking):
    """Segments photos as repro.prediction.segmenter does, one after the other; threads take turns. Labels of shrunk
    images are repeated."""

    def __init__(self, weights: Known, refined: Refined, shrink: Optional[int] = None):
        super().__init__(weights, shrink)
        self.weights, self._refined, self._lock = weights, refined, threading.Lock()

    def segment(self, image: np.ndarray, scores: bool = False) -> segmenter.Segmentation:
        """uint8 RGB (H, W, 3), of any size -> its labels, and which pixels were refined. UserError for what is no such
        image, and for scores: those of SparseRefine are of the refined pixels alone."""
        if scores:
            raise UserError("SCORES: SparseRefine has none of the whole image; leave it out")
        image = segmenter.photo_of(image)
        times, size = self.shrunk(size_of(image)), size_of(image)
        with self._lock:
            found = self._refined.segment(segmenter.shrunk(image, times))

        def whole(values: np.ndarray) -> np.ndarray:
            return np.ascontiguousarray(values.repeat(times, axis=0).repeat(times, axis=1)[:size[0], :size[1]])
        return segmenter.Segmentation(whole(found.labels), times * STRIDE, refined=whole(found.mask))


def of_record(path: Path, record: Mapping[str, Any]) -> Known:
    """Describe what a record of repro.tables.refine.read_refined is of; UserError where its classes are not known."""
    classes = of_names(record["refined"]["class_iou"], record.get("classes"), f"weights {path}")
    height, width = map(int, record["size"].split("x"))
    return Known(path, classes, (height, width), (
        f"SparseRefine over {record['row']} at half resolution, trained on {record['data']} at {record['size']}, "
        f"commit {record['provenance']['commit'][:7]}: mean IoU {record['dense']['mean_iou']:.1f}% dense, "
        f"{record['refined']['mean_iou']:.1f}% refined, on {record['images']} other images of it"))
