"""The label map against interpolating every pixel."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from repro.errors import UserError
from repro.labels.labelmap import arg_max, labels_everywhere, labels_of


def scores(classes, h, w, seed=0, smooth=0.0):
    maps = np.random.RandomState(seed).standard_normal((classes, h, w)).astype(np.float32)
    return np.stack([cv2.GaussianBlur(m, (0, 0), smooth) for m in maps]) if smooth else maps


@pytest.mark.parametrize("classes, h, w, size", [
    (19, 16, 24, (64, 96)), (5, 16, 24, (61, 93)), (19, 33, 17, (130, 66)), (2, 8, 8, (1, 1)), (3, 1, 1, (4, 4)),
    (7, 2, 9, (7, 33)), (19, 32, 32, (128, 125)), (255, 5, 3, (20, 12)), (19, 64, 96, (255, 383))])
@pytest.mark.parametrize("smooth", (0.0, 4.0))
def test_labels_are_those_of_interpolating_every_pixel(classes, h, w, size, smooth):
    maps = scores(classes, h, w, smooth=smooth)
    expected = labels_everywhere(maps, size)
    labels = labels_of(maps, size)
    assert labels.dtype == np.uint8 and labels.shape == size
    np.testing.assert_array_equal(labels, expected)


def test_any_stride_of_a_power_of_two():
    maps = scores(6, 5, 7)
    for stride in (2, 4, 8, 16, 32):
        size = (5 * stride - 1, 7 * stride - stride // 2)
        np.testing.assert_array_equal(labels_of(maps, size, stride), labels_everywhere(maps, size, stride))


def test_the_first_of_equals_is_taken():
    maps = np.round(scores(4, 24, 24, smooth=2.0) * 8)  # whole numbers: eighths are exact, and ties many
    np.testing.assert_array_equal(labels_of(maps, (96, 96)), labels_everywhere(maps, (96, 96)))
    maps = np.round(scores(19, 40, 600) * 2)
    np.testing.assert_array_equal(arg_max(maps), maps.argmax(axis=0))


def test_scores_that_are_not_finite_are_refused_wherever_they_are():
    for value in (np.nan, np.inf, -np.inf, 2e30):
        for place in ((0, 0, 0), (1, 3, 5), (1, 15, 15), (0, 15, 2), (0, 2, 15)):  # of a label, or beyond all labels
            maps = scores(2, 16, 16)
            maps[place] = value
            for method in (labels_of, labels_everywhere):
                with pytest.raises(UserError, match="scores are not finite"):
                    method(maps, (20, 24))


def test_what_does_not_fit_is_said():
    for size, stride, message in (((65, 64), 4, "larger than 4 times"), ((64, 64), 3, "of 2, 4, 8")):
        with pytest.raises(ValueError, match=message):
            labels_of(scores(2, 16, 16), size, stride)
