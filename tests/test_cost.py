"""The counter against nets counted by hand, and every Calc. cell of the paper."""

from __future__ import annotations

from pathlib import Path

import mxnet as mx
import pytest

from repro.config.parsing import read_yaml
from repro.config.rows import load_rows
from repro.models import cost
from repro.tables.columns import giga

EXPERIMENTS = Path(__file__).resolve().parent.parent / "experiments"
ROWS = [(number, row) for number in range(1, 6) for row in load_rows(EXPERIMENTS / f"table{number}.yaml")]
PUBLISHED = read_yaml(EXPERIMENTS / "published.yaml")
S, ONE = mx.sym, {"kernel": (1, 1), "no_bias": True}
UP = {"kernel": (4, 4), "stride": (2, 2), "pad": (1, 1), "num_filter": 6, "num_group": 2}


@pytest.mark.parametrize("number, row", ROWS, ids=[f"table{n}-{row.id}" for n, row in ROWS])
def test_every_calc_cell_equals_the_papers_as_printed(number, row):
    printed = PUBLISHED[f"table{number}"]["rows"][row.id]["calc"]
    if printed is not None:  # Table 5 prints "-" where a stage changes no cost
        assert giga(cost.row_figures(row)[0]) == printed


def test_a_region_costs_what_table_3_implies():
    by_id = {row.id: row for n, row in ROWS if n == 3}
    four, eight = (cost.row_figures(by_id[f"isctf-sparse-p{p}-l0.001-r256"])[0] for p in ("0.13", "0.25"))
    assert (eight - four) / 4 == pytest.approx(4.5666e9, rel=1e-4)


def test_shortcuts_are_what_true_adds():
    plain = next(row for n, row in ROWS if n == 1 and row.network.output_stride == 32)
    paper, true, _ = cost.row_figures(plain)
    # 1x1 projections 64->256, 256->512, 512->1024, 1024->2048 at 1/4 ... 1/32
    by_hand = sum(a * b * (1024 // s) * (2048 // s) for a, b, s in
                  ((64, 256, 4), (256, 512, 8), (512, 1024, 16), (1024, 2048, 32)))
    assert true - paper == by_hand == 15_032_385_536


@pytest.mark.parametrize("layer, shape, wanted", [
    # output 6 x 4 x 10, each sums 4 / 2 channels x 15 taps
    (lambda x: S.Convolution(x, kernel=(3, 5), num_filter=6, num_group=2, stride=(2, 1), pad=(1, 2)), (1, 4, 8, 10),
     [6 * 4 * 10 * 2 * 15]),
    # the second output of an operator
    (lambda x: S.Convolution(S.split(x, num_outputs=2, axis=1)[1], kernel=(1, 1), num_filter=5), (1, 6, 2, 2),
     [5 * 4 * 3]),
    # 6 channels of 5 x 7, each added to 3 channels of its group x 16 taps; a fixed kernel is not counted
    (lambda x: S.Deconvolution(x, **UP), (1, 6, 5, 7), [6 * 35 * 3 * 16]),
    (lambda x: S.Deconvolution(x, S.ones((6, 3, 4, 4)), **UP), (1, 6, 5, 7), []),
    # nor what depends on parameters alone
    (lambda x: S.Convolution(x, S.erf(S.Convolution(S.var("weight", shape=(5, 3, 1, 1)), **ONE, num_filter=3)), **ONE,
                             num_filter=5), (1, 3, 4, 4), [5 * 16 * 3]),
    (lambda x: S.FullyConnected(x, num_hidden=7), (2, 3, 4, 5), [2 * 7 * 3 * 4 * 5]),
])
def test_layers_by_hand(layer, shape, wanted):
    assert [one.multiply_adds for one in cost.count(layer(S.var("data")), shape)] == wanted


def test_a_small_net_by_hand_with_shortcut_and_free_operators():
    x = mx.sym.var("data")
    a = mx.sym.Convolution(x, kernel=(3, 3), num_filter=8, pad=(1, 1), no_bias=True, name="main")
    b = mx.sym.Convolution(x, kernel=(1, 1), num_filter=8, name="shortcut_conv")
    y = mx.sym.Activation(a + b, act_type="relu")
    counts = cost.count(y, (2, 3, 4, 4))
    assert cost.paper(counts) == 2 * 8 * 16 * 27
    assert cost.true(counts) == 2 * 8 * 16 * (27 + 3)
    assert [(one.name, one.multiply_adds, one.shortcut) for one in counts] == [
        ("main", 6912, False), ("shortcut_conv", 768, True)]


def test_an_unknown_operator_is_an_error():
    with pytest.raises(NotImplementedError, match="Embedding"):
        cost.count(mx.sym.Embedding(mx.sym.var("data"), input_dim=4, output_dim=3), (1, 4))
