"""The claims' page: the rule reaches every verdict, the claims are the paper's, and records alone decide."""

from __future__ import annotations

from dataclasses import replace

import pytest
from claiming import COSTS, PUBLISHED, ROWS, SCTF, TABLES, WTA, noise, ours, record_of, seeds
from made_up import made_up

from experiments.lib.tables import CLAIMS as PAGE
from experiments.lib.tables import render
from repro.tables import claims_page
from repro.tables.claims import CLAIMS, MODEL_A, REMOVED, REPAIRED, SPARSE
from repro.tables.comparisons import Change, Dominated, Range, Released, Rising, Same
from repro.tables.counts import Everywhere, Selects, Varies
from repro.tables.verdicts import (
    ALIKE,
    FAILS,
    GAINS,
    HOLDS,
    LOSES,
    MISSING,
    NOT_LESS,
    NOT_MORE,
    OPEN,
    Difference,
    Figure,
    Paper,
    judged,
    quartiles,
    together,
    value_of,
)


def table_of(text):
    """The page's table of claims: [{header: cell}]."""
    block = next(block for block in text.split("\n\n") if block.startswith("| Claim"))
    header, _, *lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in block.splitlines()]
    return [dict(zip(header, line)) for line in lines]


@pytest.mark.parametrize("difference, noise, bounds, verdict", [
    (1.1, 1.0, GAINS, HOLDS),
    (1.0, 1.0, GAINS, OPEN),
    (-0.9, 1.0, GAINS, OPEN),
    (-1.0, 1.0, GAINS, FAILS),
    (-1.1, 1.0, LOSES, HOLDS),
    (0.0, 0.0, LOSES, FAILS),
    (-0.4, 1.0, NOT_LESS, HOLDS),
    (-0.6, 1.0, NOT_LESS, OPEN),
    (-2.5, 1.0, NOT_LESS, FAILS),
    (2.6, 1.0, NOT_MORE, FAILS),
    (0.4, 1.0, ALIKE, HOLDS),
    (0.0, 1.6, ALIKE, OPEN),
    (-2.6, 1.0, ALIKE, FAILS),
    (9.0, None, GAINS, OPEN),
    (None, 1.0, GAINS, MISSING),
])
def test_a_difference_is_decided_by_the_whole_of_its_interval(difference, noise, bounds, verdict):
    interval = None if noise is None else (difference - noise, difference + noise) if difference is not None else None
    assert judged(None if difference is None else Difference(difference, interval), bounds) == verdict


def test_of_several_verdicts_the_worst_counts_and_a_missing_record_hides_them_all():
    assert together([HOLDS, HOLDS]) == HOLDS and together([HOLDS, OPEN]) == OPEN
    assert together([HOLDS, OPEN, FAILS]) == FAILS and together([FAILS, MISSING]) == MISSING


def test_a_change_has_its_differences_with_both_intervals():
    change = Change(WTA, (SPARSE["0.5"],), GAINS)
    base = [*seeds(WTA, 38.0, 38.2, 38.7), *seeds(SCTF, 40.0, 40.5, 41.0)]
    source = ours(*base, *seeds(SPARSE["0.5"], 40.0, 40.0, 40.3))
    assert value_of(source, WTA) == pytest.approx(38.3)
    assert change.text(source) == "38.30 ± 0.35 → 40.10 ± 0.15 (+1.80; t 1.5 to 2.1)"
    assert change.verdict(source) == HOLDS
    assert change.verdict(ours(*base, record_of(SPARSE["0.5"], 38.3))) == OPEN
    assert change.verdict(ours(*base, record_of(SPARSE["0.5"], 37.0))) == FAILS
    assert (change.text(ours(*base)), change.verdict(ours(*base))) == (MISSING, MISSING)
    alone = ours(base[0], record_of(SPARSE["0.5"], 60.0))
    assert (change.text(alone), change.verdict(alone)) == ("38.00 → 60.00 (+22.00)", OPEN)


def test_many_figures_are_given_by_their_ends():
    change = Change(Figure("table4", "3463-3463"), tuple(Figure("table4", row) for row in REMOVED), LOSES)
    assert change.text(Paper(PUBLISHED)) == "73.66 → 66.12 to 70.35 (-7.54 to -3.31)"


def test_a_range_is_alike_or_not():
    figures = (WTA, SCTF, SPARSE["0.5"])
    for middle, verdict in ((40.4, HOLDS), (41.4, OPEN), (43.0, FAILS)):
        source = ours(*noise(0.4), *(record_of(*one) for one in zip(figures, (40.0, middle, 40.1))))
        assert Range(figures).verdict(source) == verdict
    assert Range(figures).text(source) == "40.00, 43.00, 40.10 (range 3.00; t 2.6 to 3.4)"
    assert Range(figures).verdict(ours(record_of(WTA, 40.0))) == MISSING


def test_a_sequence_rises_from_end_to_end_and_nowhere_falls():
    rising = Rising(tuple(SPARSE.values()))
    for values, verdict in (((30, 31, 30.5, 32, 33), HOLDS), ((30, 31, 30.5, 30.5, 30.8), OPEN),
                            ((30, 33, 31, 32, 34), FAILS), ((33, 32.5, 32, 31.5, 31), FAILS)):
        source = ours(*noise(1), *(record_of(figure, value) for figure, value in zip(rising.figures, values)))
        assert rising.verdict(source) == verdict, values
    assert rising.verdict(ours(*noise(1))) == MISSING


def test_inference_is_the_same_or_not_whatever_the_spread():
    same = Same((Figure("table2", "isctf-half-full"), SPARSE["0.5"]))
    record = record_of(SPARSE["0.5"], 40.0)
    assert same.verdict(ours(record)) == HOLDS and same.text(ours(record)) == "0.00 at most (1 training)"
    record.evaluations["fast"]["mean_iou"] = 39.9
    assert same.verdict(ours(record)) == FAILS and same.verdict(ours()) == MISSING
    assert same.text(Paper(PUBLISHED)) == "75.40 → 75.40 (+0.00)"


def test_z2_dominates_once_and_is_released_by_more_than_its_own_spread():
    plain = [Figure("table4", row, key="z2") for row in REPAIRED]
    after = [Figure("table4", row, "coarse", "z2") for row in REPAIRED]
    released = Released(tuple(Change(one, (other,), GAINS) for one, other in zip(plain, after)))
    for before, later, dominates, verdict in (
            ((0.01, 0.3, 0.3, 0.3), (0.2, 0.1, 0.1, 0.1), HOLDS, HOLDS),
            ((0.01, 0.3, 0.3, 0.3), (0.1, 0.9, 0.9, 0.9), HOLDS, OPEN),
            ((0.04, 0.02, 0.3, 0.3), (0.2, 0.01, 0.9, 0.9), HOLDS, OPEN),
            ((0.2, 0.3, 0.3, 0.3), (0.9, 0.9, 0.9, 0.9), FAILS, OPEN)):
        source = ours(*noise(0.1, "z2_mean"), *(record_of(figure, 30.0, z2_mean=z2)
                                                for figure, z2 in zip(plain + after, before + later)))
        assert Dominated(tuple(plain)).verdict(source) == dominates
        assert released.verdict(source) == verdict
    said = Everywhere((plain[0],))
    assert (said.text(source), said.text(Paper(PUBLISHED)), said.verdict(source)) == ("over all positions", "", None)
    newer = ours(record_of(plain[0], 30.0, z2_mean=0.3, z2_computed=0.01))
    assert value_of(newer, plain[0]) == 0.01 and said.text(newer) == ""
    assert Dominated(tuple(plain)).verdict(ours()) == released.verdict(ours()) == MISSING


def with_active(figure, counts, mean_iou=40.0, active_iou=41.0, seed=0):
    record = record_of(figure, mean_iou, seed)
    record.evaluations["active"] = dict(record.evaluations["fast"], mean_iou=active_iou, active_counts=counts)
    return record


def test_a_variable_number_of_regions_is_told_with_its_distribution():
    varies = Varies(SPARSE["0.25"])
    source = ours(with_active(SPARSE["0.25"], {"5": 2, "20": 1}), with_active(SPARSE["0.25"], {"9": 1}, seed=1))
    assert varies.text(source) == (
        "9.8 of 32 on average, 5 to 20, quartiles 5 and 9 (p asks for 8.0)")
    for counts, verdict in (({"8": 3}, FAILS), ({"8": 8, "2": 1, "13": 1}, FAILS), ({"9": 3}, HOLDS),
                            ({"8": 3, "9": 3}, HOLDS), ({"5": 2, "20": 1}, HOLDS)):
        assert varies.verdict(ours(with_active(SPARSE["0.25"], counts))) == verdict, counts
    assert varies.verdict(ours(record_of(SPARSE["0.25"], 40.0))) == MISSING  # a record older than the evaluation
    text = claims_page(TABLES, PUBLISHED, COSTS, source.records)
    row = next(line for line in text.splitlines() if "| 5 / 5 / 9 |" in line)
    assert [cell.strip() for cell in row.strip("|").split(" | ")][2:] == [
        "8/32", "40.00 ± 0.00 (2 seeds)", "41.00 ± 0.00 (2 seeds)", "9.8", "5", "5 / 5 / 9", "20"]


def test_quartiles_are_values_that_occur():
    assert quartiles({1: 1, 2: 1, 3: 1, 4: 1, 10: 1}) == (1, 2, 3, 4, 10) and quartiles({7: 3}) == (7,) * 5


def test_without_coarse_labels_bootstrapping_stands_alone():
    figure = Figure("table4", MODEL_A, "coarse")
    bootstrapped = Figure("table4", MODEL_A, "bootstrapping")
    assert ours(record_of(bootstrapped, 30.0), data="camvid").seeds(figure) == {0: 30.0}
    assert ours(record_of(bootstrapped, 30.0)).seeds(figure) == {}
    z2 = [Figure("table4", MODEL_A, extra, "z2") for extra in ("", "bootstrapping", "coarse")]
    source = ours(record_of(z2[0], 30.0, z2_mean=0.1), record_of(z2[1], 30.0, z2_mean=0.2), data="camvid")
    assert Change(z2[0], tuple(z2[1:]), GAINS).text(source) == "0.100 → 0.200"


def test_selection_is_told_beside_chance_and_a_fixed_map():
    selects = Selects(SPARSE["0.25"])
    shares = [{"area": 25.0, "objects": objects, "fixed": 40.0, "classes": {}} for objects in (48.0, 55.0, None)]
    some = [record_of(SPARSE["0.25"], 40.0, seed, selection=one) for seed, one in enumerate(shares)]
    assert selects.text(ours(*some[:2])) == "51.5% in 25.0% of the area (2.1 times chance), a fixed map 40.0%"
    assert selects.verdict(ours(*some[:2])) == HOLDS and selects.verdict(ours(some[0])) == FAILS
    assert MISSING == selects.verdict(ours(*some)) == selects.verdict(ours(record_of(SPARSE["0.25"], 40.0)))


def figures_in(value):
    """All figures that a claim's comparison is made of."""
    if isinstance(value, Figure):
        return [value]
    parts = value if isinstance(value, tuple) else vars(value).values() if hasattr(value, "__dict__") else ()
    return [figure for part in parts for figure in figures_in(part)]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.text[:40])
def test_every_claim_is_of_rows_that_exist_and_holds_of_the_papers_own_figures(claim):
    for figure in figures_in(claim.comparisons):
        row = ROWS[figure.table, figure.row]
        assert figure.extra in dict(row.trainings)
        assert value_of(ours(), figure) is None
    texts = [one.text(Paper(PUBLISHED)) for one in claim.comparisons]
    told = [one for one, text in zip(claim.comparisons, texts) if text and text != Paper.missing]
    silent = {"3.3", "4.4", "4.5", "4.8"}  # sections that claim something without a figure
    assert told or claim.where in silent
    if not claim.text.startswith("About 15"):  # no rule about speed
        assert {one.verdict(Paper(PUBLISHED)) for one in told} - {None} <= {HOLDS}


def test_all_claims_of_the_tables_texts_are_there():
    words = " ".join(claim.text for claim in CLAIMS)
    for one in ("Fusions", "CTF needs no", "SCTF drops", "ISCTF drops by none", "winner-take-all", "More regions",
                "128 px", "λ = 0.001", "Removing units", "coarse labels", "scratch", "25 times", "Eq. (3)", "z2",
                "variable number", "images of 1024x2048 a second", "Two columns", "Half + full", "optimised structure",
                "Small objects"):
        assert one in words
    assert len({claim.text for claim in CLAIMS}) == len(CLAIMS) == 28


def test_without_records_nothing_is_claimed():
    rows = table_of(claims_page(TABLES, PUBLISHED, COSTS, ()))
    for name in ("minicity", "CamVid"):
        measured = [row["Claim"] for row in rows if row[f"Verdict, {name}"] != MISSING]
        assert measured == ["25 times fewer multiply-adds: single column → Model A"]
        assert next(row for row in rows if row["Claim"] in measured)[name] == (
            "787g → 31.5g: 25.0 times; 23.1 with the shortcuts")


def test_one_seed_each_decides_no_difference():
    records = [made_up(row, 20.0 + 3 * i, training=training) for rows in TABLES.values()
               for i, row in enumerate(rows) for _, training in row.trainings]
    unique = list({(one.network, one.training): one for one in records}.values())
    text = claims_page(TABLES, PUBLISHED, COSTS, unique)
    verdicts = {row["Claim"]: row["Verdict, minicity"] for row in table_of(text)}
    assert verdicts["Regions of 128 px are worse: 256 → 128 px"] == OPEN and FAILS not in {
        verdict for claim, verdict in verdicts.items() if "z2" not in claim}
    assert "Pooled deviation on minicity: unknown" in text


def test_the_row_from_scratch_says_its_steps():
    removed, scratch = ([Figure("table4", row, extra) for extra in ("", "bootstrapping", "coarse")]
                        for row in ("1110-1131", "1110-1131-scratch"))
    records = [record_of(figure, 24.0) for figure in removed]
    records += [replace(record_of(figure, 35.0), steps=3240) for figure in scratch]
    row = next(row for row in table_of(claims_page(TABLES, PUBLISHED, COSTS, records)) if "scratch" in row["Claim"])
    assert row["minicity"].endswith("; 200 → 3240 steps") and "steps" not in row["Paper (Cityscapes)"]


def test_a_long_run_stands_beside_the_published_anchors():
    row = ROWS["ablations", "model-a-scratch"]
    record = made_up(row, 52.34, data="camvid", preset="long", width="0.5", steps=9200)
    line = next(line for line in claims_page(TABLES, PUBLISHED, COSTS, [record]).splitlines() if "Long run" in line)
    for words in ("52.34 mean IoU (width 0.5, 9200 steps from scratch, bootstrapping", "ENet 51.3 without ImageNet",
                  "SegNet 55.6 with ImageNet"):
        assert words in line
    assert "Long run, Model A on CamVid: not measured" in claims_page(TABLES, PUBLISHED, COSTS, ())


def test_the_page_depends_on_published_records_alone_and_not_on_their_order():
    assert render(PAGE) == render(PAGE, local=True)
    records = [*seeds(SCTF, 40.0, 41.0, 42.0), record_of(WTA, 39.0), record_of(SPARSE["0.5"], 44.0)]
    assert claims_page(TABLES, PUBLISHED, COSTS, records) == claims_page(TABLES, PUBLISHED, COSTS, records[::-1])


def test_text_and_table_of_the_paper_are_both_told_where_they_differ():
    text = render(PAGE)
    assert '"only for a 2.0% loss of accuracy" matches no pair' in text and "mixes two baselines" in text
