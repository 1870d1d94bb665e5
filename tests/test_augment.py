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


def placed(image, place, crop):
    """What a crop must be: the image scaled as a whole, padded all around, cut out and perhaps mirrored."""
    height, width = (max(1, round(side * place.scale)) for side in image.shape[:2])
    whole = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR if image.ndim == 3 else
                       cv2.INTER_NEAREST_EXACT)
    padded = np.full((height + 2 * crop[0], width + 2 * crop[1], *image.shape[2:]), FILL if image.ndim == 3 else 255,
                     np.uint8)
    padded[crop[0]:-crop[0], crop[1]:-crop[1]] = whole
    top, left = place.top + crop[0], place.left + crop[1]
    cut = padded[top:top + crop[0], left:left + crop[1]]
    return cut[:, ::-1] if place.flip else cut


def test_crops_are_those_of_the_whole_image_scaled_padded_and_mirrored_to_the_bit():
    """Only the part of a crop is scaled; unscaled crops are slices, and what lies outside is padded."""
    random = np.random.RandomState(2)
    for number in range(1000):
        size, crop = random.randint(1, 70, 2), tuple(random.randint(1, 50, 2))
        image = random.randint(0, 256, (*size, 3)).astype(np.uint8)
        place = draw(random, image.shape[:2], crop, (1.0, 1.0) if number % 4 == 0 else (0.4, 2.0))
        assert np.array_equal(place_image(image, place, crop), placed(image, place, crop)), (size, place, crop)
        label = image[..., 0]
        assert np.array_equal(place_label(label, place, crop), placed(label, place, crop)), (size, place, crop)
    image, label = pair(8, 12)
    assert np.array_equal(place_image(image, Placement(1.0, -3, -5), (16, 24))[3:11, 5:17], image)
    assert np.array_equal(place_label(label, Placement(1.0, 2, 3), (4, 5)), label[2:6, 3:8])


def test_normalised_values_are_as_ever_and_padding_is_nearly_zero():
    """The operations that results were published with, to the bit."""
    image = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    out = np.zeros((3, 18, 17), np.float32)
    normalise(image, out[:, :16, :16])
    np.testing.assert_allclose(out[:, :16, :16], ((image / 255.0 - MEAN) / STD).transpose(2, 0, 1), atol=1e-5)
    assert not out[:, 16:].any() and not out[:, :, 16:].any()
    for channel in range(3):
        scaled = np.multiply(image[:, :, channel], np.float32(1 / (255 * STD[channel])), dtype=np.float32)
        assert np.array_equal(out[channel, :16, :16], scaled - np.float32(MEAN[channel] / STD[channel]))
    normalise(np.full((18, 17, 3), FILL, np.uint8), out)
    assert np.abs(out).max() < 0.01


@pytest.mark.parametrize("scale, flip", [(0.7, False), (0.93, True), (1.0, False), (1.17, True), (1.3, False)])
def test_image_and_label_stay_aligned(scale, flip):
    image, label = pair()
    place = Placement(scale, -4, 3, flip)
    made, ids = place_image(image, place, (40, 48)), place_label(label, place, (40, 48))
    surroundings = np.pad(ids.astype(int), 2, constant_values=-1)
    inner = ids != 255  # pixels whose 5 x 5 surroundings have one id: there, bilinear values are the block's
    for row, column in np.ndindex(5, 5):
        inner &= surroundings[row:row + 40, column:column + 48] == ids
    assert inner.sum() > 150
    assert np.array_equal(made[inner][:, 2], ids[inner]) and np.array_equal(made[inner][:, 0], ids[inner] * 8)


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
    draws = [draw(random, (10, 8), (8, 10), (1.0, 1.0)) for _ in range(200)]  # both ends, at a fixed scale
    assert {place.top for place in draws} == {0, 1, 2} and {place.left for place in draws} == {-2, -1, 0}
