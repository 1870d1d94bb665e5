"""Column groups beside the main one: other grids of regions, data without coarse labels, a long run, the ablations."""

from __future__ import annotations

from made_up import made_up
from pages import ABLATION_ROWS, PAPER, ROWS, all_records, cells, shown

from repro.tables.columns import ABLATIONS
from repro.tables.render import page


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
    costs = {row.id: (10**9, 2 * 10**9) for row in ABLATION_ROWS}
    text = page(ABLATIONS, ABLATION_ROWS, PAPER[ABLATIONS], costs, [made_up(ABLATION_ROWS[0], 40.0)])
    assert [row.id for row in ABLATION_ROWS[:4]] == [
        "isctf-sparse-p0.25-eq3", "isctf-sparse-p0.25-l0.001-r256", "isctf-sparse-p0.5-eq3",
        "isctf-sparse-p0.5-l0.001-r256"]
    assert cells(text)["Equation"][:4] == ["(3)", "(4)", "(3)", "(4)"]
    assert cells(text)["Mean IoU ours"][:2] == ["40.00", "not measured"]
    assert set(cells(text)["Calc. true"]) == {"2.00g"} and not any("paper" in name for name in cells(text))
    assert text.startswith("# Ablations. ")
