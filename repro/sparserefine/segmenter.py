"""SparseRefine's two networks as a call from a photo to labels, as prediction.segmenter is for those of one network."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Mapping, Optional

import numpy as np

from repro.data.classes import of_names
from repro.data.images import size_of
from repro.data.loader import STRIDE
from repro.errors import UserError
from repro.prediction.segmenter import Segmentation, Shrinking, photo_of, shrunk
from repro.prediction.weights import Known
from repro.sparserefine.refined import Refined


def of_record(path: Path, record: Mapping[str, Any]) -> Known:
    """Describe what a record of repro.tables.refine.read_refined is of; UserError where its classes are not known."""
    classes = of_names(record["refined"]["class_iou"], record.get("classes"), f"weights {path}")
    height, width = map(int, record["size"].split("x"))
    return Known(path, classes, (height, width), (
        f"SparseRefine over {record['row']} at half resolution, trained on {record['data']} at {record['size']}, "
        f"commit {record['provenance']['commit'][:7]}: mean IoU {record['dense']['mean_iou']:.1f}% dense, "
        f"{record['refined']['mean_iou']:.1f}% refined, on {record['images']} other images of it"))


class RefinedSegmenter(Shrinking):
    """Segments images one after the other; threads take turns. Labels of shrunk images are repeated."""

    def __init__(self, weights: Known, refined: Refined, shrink: Optional[int] = None):
        super().__init__(weights, shrink)
        self.weights, self._refined, self._lock = weights, refined, threading.Lock()

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
