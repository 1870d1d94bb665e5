"""The networks: shapes, and fast inference as the same function as classic inference with the mask."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest

from repro.config.networks import Column, Network
from repro.models.build import build
from repro.models.parameters import arrays_of, assign, parameters_of
from symbols.decoder import Upsample

WIDTH, CLASSES, REGION = 0.25, 5, 64
PLAIN = ((1, 1, 1, 1), (1, 1, 1, 1))


def sparse(fusion="isctf", units=PLAIN, structure="plain", region=256):
    return Network(fusion, (Column(0.5, units[0]), Column(1.0, units[1])), 32, structure, region)


def initialised(network, ctx=None):
    mx.random.seed(7)
    network.initialize(mx.init.Xavier(rnd_type="gaussian", factor_type="in", magnitude=2), ctx=ctx)
    network.hybridize()
    return network


def named(network, x):
    outputs = network(x)
    return dict(zip(network.outputs, outputs if isinstance(outputs, (list, tuple)) else (outputs,)))


def image(n, h, w, seed=0):
    return mx.nd.array(np.random.RandomState(seed).standard_normal((n, 3, h, w)).astype(np.float32))


def pair(spec, grid, k, region=REGION):
    """Classic and fast inference with the same parameters, batch norm's statistics not trivial."""
    settings = {"width": WIDTH, "grid": grid, "region": region}
    donor = initialised(build(spec, CLASSES, k=1, **settings))
    donor(image(1, grid[0] * region, grid[1] * region))
    random = np.random.RandomState(1)
    for name, parameter in parameters_of(donor).items():
        if name.endswith(("beta", "running_mean", "bias")):
            parameter.set_data(mx.nd.array(random.standard_normal(parameter.shape) * 0.3))
    networks = []
    for fast in (False, True):
        networks.append(build(spec, CLASSES, fast=fast, k=k, **settings))
        assign(networks[-1], arrays_of(donor), ctx=mx.cpu())
        networks[-1].hybridize()
    return networks


@pytest.mark.parametrize("grid, n, k, structure, units", [
    ((2, 2), 1, 1, "plain", PLAIN),
    ((2, 2), 3, 0, "plain", PLAIN),
    ((2, 3), 2, 6, "plain", PLAIN),
    ((4, 8), 2, 8, "optimised", ((1, 2, 4, 1), (1, 1, 2, 0))),  # Model A
    ((1, 3), 2, 2, "optimised", PLAIN),
])
def test_fast_inference_is_classic_inference_with_the_mask(grid, n, k, structure, units):
    classic, fast = pair(sparse(structure=structure, units=units), grid, k)
    x = image(n, grid[0] * REGION, grid[1] * REGION, seed=3)
    one, other = named(classic, x), named(fast, x)
    assert other["mask"].sum(axis=(1, 2, 3)).asnumpy().tolist() == [k] * n
    for name in ("scores", "s", "mask", "z2"):
        np.testing.assert_allclose(one[name].asnumpy(), other[name].asnumpy(), rtol=0, atol=2e-5, err_msg=name)


def test_the_regions_computed_are_those_of_the_largest_s():
    classic, _ = pair(sparse(), (2, 4), 3)
    out = named(classic, image(2, 128, 256))
    s, mask = out["s"].asnumpy().reshape(2, -1), out["mask"].asnumpy().reshape(2, -1)
    for values, chosen in zip(s, mask):
        assert set(np.flatnonzero(chosen)) == set(np.argsort(-values)[:3])


def test_skipped_regions_show_the_half_column_alone():
    _, fast = pair(sparse(), (2, 4), 2)
    out = named(fast, image(1, 128, 256))
    kept = out["mask"].repeat(16, axis=2).repeat(16, axis=3).asnumpy()[0, 0] > 0
    labels, half = (out[name].asnumpy()[0].argmax(axis=0) for name in ("scores", "half"))
    assert (labels == half)[~kept].all()
    scores, z2 = out["scores"].asnumpy()[0], out["z2"].asnumpy()[0]
    np.testing.assert_allclose(scores[:, ~kept], ((1 - z2) * out["half"].asnumpy()[0])[:, ~kept], atol=1e-5)
    assert abs(scores - (1 - z2) * out["half"].asnumpy()[0])[:, kept].max() > 1e-3


def test_what_is_in_a_skipped_region_does_not_matter_to_the_full_column():
    """Masking the features, not only the weight: nothing leaks from skipped regions through the decoder."""
    classic, _ = pair(sparse(), (2, 4), 2)
    x = image(1, 128, 256)
    before = named(classic, x)
    skipped = np.argwhere(before["mask"].asnumpy()[0, 0] == 0)[0]
    noise = x.copy()
    rows, columns = (slice(64 * i, 64 * (i + 1)) for i in skipped)
    # noise whose 2x2 means are zero: the half column sees no difference
    checks = np.indices((64, 64)).sum(axis=0) % 2 * 2 - 1
    noise[0, :, rows, columns] += mx.nd.array(5.0 * checks)
    after = named(classic, noise)
    np.testing.assert_allclose(after["s"].asnumpy(), before["s"].asnumpy(), atol=1e-4)
    np.testing.assert_allclose(after["full"].asnumpy(), before["full"].asnumpy(), atol=1e-3)


def test_sctf_loses_context_at_crop_borders_in_fast_inference():
    classic, fast = pair(sparse("sctf"), (2, 4), 3)
    x = image(1, 128, 256)
    one, other = named(classic, x), named(fast, x)
    np.testing.assert_array_equal(one["mask"].asnumpy(), other["mask"].asnumpy())
    assert abs(one["scores"] - other["scores"]).max().asscalar() > 1e-3


def test_a_threshold_keeps_the_regions_above_zero():
    network = initialised(build(sparse(), CLASSES, WIDTH, grid=(2, 4), region=REGION))
    out = named(network, image(2, 128, 256))
    np.testing.assert_array_equal(out["mask"].asnumpy(), (out["s"].asnumpy() > 0).astype(np.float32))


@pytest.mark.parametrize("stops, head", [((), True), (("sparse_head",), False), (("weights", "cross"), True)])
def test_a_stopped_path_passes_no_gradient_to_the_half_column(stops, head):
    """s alone has a gradient here: it reaches the half column's stem unless its path is stopped."""
    x = image(1, 128, 128)
    outputs = []
    for way in ((), stops):
        network = initialised(build(sparse(), CLASSES, WIDTH, grid=(2, 2), region=REGION, stops=way))
        with mx.autograd.record():
            out = named(network, x)
            loss = out["s"].sum()
        loss.backward()
        outputs.append(out["scores"].asnumpy())
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-5)
    assert bool(abs(network.half_column.stem[0].weight.grad()).max().asscalar() > 0) == head


def test_an_unknown_stop_is_said():
    with pytest.raises(ValueError, match="of cross, weights, sparse_head"):
        build(sparse(), CLASSES, WIDTH, grid=(2, 2), region=REGION, stops=("half",))


@pytest.mark.parametrize("scales, fusion, names", [
    ((1.0,), "single", ("scores",)),
    ((0.25, 0.5, 1.0), "max", ("scores", "quarter", "half", "full")),
    ((0.5, 1.0, 2.0), "max", ("scores", "half", "full", "double")),
    ((0.5, 1.0), "sum", ("scores", "half", "full")),
    ((0.5, 1.0), "attention", ("scores", "half", "full", "z2")),
    ((0.5, 1.0), "ctf", ("scores", "half", "full", "z2")),
])
def test_fusions_return_their_columns_scores_at_a_quarter(scales, fusion, names):
    spec = Network(fusion, tuple(Column(s, (1, 1, 1, 1)) for s in scales), 32, "plain", None)
    out = named(initialised(build(spec, CLASSES, WIDTH)), image(2, 128, 128))
    assert tuple(out) == names
    columns = [out[name].asnumpy() for name in names if name in ("quarter", "half", "full", "double")]
    assert all(c.shape == (2, CLASSES, 32, 32) for c in columns)
    if fusion == "max":
        np.testing.assert_array_equal(out["scores"].asnumpy(), np.max(columns, axis=0))
    elif fusion == "sum":
        np.testing.assert_allclose(out["scores"].asnumpy(), np.sum(columns, axis=0), atol=1e-5)
    elif columns:
        z2 = out["z2"].asnumpy()
        np.testing.assert_allclose(out["scores"].asnumpy(), (1 - z2) * columns[0] + z2 * columns[1], atol=1e-4)


@pytest.mark.parametrize("stride", (8, 16, 32))
def test_dilated_backbones_keep_their_resolution(stride):
    spec = Network("single", (Column(1.0, (1, 1, 1, 1)),), stride, "plain", None)
    network = initialised(build(spec, CLASSES, WIDTH))
    maps = network.full_column(image(1, 64, 128))
    assert [m.shape[2] for m in maps] == [16, 8, max(4, 64 // stride), 64 // stride]
    assert named(network, image(1, 64, 128))["scores"].shape == (1, CLASSES, 16, 32)


def test_fast_inference_is_one_exportable_graph(tmp_path):
    _, fast = pair(sparse(structure="optimised", units=((1, 2, 4, 1), (1, 1, 2, 0))), (2, 4), 2)
    x = image(2, 128, 256)
    expected = fast(x)[0].asnumpy()
    fast.export(str(tmp_path / "model"))
    loaded = mx.gluon.SymbolBlock.imports(str(tmp_path / "model-symbol.json"), ["data"],
                                          str(tmp_path / "model-0000.params"))
    np.testing.assert_allclose(loaded(x)[0].asnumpy(), expected, atol=1e-6)


def test_upsampling_is_bilinear_with_aligned_centres():
    x = image(2, 5, 7)
    expected = mx.nd.contrib.BilinearResize2D(x, scale_height=2, scale_width=2, align_corners=False).asnumpy()
    np.testing.assert_allclose(Upsample(3)(x).asnumpy(), expected, atol=1e-6)


@pytest.mark.parametrize("settings, message", [
    ({"grid": (2, 4), "region": 64, "fast": True, "k": 9}, "0 to 8"),
    ({"grid": (2, 4), "region": 48, "fast": True, "k": 2}, "multiple of 32"),
    ({"grid": (2, 4), "region": 64, "fast": True}, "needs k"),
])
def test_what_does_not_fit_is_said(settings, message):
    with pytest.raises(ValueError, match=message):
        build(sparse(), CLASSES, WIDTH, **settings)


def test_a_width_that_divides_no_channel_is_an_error():
    with pytest.raises(ValueError, match="does not divide"):
        build(sparse(), CLASSES, 0.3, grid=(2, 4), region=64)


def test_a_sparse_network_wants_its_regions():
    for given in ({}, {"grid": (2, 3)}, {"region": REGION}):
        with pytest.raises(ValueError, match="a grid of regions and their side"):
            build(sparse(), CLASSES, WIDTH, **given)
