"""From a photo to labels, the regions computed and weights: as in evaluation, at any size, in both engines."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import mxnet as mx
import numpy as np
import pytest
from described import REGION, WIDTH
from model_a import MODEL_A

from repro.data.augment import normalise
from repro.data.minicity import scene
from repro.errors import UserError
from repro.evaluation.inference import named_outputs
from repro.labels.labelmap import labels_everywhere
from repro.labels.prepare import Input
from repro.models import parameters
from repro.models.build import build
from repro.models.parameters import assign
from repro.prediction.load import load
from repro.prediction.segmenter import ENGINES, Segmentation, Segmenter


@pytest.fixture(scope="module")
def segmenter(about):
    return load(about.path)


def photo(height, width, seed=3):
    return scene(seed, "test", 0, (max(32, height), max(32, width)))[0][:height, :width]


def by_gluon(about, image, size, k):
    """Labels and outputs by name of the network as it is evaluated, not as it is run in an engine."""
    grid = tuple(side // REGION for side in size)
    network = build(MODEL_A, len(about.classes), WIDTH, grid, REGION, k=k)  # classic inference
    assign(network, parameters.load(about.path), ctx=mx.cpu())
    network.hybridize()
    x = np.zeros((1, 3, *size), np.float32)
    normalise(image, x[0, :, :image.shape[0], :image.shape[1]])
    named = {name: value.asnumpy()[0] for name, value in named_outputs(network, mx.nd.array(x)).items()}
    return labels_everywhere(named["scores"], image.shape[:2]), named


@pytest.mark.parametrize("size, padded, k", [
    ((120, 250), (128, 256), 2), ((128, 256), (128, 256), 2), ((129, 190), (192, 192), 2), ((40, 300), (64, 320), 1),
    ((1, 1), (64, 64), 1)])
def test_all_that_is_found_is_the_networks(about, segmenter, size, padded, k):
    image = photo(*size)
    found = segmenter.segment(image, scores=True)
    labels, named = by_gluon(about, image, padded, k)
    assert found.labels.shape == size and found.labels.dtype == np.uint8
    assert (found.labels != labels).mean() < 1e-3
    height, width = -(-size[0] // 4), -(-size[1] // 4)
    np.testing.assert_allclose(found.scores, named["scores"][:, :height, :width],
                               rtol=0, atol=1e-4 * abs(named["scores"]).max())
    np.testing.assert_allclose(found.z2, named["z2"][0, :height, :width], rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.s, named["s"][0], rtol=0, atol=1e-4 * abs(named["s"]).max())
    assert found.active.dtype == bool and found.region == REGION
    np.testing.assert_array_equal(found.active, named["mask"][0] > 0)
    assert found.active.sum() == k
    expected = named["z2"] * np.repeat(np.repeat(named["mask"] / (1 + np.exp(-named["s"])), 16, 1), 16, 2)
    np.testing.assert_allclose(found.weights, expected[0, :height, :width], rtol=0, atol=1e-5)
    assert len(np.unique(labels)) > 2 or size == (1, 1)  # it is not the same everywhere
    without = segmenter.segment(image)
    assert without.scores is None
    np.testing.assert_array_equal(without.labels, found.labels)


def test_weights_of_regions_however_sure_the_head_is_and_those_that_entropy_chose():
    """sigmoid(-200) by exp overflows in float32, which is a warning."""
    z2 = np.full((16, 32), 0.5, np.float32)
    for active, s, learned, expected in (([True, True], [-200.0, 200.0], True, [0, 0.5]),
                                         ([True, False], [0.5, 0.1], False, [0.5, 0])):
        found = Segmentation(np.zeros((64, 128), np.uint8), region=64, active=np.array([active]), z2=z2,
                             s=np.array([s], np.float32), learned=learned)
        np.testing.assert_array_equal(found.weights, np.repeat([expected], 16, 1).repeat(16, 0)[:, :32])


def test_onnxruntime_is_the_same(about, segmenter):
    other = load(about.path, engine="onnx")
    for size in ((120, 250), (1, 1), (65, 65)):
        one, two = segmenter.segment(photo(*size), True), other.segment(photo(*size), True)
        assert (one.labels != two.labels).mean() < 1e-4
        np.testing.assert_array_equal(one.active, two.active)
        for name in ("scores", "z2", "s", "weights"):
            wanted = getattr(one, name)
            np.testing.assert_allclose(getattr(two, name), wanted, rtol=0, atol=1e-4 * abs(wanted).max())


@pytest.mark.parametrize("engine", ("mxnet", "onnx"))
def test_k_is_a_number_of_regions(about, engine):
    image = photo(128, 256)
    for k, computed in ((0, 0), (3, 3), (99, 8)):
        found = load(about.path, k=k, engine=engine).segment(image)
        assert found.active.shape == (2, 4) and found.active.sum() == computed
        assert (found.weights[found.z2.shape[0] // 2:] > 0).any() == (computed == 8 or found.active[1].any())
    labels, _ = by_gluon(about, image, (128, 256), 8)
    assert (found.labels != labels).mean() < 1e-3


def test_int8_labels_nearly_alike(about, segmenter):
    image = photo(128, 256)
    found = load(about.path, precision="int8", calibration=[photo(100, 300, 4)]).segment(image)
    assert (found.labels == segmenter.segment(image).labels).mean() > 0.5


def test_wrong_choices_and_what_is_no_image_are_a_line(about, segmenter):
    for words, wrong in (("ENGINE: 'tvm' is not known; choose from mxnet, onnx", {"engine": "tvm"}),
                         ("precision of ENGINE mxnet: 'int4' is not known", {"precision": "int4"}),
                         ("precision of ENGINE onnx: 'int8' is not known; choose from float32",
                          {"precision": "int8", "engine": "onnx"}), ("int8: needs photos", {"precision": "int8"}),
                         ("SHRINK: 3 is not known; choose from 1, 2, 4, 8", {"shrink": 3}),
                         ("K: -1 is negative", {"k": -1})):
        with pytest.raises(UserError, match=words):
            load(about.path, **wrong)
    for image in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((0, 8, 3), np.uint8),
                  np.zeros((8, 8, 3), np.float32), "photo.png", None):
        with pytest.raises(UserError, match=r"image: .*uint8 array \(H, W, 3\), RGB"):
            segmenter.segment(image)


class Echo:
    """An engine whose outputs are its input: the red channel as score of class 0, blue of class 1; regions by red."""

    def __init__(self, size):
        self.input = Input((1, 3, *size))

    def __call__(self, x):
        small, s = x[0, :, ::4, ::4].copy(), x[0, :1, ::REGION, ::REGION].copy()
        return {"scores": small[[0, 2]], "z2": small[1:2], "s": s, "mask": (s > 0).astype(np.float32)}


def echoing(about, made, k=None, **settings):
    def make(size, k):
        made.append((size, k))
        return Echo(size)
    return Segmenter(about, k, make, 1, **settings)


def test_a_large_image_is_made_of_parts(about):
    """By an engine that sees nothing around a pixel, parts are found where the whole has them."""
    image = np.zeros((300, 1000, 3), np.uint8)
    image[:130, :400, 0] = image[200:, 700:, 2] = 255
    made, small = [], []
    whole = echoing(about, made).segment(image, True)
    parts = echoing(about, small, largest=64 * 1024).segment(image, True)
    assert made == [((320, 1024), 20)]
    assert len(small) > 4 and all(size[0] * size[1] <= 64 * 1024 for size, _ in small)
    for name in ("labels", "scores", "z2", "s", "active"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name), name)
    assert whole.labels[0, 0] == 0 and whole.labels[-1, -1] == 1 and whole.active[0, 0] and whole.active.sum() == 21


def test_a_given_k_is_shared_by_parts(about):
    made = []
    echoing(about, made, 8, largest=128 * 128).segment(np.zeros((128, 512, 3), np.uint8))
    assert made == [((128, 128), 2)]  # in each of four


def test_engines_are_kept_but_not_for_ever(about):
    made = []
    found = echoing(about, made)
    sizes = [(64 * i, 64) for i in range(1, ENGINES + 2)]
    for size in sizes + sizes[1:]:
        found.segment(np.zeros((*size, 3), np.uint8))
    assert [size for size, _ in made] == sizes  # all but the first are still there
    found.segment(np.zeros((60, 3, 3), np.uint8))
    assert len(made) == len(sizes) + 1
    made.clear()
    found = echoing(about, made, largest=128 * 128)
    for size in ((128, 128), (64, 64), (128, 128)):  # the two have more pixels than are kept
        found.segment(np.zeros((*size, 3), np.uint8))
    assert len(made) == 3


def test_a_larger_photo_is_seen_as_large_as_those_in_training(about, segmenter):
    """One of whole blocks of 4x4 equal pixels is that of these pixels, its labels interpolated to its own size."""
    small = photo(120, 250)
    large = small.repeat(4, axis=0).repeat(4, axis=1)
    one, found = segmenter.segment(small, True), segmenter.segment(large, True)
    assert (one.stride, one.region, found.stride, found.region) == (4, 64, 16, 256)
    np.testing.assert_array_equal(found.active, one.active)
    np.testing.assert_array_equal(found.scores, one.scores)
    np.testing.assert_array_equal(found.weights, one.weights)
    np.testing.assert_array_equal(found.labels, labels_everywhere(one.scores, (480, 1000), 16))
    assert segmenter.segment(large).scores is None
    cut = segmenter.segment(large[:-3, :-1])  # whose last blocks are not whole
    assert cut.labels.shape == (477, 999) and (cut.labels != found.labels[:-3, :-1]).mean() < 0.02


def test_how_often_a_photo_is_shrunk(about, segmenter):
    for size, times in (((128, 256), 1), ((1, 1), 1), ((240, 256), 1), ((256, 512), 2), ((512, 256), 2),
                        ((1024, 2048), 8), ((9000, 9000), 8), ((360, 640), 2)):
        assert segmenter.shrunk(size) == times
    assert load(about.path, shrink=2).shrunk((1, 1)) == 2


def test_threads_take_turns(about, segmenter):
    """At one engine, and at several at once."""
    photos, order = [photo(120 - i, 250 - 64 * i, i) for i in range(3)], (0, 1, 2, 1, 0)
    expected = [segmenter.segment(one) for one in photos]
    with ThreadPoolExecutor(5) as pool:
        for i, one in zip(order, pool.map(lambda i: segmenter.segment(photos[i]), order)):
            np.testing.assert_array_equal(one.labels, expected[i].labels)
            np.testing.assert_array_equal(one.active, expected[i].active)
