"""Pixel accuracy, mean class accuracy and mean IoU from one confusion matrix over a set of images."""

from __future__ import annotations

import math
from typing import Dict

import numpy as np

from repro.data.classes import IGNORE


class Confusion:
    """A confusion matrix: `matrix[t, p]` (int64) counts the pixels of true class t predicted as p.

    Definitions, as cityscapesScripts' evalPixelLevelSemanticLabeling has them: pixels labelled 255 count
    nowhere. IoU of a class is TP / (TP + FP + FN) over the whole set; a class with TP + FP + FN = 0, i.e.
    neither labelled nor predicted on a counted pixel, has none and is left out of the mean. Accuracy of a
    class is TP / (TP + FN), and the mean is over classes that are labelled. All values are percentages, NaN
    while nothing was counted.
    """

    def __init__(self, classes: int):
        self.matrix = np.zeros((classes, classes), np.int64)

    def add(self, labels: np.ndarray, predictions: np.ndarray) -> None:
        """Count integer arrays of one shape, (H, W) or (N, H, W): train ids or 255, and predicted classes.

        Raises ValueError for different shapes, for types that are not integers, and for a counted pixel
        whose label or prediction is not a class; the matrix is then unchanged.
        """
        labels, predictions = np.asarray(labels), np.asarray(predictions)
        if labels.shape != predictions.shape:
            raise ValueError(f"labels have shape {labels.shape}, predictions {predictions.shape}")
        for what, array in (("labels", labels), ("predictions", predictions)):
            if array.dtype.kind not in "iu":
                raise ValueError(f"{what} have type {array.dtype}; integers are needed")
        counted = labels != IGNORE
        labels, predictions = labels[counted].astype(np.int64), predictions[counted].astype(np.int64)
        classes = len(self.matrix)
        for what, array in (("label", labels), ("prediction", predictions)):
            if array.size and (array.min() < 0 or array.max() >= classes):
                bad = array.min() if array.min() < 0 else array.max()
                raise ValueError(f"{what} {bad} is not one of the classes 0 to {classes - 1}")
        counts = np.bincount(labels * classes + predictions, minlength=classes * classes)
        self.matrix += counts.reshape(classes, classes)

    def pixel_accuracy(self) -> float:
        """Return the percentage of the counted pixels that are predicted right."""
        return _percent(np.trace(self.matrix), self.matrix.sum())

    def mean_accuracy(self) -> float:
        """Return the mean over the labelled classes of the percentage of a class's pixels that are predicted right."""
        return _mean(_percent(hit, pixels) for hit, pixels in zip(np.diag(self.matrix), self.matrix.sum(1)))

    def class_iou(self) -> list[float | None]:
        """Return the IoU of each class in percent, None for a class neither labelled nor predicted."""
        hits = np.diag(self.matrix)
        unions = self.matrix.sum(0) + self.matrix.sum(1) - hits
        return [_percent(hit, union) if union else None for hit, union in zip(hits, unions)]

    def mean_iou(self) -> float:
        """Return the mean of `class_iou` over the classes that have one."""
        return _mean(value for value in self.class_iou() if value is not None)

    def accuracies(self) -> Dict[str, float]:
        """Return the three figures of the tables, as records keep them."""
        return {"pixel_acc": round(self.pixel_accuracy(), 4), "mean_acc": round(self.mean_accuracy(), 4),
                "mean_iou": round(self.mean_iou(), 4)}


def _percent(part, whole) -> float:
    return 100.0 * float(part) / float(whole) if whole else float("nan")


def _mean(values) -> float:
    values = [value for value in values if not math.isnan(value)]
    return sum(values) / len(values) if values else float("nan")
