"""A sparse network run uncropped: the same parameters and work, the full column on the whole image."""

from __future__ import annotations

from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from repro.config.peers import load_peers
from repro.config.rows import Column, Network
from repro.models.build import build
from repro.models.parameters import arrays_of, assign
from repro.models.peers import peer

ROWS = {row.id: row for row in load_peers(Path(__file__).resolve().parent.parent / "experiments" / "table6.yaml")}


@pytest.mark.parametrize("name", ["isctf-fast", "model-a"])
def test_uncropped_is_the_same_network_with_the_full_column_on_all_of_the_image(name):
    fast, whole = ROWS[name], ROWS[f"{name}-whole"]
    assert (whole.network, whole.inference, whole.k) == (fast.network, "uncropped", None)
    one, other = peer(fast), peer(whole)
    apart = set(one.arrays) ^ set(other.arrays)
    assert one.parameters == other.parameters and all(name.endswith(("_places", "_edges")) for name in apart)
    crops, image = ({layer.name: layer.multiply_adds for layer in made.counts} for made in (one, other))
    assert image == {layer: count * (4 if layer.startswith("full_backbone") else 1)  # of 32 regions, 8
                     for layer, count in crops.items()}


@pytest.mark.parametrize("fusion", ["sctf", "isctf"])
def test_uncropped_the_full_column_is_the_same_whatever_is_selected(fusion):
    spec = Network(fusion, (Column(0.5, (1, 1, 1, 1)), Column(1.0, (1, 1, 1, 1))), 32, "plain", 256)
    settings = {"width": 0.25, "grid": (2, 4), "region": 64}
    donor = build(spec, 5, **settings)
    donor.initialize(mx.init.Xavier(rnd_type="gaussian", factor_type="in", magnitude=2))
    x = mx.nd.array(np.random.RandomState(0).standard_normal((1, 3, 128, 256)))
    networks = [donor] + [build(spec, 5, k=k, uncropped=True, **settings) for k in (1, 8)]
    donor(x)
    for network in networks[1:]:
        assign(network, arrays_of(donor), ctx=mx.cpu())
    cropped, one, other = (dict(zip(network.outputs, network(x))) for network in networks)
    np.testing.assert_allclose(one["full"].asnumpy(), other["full"].asnumpy(), atol=1e-5)
    assert (abs(one["full"] - cropped["full"]).max().asscalar() > 1e-3) == (fusion == "isctf")
    assert abs(one["scores"] - other["scores"]).max().asscalar() > 1e-3
    with pytest.raises(ValueError, match="fast inference is on crops"):
        build(spec, 5, k=1, fast=True, uncropped=True, **settings)
