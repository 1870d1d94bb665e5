"""The paired rule: differences by seed, their pooled deviation, and the bootstrap over test images."""

from __future__ import annotations

import numpy as np
import pytest
from claiming import SCTF, WTA, matrices, noise, ours, record_of, seeds

from repro.evaluation.metrics import mean_iou
from repro.tables.claims import SPARSE
from repro.tables.comparisons import change
from repro.tables.intervals import bootstrap, sequences, t_95, t_interval
from repro.tables.verdicts import GAINS, Figure, Gap, difference


def test_differences_are_paired_by_seed_and_their_deviation_is_pooled():
    """Both vary much, together: their difference by little; 1.0, 1.2, 0.8 deviate by 0.2."""
    base = [*seeds(WTA, 30.0, 40.0, 50.0), *seeds(SCTF, 31.0, 41.2, 50.8)]
    assert ours(*seeds(WTA, 40.0, 49.0, 44.0)).between_rows("mean_iou") is None
    assert ours(*base[:3], base[3]).between_rows("mean_iou") is None  # one pair
    assert ours(*base).deviation(WTA, SCTF) == (pytest.approx(0.2), 2)
    found = difference(ours(*base), WTA, SCTF)
    assert found.mean == pytest.approx(1) and found.images is None
    assert found.interval == pytest.approx((1 - 2.92 * 0.2 / 3 ** 0.5, 1 + 2.92 * 0.2 / 3 ** 0.5))
    single = [record_of(SPARSE["0.5"], 41.0, seed=1)]
    found = difference(ours(*base, *single), WTA, SPARSE["0.5"])  # with one pair the same deviation
    assert found.mean == 1 and found.interval == pytest.approx((1 - 2.92 * 0.2, 1 + 2.92 * 0.2))
    assert difference(ours(*base, record_of(SPARSE["0.5"], 41.0, seed=7)), WTA, SPARSE["0.5"]) is None
    gap = Gap(SCTF, WTA)
    assert ours(*base).deviation(gap, gap) == (pytest.approx(0.2 * 2 ** 0.5), 2)
    third = seeds(SPARSE["0.5"], 30.0, 40.0, 50.0)  # its difference from WTA is 0 in each seed
    assert ours(*base, *third).deviation(WTA, SCTF) == (pytest.approx((0.04 * 2 / 3) ** 0.5), 4)
    z2 = Figure("table3", WTA.row, key="z2_mean"), Figure("table3", SCTF.row, key="z2_mean")
    assert ours(*base).deviation(*z2) == (0.0, 2)


def test_two_inferences_are_compared_within_each_training():
    classic, fast = Figure("table2", "sctf-half-full"), SCTF
    records = [*seeds(SCTF, 31.0, 41.0, 51.0), *seeds(WTA, 30.0, 45.0, 40.0), *seeds(SPARSE["0.5"], 30.0, 40.0, 50.0)]
    for record, drop in zip(records, (3.0, 3.1, 2.9)):
        record.evaluations["fast"]["mean_iou"] -= drop
    found = difference(ours(*records), classic, fast)
    half = 2.92 * 0.1 / 3 ** 0.5
    assert (found.mean, found.interval) == (pytest.approx(-3), pytest.approx((-3 - half, -3 + half)))
    single = record_of(SCTF, 31.0)
    single.evaluations["fast"]["mean_iou"] -= 3
    assert difference(ours(single), classic, fast).interval is None
    assert difference(ours(single, *noise(1)), classic, fast).interval == pytest.approx((-4, -2))  # as between rows


def test_a_bootstrap_draws_whole_sequences_with_replacement():
    assert mean_iou(matrices(100, 50)) == pytest.approx([100, 100 / 3])
    assert mean_iou(np.array([[[3, 1, 0], [0, 4, 0], [0, 0, 0]]])) == pytest.approx([100 * (3 / 4 + 4 / 5) / 2])
    one, other = matrices(50, 60, 90, 100), matrices(60, 70, 90, 100)
    terms = [(-1, one), (1, other)]
    low, high = bootstrap(terms, range(4))
    whole = float((mean_iou(other.sum(0)[None]) - mean_iou(one.sum(0)[None]))[0])
    assert 0 <= low < whole < high < 20 and bootstrap(terms, range(4)) == (low, high)
    first, last = (float(mean_iou(other[part].sum(0)[None])[0] - mean_iou(one[part].sum(0)[None])[0])
                   for part in (slice(0, 2), slice(2, 4)))
    assert bootstrap(terms, [*"aabb"]) == pytest.approx((last, first))  # of two sequences both ends are drawn often
    assert bootstrap([(-1, one), (1, one)], range(4)) == (0, 0)
    assert bootstrap(terms, [*"aaaa"]) == pytest.approx((whole, whole))
    assert list(sequences(("a_1", "a_2", "b_1"))) == ["a", "a", "b"]
    assert list(sequences(("a_1", "a_2"))) == [0, 1]


def test_the_interval_over_images_stands_beside_where_both_rows_have_them():
    records = [record_of(WTA, 40.0), record_of(SPARSE["0.5"], 41.0)]
    names = np.array(["a_1", "a_2", "b_1", "b_2"])
    beside = {records[0].training: {"fast": matrices(50, 60, 90, 100), "images": names},
              records[1].training: {"fast": matrices(60, 70, 90, 100), "images": names}}

    def text():
        return change(ours(*records, images=lambda record: beside[record.training]), WTA, (SPARSE["0.5"],), GAINS)[0]
    assert text() == "40.00 → 41.00 (+1.00; images 0.0 to 10.2)"
    beside[records[1].training]["images"] = names[::-1]
    assert text() == "40.00 → 41.00 (+1.00)"  # other images
    beside[records[1].training] = {}
    assert text() == "40.00 → 41.00 (+1.00)"


def test_students_t():
    for freedom, t in ((1, 6.314), (2, 2.920), (10, 1.812), (11, 1.796), (16, 1.746), (30, 1.697), (120, 1.658)):
        assert t_95(freedom) == pytest.approx(t, abs=0.001)
    assert t_interval(-1.5, 4, 0.5, 2) == pytest.approx((-2.23, -0.77))
