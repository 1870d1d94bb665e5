"""The confusion matrix against hand-computed values; test_cityscapesscripts.py has a peer's."""

from __future__ import annotations

import math

import numpy as np
import pytest

from repro.evaluation.metrics import FIGURES, Confusion, mean_accuracy


def test_by_hand():
    """Of one set of images, and of several at once."""
    confusion = Confusion(3)
    confusion.add(np.array([[0, 0, 0, 1]]), np.array([[0, 0, 1, 1]]))
    confusion.add(np.array([[1, 255, 2, 2]]), np.array([[0, 2, 2, 2]]))
    assert confusion.matrix.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 2]]
    figures = {"pixel_acc": 100 * 5 / 7, "mean_acc": 100 * (2 / 3 + 1 / 2 + 1) / 3,
               "mean_iou": 100 * (1 / 2 + 1 / 3 + 1) / 3}
    assert confusion.accuracies() == pytest.approx(figures, abs=1e-4)
    assert confusion.class_iou() == pytest.approx([100 * 2 / 4, 100 * 1 / 3, 100.0])
    assert confusion.mean_iou() == pytest.approx(figures["mean_iou"])
    for name, value in figures.items():
        assert FIGURES[name](np.stack([confusion.matrix, 2 * confusion.matrix])) == pytest.approx([value] * 2)


def test_absent_classes_and_ignored_pixels_are_left_out():
    confusion = Confusion(4)
    # Class 2 is only predicted: an IoU of 0, but no accuracy. Class 3 is nowhere counted: neither.
    confusion.add(np.array([0, 0, 1, 255]), np.array([0, 2, 1, 200]))  # anything may be predicted where it is ignored
    assert confusion.class_iou() == [50.0, 100.0, 0.0, None] and confusion.matrix.sum() == 3
    assert confusion.mean_iou() == pytest.approx(50.0)
    assert mean_accuracy(confusion.matrix) == pytest.approx(75.0)


def test_nothing_counted():
    confusion = Confusion(2)
    confusion.add(np.full((2, 2), 255), np.zeros((2, 2), int))
    assert all(math.isnan(value) for value in confusion.accuracies().values())
    assert confusion.class_iou() == [None, None]


@pytest.mark.parametrize("labels, predictions, message", [
    (np.zeros((2, 3), int), np.zeros((3, 2), int), "shape"),
    (np.zeros((2, 2), int), np.zeros((2, 2)), "float64"),
    (np.array([0, 1]), np.array([0, 3]), "prediction 3"),
    (np.array([0, 1]), np.array([0, -1]), "prediction -1"),
    (np.array([0, 3]), np.array([0, 1]), "label 3"),
    (np.array([0, -1]), np.array([0, 1]), "label -1"),
])
def test_what_cannot_be_counted(labels, predictions, message):
    confusion = Confusion(3)
    with pytest.raises(ValueError, match=message):
        confusion.add(labels, predictions)
    assert not confusion.matrix.any()
