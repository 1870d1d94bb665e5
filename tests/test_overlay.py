"""What is drawn over a photo is what was found in it."""

from __future__ import annotations

import numpy as np

from repro.data import CAMVID, CITYSCAPES
from repro.prediction.overlay import COLOURS, OUTLINE, coloured, legend, outlined, overlay
from repro.prediction.segmenter import Segmentation


def test_classes_have_their_colours_and_ignored_pixels_none():
    labels = np.array([[0, 10], [18, 255]], np.uint8)
    assert coloured(labels, CITYSCAPES).tolist() == [[[128, 64, 128], [70, 130, 180]], [[119, 11, 32], [0, 0, 0]]]


def test_active_regions_and_no_others_are_outlined():
    picture = np.zeros((100, 150, 3), np.uint8)
    active = np.zeros((2, 4), bool)  # of an image padded to 128x256
    active[0, 1] = active[1, 2] = active[1, 3] = True
    made = outlined(picture, active, 64)
    drawn = (made == OUTLINE).all(axis=2)
    expected = np.zeros((100, 150), bool)
    for top, left, bottom, right in ((0, 64, 64, 128), (64, 128, 100, 150)):
        expected[top:bottom, left:right] = True
        expected[top + 1:bottom - 1, left + 1:right - 1] = False
    np.testing.assert_array_equal(drawn, expected)
    assert not picture.any() and not made[~drawn].any()


def test_refined_pixels_are_outlined_and_their_classes_seen():
    refined = np.zeros((300, 400), bool)
    refined[10:20, 30:60] = True
    photo, labels = np.full((300, 400, 3), 90, np.uint8), np.zeros((300, 400), np.uint8)
    plain, made = (overlay(photo, Segmentation(labels, refined=mask), CAMVID) for mask in (None, refined))
    expected = refined.copy()
    expected[11:19, 31:59] = False
    np.testing.assert_array_equal((made[:300, :400] == OUTLINE).all(axis=2), expected)
    np.testing.assert_array_equal(made[:300, :400][~expected], plain[:300, :400][~expected])
    assert (made[300:] == OUTLINE).all(axis=2).any() and not (plain[300:] == OUTLINE).all(axis=2).any()  # the legend


def test_a_legend_names_every_class_once():
    for classes, width in ((CITYSCAPES, 512), (CITYSCAPES, 2048), (CAMVID, 300), (CAMVID, 1)):
        made = legend(classes, width, regions=True)
        assert made.shape[1] >= width
        colours = {tuple(colour) for colour in made.reshape(-1, 3).tolist()}
        assert set(classes.colours) | {OUTLINE} <= colours
        assert OUTLINE not in {tuple(c) for c in legend(classes, width).reshape(-1, 3).tolist()}
    assert legend(CITYSCAPES, 300).shape[0] > legend(CITYSCAPES, 1200).shape[0]


def test_the_photo_is_seen_through_its_classes():
    for size, shown in (((300, 400), (300, 400)), ((1, 1), (256, 256)), ((40, 100), (80, 200)), ((301, 5), (301, 5))):
        image, labels = np.full((*size, 3), 200, np.uint8), np.zeros(size, np.uint8)
        none, active = (overlay(image, Segmentation(labels, region=64, active=np.full((5, 7), one)), CITYSCAPES)
                        for one in (False, True))
        assert not (none.shape[0] % 2 or none.shape[1] % 2) and none.shape[0] > shown[0]
        expected = np.array(CITYSCAPES.colours[0]) * COLOURS + 200 * (1 - COLOURS)
        assert abs(none[:shown[0], :shown[1]] - expected).max() <= 1
        assert (active[0, 0] == OUTLINE).all() and active.shape == none.shape
        alone = overlay(image, Segmentation(labels), CITYSCAPES)
        assert (alone[:shown[0], :shown[1]] == none[:shown[0], :shown[1]]).all()
