"""Table 6's networks: their rows, their graphs up to the score maps, and their costs counted by hand."""

from __future__ import annotations

import math
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from graphs import image, run

from repro.config.networks import Column, Network
from repro.config.parsing import read_yaml
from repro.config.rows import Training, load_peers, load_rows, training_name
from repro.errors import UserError
from repro.evaluation.inference import named_outputs
from repro.models.build import build
from repro.models.peers import gluoncv_network, peer, random_values

EXPERIMENTS = Path(__file__).resolve().parent.parent / "experiments"
ROWS = load_peers(EXPERIMENTS / "table6.yaml")
BY_ID = {row.id: row for row in ROWS}
MEASURED = [row for row in ROWS if row.measured]
ZOO = [row for row in MEASURED if row.model]
SMALL = (128, 256)


# (paper, true) multiply-adds of gluoncv's networks, summed by hand layer by layer from their papers' tables and sources
THEIRS = {"icnet": (121108430848, 128624623616), "fastscnn": (6708323168, 6708323168),
          "pspnet": (1378351054848, 1472840335360), "deeplabv3": (1270765584384, 1365254864896),
          "fcn": (1069060980736, 1163550261248)}
# (paper, true) in g, of our networks: those of Tables 1 and 5, and the classic FCN
OURS = {"single": (786.26, 878.61), "stride16": (255.97, 283.89), "stride32": (164.84, 179.87),
        "classic": (147.32, 162.36), "max": (206.05, 224.84), "sctf": (206.06, 224.85), "isctf": (212.40, 231.19),
        "isctf-fast": (102.80, 110.32), "optimised": (76.98, 84.49), "model-a": (31.54, 37.99),
        "isctf-fast-whole": (212.40, 231.19), "model-a-whole": (59.80, 74.30)}  # the first as on all 32 crops


def filled(network, arrays):
    """The Gluon network with the graph's values; what the graph does not have is zero."""
    for name, parameter in network.collect_params().items():
        value = arrays[name] if name in arrays else mx.nd.zeros(parameter.shape)
        parameter.shape = value.shape
        if parameter._data is None:
            parameter.initialize(mx.init.Zero())
        parameter.set_data(value)
    return network


def test_the_papers_rows_come_first_in_its_order_and_have_no_network():
    published = list(read_yaml(EXPERIMENTS / "published.yaml")["table6"]["rows"])
    assert [row.id for row in ROWS[: len(published)]] == published
    assert [row.measured for row in ROWS] == [row.id not in published for row in ROWS]
    assert sorted(row.model for row in ZOO) == ["deeplabv3", "fastscnn", "fcn", "icnet", "pspnet"]


def test_rows_of_tables_1_and_5_are_those_rows():
    table = {**{row.id: row for row in load_rows(EXPERIMENTS / "table1.yaml")},
             **{row.id: row for row in load_rows(EXPERIMENTS / "table5.yaml")}}
    own = [row for row in MEASURED if row.network and row.id != "classic" and row.inference != "uncropped"]
    assert [row.id for row in own] == ["single", "stride16", "stride32", "max", "sctf", "isctf", "isctf-fast",
                                       "optimised", "model-a"]
    for row in own:
        other = table[row.id]
        assert (row.network, row.inference) == (other.network, other.inference)
        assert row.k == (other.k(32) if row.network.sparse else None)


@pytest.mark.parametrize("row", MEASURED, ids=lambda row: row.id)
def test_every_network_s_scores_and_cost_at_the_paper_s_size(row):
    made = peer(row)
    _, shapes, _ = made.symbol.infer_shape(data=(1, 3, 1024, 2048))
    stride = 8 if row.model in ("fastscnn", "pspnet", "deeplabv3", "fcn") else 4
    assert made.stride == stride and shapes == [(1, 19, 1024 // stride, 2048 // stride)]
    assert set(made.arrays) == set(made.symbol.list_inputs()) - {"data"}
    if row.model:
        assert (made.paper, made.true) == THEIRS[row.model]
    else:
        assert (round(made.paper / 1e9, 2), round(made.true / 1e9, 2)) == OURS[row.id]


@pytest.mark.parametrize("row", [BY_ID[name] for name in ("icnet", "fastscnn", "fcn")], ids=lambda row: row.id)
def test_gluoncv_s_network_itself_gives_these_scores_up_sampled(row):
    made, x = peer(row, SMALL), image(1, *SMALL)
    scores, = run(made.symbol, made.arrays, x)
    assert scores.shape == (1, 19, SMALL[0] // made.stride, SMALL[1] // made.stride)
    with mx.name.NameManager():
        network = filled(gluoncv_network(row.model, SMALL, 19), made.arrays)
    outputs = network(x)
    own = (outputs[0] if isinstance(outputs, (list, tuple)) else outputs).asnumpy()
    raised = mx.nd.contrib.BilinearResize2D(mx.nd.array(scores), height=SMALL[0], width=SMALL[1]).asnumpy()
    np.testing.assert_allclose(raised, own, rtol=0, atol=1e-4 * np.abs(own).max())
    assert scores.std(axis=(2, 3)).min() > 0.01  # the scores depend on the place
    sides = 2 * 128 * 19 if row.model == "icnet" else 0  # ICNet's two classifiers on the side are not computed
    learned = [p for p in network.collect_params().values() if p.grad_req != "null"]
    assert made.parameters == sum(math.prod(p.shape) for p in learned) - sides


@pytest.mark.parametrize("name", ["classic", "sctf", "model-a"])  # without regions, with all and with some of them
def test_our_graphs_are_the_networks(name):
    row, size, x = BY_ID[name], (256, 512), image(1, 256, 512)
    made = peer(row, size, classes=5, width=0.25)
    regions = {"grid": (4, 8), "region": 64, "k": row.k, "fast": row.inference == "fast"}
    network = filled(build(row.network, 5, 0.25, **(regions if row.network.sparse else {})), made.arrays)
    own = named_outputs(network, x)["scores"].asnumpy()
    assert own.shape == (1, 5, 64, 128) and made.stride == 4
    scores, = run(made.symbol, made.arrays, x)
    np.testing.assert_allclose(scores, own, rtol=0, atol=1e-4 * np.abs(own).max())
    learned = [p for n, p in network.collect_params().items() if p.grad_req != "null"]
    assert made.parameters == sum(math.prod(p.shape) for p in learned)


def test_the_classic_fcn_sums_up_sampled_scores():
    row, x = BY_ID["classic"], image(1, 64, 96)
    network = build(row.network, 5, 0.25)
    network.initialize(mx.init.Xavier())
    decoder, maps = network.full_decoder, network.full_column(x)
    own = [getattr(decoder, f"classifier{i}")(m).asnumpy() for i, m in enumerate(maps)]
    assert [scores.shape[2:] for scores in own] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    alone = []
    for i in range(4):  # each resolution's scores alone, raised by the decoder's own steps
        one = mx.nd.array(own[i])
        for step in reversed(range(i)):
            one = getattr(decoder, f"upsample{step}")(one)
        alone.append(one.asnumpy())
    np.testing.assert_allclose(network(x).asnumpy(), sum(alone), rtol=0, atol=1e-5 * np.abs(sum(alone)).max())


def test_the_classic_structure_is_of_one_plain_column_and_has_a_name():
    training = Training("none", None, None, False, False, True)
    assert training_name(BY_ID["classic"].network, training) == "single-full3463-classic"
    for fusion, scales, stride in (("single", (1.0,), 8), ("max", (0.5, 1.0), 32)):
        with pytest.raises(UserError, match="classic"):
            Network(fusion, tuple(Column(s, (3, 4, 6, 3)) for s in scales), stride, "classic", None)


def test_values_are_the_same_whatever_was_built_before():
    first = peer(BY_ID["fastscnn"], SMALL)
    gluoncv_network("fastscnn", SMALL, 19)
    again = peer(BY_ID["fastscnn"], SMALL)
    assert list(first.arrays) == list(again.arrays)
    assert all((value == again.arrays[name]).asnumpy().all() for name, value in first.arrays.items())
    assert (random_values("a_weight", (9, 9), 0) != random_values("a_weight", (9, 9), 1)).all()
    assert (random_values("a_running_var", (1000,), 0) > 0.7).all()
    assert 0.05 < random_values("a_running_mean", (1000,), 0).std() < 0.2
    with pytest.raises(ValueError, match="a_q: of no known kind"):
        random_values("a_q", (3,), 0)


@pytest.mark.parametrize("name, size, settings, message", [
    ("FCN-8s", SMALL, {}, "FCN-8s: the paper's figures alone"),
    ("icnet", (100, 256), {}, "icnet at 100x256: .* multiples of 32"),
    ("model-a", (256, 500), {}, "model-a at 256x500: not of whole regions of 64"),
    ("model-a", (64, 128), {}, "model-a at 64x128: region 16"),
    ("model-a", (2, 4), {}, "not of whole regions of 0"),
    ("isctf-fast", (256, 512), {"k": 33}, "isctf-fast at 256x512: k 33"),
])
def test_what_cannot_be_built_is_one_line(name, size, settings, message):
    with pytest.raises(UserError, match=message):
        peer(BY_ID[name], size, **settings)


PLAIN = ("network: {fusion: single, columns: [{scale: 1, units: [3, 4, 6, 3]}], output_stride: 8, "
         "structure: plain, region: null}")
SPARSE = ("network: {fusion: isctf, columns: [{scale: 0.5, units: [3, 4, 6, 3]}, {scale: 1, units: [3, 4, 6, 3]}], "
          "output_stride: 32, structure: plain, region: 256}")


@pytest.mark.parametrize("row, message", [
    ("gluoncv: resnet, precisions: [float32]", "row a: gluoncv: 'resnet' is not known; choose from icnet"),
    ("gluoncv: icnet", "row a: precisions: one or more"),
    ("precisions: [int8]", "row a: precisions: .* none without"),
    ("gluoncv: icnet, precisions: [double]", "precisions: 'double' is not known; choose from float32, bfloat16"),
    ("gluoncv: icnet, precisions: [float32], k: 8", "k: 8 needs a network"),
    ("inference: fast", "inference: 'fast' needs a network"),
    (f"gluoncv: icnet, inference: whole, precisions: [float32], {PLAIN}", "icnet and a network"),
    (f"inference: fast, precisions: [float32], {PLAIN}", "'fast' does not suit fusion single"),
    (f"inference: whole, precisions: [float32], k: 8, {PLAIN}", "k: 8 does not suit fusion single"),
    (f"inference: whole, precisions: [float32], {SPARSE}", "'whole' does not suit fusion isctf"),
    (f"inference: uncropped, precisions: [float32], {PLAIN}", "'uncropped' does not suit fusion single"),
    (f"inference: uncropped, precisions: [float32], k: 8, {SPARSE}", "k: 8 does not suit fusion isctf with 32"),
    (f"inference: fast, precisions: [float32], {SPARSE}", "k: None does not suit fusion isctf with 32 regions"),
    (f"inference: fast, precisions: [float32], k: 33, {SPARSE}", "k: 33 does not suit"),
    (f"precisions: [float32], {PLAIN}", "inference: None is not known"),
    ("speed: 3", "unknown key 'speed'"), ("}\n  - {id: a, label: c", "row a: this id is given twice"),
])
def test_mistakes_in_rows_are_one_line(tmp_path, row, message):
    path = tmp_path / "rows.yaml"
    path.write_text(f"rows:\n  - {{id: a, label: b, {row}}}\n")
    with pytest.raises(UserError, match=message) as error:
        load_peers(path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)
