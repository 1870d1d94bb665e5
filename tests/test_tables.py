"""The pages of Tables 1-5 and of the ablations, with groups beside the main one; the committed are their rendering."""

from __future__ import annotations

import pytest
from claiming import PUBLISHED, TABLES
from made_up import PROVENANCE, made_up

from experiments.lib import paths
from experiments.lib.tables import PAGES, render
from experiments.render import main
from repro.tables.columns import ABLATIONS, reduction
from repro.tables.markdown import markdown_table
from repro.tables.render import MARKER, page
from repro.tables.speed import giga

ROWS = {number: TABLES[f"table{number}"] for number in range(1, 6)}
PAPER = {number: PUBLISHED[f"table{number}"] for number in ROWS}
# Stand-ins for the counted costs: the printed figures themselves, 77.0 where Table 5 prints none.
COSTS = {n: {row.id: (round(float(PAPER[n]["rows"][row.id]["calc"] or 77) * 1e9), 10**12) for row in rows}
         for n, rows in ROWS.items()}


def cells(text):
    """{header: [cells]} of the last two markdown tables in `text`, those of a page's last part."""
    found = {}
    for block in [block for block in text.split("\n\n") if block.startswith("| ")][-2:]:
        lines = [line.strip("|\n").split(" | ") for line in block.splitlines()]
        header, _, *body = [[cell.strip() for cell in line] for line in lines]
        assert {len(line) for line in body} == {len(header)} and len(set(header)) == len(header)
        found.update({name: [line[i] for line in body] for i, name in enumerate(header)})
    return found


def committed(chosen):
    """A page as committed: below MARKER a working copy may hold this machine's own figures, which never are."""
    return (paths.ROOT / "tables" / f"{PAGES[chosen]}.md").read_bytes().decode("utf-8").split(f"\n{MARKER}\n")[0]


def shown(number, published=(), local=()):
    return page(number, ROWS[number], PAPER[number], COSTS[number], published, local)


def all_records(number, **changes):
    return [made_up(row, training=training, **changes) for row in ROWS[number] for _, training in row.trainings]


def test_table_5_percentages_and_differences_follow_from_the_printed_figures():
    """And the counted costs give the paper's percentages; that they are its own is test_cost.py's."""
    counted = cells(committed("5"))
    for name in ("Calc. Δ", "Calc. Overall Δ"):
        told = [pair for pair in zip(counted[f"{name} paper"], counted[f"{name} ours"]) if pair[0] != "-"]
        assert len(told) >= 4 and all(paper == ours for paper, ours in told)
    printed = cells(shown(5, [made_up(row, PAPER[5]["rows"][row.id]["mean_iou"] or 74.74) for row in ROWS[5]
                              if row.id != "isctf-fast"]))
    for name in ("Δ", "Overall Δ"):
        compared = [pair for pair in zip(printed[f"{name} paper"], printed[f"{name} ours"]) if pair[0] != "-"]
        assert len(compared) == 6 and all(paper == ours for paper, ours in compared)
    assert printed["Δ ours"][:5] == ["-", "-", "-0.62", "+0.02", "+0.00"]
    few = cells(shown(5, [made_up(ROWS[5][3]), made_up(ROWS[5][8])]))  # a difference needs both sides
    assert few["Δ ours"] == ["-", "-", "not measured", "not measured", "+0.00"] + ["not measured"] * 4


def test_the_rows_inference_is_printed():
    row = ROWS[3][0]
    record = made_up(row, 50.0)
    record.evaluations["classic"]["mean_iou"] = 60.0
    twin = next(other for other in ROWS[2] if other.network == row.network)
    assert cells(shown(3, [record]))["Mean IoU ours"][0] == "50.00"
    assert cells(shown(2, [record]))["Mean IoU ours"][ROWS[2].index(twin)] == "60.00"
    del record.evaluations["fast"]
    assert cells(shown(3, [record]))["Mean IoU ours"][0] == "not measured"


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
    paper = {name: dict(row, mean_iou=1.0, pixel_acc=2.0, delta="?") for name, row in PAPER[5]["rows"].items()}
    one = cells(shown(5, records))
    other = cells(page(5, ROWS[5], dict(PAPER[5], rows=paper), COSTS[5], records))
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
    assert committed(chosen) == render(chosen)


def test_every_table_that_is_measured_has_a_page_and_no_other_is_asked_for(capsys):
    for number, rows in ROWS.items():
        assert list(PAPER[number]["rows"]) == [row.id for row in rows]
    assert set(paths.TABLES) - {"neighbours"} < set(PAGES)  # that one's is in experiments/lib/pages.py
    assert main(["--table", "7"]) == 2 and "ablations" in capsys.readouterr().err


def camvid(row, mean_iou, k, regions, **changes):
    """A made-up record of CamVid on its own grid."""
    record = made_up(row, mean_iou, data="camvid", scale="384x512", **changes)
    for one in record.evaluations.values():
        one.update(images=233, **({"k": k, "regions": regions} if row.network.regions else {}))
    return record


def test_another_grid_of_regions_has_its_own_computed_column_and_is_in_the_caption():
    quarter, small = (next(row for row in ROWS[3] if row.id.endswith(end)) for end in ("p0.25-l0.001-r256", "r128"))
    text = shown(3, [*all_records(3), camvid(quarter, 33.0, 12, 48), camvid(small, 31.0, 96, 192)])
    told = dict(zip([row.id for row in ROWS[3]], cells(text)["Computed (camvid)"]))
    assert told.pop(quarter.id) == "12/48" and told.pop(small.id) == "96/192" and set(told.values()) == {"not measured"}
    for words in ("images of 360x480 padded to whole regions", "scale 384x512", "regions of 64 px: 6x8 = 48, k = 12 at",
                  "regions of 32 px: 12x16 = 192, k = 96 at p = 0.5"):
        assert words in text
    assert "Computed (camvid)" not in shown(3, all_records(3)) and "padded" not in shown(3, all_records(3))


def test_a_training_on_coarse_labels_is_not_missed_where_there_are_none():
    rows = {row.id: row for row in ROWS[5]}
    records = [camvid(rows[name], 30.0 + i, 12, 48) for i, name in enumerate(("max", "optimised-bootstrapping"))]
    text = shown(5, records)
    printed = dict(zip(rows, zip(*(cells(text)[f"{name} ours (camvid)"] for name in ("Mean IoU", "Overall Δ")))))
    assert printed["optimised-bootstrapping"] == ("31.00", "+1.00")
    assert printed["optimised"] == ("not measured", "not measured")
    assert printed["optimised-coarse"] == printed["model-a"] == ("-", "-")
    assert "no coarsely labelled set" in text and "no coarsely labelled set" not in shown(5, all_records(5))


def test_a_group_has_no_column_of_what_it_did_not_measure():
    row = next(row for row in ROWS[4] if row.id == "1120-1241")
    record = camvid(row, 52.0, 12, 48, training=dict(row.extra)["bootstrapping"], preset="long", width="0.5")
    headers = [name for name in cells(shown(4, [record])) if "camvid" in name]
    assert headers == ["Mean IoU + bs. ours (camvid, long)"]
    assert "width 0.5 (preset long)" in shown(4, [record])


def test_ablations_stand_beside_the_rows_they_differ_from_in_the_equation():
    rows = TABLES[ABLATIONS]
    costs = {row.id: (10**9, 2 * 10**9) for row in rows}
    text = page(ABLATIONS, rows, PUBLISHED[ABLATIONS], costs, [made_up(rows[0], 40.0)])
    assert [row.id for row in rows[:4]] == [
        "isctf-sparse-p0.25-eq3", "isctf-sparse-p0.25-l0.001-r256", "isctf-sparse-p0.5-eq3",
        "isctf-sparse-p0.5-l0.001-r256"]
    assert cells(text)["Equation"][:4] == ["(3)", "(4)", "(3)", "(4)"]
    assert cells(text)["Mean IoU ours"][:2] == ["40.00", "not measured"]
    assert set(cells(text)["Calc. true"]) == {"2.00g"} and not any("paper" in name for name in cells(text))
    assert text.startswith("# Ablations. ")
