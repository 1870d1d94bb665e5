"""The inference engine gives the plain hybridized graph's scores and labels, whatever is switched on or off."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest
from graphs import MODEL_A, STRIDE_8, Peer, built, image, named_arrays, outputs, shaken, sparse

from repro.data.augment import normalise
from repro.engine import Engine, Options, engine_of
from repro.labels.labelmap import labels_everywhere
from repro.models.build import build

EACH = (Options(padded=True), Options(padded=False), Options(read_in=False), Options(fused=False))


def engine(spec, arrays, settings, shape, options, **more):
    network = build(spec, **settings, decoder_on_crops=settings.get("fast", False))
    return engine_of(network, arrays, shape, options, **more)


def assert_same(scores, expected):
    np.testing.assert_allclose(scores, expected, rtol=0, atol=2e-5 * abs(expected).max())
    assert (scores.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.999


@pytest.mark.parametrize("spec, batch, settings", [
    (MODEL_A, 1, {}), (MODEL_A, 2, {"k": 8}), (sparse("sctf"), 2, {"frozen": False}), (sparse("sctf"), 1, {"k": 0}),
    (sparse(), 1, {"fast": False}), (STRIDE_8, 2, {"frozen": False}),
], ids=["Model A", "Model A, all regions, batch 2", "SCTF, live norm, batch 2", "SCTF, no region", "ISCTF classic",
        "stride 8, live norm, batch 2"])
def test_whatever_is_switched_on_or_off_the_scores_are_the_same(spec, batch, settings):
    x = image(batch)
    arrays, settings = built(spec, x, **settings)
    expected = outputs(spec, arrays, settings, x)["scores"]
    for options in EACH:
        scores, = engine(spec, arrays, settings, x.shape, options).outputs(x)
        assert_same(scores.asnumpy(), expected)


def test_any_traced_network_runs():
    """Batch norm is folded into the convolution before it, or stays where there is none; dropout is gone."""
    x = image(2)
    network = shaken(Peer(), x)
    network.hybridize()
    expected = [output.asnumpy() for output in network(x)]
    symbol = mx.sym.Group(list(network(mx.sym.var("data"))))
    for options in EACH:
        made = Engine(symbol, named_arrays(network), x.shape, options, outputs={"scores": 0, "half": 1})
        for scores, wanted in zip(made.outputs(x.asnumpy()), expected):
            assert_same(scores.asnumpy(), wanted)
    operators = mx.sym.load_json(made.symbol.tojson()).get_internals().list_outputs()
    assert sum("batchnorm" in name and name.endswith("output") for name in operators) == 1
    assert not any("dropout" in name for name in operators)


@pytest.fixture(scope="module")
def model_a():
    arrays, settings = built(MODEL_A, image())
    return arrays, settings, engine(MODEL_A, arrays, settings, (1, 3, 128, 256), Options())


@pytest.mark.parametrize("height, width", [(128, 256), (101, 256), (128, 30), (1, 1), (127, 255)])
def test_labels_of_images_of_any_size(model_a, height, width):
    arrays, settings, made = model_a
    random = np.random.RandomState(height)
    photo = random.randint(0, 256, (height, width, 3)).astype(np.uint8)
    x = np.zeros((1, 3, 128, 256), np.float32)
    normalise(photo, x[0, :, :height, :width])
    scores = outputs(MODEL_A, arrays, settings, mx.nd.array(x))["scores"][0]
    expected = labels_everywhere(scores, (height, width))
    made.labels(np.full((128, 256, 3), 255, np.uint8))  # what an image before left is not seen
    labels = made.labels(photo)
    assert labels.shape == (height, width) and labels.dtype == np.uint8
    assert (labels == expected).mean() > 0.999


@pytest.mark.parametrize("photo", [np.zeros((129, 256, 3), np.uint8), np.zeros((8, 8), np.uint8),
                                   np.zeros((8, 8, 3), np.float32), np.zeros((0, 8, 3), np.uint8)])
def test_an_image_that_does_not_fit_is_said(model_a, photo):
    with pytest.raises(ValueError, match="128x256"):
        model_a[2].labels(photo)
    with pytest.raises(ValueError, match="this engine is for"):
        model_a[2].outputs(image(2))


@pytest.mark.parametrize("batch", [1, 2])
def test_images_of_numpy_and_of_mxnet_score_alike(batch):
    x = image(batch)
    arrays, settings = built(MODEL_A, x)
    made = engine(MODEL_A, arrays, settings, x.shape, Options())
    assert "data" not in made.symbol.list_inputs()  # all that is read of it is averages, and rows for the crops
    one, = made.outputs(x)
    one, pixels = one.asnumpy(), x.asnumpy()
    for images in (pixels, np.asfortranarray(pixels), pixels.astype(np.float64)):
        kept = images.copy()
        np.testing.assert_allclose(made.outputs(images)[0].asnumpy(), one, rtol=0, atol=1e-5 * abs(one).max())
        np.testing.assert_array_equal(images, kept)
        images[:] = 0  # the caller's own still
    assert (made.outputs(pixels)[0].asnumpy() != one).any()


def test_recording_and_values_of_the_caller_are_left_alone(model_a):
    arrays, settings, _ = model_a
    before = {name: value.asnumpy() for name, value in arrays.items()}
    made = engine(MODEL_A, arrays, settings, (1, 3, 128, 256), Options())
    with mx.autograd.record():
        one = made.outputs(image())[0].asnumpy()
        assert mx.autograd.is_recording() and mx.autograd.is_training()
    for name, value in arrays.items():
        np.testing.assert_array_equal(value.asnumpy(), before[name])
        value[:] = 0  # the engine has its own
    np.testing.assert_array_equal(made.outputs(image())[0].asnumpy(), one)
    for name, value in arrays.items():
        value[:] = before[name]


def test_an_unknown_precision_is_named():
    with pytest.raises(Exception, match="choose from float32, int8$"):
        Options(precision="int4")
