"""SparseRefine's two networks as a call from a photo to labels, as prediction.segmenter is for those of one network."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Optional, Tuple

import numpy as np

from repro.data.classes import ClassSet, of_names
from repro.data.images import size_of
from repro.data.loader import STRIDE
from repro.errors import UserError, choice
from repro.prediction.segmenter import SHRINK, Segmentation, nearest_shrink, photo_of, shrunk
from repro.sparserefine.refined import Refined


@dataclass(frozen=True)
class RefinedWeights:
    """What is known of a folder with dense.params and refiner.params.

    classes    that they label.
    images_of  (H, W) of the images in training.
    words      on their training and what it gave.
    """

    path: Path
    classes: ClassSet
    images_of: Tuple[int, int]
    words: str

    def __str__(self) -> str:
        return self.words


def of_record(path: Path, record: Mapping[str, Any]) -> RefinedWeights:
    """Describe what a record of repro.tables.refine.read_refined is of; UserError where its classes are not known."""
    classes = of_names(record["refined"]["class_iou"], record.get("classes"), f"weights {path}")
    height, width = map(int, record["size"].split("x"))
    words = (f"SparseRefine over {record['row']} at half resolution, trained on {record['data']} at {record['size']}, "
             f"commit {record['provenance']['commit'][:7]}: mean IoU {record['dense']['mean_iou']:.1f}% dense, "
             f"{record['refined']['mean_iou']:.1f}% refined, on {record['images']} other images of it")
    return RefinedWeights(path, classes, (height, width), words)


class RefinedSegmenter:
    """Segments images one after the other; threads take turns.

    shrink  as repro.prediction.segmenter.Segmenter's; labels of shrunk images are repeated.
    """

    def __init__(self, weights: RefinedWeights, refined: Refined, shrink: Optional[int] = None):
        if shrink is not None:
            choice(shrink, SHRINK, "SHRINK")
        self.weights, self.shrink = weights, shrink
        self._refined, self._lock = refined, threading.Lock()

    def shrunk(self, size: Tuple[int, int]) -> int:
        """How many times an image (H, W) is shrunk along each side."""
        return nearest_shrink(size, self.weights.images_of) if self.shrink is None else self.shrink

    def segment(self, image: np.ndarray, scores: bool = False) -> Segmentation:
        """uint8 RGB (H, W, 3), of any size -> its labels, and which pixels were refined. UserError for what is no such
        image, and for scores: those of SparseRefine are of the refined pixels alone."""
        if scores:
            raise UserError("SCORES: SparseRefine has none of the whole image; leave it out")
        image = photo_of(image)
        times, size = self.shrunk(size_of(image)), size_of(image)
        with self._lock:
            found = self._refined.segment(shrunk(image, times))

        def whole(values: np.ndarray) -> np.ndarray:
            return np.ascontiguousarray(values.repeat(times, axis=0).repeat(times, axis=1)[:size[0], :size[1]])
        return Segmentation(whole(found.labels), times * STRIDE, refined=whole(found.mask))
