"""Fast inference: its tables, and that its short cut and its gradients are the plain graph's; and uncropped."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest
from graphs import CLASSES, MODEL_A, WIDTH, built, image, outputs, sparse
from model_a import EXPERIMENTS

from repro.config.rows import load_peers
from repro.models import cost
from repro.models.build import build
from repro.models.parameters import assign, parameters_of
from repro.models.peers import peer

PEERS = {row.id: row for row in load_peers(EXPERIMENTS / "table6.yaml")}
ON_CROPS = {"decoder_on_crops": True}
NETWORKS = {"Model A": MODEL_A, "ISCTF": sparse(), "ISCTF with a 1x1 top": sparse(structure="optimised"),
            "SCTF": sparse("sctf")}


def values(spec, x, **settings):
    """`built`, with values by which neither z nor s saturates: every parameter has a gradient."""
    arrays, settings = built(spec, x, **settings)
    return {name: value * (0.02 if name.startswith(("weights.", "sparse_head.")) else 1)
            for name, value in arrays.items()}, settings


@pytest.mark.parametrize("kind, grid, n, k, region, frozen", [
    ("Model A", (2, 4), 1, 3, 64, True), ("Model A", (2, 4), 2, 8, 64, False), ("Model A", (1, 3), 2, 1, 128, False),
    ("ISCTF", (4, 2), 1, 5, 32, False), ("ISCTF", (2, 2), 2, 4, 64, True), ("ISCTF", (2, 2), 1, 0, 64, True),
    ("ISCTF with a 1x1 top", (4, 2), 1, 5, 32, True), ("SCTF", (2, 4), 2, 3, 64, False),
    ("SCTF", (1, 3), 1, 1, 128, True)])
def test_a_decoder_on_crops_gives_the_scores_of_the_plain_graph(kind, grid, n, k, region, frozen):
    spec, x = NETWORKS[kind], image(n, grid[0] * region, grid[1] * region)
    arrays, settings = values(spec, x, grid=grid, region=region, k=k, frozen=frozen)
    plain, out = (outputs(spec, arrays, {**settings, **way}, x) for way in ({}, ON_CROPS))
    assert abs(plain["scores"]).max() > 0.1
    for name in ("scores", "half", "z2", "s", "mask"):
        np.testing.assert_allclose(out[name], plain[name], rtol=0, atol=2e-5 * max(1, abs(plain[name]).max()),
                                   err_msg=name)
    kept = plain["mask"].repeat(region // 4, axis=2).repeat(region // 4, axis=3)
    np.testing.assert_allclose(out["full"], plain["full"] * kept, rtol=0, atol=1e-4)


def counted(spec, k=8, **options):
    shape = (1, 3, 1024, 2048)
    network = build(spec, 19, grid=(4, 8), region=256, fast=True, k=k, **options)
    return cost.paper(cost.count(cost.trace(network, shape), shape))


def test_a_decoder_on_crops_costs_its_jumps_and_its_windows():
    """34 rows of 40 columns @1/8 a region of 32 x 32 (46 of the cross-column layer), rows being taken in runs of 16."""
    hidden, cross, classifier = 9 * 64 * 32, 9 * 32 * 32, 32 * 19
    jumps = 64 * 64 * 256 * 32 // 2 + 32 * 32 * 512 * 64 // 4 + 16 * 16 * 1024 * 128 // 8  # of a region
    for name, top in (("Model A", 0), ("ISCTF with a 1x1 top", 8 * 8 * 2048 * 128 // 8)):
        for k in (4, 8, 31):
            whole = 128 * 256 * (hidden + cross) + 256 * 512 * classifier + 32 * (jumps + top)
            windows = k * (34 * 40 * hidden + 34 * 46 * cross + 64 * 64 * classifier + jumps) + 32 * top
            assert counted(NETWORKS[name], k) - counted(NETWORKS[name], k, **ON_CROPS) == whole - windows


def test_names_of_parameters_depend_on_no_way_to_run_them():
    spec, settings = NETWORKS["Model A"], {"grid": (2, 4), "region": 64}
    first, *others = [sorted(parameters_of(build(spec, CLASSES, WIDTH, **settings, **way))) for way in (
        {}, {"k": 0}, {"k": 2}, {"k": 2, "fast": True}, {"k": 2, "fast": True, **ON_CROPS}, {"uncropped": True})]
    assert all(names == first for names in others) and "full_decoder.hidden1.weight" in first
    assert {"full_decoder.cross0.bias", "half_decoder.jump2.weight", "sparse_head.conv.bias"} < set(first)
    with pytest.raises(ValueError, match="fast inference"):
        build(spec, CLASSES, WIDTH, k=2, **settings, **ON_CROPS)


@pytest.mark.parametrize("spec", [MODEL_A, sparse("sctf")], ids=["Model A", "SCTF"])
def test_gradients_on_k_crops_are_those_of_all_crops_masked(spec):
    """Of winner-take-all training: one step is the same on either graph. (SCTF's classic graph is on no crops.)"""
    x = image(2)
    arrays, settings = values(spec, x)
    found = []
    for fast in (False, True):
        network = build(spec, **{**settings, "fast": fast})
        assign(network, arrays, ctx=mx.cpu())
        network.hybridize(static_alloc=True, static_shape=True)
        with mx.autograd.record():
            scores, half, full, *_ = network(x)
            loss = (scores ** 2).mean() + (half ** 2).mean() + (full ** 2).mean()
        loss.backward()
        found.append({name: p.grad().asnumpy() for name, p in parameters_of(network).items() if p.grad_req != "null"})
    same = spec.fusion == "isctf"
    apart = {name: abs(found[1][name] - one).max() / abs(one).max() for name, one in found[0].items()}
    assert (max(apart.values()) < 1e-4) == same and len(apart) > 50
    assert all(abs(one).max() > 0 for one in found[1].values())


@pytest.mark.parametrize("name", ["isctf-fast", "model-a"])
def test_uncropped_is_the_same_network_with_the_full_column_on_all_of_the_image(name):
    fast, whole = PEERS[name], PEERS[f"{name}-whole"]
    assert (whole.network, whole.inference, whole.k) == (fast.network, "uncropped", None)
    one, other = peer(fast), peer(whole)
    apart = set(one.arrays) ^ set(other.arrays)
    assert one.parameters == other.parameters and all(name.endswith(("_places", "_edges")) for name in apart)
    crops, whole_image = ({layer.name: layer.multiply_adds for layer in made.counts} for made in (one, other))
    assert whole_image == {layer: count * (4 if layer.startswith("full_backbone") else 1)  # of 32 regions, 8
                           for layer, count in crops.items()}


@pytest.mark.parametrize("fusion", ["sctf", "isctf"])
def test_uncropped_the_full_column_is_the_same_whatever_is_selected(fusion):
    x = image()
    arrays, settings = built(sparse(fusion), x, fast=False)
    cropped, one, other = (outputs(sparse(fusion), arrays, {**settings, **way}, x) for way in (
        {"k": None}, {"k": 1, "uncropped": True}, {"k": 8, "uncropped": True}))
    np.testing.assert_allclose(one["full"], other["full"], atol=1e-5 * abs(one["full"]).max())
    assert (abs(one["full"] - cropped["full"]).max() > 1e-3) == (fusion == "isctf")
    assert abs(one["scores"] - other["scores"]).max() > 1e-3
    with pytest.raises(ValueError, match="fast inference is on crops"):
        build(sparse(fusion), **{**settings, "fast": True, "uncropped": True})
