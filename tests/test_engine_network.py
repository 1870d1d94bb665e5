"""Fast inference's short cuts, options of the network: each alone and all together give the plain graph's scores."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest

from repro import cost
from repro.build import build
from repro.parameters import arrays_of, assign, parameters_of
from repro.rows import Column, Network

CLASSES, WIDTH = 5, 0.25
OPTIONS = ({"rows": True}, {"jumps_on_crops": True}, {"decoder_on_crops": True},
           {"rows": True, "jumps_on_crops": True, "decoder_on_crops": True})
PLAIN, MODEL_A = ((1, 1, 1, 1), (1, 1, 1, 1)), ((1, 2, 4, 1), (1, 1, 2, 0))


def sparse(fusion="isctf", units=PLAIN, structure="plain", region=256):
    return Network(fusion, (Column(0.5, units[0]), Column(1.0, units[1])), 32, structure, region)


NETWORKS = {
    "Model A": sparse(units=MODEL_A, structure="optimised"),
    "ISCTF": sparse(),
    "ISCTF with a 1x1 top": sparse(structure="optimised"),
    "SCTF": sparse("sctf"),
}


def image(n, h, w, seed=0):
    return mx.nd.array(np.random.RandomState(seed).standard_normal((n, 3, h, w)).astype(np.float32))


def values(spec, settings, x):
    """Arrays of a network with statistics and biases that are not trivial."""
    mx.random.seed(7)
    network = build(spec, CLASSES, WIDTH, k=1, **settings)
    network.initialize(mx.init.Xavier(rnd_type="gaussian", factor_type="in", magnitude=2))
    network(x[:1])
    random = np.random.RandomState(1)
    for name, parameter in parameters_of(network).items():
        if name.endswith(("beta", "running_mean", "bias")):
            parameter.set_data(mx.nd.array(random.standard_normal(parameter.shape) * 0.3))
    return arrays_of(network)


def run(spec, arrays, x, **settings):
    network = build(spec, CLASSES, WIDTH, fast=True, **settings)
    assign(network, arrays, ctx=mx.cpu())
    network.hybridize()
    return dict(zip(network.outputs, (output.asnumpy() for output in network(x))))


@pytest.mark.parametrize("frozen", (True, False))
@pytest.mark.parametrize("grid, n, k, region", [((2, 4), 1, 3, 64), ((2, 2), 2, 4, 64), ((1, 3), 2, 1, 128),
                                                ((4, 2), 1, 5, 32), ((2, 2), 1, 0, 64)])
@pytest.mark.parametrize("spec", NETWORKS.values(), ids=NETWORKS.keys())
def test_every_option_gives_the_scores_of_the_plain_graph(spec, grid, n, k, region, frozen):
    settings = {"grid": grid, "region": region, "frozen": frozen}
    x = image(n, grid[0] * region, grid[1] * region)
    arrays = values(spec, settings, x)
    plain = run(spec, arrays, x, k=k, **settings)
    assert abs(plain["scores"]).max() > 0.1
    for options in OPTIONS:
        out = run(spec, arrays, x, k=k, **settings, **options)
        for name in ("scores", "half", "z2", "s", "mask"):
            np.testing.assert_allclose(out[name], plain[name], rtol=0, atol=2e-5, err_msg=f"{name} with {options}")
        kept = plain["mask"].repeat(region // 4, axis=2).repeat(region // 4, axis=3)
        shown = kept if "decoder_on_crops" in options else 1
        np.testing.assert_allclose(out["full"], plain["full"] * shown, rtol=0, atol=1e-4, err_msg=str(options))


def counted(spec, k=8, **options):
    shape = (1, 3, 1024, 2048)
    network = build(spec, 19, grid=(4, 8), region=256, fast=True, k=k, **options)
    return cost.paper(cost.count(cost.trace(network, shape), shape))


@pytest.mark.parametrize("spec, level5", [(NETWORKS["Model A"], 0), (NETWORKS["ISCTF with a 1x1 top"], 1)],
                         ids=["Model A", "with a 1x1 top"])
def test_jumps_on_crops_cost_a_regions_share(spec, level5):
    positions = {scale: 1024 * 2048 // scale ** 2 for scale in (4, 8, 16, 32)}
    whole = positions[4] * 256 * 32 // 2 + positions[8] * 512 * 64 // 4 + positions[16] * 1024 * 128 // 8
    # the top layer runs on one more crop, of zeros: what fills the regions that are not computed
    top = level5 * positions[32] * 2048 * 128 // 8
    for k in (4, 8, 31):
        saved = counted(spec, k) - counted(spec, k, jumps_on_crops=True)
        assert saved == whole * (32 - k) // 32 + top * (32 - k - 1) // 32


def test_the_last_step_on_crops_costs_its_windows():
    """34 rows of 40 columns @1/8 a region of 32 x 32 (46 of the cross-column layer), rows being taken in runs of 16."""
    spec, k = NETWORKS["Model A"], 8
    hidden, cross, classifier = 9 * 64 * 32, 9 * 32 * 32, 32 * 19
    whole = 128 * 256 * (hidden + cross) + 256 * 512 * classifier
    windows = k * (34 * 40 * hidden + 34 * 46 * cross + 64 * 64 * classifier)
    assert counted(spec, jumps_on_crops=True) - counted(spec, decoder_on_crops=True) == whole - windows
    assert counted(spec, rows=True) == counted(spec)


def test_parameters_names_do_not_depend_on_the_options():
    names = [set(parameters_of(build(NETWORKS["Model A"], CLASSES, WIDTH, grid=(2, 4), region=64, fast=True, k=2, **o)))
             for o in ({}, *OPTIONS)]
    assert all(n == names[0] for n in names)


def test_the_options_are_for_fast_inference():
    for options in OPTIONS:
        with pytest.raises(ValueError, match="fast inference"):
            build(NETWORKS["Model A"], CLASSES, WIDTH, grid=(2, 4), region=64, k=2, **options)


def test_the_graph_with_all_options_exports_and_loads(tmp_path):
    spec, settings = NETWORKS["Model A"], {"grid": (2, 4), "region": 64}
    x = image(2, 128, 256)
    network = build(spec, CLASSES, WIDTH, fast=True, k=3, **settings, **OPTIONS[-1])
    assign(network, values(spec, settings, x), ctx=mx.cpu())
    network.hybridize()
    expected = network(x)[0].asnumpy()
    network.export(str(tmp_path / "model"))
    loaded = mx.gluon.SymbolBlock.imports(str(tmp_path / "model-symbol.json"), ["data"],
                                          str(tmp_path / "model-0000.params"))
    np.testing.assert_allclose(loaded(x)[0].asnumpy(), expected, rtol=0, atol=1e-6)
