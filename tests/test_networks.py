"""The networks: shapes, and fast inference as the same function as classic inference with the mask."""

from __future__ import annotations

import dataclasses

import mxnet as mx
import numpy as np
import pytest
from graphs import CLASSES, MODEL_A, WIDTH, built, image, outputs, shaken, sparse

from repro.config.networks import Column, Network
from repro.evaluation.inference import named_outputs
from repro.models.build import build
from symbols.decoder import Upsample

REGION, UNITS = 64, (1, 1, 1, 1)
GRID = {"grid": (2, 4), "region": REGION}
ENTROPY = dataclasses.replace(MODEL_A, selector="entropy")
GATED = dataclasses.replace(ENTROPY, weighting="gate")


def ways(spec, x, **settings):
    """What classic inference, fast and fast with all short cuts give for images x with the same values: three times
    arrays by name."""
    arrays, settings = built(spec, x, region=REGION, **settings)
    return [outputs(spec, arrays, {**settings, **way}, x)
            for way in ({"fast": False}, {"fast": True}, {"fast": True, "decoder_on_crops": True})]


@pytest.mark.parametrize("spec, grid, n, k", [
    (sparse(), (2, 2), 1, 1), (sparse(), (2, 2), 3, 0), (sparse(), (2, 3), 2, 6), (MODEL_A, (4, 8), 2, 8),
    (sparse(structure="optimised"), (1, 3), 2, 2), (ENTROPY, (2, 4), 2, 3), (GATED, (2, 4), 2, 0),
    (GATED, (2, 4), 2, 3), (GATED, (2, 4), 2, 8)])
def test_fast_inference_is_classic_inference_with_the_mask(spec, grid, n, k):
    one, *others = ways(spec, image(n, grid[0] * REGION, grid[1] * REGION, seed=3), grid=grid, k=k)
    assert one["mask"].sum(axis=(1, 2, 3)).tolist() == [k] * n
    for other in others:
        for name in one.keys() - {"half", "full"}:
            np.testing.assert_allclose(one[name], other[name], rtol=0, atol=2e-5 * max(1, abs(one[name]).max()),
                                       err_msg=name)


@pytest.mark.parametrize("spec", [sparse(), ENTROPY], ids=["head", "entropy"])
def test_the_regions_computed_are_those_of_the_largest_s_and_others_show_the_half_column_alone(spec):
    for out in ways(spec, image(2), k=3):
        s, mask = out["s"].reshape(2, -1), out["mask"].reshape(2, -1)
        assert [set(np.flatnonzero(chosen)) for chosen in mask] == [set(np.argsort(-values)[:3]) for values in s]
    kept = out["mask"].repeat(16, axis=2).repeat(16, axis=3)[:, 0] > 0  # by fast inference
    assert (out["scores"].argmax(axis=1) == out["half"].argmax(axis=1))[~kept].all()
    scores, half = (np.moveaxis(value, 1, -1) for value in (out["scores"], (1 - out["z2"]) * out["half"]))
    np.testing.assert_allclose(scores[~kept], half[~kept], atol=1e-5 * abs(half).max())
    assert abs(scores - half)[kept].max() > 1e-3


def test_what_is_in_a_skipped_region_does_not_matter_to_the_full_column():
    """Masking the features, not only the weight: nothing leaks from skipped regions through the decoder."""
    x = image()
    arrays, settings = built(sparse(), x, k=2, fast=False)
    before, noise = outputs(sparse(), arrays, settings, x), x.copy()
    i, j = np.argwhere(before["mask"][0, 0] == 0)[0]
    # noise whose 2x2 means are zero: the half column sees no difference
    checks = np.indices((REGION, REGION)).sum(axis=0) % 2 * 2 - 1
    noise[0, :, REGION * i:REGION * (i + 1), REGION * j:REGION * (j + 1)] += mx.nd.array(5.0 * checks)
    after = outputs(sparse(), arrays, settings, noise)
    np.testing.assert_allclose(after["s"], before["s"], atol=1e-4)
    np.testing.assert_allclose(after["full"], before["full"], atol=1e-3)


def test_sctf_loses_context_at_crop_borders_in_fast_inference():
    one, other, _ = ways(sparse("sctf"), image(), k=3)
    np.testing.assert_array_equal(one["mask"], other["mask"])
    assert abs(one["scores"] - other["scores"]).max() > 1e-3


def test_a_threshold_keeps_the_regions_above_zero():
    x = image(2)
    arrays, settings = built(sparse(), x, k=None, fast=False)
    middle = float(np.median(outputs(sparse(), arrays, settings, x)["s"]))
    arrays["sparse_head.conv.bias"] -= middle
    out = outputs(sparse(), arrays, settings, x)
    np.testing.assert_array_equal(out["mask"], (out["s"] > 0).astype(np.float32))
    assert out["mask"].mean() == 0.5


@pytest.mark.parametrize("stops, head", [((), True), (("sparse_head",), False), (("weights", "cross"), True)])
def test_a_stopped_path_passes_no_gradient_to_the_half_column(stops, head):
    """s alone has a gradient here: it reaches the half column's stem unless its path is stopped."""
    x, scores = image(1, 128, 128), []
    for way in ((), stops):
        network = shaken(build(sparse(), CLASSES, WIDTH, grid=(2, 2), region=REGION, stops=way), x)
        network.hybridize()
        with mx.autograd.record():
            out = named_outputs(network, x)
            loss = out["s"].sum()
        loss.backward()
        scores.append(out["scores"].asnumpy())
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5 * max(1, abs(scores[0]).max()))
    assert bool(abs(network.half_column.stem[0].weight.grad()).max().asscalar() > 0) == head


@pytest.mark.parametrize("scales, fusion, names", [
    ((1.0,), "single", ("scores",)),
    ((0.25, 0.5, 1.0), "max", ("scores", "quarter", "half", "full")),
    ((0.5, 1.0, 2.0), "max", ("scores", "half", "full", "double")),
    ((0.5, 1.0), "sum", ("scores", "half", "full")),
    ((0.5, 1.0), "attention", ("scores", "half", "full", "z2")),
    ((0.5, 1.0), "ctf", ("scores", "half", "full", "z2")),
])
def test_fusions_return_their_columns_scores_at_a_quarter(scales, fusion, names):
    spec, x = Network(fusion, tuple(Column(s, UNITS) for s in scales), 32, "plain", None), image(2, 128, 128)
    out = outputs(spec, *built(spec, x), x)
    assert tuple(out) == names
    scores, columns = out["scores"], [out[name] for name in names if name in ("quarter", "half", "full", "double")]
    assert all(c.shape == (2, CLASSES, 32, 32) for c in (scores, *columns))
    if fusion == "max":
        np.testing.assert_array_equal(scores, np.max(columns, axis=0))
    elif columns:
        weights = (1, 1) if fusion == "sum" else (1 - out["z2"], out["z2"])
        np.testing.assert_allclose(scores, weights[0] * columns[0] + weights[1] * columns[1],
                                   atol=1e-5 * abs(scores).max())


@pytest.mark.parametrize("stride", (8, 16, 32))
def test_dilated_backbones_keep_their_resolution(stride):
    network = shaken(build(Network("single", (Column(1.0, UNITS),), stride, "plain", None), CLASSES, WIDTH),
                     image(1, 64, 128))
    maps = network.full_column(image(1, 64, 128))
    assert [m.shape[2] for m in maps] == [16, 8, max(4, 64 // stride), 64 // stride]
    assert named_outputs(network, image(1, 64, 128))["scores"].shape == (1, CLASSES, 16, 32)


def test_upsampling_is_bilinear_with_aligned_centres():
    x = image(2, 5, 7)
    expected = mx.nd.contrib.BilinearResize2D(x, scale_height=2, scale_width=2, align_corners=False).asnumpy()
    np.testing.assert_allclose(Upsample(3)(x).asnumpy(), expected, atol=1e-6)


def test_what_does_not_fit_is_said():
    for width, settings, words in (
            (WIDTH, {**GRID, "fast": True, "k": 9}, "0 to 8"), (WIDTH, {**GRID, "fast": True}, "needs k"),
            (0.3, GRID, "does not divide"), (WIDTH, {**GRID, "region": 48, "fast": True, "k": 2}, "multiple of 32"),
            (WIDTH, {}, "a grid of regions and their side"), (WIDTH, {"grid": (2, 3)}, "a grid of regions"),
            (WIDTH, {"region": REGION}, "a grid of regions")):
        with pytest.raises(ValueError, match=words):
            build(sparse(), CLASSES, width, **settings)
