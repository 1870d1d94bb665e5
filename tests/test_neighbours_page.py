"""The neighbours' page, from made-up records; SparseRefine's, of a changed one."""

from __future__ import annotations

import json

from made_up import made_up
from speed_records import lines_of

from experiments.lib import pages, paths, tables
from repro.config.rows import load_rows
from repro.tables.neighbours import local_part, page
from repro.tables.render import MARKER

ROWS = load_rows(paths.HERE / "neighbours.yaml")
BY_ID = {row.id: row for row in ROWS}
COSTS = {row.id: (1, 10 ** 9 * number) for number, row in enumerate(ROWS, 1)}
PRINTED = {"title": "Some title", "rows": {"sgcpnet": {
    "mean_iou": 69.5, "images": None, "size": "768x1536", "speed": "178.5", "card": "a card", "source": "a paper"}}}


def records(**changes):
    return [made_up(BY_ID["ours-model-a"], 25.0), made_up(BY_ID["sgcpnet"], 30.0, width="1", steps=3240, **changes),
            made_up(BY_ID["sgcpnet"], 31.0, width="1", steps=3240, seed=1, **changes)]


def test_each_row_has_its_accuracy_and_published_figures():
    text = page(ROWS, PRINTED, COSTS, records(), {})
    before, measured = text.split("## minicity")
    assert lines_of(measured, "Model A") == [["Model A", "25.00", "200"]]
    assert lines_of(measured, "SGCPNet") == [["SGCPNet", "30.50 ± 0.50 (2 seeds)", "3240"]]
    assert lines_of(measured, "ICNet") == [["ICNet (gluoncv, ResNet-50)", "-", "-"]]
    assert lines_of(before, "SGCPNet") == [
        ["SGCPNet", "a paper", "69.5", "-", "768x1536", "178.5", "a card", "3.00g"]]


def test_what_this_machine_measured_comes_after():
    own = records(budget="quick")
    assert page(ROWS, PRINTED, COSTS, own, {}).count("30.50") == 0  # too short to be published
    text = local_part(ROWS, records(), records() + own, {})
    assert text.count("30.50") == 1 and text.startswith(f"\n{MARKER}\n\n## minicity, this machine\n")
    assert local_part(ROWS, records(), records(), {}) == ""


def test_sparserefine_stands_beside_them_where_it_is_measured():
    one = {"row": "stride32", "preset": "lite", "budget": "full", "dense_steps": 640, "steps": 500,
           "refined": {"mean_iou": 41.5}}
    text = page(ROWS, PRINTED, COSTS, records(), {"minicity": one})
    assert lines_of(text, "SparseRefine over") == [
        ["SparseRefine over stride32 at half resolution", "41.50", "640 + 500"]]
    assert "(sparserefine.md)" in text
    for other in ({**one, "budget": "quick"}, {**one, "preset": "paper"}):
        assert "SparseRefine over" not in page(ROWS, PRINTED, COSTS, records(), {"minicity": other})


def test_sparserefine_s_page_shows_a_seed_and_what_there_is_none_of(tmp_path):
    record = json.loads((paths.RESULTS / "refine-minicity.json").read_text(encoding="utf-8"))
    changed = {**record, "seed": 1, "selected_pixel_acc": {"dense": 61.25, "refined": None}}
    (tmp_path / "refine-minicity-seed1.json").write_text(json.dumps(changed))
    (first, *cells), = lines_of(pages.SPARSEREFINE.page(pages.SPARSEREFINE.read(tmp_path)), "minicity, seed 1")
    assert first == "minicity, seed 1" and cells[5:7] == ["61.25", "-"]


def test_nothing_measured_is_said():
    text = page(ROWS, PRINTED, COSTS, (), {})
    assert "SparseRefine" not in text  # nor a link to a page that is not there
    assert "not measured yet; `make neighbours BUDGET=full PUBLISH=1` does it" in text
    assert lines_of(text.split("## minicity")[1], "SGCPNet") == [["SGCPNet", "-", "-"]]


def test_every_row_has_its_published_figures():
    printed = tables.published("neighbours")["rows"]
    assert list(printed) == [row.id for row in ROWS]
    assert all(set(one) == {"mean_iou", "images", "size", "speed", "card", "source"} and one["source"]
               for one in printed.values())
    paper = {name: tables.published(name)["rows"] for name in ("table3", "table6")}
    assert printed["ours-isctf"]["mean_iou"] == paper["table3"]["isctf-sparse-p0.25-l0.001-r256"]["mean_iou"]
    assert printed["ours-model-a"]["mean_iou"] == paper["table6"]["Ours"]["mean_iou"]


def test_the_paper_s_pages_are_not_of_them(monkeypatch):
    before, load = tables.published_records(), tables.load_records
    monkeypatch.setattr(tables, "load_records", lambda folder: (*load(folder), *records()))
    assert tables.published_records() == (*before, records()[0])
