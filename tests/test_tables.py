"""Tables 1-5 as pages, and that the committed pages are their rendering."""

from __future__ import annotations

import pytest
from made_up import PROVENANCE, made_up
from pages import COSTS, PAPER, ROWS, all_records, cells, shown

from experiments.lib.paths import ROOT, TABLES
from experiments.lib.tables import PAGES, render
from experiments.render import main
from repro.tables.columns import reduction
from repro.tables.markdown import markdown_table
from repro.tables.render import MARKER, page
from repro.tables.speed import giga


@pytest.mark.parametrize("number", sorted(ROWS))
def test_published_figures_are_of_the_tables_rows(number):
    rows = PAPER[f"table{number}"]["rows"]
    assert list(rows) == [row.id for row in ROWS[number]]
    printed = cells(shown(number))
    for name, key in (("Pixel acc.", "pixel_acc"), ("Mean acc.", "mean_acc"), ("Mean IoU", "mean_iou")):
        assert printed[f"{name} paper"] == ["-" if row[key] is None else f"{row[key]:.2f}" for row in rows.values()]
        assert printed[f"{name} ours"] == ["not measured"] * len(rows)
    assert printed["Calc. paper"] == [f"{row['calc']}g" if row["calc"] else "-" for row in rows.values()]
    assert printed["Calc. true"] == ["1000g"] * len(rows)


def test_table_4_has_a_column_per_extra_training():
    rows = PAPER["table4"]["rows"].values()
    records = [made_up(row, 40.0 + i, training=t) for row in ROWS[4] for i, (_, t) in enumerate(row.trainings)]
    printed = cells(shown(4, records))
    for name, key, iou in (("Mean IoU + bs.", "bootstrapping", "41.00"), ("Mean IoU + coarse", "coarse", "42.00")):
        assert printed[f"{name} paper"] == ["-" if row[key] is None else f"{row[key]:.2f}" for row in rows]
        assert printed[f"{name} ours"] == ["-" if row[key] is None else iou for row in rows]
    assert printed["1×: removed"] == ["0", "13", "13", "12", "12", "13", "13", "- (from scratch)"]
    assert printed["1/2×: removed"] == ["0", "6", "6", "8", "8", "8", "10", "- (from scratch)"]


def test_table_5_percentages_and_differences_follow_from_the_printed_figures():
    paper = PAPER["table5"]["rows"]
    printed = cells(shown(5, [made_up(row, paper[row.id]["mean_iou"] or 74.74) for row in ROWS[5]
                              if row.id != "isctf-fast"]))
    for name, key in (("Calc. Δ", "calc_delta"), ("Calc. Overall Δ", "calc_overall")):
        figures = ["-" if row[key] is None else row[key] for row in paper.values()]
        assert printed[f"{name} paper"] == figures
        told = [(one, other) for one, other, row in zip(printed[f"{name} ours"], figures, paper.values())
                if row["calc"]]
        assert len(told) == 7 and all(one == other for one, other in told)
    for name in ("Δ", "Overall Δ"):
        compared = [pair for pair in zip(printed[f"{name} paper"], printed[f"{name} ours"]) if pair[0] != "-"]
        assert len(compared) == 6 and all(paper == ours for paper, ours in compared)
    assert printed["Δ ours"][:5] == ["-", "-", "-0.62", "+0.02", "+0.00"]
    few = cells(shown(5, [made_up(ROWS[5][3]), made_up(ROWS[5][8])]))  # a difference needs both sides
    assert few["Δ ours"] == ["-", "-", "not measured", "not measured", "+0.00"] + ["not measured"] * 4


def test_tables_1_to_3_print_the_configurations():
    one, two, three = (cells(shown(number)) for number in (1, 2, 3))
    assert [one[f"Dilation {level}"] for level in (3, 4, 5)] == [["", "", ""], ["✓", "", ""], ["✓", "✓", ""]]
    assert [one[name] for name in ("1/32→1/16", "1/16→1/8", "1/8→1/4")] == [
        ["-", "-", "✓"], ["-", "✓", "✓"], ["✓", "✓", "✓"]]
    assert two["1/2×"] == ["✓", "✓", "", "✓", "✓", "✓", "✓", "✓", "✓"]
    assert [two["1/4×"].count("✓"), two["full"].count("✓"), two["2×"].count("✓")] == [1, 9, 2]
    assert two["Fusion approach"][-1] == "improved sparse coarse-to-fine (ISCTF)"
    assert three["Computed"] == [f"{k}/32" for k in (16, 8, 12, 16, 4, 6, 8, 12, 16)] + ["64/128", "16/32", "16/32"]
    assert three["λ"][:5] == ["0.001", "-", "-", "-", "0.001"] and three["λ"][8] == "0.0001"


def test_the_rows_inference_is_printed():
    row = ROWS[3][0]
    record = made_up(row, 50.0)
    record.evaluations["classic"]["mean_iou"] = 60.0
    twin = next(other for other in ROWS[2] if other.network == row.network)
    assert cells(shown(3, [record]))["Mean IoU ours"][0] == "50.00"
    assert cells(shown(2, [record]))["Mean IoU ours"][ROWS[2].index(twin)] == "60.00"
    del record.evaluations["fast"]
    assert cells(shown(3, [record]))["Mean IoU ours"][0] == "not measured"


def test_seeds_are_averaged():
    text = shown(1, [made_up(ROWS[1][0], iou, seed=seed) for seed, iou in enumerate((50.0, 51.0, 53.0))])
    assert cells(text)["Mean IoU ours"] == ["51.33 ± 1.50 (3 seeds)", "not measured", "not measured"]
    assert "seeds 0, 1, 2" in text


def test_groups_stand_side_by_side_published_first():
    published = all_records(3) + [made_up(ROWS[3][6], 33.0, data="camvid")]
    local = all_records(3, mean_iou=20.0, budget="quick")
    text = shown(3, published, local)
    first, second = text.split(f"\n{MARKER}")
    assert first == shown(3, published) == shown(3, published, published)  # copies of published records are no own ones
    assert "quick" not in first.replace("BUDGET=quick", "") and "quick check" in second
    assert [name for name in cells(text) if name.startswith("Mean IoU")] == [
        "Mean IoU paper", "Mean IoU ours", "Mean IoU ours (camvid)", "Mean IoU ours (minicity, quick, this machine)"]
    assert cells(text)["Mean IoU ours (camvid)"].count("not measured") == 11
    assert cells(text)["Mean IoU ours (minicity, quick, this machine)"] == ["20.00"] * 12
    assert "camvid" not in shown(1, published, local) and MARKER not in shown(1, published, local)


def test_caption_says_where_figures_come_from():
    other = dict(PROVENANCE, commit="fedcba9876543210", dirty=True, date="2026-03-04")
    text = shown(1, [made_up(ROWS[1][0]), made_up(ROWS[1][1], provenance=other, steps=400, recipe={"rate": 1})])
    for words in (
            "# Table 1. ", "The paper's claim: Up-sampling", "minicity, 100 images", "256x512", "width 1/4",
            "preset lite", "budget full: 200 to 400 steps", "seeds 0", "mean IoU 12.34",
            "Commit 0123456, fedcba9 with uncommitted changes", "Python 3.11.7, MXNet 1.9.1", "Some CPU, 2 threads",
            "2026-01-02 to 2026-03-04", "`make table3 BUDGET=full`"):
        assert words in text
    assert cells(text)["Mean IoU ours"] == ["50.00", "50.00", "not measured"]  # another recipe splits no group
    assert "make table1 BUDGET=full PUBLISH=1" in shown(1)


def test_nothing_is_compared_with_the_papers_accuracies():
    """Figures of the paper change no cell but their own."""
    records = all_records(5)
    paper = {name: dict(row, mean_iou=1.0, pixel_acc=2.0, delta="?") for name, row in PAPER["table5"]["rows"].items()}
    one = cells(shown(5, records))
    other = cells(page(5, ROWS[5], dict(PAPER["table5"], rows=paper), COSTS[5], records))
    assert {name for name in one if one[name] != other[name]} == {"Pixel acc. paper", "Mean IoU paper", "Δ paper"}


def test_figures_have_three_digits_and_percentages_are_truncated():
    for multiply_adds, text in ((786.26e9, "786"), (76.98e9, "77.0"), (31.54e9, "31.5"), (139.34e9, "139"),
                                (9.996e9, "10.0"), (99.96e9, "100"), (999.4e9, "999"), (999.6e9, "1000"),
                                (1234.5e9, "1234"), (0.01312e9, "0.0131")):
        assert giga(multiply_adds) == text
    for new, old, text in (("31.5", "77.0", "-59.0%"), ("212", "206", "+2.9%"), ("103", "206", "-50.0%"),
                           ("77.0", "103", "-25.2%")):
        assert reduction(new, old) == text


def test_markdown_is_aligned_and_escaped():
    text = markdown_table((("a|b", ["x", "→"]), ("long header", ["1.00", "-"])), left=1)
    lines = text.splitlines()
    assert lines[0] == r"| a\|b | long header |" and lines[1] == "| ---- | ----------: |"
    assert len({len(line) for line in lines}) == 1
    with pytest.raises(ValueError, match="lengths"):
        markdown_table((("a", []), ("b", ["1"])), left=1)


@pytest.mark.parametrize("chosen", sorted(PAGES))
def test_committed_page_is_its_rendering(chosen):
    """Below MARKER a working copy may hold this machine's own figures, which are never committed."""
    committed = (ROOT / "tables" / f"{PAGES[chosen]}.md").read_bytes().decode("utf-8")
    assert committed.split(f"\n{MARKER}\n")[0] == render(chosen)


def test_every_table_that_is_measured_has_a_page_and_no_other_is_asked_for(capsys):
    assert set(TABLES) - {"neighbours"} < set(PAGES)  # that one's is in experiments/lib/pages.py
    assert main(["--table", "7"]) == 2 and "ablations" in capsys.readouterr().err


@pytest.mark.parametrize("number", sorted(ROWS))
def test_counted_costs_are_the_papers(number):
    """Every Calc. cell, and Table 5's percentages, as printed; the paper has none for two rows."""
    printed = cells(render(str(number)))
    for name in ["Calc."] + ["Calc. Δ", "Calc. Overall Δ"] * (number == 5):
        told = [pair for pair in zip(printed[f"{name} paper"], printed[f"{name} ours"]) if pair[0] != "-"]
        assert all(paper == ours for paper, ours in told)
        assert len(told) >= (4 if number == 5 else len(ROWS[number]))
