"""Pixel accuracy, mean class accuracy and mean IoU from confusion matrices, of one set of images or of many.

Definitions, as cityscapesScripts' evalPixelLevelSemanticLabeling has them: pixels labelled 255 count nowhere. IoU of a
class is TP / (TP + FP + FN) over the whole set; a class with TP + FP + FN = 0, i.e. neither labelled nor predicted on
a counted pixel, has none and is left out of the mean. Accuracy of a class is TP / (TP + FN), and the mean is over
classes that are labelled. All values are percentages, NaN while nothing was counted.
"""

from __future__ import annotations

from typing import Dict, List, Optional

import numpy as np

from repro.data.classes import IGNORE


def pixel_accuracy(matrices: np.ndarray) -> np.ndarray:
    """Return the percentage of the counted pixels that are predicted right, of matrices (..., K, K): (...)."""
    return _percent(_hits(matrices).sum(-1), matrices.sum((-2, -1)))


def mean_accuracy(matrices: np.ndarray) -> np.ndarray:
    """Return the mean over the labelled classes of the percentage of a class's pixels that are predicted right, of
    matrices (..., K, K): (...)."""
    return _mean(_percent(_hits(matrices), matrices.sum(-1)))


def class_iou(matrices: np.ndarray) -> np.ndarray:
    """Return the IoU of each class in percent, NaN for one neither labelled nor predicted, of matrices (..., K, K):
    (..., K)."""
    return _percent(_hits(matrices), matrices.sum(-2) + matrices.sum(-1) - _hits(matrices))


def mean_iou(matrices: np.ndarray) -> np.ndarray:
    """Return the mean of `class_iou` over the classes that have one, of matrices (..., K, K): (...)."""
    return _mean(class_iou(matrices))


FIGURES = {"pixel_acc": pixel_accuracy, "mean_acc": mean_accuracy, "mean_iou": mean_iou}  # as tables and records have


class Confusion:
    """A confusion matrix: `matrix[t, p]` (int64) counts the pixels of true class t predicted as p."""

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

    def class_iou(self) -> List[Optional[float]]:
        """Return the IoU of each class in percent, None for a class neither labelled nor predicted."""
        return [None if np.isnan(iou) else float(iou) for iou in class_iou(self.matrix)]

    def mean_iou(self) -> float:
        """Return the mean of `class_iou` over the classes that have one."""
        return float(mean_iou(self.matrix))

    def accuracies(self) -> Dict[str, float]:
        """Return the three figures of the tables, as records keep them."""
        return {name: round(float(figure(self.matrix)), 4) for name, figure in FIGURES.items()}


def _hits(matrices: np.ndarray) -> np.ndarray:
    return np.diagonal(matrices, axis1=-2, axis2=-1)


def _percent(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # 0 / 0
        return 100.0 * part / whole


def _mean(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0).sum(-1) / known.sum(-1)
