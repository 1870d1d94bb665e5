"""The neighbours' page, from made-up records and from small trainings and times of its own."""

from __future__ import annotations

import json
from argparse import Namespace

import pytest
from folders import write_camvid
from made_up import PROVENANCE, made_up
from speed_records import lines_of

from experiments import refine
from experiments import table as measure
from experiments.lib import lookup, paths, tables
from experiments.speed import neighbours
from repro.config.presets import changed
from repro.tables.neighbours import PICTURE, REFINED, draw, groups_shown, lines, local_part, page, points, read_speed
from repro.tables.render import MARKER

ROWS = neighbours.rows_of()
BY_ID = {row.id: row for row in ROWS}
COSTS = {row.id: (1, 10 ** 9 * number) for number, row in enumerate(ROWS, 1)}
PRINTED = {"title": "Some title", "rows": {"sgcpnet": {
    "mean_iou": 69.5, "images": None, "size": "768x1536", "speed": "178.5", "card": "a card", "source": "a paper"}}}


def speed(**changes):
    rows = [{"row": row.id, "values": "trained", "multiply_adds": 2 * 10 ** 8 * number, "parameters": 10 ** 6 * number,
             "memory": number * 2 ** 20, "seconds": [0.02 * number, 0.01 * number, 0.03 * number]}
            for number, row in enumerate(ROWS[:3], 1)]
    return {"data": "minicity", "preset": "lite", "size": "256x512", "threads": 2, "rows": rows,
            "provenance": PROVENANCE, **changes}


def records(**changes):
    return [made_up(BY_ID["ours-model-a"], 25.0), made_up(BY_ID["sgcpnet"], 30.0, width="1", steps=3240, **changes),
            made_up(BY_ID["sgcpnet"], 31.0, width="1", steps=3240, seed=1, **changes)]


def test_each_row_has_its_accuracy_cost_and_time():
    text = page(ROWS, PRINTED, COSTS, records(), {"minicity": speed()}, {})
    measured = text.split("## minicity")[1]
    assert lines_of(measured, "Model A") == [
        ["Model A", "25.00", "200", "0.400g", "2.00M", "40.0", "60.0", "2", "trained"]]
    assert lines_of(measured, "SGCPNet") == [["SGCPNet", "30.50 (30.00 to 31.00, 2 seeds)", "3240", "0.600g", "3.00M",
                                              "60.0", "90.0", "3", "trained"]]
    assert lines_of(measured, "ICNet") == [["ICNet (gluoncv, ResNet-50)"] + ["-"] * 8]
    assert lines_of(text.split("## minicity")[0], "SGCPNet") == [
        ["SGCPNet", "a paper", "69.5", "-", "768x1536", "178.5", "a card", "3.00g"]]
    assert "at 256x512 to labels of every pixel, on 2 threads. Commit 0123456;" in text
    assert f"({PICTURE})" in text and PICTURE not in page(ROWS, PRINTED, COSTS, (), {}, {})


def test_times_stand_beside_accuracies_of_the_same_data_and_preset():
    street = [made_up(BY_ID["sgcpnet"], 30.0, data="camvid")]
    assert "Time (ms)" not in page(ROWS, PRINTED, COSTS, street, {"minicity": speed(preset="paper")}, {})
    speeds = {"minicity": speed(), "camvid": speed(data="camvid", size="360x480")}
    both = page(ROWS, PRINTED, COSTS, street, speeds, {})
    assert both.count("Time (ms)") == 2 and "photo of camvid at 360x480" in both


def test_what_this_machine_measured_comes_after_and_only_if_asked_for():
    own = records(budget="quick")
    assert page(ROWS, PRINTED, COSTS, own, {}, {}).count("30.50") == 0  # too short to be published
    text = local_part(ROWS, records(), {}, records() + own, {}, {})
    assert text.count("30.50") == 1 and text.startswith(f"\n{MARKER}\n\n## minicity, this machine\n")
    assert "Time (ms)" not in text and "Time (ms)" in local_part(
        ROWS, records(), {}, own, {"minicity": speed()}, {})
    assert local_part(ROWS, records(), {"minicity": speed()}, records(), {}, {}) == ""


def test_sparserefine_stands_beside_them_where_it_is_measured():
    one = {"row": "stride32", "preset": "lite", "budget": "full", "dense_steps": 640, "steps": 500,
           "refined": {"mean_iou": 41.5}}
    timed = speed()
    timed["rows"].append({**timed["rows"][0], "row": REFINED})
    text = page(ROWS, PRINTED, COSTS, records(), {"minicity": timed}, {"minicity": one})
    assert lines_of(text, "SparseRefine over stride32 at half resolution") == [
        ["SparseRefine over stride32 at half resolution", "41.50", "640 + 500", "0.200g", "1.00M", "20.0", "30.0", "1",
         "trained"]]
    assert "(sparserefine.md)" in text
    for other in ({**one, "budget": "quick"}, {**one, "preset": "paper"}):
        assert "SparseRefine over" not in page(ROWS, PRINTED, COSTS, records(), {}, {"minicity": other})


def test_nothing_measured_is_said():
    text = page(ROWS, PRINTED, COSTS, (), {}, {})
    assert "SparseRefine" not in text  # nor a link to a page that is not there
    assert "not measured yet; `make neighbours BUDGET=full PUBLISH=1` does it" in text
    assert lines_of(text.split("## minicity")[1], "SGCPNet") == [["SGCPNet", "-", "-"]]


def test_the_picture_has_what_has_both(tmp_path):
    speeds = {"minicity": speed()}
    group, = groups_shown(ROWS, records())
    found = points(lines(ROWS, group, {}), speeds["minicity"])
    assert [(line.id, spent, accuracy) for line, spent, accuracy in found] == [
        ("ours-model-a", 40.0, 25.0), ("sgcpnet", 60.0, 30.5)]
    draw(ROWS, records(), {}, {}, tmp_path)
    assert not (tmp_path / PICTURE).exists()
    draw(ROWS, records(), speeds, {}, tmp_path)
    assert (tmp_path / PICTURE).read_bytes()[:4] == b"\x89PNG"


def test_every_row_has_its_published_figures():
    printed = tables.published("neighbours")["rows"]
    assert list(printed) == [row.id for row in ROWS]
    assert all(set(one) == {"mean_iou", "images", "size", "speed", "card", "source"} and one["source"]
               for one in printed.values())
    paper = {name: tables.published(name)["rows"] for name in ("table3", "table6")}
    assert printed["ours-isctf"]["mean_iou"] == paper["table3"]["isctf-sparse-p0.25-l0.001-r256"]["mean_iou"]
    assert printed["ours-model-a"]["mean_iou"] == paper["table6"]["Ours"]["mean_iou"]


@pytest.mark.parametrize("chosen", ["3", "5", tables.CLAIMS])
def test_the_paper_s_pages_do_not_change_with_them(chosen, monkeypatch):
    before, load = tables.render(chosen), tables.load_records
    monkeypatch.setattr(tables, "load_records", lambda folder: (*load(folder), *records()[1:]))
    assert tables.render(chosen) == before


def test_rows_and_rounds_are_checked(capsys):
    for arguments, words in ((["--row", "unet"], "'unet' is not known; choose from ours-isctf"),
                             (["--rounds", "0"], "ROUNDS: 0 is not 1 or more"),
                             (["--data", "/no/such"], "neither minicity nor a folder")):
        assert neighbours.main(arguments) == 2
        said = capsys.readouterr().err
        assert words in said and said.count("\n") == 1


@pytest.fixture()
def street(tmp_path, monkeypatch):
    """A small CamVid folder; results, times and page of its own, of two rounds."""
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "tables" / "results")
    monkeypatch.setattr(paths, "OWN", tmp_path / "speed")
    monkeypatch.setattr(neighbours, "ROUNDS", 2)
    write_camvid(tmp_path / "street", train=2, val=0, test=2, size=(100, 120))
    return tmp_path


def test_trained_timed_and_shown_by_commands(street, capfd):
    """One row is trained, and timed with what it learned; beside it Model A with random values."""
    data = ["--data", str(street / "street")]
    assert measure.main(["--table", "neighbours", *data, "--row", "sgcpnet", "--steps", "2"]) == 0
    text = (street / "tables" / "neighbours.md").read_text()
    own = text.split("## camvid, this machine")[1]
    assert lines_of(own, "SGCPNet")[0][2] == "2"  # steps
    timed = [*data, "--row", "ours-model-a,sgcpnet", "--budget", "full+steps2"]
    assert neighbours.main(timed) == 0
    path = street / "speed" / "neighbours-camvid.json"
    found = read_speed(path)
    assert [(one["row"], one["values"], len(one["seconds"])) for one in found["rows"]] == [
        ("ours-model-a", "random", 2), ("sgcpnet", "trained", 2)]
    assert found["size"] == "100x120" and found["rows"][1]["parameters"] == 607826 - 8 * 65  # 11 classes, not 19
    assert found["rows"][1]["multiply_adds"] < 10 ** 8 and min(one["memory"] for one in found["rows"]) > 2 ** 20
    assert found["provenance"]["command"] == \
        "make neighbours-time DATA=/path/to/camvid ROW=ours-model-a,sgcpnet BUDGET=full+steps2"
    own = (street / "speed" / "neighbours.md").read_text().split("## camvid, this machine")[1]
    assert "Time (ms)" in own and not (street / "tables" / "results").exists()  # only with --publish
    assert neighbours.main([*timed, "--publish"]) == 0
    published = street / "tables" / "results" / path.name
    assert len(read_speed(published)["rows"]) == 2
    assert neighbours.main([*data, "--row", "sgcpnet", "--publish"]) == 2
    assert "PUBLISH: the record would take the place of one with ours-model-a" in capfd.readouterr().err
    assert neighbours.main([*data, "--row", "sparserefine"]) == 2
    assert "ROW: sparserefine: not trained on camvid on this machine; `make refine`" in capfd.readouterr().err
    shown = (street / "tables" / "neighbours.md").read_bytes()
    assert neighbours.main(["--render"]) == 0
    assert (street / "tables" / "neighbours.md").read_bytes() == shown and len(read_speed(published)["rows"]) == 2
    capfd.readouterr()


def test_sparserefine_is_timed_as_it_was_trained_here(street, capfd, monkeypatch):
    presets, data = lookup.preset_of, ["--data", str(street / "street")]
    monkeypatch.setattr(lookup, "preset_of", lambda name: changed(presets(name), {"steps": 2}))
    assert refine.main([*data, "--width", "0.0625", "--threshold", "0.1", "--publish"]) == 0
    assert neighbours.main([*data, "--row", "sgcpnet,sparserefine"]) == 0
    found = {one["row"]: one for one in read_speed(street / "speed" / "neighbours-camvid.json")["rows"]}
    record = json.loads((street / "tables" / "results" / "refine-camvid.json").read_text())
    one = found["sparserefine"]
    assert list(found) == ["sgcpnet", "sparserefine"] and one["values"] == "trained"
    assert one["parameters"] == sum(record["parameters"].values()) and one["memory"] > 2 ** 20
    dense, sparse = record["dense_multiply_adds"]["true"], record["multiplied"]
    assert dense + sparse["least"] - 1 <= one["multiply_adds"] <= dense + sparse["most"] + 1  # the first image's
    for preset, budget, count in (("lite", "full", 1), ("lite", "quick", 0), ("paper", "full", 0)):
        assert len(neighbours.refined_cases("camvid", "", Namespace(preset=preset, budget=budget))) == count
    capfd.readouterr()
