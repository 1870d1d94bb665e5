"""Fast inference: its tables, and that its short cut and its gradients are the plain graph's."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest

from repro.config.rows import Column, Network
from repro.models import cost
from repro.models.build import build
from repro.models.parameters import arrays_of, assign, parameters_of
from symbols.fast import edges, rows_taken

CLASSES, WIDTH = 5, 0.25
ON_CROPS = {"decoder_on_crops": True}
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
def test_a_decoder_on_crops_gives_the_scores_of_the_plain_graph(spec, grid, n, k, region, frozen):
    settings = {"grid": grid, "region": region, "frozen": frozen}
    x = image(n, grid[0] * region, grid[1] * region)
    arrays = values(spec, settings, x)
    plain = run(spec, arrays, x, k=k, **settings)
    assert abs(plain["scores"]).max() > 0.1
    out = run(spec, arrays, x, k=k, **settings, **ON_CROPS)
    for name in ("scores", "half", "z2", "s", "mask"):
        np.testing.assert_allclose(out[name], plain[name], rtol=0, atol=2e-5, err_msg=name)
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


@pytest.mark.parametrize("spec", NETWORKS.values(), ids=NETWORKS.keys())
def test_gradients_on_k_crops_are_those_of_all_crops_masked(spec):
    """Of winner-take-all training: one step is the same on either graph. (SCTF's classic graph is on no crops.)"""
    settings, x = {"grid": (2, 4), "region": 64, "k": 3}, image(2, 128, 256)
    arrays = values(spec, {"grid": (2, 4), "region": 64}, x)
    found = []
    for fast in (False, True):
        network = build(spec, CLASSES, WIDTH, fast=fast, **settings)
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


@pytest.mark.parametrize("grid, channels, size, margin, side, run", [
    ((2, 3), 3, 8, 0, 0, 8), ((2, 3), 2, 8, 2, 4, 4), ((1, 2), 4, 4, 3, 4, 4), ((3, 1), 1, 16, 13, 16, 16)])
def test_rows_that_are_taken_are_the_regions(grid, channels, size, margin, side, run):
    maps = np.random.RandomState(0).standard_normal((channels, grid[0] * size, grid[1] * size))
    table = rows_taken(grid, channels, size, margin, side, run)
    front = np.zeros((int(margin > 0), *maps.shape[1:]))
    taken = np.concatenate([front, maps]).reshape(-1, run)[table]
    around = np.pad(maps, ((0, 0), (margin, margin), (side, side)))
    for number, region in enumerate(taken):
        y, x = (size * at for at in divmod(number, grid[1]))
        wanted = around[:, y:y + size + 2 * margin, x:x + size + 2 * side]
        np.testing.assert_array_equal(region.reshape(wanted.shape), wanted)
    assert table.dtype == np.int32 and table.shape[0] == grid[0] * grid[1]


def test_edges_of_a_grid():
    top, bottom, left, right = edges((2, 3)).T.reshape(4, 2, 3)
    assert top.tolist() == [[1, 1, 1], [0, 0, 0]] and left.tolist() == [[1, 0, 0], [1, 0, 0]]
    assert (bottom == top[::-1]).all() and (right == left[:, ::-1]).all()
    assert edges((1, 1)).tolist() == [[1, 1, 1, 1]]


def test_the_graph_with_a_decoder_on_crops_exports_and_loads(tmp_path):
    spec, settings = NETWORKS["Model A"], {"grid": (2, 4), "region": 64}
    x = image(2, 128, 256)
    network = build(spec, CLASSES, WIDTH, fast=True, k=3, **settings, **ON_CROPS)
    assign(network, values(spec, settings, x), ctx=mx.cpu())
    network.hybridize()
    expected = network(x)[0].asnumpy()
    network.export(str(tmp_path / "model"))
    loaded = mx.gluon.SymbolBlock.imports(str(tmp_path / "model-symbol.json"), ["data"],
                                          str(tmp_path / "model-0000.params"))
    np.testing.assert_allclose(loaded(x)[0].asnumpy(), expected, rtol=0, atol=1e-6)
