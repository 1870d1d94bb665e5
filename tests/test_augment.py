"""Augmentation: image and label move together, padding is recognisable, the draws cover their range."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from repro.data.augment import FILL, MEAN, STD, Placement, draw, normalise, place_image, place_label


def pair(height=40, width=60):
    """A label of blocks of 10 px with distinct ids, and an image whose red channel is 8 times the id."""
    rows, columns = np.mgrid[:height, :width] // 10
    label = (rows * (width // 10) + columns).astype(np.uint8)
    return np.stack([label * 8, 255 - label * 8, label], axis=2).astype(np.uint8), label


def inner(label):
    """Pixels whose 5 x 5 surroundings have one id: there, bilinear values are the block's."""
    from_all = np.ones(label.shape, bool)
    padded = np.pad(label.astype(int), 2, constant_values=-1)
    for row in range(5):
        for column in range(5):
            from_all &= padded[row:row + label.shape[0], column:column + label.shape[1]] == label
    return from_all


def test_unscaled_crop_is_a_slice():
    image, label = pair()
    place = Placement(1.0, 7, 11)
    assert np.array_equal(place_image(image, place, (16, 24)), image[7:23, 11:35])
    assert np.array_equal(place_label(label, place, (16, 24)), label[7:23, 11:35])


def test_flip_mirrors_the_crop():
    image, label = pair()
    for top, left, crop in ((7, 11, (16, 24)), (-3, -5, (48, 80)), (30, 50, (16, 24))):
        place, mirrored = Placement(1.0, top, left), Placement(1.0, top, left, flip=True)
        assert np.array_equal(place_image(image, mirrored, crop), place_image(image, place, crop)[:, ::-1])
        assert np.array_equal(place_label(label, mirrored, crop), place_label(label, place, crop)[:, ::-1])


def test_padding_lies_around_the_image():
    image, label = pair(8, 12)
    placed = place_image(image, Placement(1.0, -3, -5), (16, 24))
    ids = place_label(label, Placement(1.0, -3, -5), (16, 24))
    assert np.array_equal(placed[3:11, 5:17], image) and np.array_equal(ids[3:11, 5:17], label)
    padded = np.ones((16, 24), bool)
    padded[3:11, 5:17] = False
    assert (placed[padded] == FILL).all() and (ids[padded] == 255).all()


def test_padding_is_nearly_zero_when_normalised():
    out = np.empty((3, 4, 4), np.float32)
    normalise(np.full((4, 4, 3), FILL, np.uint8), out)
    assert np.abs(out).max() < 0.01


def test_normalise():
    image = np.random.RandomState(0).randint(0, 256, (6, 9, 3)).astype(np.uint8)
    out = np.zeros((3, 8, 10), np.float32)
    normalise(image, out[:, :6, :9])
    expected = ((image / 255.0 - MEAN) / STD).transpose(2, 0, 1)
    np.testing.assert_allclose(out[:, :6, :9], expected, atol=1e-5)
    assert not out[:, 6:].any() and not out[:, :, 9:].any()


@pytest.mark.parametrize("scale", [0.7, 0.93, 1.0, 1.17, 1.3])
@pytest.mark.parametrize("flip", [False, True])
def test_image_and_label_stay_aligned(scale, flip):
    image, label = pair()
    place = Placement(scale, -4, 3, flip)
    placed, ids = place_image(image, place, (40, 48)), place_label(label, place, (40, 48))
    check = inner(ids) & (ids != 255)
    assert check.sum() > 150
    assert np.array_equal(placed[check][:, 2], ids[check])
    assert np.array_equal(placed[check][:, 0], ids[check] * 8)


def test_scaled_label_is_the_nearest_pixel():
    label = np.random.RandomState(0).randint(0, 19, (40, 60)).astype(np.uint8)
    scaled = place_label(label, Placement(1.3), (52, 78))
    between = 0  # centres on the line between two source pixels: either is the nearest
    for row in range(52):
        for column in range(78):
            if (2 * row + 1) % 13 == 0 or (2 * column + 1) % 13 == 0:
                between += 1
                continue
            source = int((row + 0.5) * 40 / 52), int((column + 0.5) * 60 / 78)
            assert scaled[row, column] == label[source]
    assert between < 0.2 * scaled.size


def test_draws_cover_their_range():
    random = np.random.RandomState(0)
    draws = [draw(random, (40, 60), (40, 60), (0.7, 1.3)) for _ in range(2000)]
    scales = [place.scale for place in draws]
    assert 0.7 <= min(scales) < 0.71 and 1.29 < max(scales) <= 1.3
    assert 900 < sum(place.flip for place in draws) < 1100
    for place in draws:
        height, width = round(40 * place.scale), round(60 * place.scale)
        assert min(0, height - 40) <= place.top <= max(0, height - 40)
        assert min(0, width - 60) <= place.left <= max(0, width - 60)
    assert min(place.left for place in draws) <= -15 and max(place.left for place in draws) >= 15


def test_draw_at_a_fixed_scale_reaches_both_ends():
    random = np.random.RandomState(1)
    draws = [draw(random, (10, 8), (8, 10), (1.0, 1.0)) for _ in range(200)]
    assert {place.top for place in draws} == {0, 1, 2} and {place.left for place in draws} == {-2, -1, 0}


def test_only_the_part_of_a_crop_is_scaled_and_equals_it_to_the_bit():
    random = np.random.RandomState(2)
    for _ in range(1000):
        size, crop = random.randint(1, 70, 2), tuple(random.randint(1, 50, 2))
        image = random.randint(0, 256, (*size, 3)).astype(np.uint8)
        place = draw(random, image.shape[:2], crop, (0.4, 2.0))
        height, width = (max(1, round(side * place.scale)) for side in image.shape[:2])
        whole = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        padded = np.full((height + 2 * crop[0], width + 2 * crop[1], 3), FILL, np.uint8)
        padded[crop[0]:-crop[0], crop[1]:-crop[1]] = whole
        top, left = place.top + crop[0], place.left + crop[1]
        expected = padded[top:top + crop[0], left:left + crop[1]]
        assert np.array_equal(place_image(image, place, crop), expected[:, ::-1] if place.flip else expected)


def test_normalised_values_are_the_same_as_ever():
    """The operations that results were published with, to the bit."""
    image = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    out = np.empty((3, 16, 16), np.float32)
    normalise(image, out)
    for channel in range(3):
        scaled = np.multiply(image[:, :, channel], np.float32(1 / (255 * STD[channel])), dtype=np.float32)
        assert np.array_equal(out[channel], scaled - np.float32(MEAN[channel] / STD[channel]))
