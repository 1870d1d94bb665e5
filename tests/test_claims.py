"""The claims' page: the rule reaches every verdict, the claims are the paper's, and records alone decide."""

from __future__ import annotations

from claiming import COSTS, PUBLISHED, ROWS, SCTF, TABLES, WTA, claims_in, noise, ours, record_of, seeds
from made_up import made_up

from repro.tables.claims import CLAIMS, MODEL_A, REMOVED, REPAIRED, SPARSE
from repro.tables.claims_page import claims_page
from repro.tables.comparisons import Z2, alike, change, dominated, released, rising, same, selects, varies
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
    together,
)


def page_of(records):
    return claims_page(TABLES, PUBLISHED, COSTS, records)


def test_a_difference_is_decided_by_the_whole_of_its_interval_and_several_by_the_worst():
    for mean, half, bounds, verdict in (
            (1.1, 1.0, GAINS, HOLDS), (1.0, 1.0, GAINS, OPEN), (-0.9, 1.0, GAINS, OPEN), (-1.0, 1.0, GAINS, FAILS),
            (-1.1, 1.0, LOSES, HOLDS), (0.0, 0.0, LOSES, FAILS), (-0.4, 1.0, NOT_LESS, HOLDS),
            (-0.6, 1.0, NOT_LESS, OPEN), (-2.5, 1.0, NOT_LESS, FAILS), (2.6, 1.0, NOT_MORE, FAILS),
            (0.4, 1.0, ALIKE, HOLDS), (0.0, 1.6, ALIKE, OPEN), (-2.6, 1.0, ALIKE, FAILS)):
        assert judged(Difference(mean, (mean - half, mean + half)), bounds) == verdict, (mean, half, bounds)
    assert judged(Difference(9.0, None), GAINS) == OPEN and judged(None, GAINS) == MISSING
    assert together([HOLDS, HOLDS]) == HOLDS and together([HOLDS, OPEN]) == OPEN
    assert together([HOLDS, OPEN, FAILS]) == FAILS and together([FAILS, MISSING]) == MISSING


def test_a_change_has_its_differences_with_both_intervals():
    changed = WTA, (SPARSE["0.5"],), GAINS
    base = [*seeds(WTA, 38.0, 38.2, 38.7), *seeds(SCTF, 40.0, 40.5, 41.0)]
    assert change(ours(*base, *seeds(SPARSE["0.5"], 40.0, 40.0, 40.3)), *changed) == (
        "38.30 ± 0.35 → 40.10 ± 0.15 (+1.80; t 1.5 to 2.1)", HOLDS)
    many = Figure("table4", "3463-3463"), [Figure("table4", row) for row in REMOVED], LOSES
    assert change(Paper(PUBLISHED), *many) == ("73.66 → 66.12 to 70.35 (-7.54 to -3.31)", HOLDS)  # given by their ends
    assert change(ours(*base, record_of(SPARSE["0.5"], 38.3)), *changed)[1] == OPEN
    assert change(ours(*base, record_of(SPARSE["0.5"], 37.0)), *changed)[1] == FAILS
    assert change(ours(*base), *changed) == (MISSING, MISSING)
    assert change(ours(base[0], record_of(SPARSE["0.5"], 60.0)), *changed) == ("38.00 → 60.00 (+22.00)", OPEN)


def test_a_range_is_alike_or_not():
    figures = (WTA, SCTF, SPARSE["0.5"])
    for middle, verdict in ((40.4, HOLDS), (41.4, OPEN), (43.0, FAILS)):
        found = alike(ours(*noise(0.4), *map(record_of, figures, (40.0, middle, 40.1))), *figures)
        assert found[1] == verdict
    assert found[0] == "40.00, 43.00, 40.10 (range 3.00; t 2.6 to 3.4)"
    assert alike(ours(record_of(WTA, 40.0)), *figures) == (MISSING, MISSING)


def test_a_sequence_rises_from_end_to_end_and_nowhere_falls():
    for values, verdict in (((30, 31, 30.5, 32, 33), HOLDS), ((30, 31, 30.5, 30.5, 30.8), OPEN),
                            ((30, 33, 31, 32, 34), FAILS), ((33, 32.5, 32, 31.5, 31), FAILS)):
        source = ours(*noise(1), *map(record_of, SPARSE.values(), values))
        assert rising(source, *SPARSE.values())[1] == verdict, values
    assert rising(ours(*noise(1)), *SPARSE.values()) == (MISSING, MISSING)


def test_inference_is_the_same_or_not_whatever_the_spread():
    figures = Figure("table2", "isctf-half-full"), SPARSE["0.5"]
    record = record_of(SPARSE["0.5"], 40.0)
    assert same(ours(record), *figures) == ("0.00 at most (1 training)", HOLDS)
    record.evaluations["fast"]["mean_iou"] = 39.9
    assert same(ours(record), *figures)[1] == FAILS and same(ours(), *figures)[1] == MISSING
    assert same(Paper(PUBLISHED), *figures) == ("75.40 → 75.40 (+0.00)", HOLDS)


def test_z2_dominates_once_and_is_released_by_more_than_its_own_spread():
    plain = [Figure("table4", row, key=Z2) for row in REPAIRED]
    after = [Figure("table4", row, "coarse", Z2) for row in REPAIRED]
    pairs = [(one, (other,)) for one, other in zip(plain, after)]
    for before, later, dominates, verdict in (
            ((0.01, 0.3, 0.3, 0.3), (0.2, 0.1, 0.1, 0.1), HOLDS, HOLDS),
            ((0.01, 0.3, 0.3, 0.3), (0.1, 0.9, 0.9, 0.9), HOLDS, OPEN),
            ((0.04, 0.02, 0.3, 0.3), (0.2, 0.01, 0.9, 0.9), HOLDS, OPEN),
            ((0.2, 0.3, 0.3, 0.3), (0.9, 0.9, 0.9, 0.9), FAILS, OPEN)):
        source = ours(*noise(0.1, Z2), *(record_of(figure, 30.0, z2_computed=z2)
                                         for figure, z2 in zip(plain + after, before + later)))
        assert dominated(source, *plain)[1] == dominates and released(source, *pairs)[1] == verdict
    assert dominated(ours(), *plain)[1] == released(ours(), *pairs)[1] == MISSING


def with_active(figure, counts, mean_iou=40.0, active_iou=41.0, seed=0):
    record = record_of(figure, mean_iou, seed)
    record.evaluations["active"] = dict(record.evaluations["fast"], mean_iou=active_iou, active_counts=counts)
    return record


def test_a_variable_number_of_regions_is_told_with_its_distribution():
    source = ours(with_active(SPARSE["0.25"], {"5": 2, "20": 1}), with_active(SPARSE["0.25"], {"9": 1}, seed=1))
    assert varies(source, SPARSE["0.25"])[0] == (
        "9.8 of 32 on average, 5 to 20, quartiles 5 and 9 (p asks for 8.0)")
    for counts, verdict in (({"8": 3}, FAILS), ({"8": 8, "2": 1, "13": 1}, FAILS), ({"9": 3}, HOLDS),
                            ({"8": 3, "9": 3}, HOLDS), ({"5": 2, "20": 1}, HOLDS)):
        assert varies(ours(with_active(SPARSE["0.25"], counts)), SPARSE["0.25"])[1] == verdict, counts
    assert varies(ours(record_of(SPARSE["0.25"], 40.0)), SPARSE["0.25"])[1] == MISSING
    text = page_of(source.records)
    row = next(line for line in text.splitlines() if "| 5 / 5 / 9 |" in line)
    assert [cell.strip() for cell in row.strip("|").split(" | ")][2:] == [
        "8/32", "40.00 ± 0.00 (2 seeds)", "41.00 ± 0.00 (2 seeds)", "9.8", "5", "5 / 5 / 9", "20"]


def test_without_coarse_labels_bootstrapping_stands_alone():
    figure = Figure("table4", MODEL_A, "coarse")
    bootstrapped = Figure("table4", MODEL_A, "bootstrapping")
    assert ours(record_of(bootstrapped, 30.0), data="camvid").seeds(figure) == {0: 30.0}
    assert ours(record_of(bootstrapped, 30.0)).seeds(figure) == {}
    z2 = [Figure("table4", MODEL_A, extra, Z2) for extra in ("", "bootstrapping", "coarse")]
    source = ours(record_of(z2[0], 30.0, z2_computed=0.1), record_of(z2[1], 30.0, z2_computed=0.2), data="camvid")
    assert change(source, z2[0], z2[1:], GAINS)[0] == "0.100 → 0.200"


def test_selection_is_told_beside_chance_and_a_fixed_map():
    shares = [{"area": 25.0, "objects": objects, "fixed": 40.0, "classes": {}} for objects in (48.0, 55.0, None)]
    some = [record_of(SPARSE["0.25"], 40.0, seed, selection=one) for seed, one in enumerate(shares)]
    assert selects(ours(*some[:2]), SPARSE["0.25"]) == (
        "51.5% in 25.0% of the area (2.1 times chance), a fixed map 40.0%", HOLDS)
    assert selects(ours(some[0]), SPARSE["0.25"])[1] == FAILS
    for records in (some, [record_of(SPARSE["0.25"], 40.0)]):
        assert selects(ours(*records), SPARSE["0.25"])[1] == MISSING


def test_every_claim_is_of_rows_that_exist_and_holds_of_the_papers_own_figures():
    """A row or training that is not there is a KeyError."""
    assert len({claim.text for claim in CLAIMS}) == len(CLAIMS) == 28
    for claim in CLAIMS:
        for compare, *compared in claim.comparisons:
            compare(ours(), *compared)
        text, verdict = claim.told(Paper(PUBLISHED))
        if claim.text.startswith("About 15"):  # no rule about speed
            assert text == "14.7 fps"
        elif claim.where in {"3.3", "4.4", "4.5", "4.8"}:  # sections that claim something without a figure
            assert text == Paper.missing
        else:
            assert text and Paper.missing not in text and verdict == HOLDS, claim.text


def test_without_records_nothing_is_claimed():
    rows = claims_in(page_of(()))
    for name in ("minicity", "CamVid"):
        measured = [row["Claim"] for row in rows if row[f"Verdict, {name}"] != MISSING]
        assert measured == ["25 times fewer multiply-adds: single column → Model A"]
        assert next(row for row in rows if row["Claim"] in measured)[name] == (
            "787g → 31.5g: 25.0 times; 23.1 with the shortcuts")


def test_one_seed_each_decides_no_difference():
    records = [made_up(row, 20.0 + 3 * i, training=training) for rows in TABLES.values()
               for i, row in enumerate(rows) for _, training in row.trainings]
    unique = list({(one.network, one.training): one for one in records}.values())
    text = page_of(unique)
    verdicts = {row["Claim"]: row["Verdict, minicity"] for row in claims_in(text)}
    assert verdicts["Regions of 128 px are worse: 256 → 128 px"] == OPEN and FAILS not in {
        verdict for claim, verdict in verdicts.items() if "z2" not in claim}
    assert "Pooled deviation on minicity: unknown" in text


def test_a_long_run_stands_beside_the_published_anchors():
    row, steps = ROWS["table4", MODEL_A], {"budget": "full+steps29440", "steps": 29440}
    record = made_up(row, 52.34, dict(row.extra)["bootstrapping"], data="camvid", preset="street", width="0.5", **steps)
    text = page_of([record])
    line = next(line for line in text.splitlines() if "Long run" in line)
    for words in ("52.34 mean IoU (width 0.5, 29440 steps from a pre-trained backbone, bootstrapping",
                  "ENet 51.3 without ImageNet", "SegNet 55.6 with ImageNet"):
        assert words in line
    assert "* **ours (camvid, street, full+steps29440)**: camvid" in text
    assert "Long run, Model A on CamVid: not measured" in page_of(())


def test_the_page_does_not_depend_on_the_order_of_records():
    records = [*seeds(SCTF, 40.0, 41.0, 42.0), record_of(WTA, 39.0), record_of(SPARSE["0.5"], 44.0)]
    text = page_of(records)
    assert text == page_of(records[::-1])
    # text and table of the paper are both told where they differ
    assert '"only for a 2.0% loss of accuracy" matches no pair' in text and "mixes two baselines" in text
