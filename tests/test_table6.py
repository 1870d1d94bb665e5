"""Table 6's page and pictures from measurements, what is no measurement, and a small measurement from end to end."""

from __future__ import annotations

import pytest
from speed_records import FIGURES, assert_drawn, lines_of, measured

from experiments.lib import paths, subject
from experiments.lib.tables import published
from experiments.speed import table6
from repro.config.rows import load_peers
from repro.tables.speed import gflops
from repro.tables.table6 import PICTURES, draw, page, read_table6, stages
from repro.tables.targets import TARGETS

ROWS = load_peers(paths.HERE / "table6.yaml")
SMALL = ("--size", "128x256", "--width", "0.25")


def text_of(record, engines=()):
    return page(record, ROWS, published("table6"), engines)


def verdicts(text):
    """What was measured and the verdict, by the first words of the target."""
    section = text.split("## Targets")[1].split("\n## ")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines()
             if line.startswith("|")][2:]
    return {line[0]: line[2:] for line in lines}


def changed(**figures):
    return measured({**FIGURES, **{row.replace("_", "-"): values for row, values in figures.items()}})


def test_a_networks_figures():
    text = text_of(measured())
    # 180g in 2.24 s are 160.7 GFLOP/s, 89.3% of twice 90 billion
    assert lines_of(text, "ICNet (gluoncv)")[0] == [
        "ICNet (gluoncv)", "icnet", "float32", "172g", "180g", "26.0M", "2240", "2464", "3", "0.45", "4.48", "8.96",
        "161", "89%"]
    assert lines_of(text, "ICNet (gluoncv)")[1] == [
        "ICNet (gluoncv)", "icnet", "int8", "172g", "180g", "26.0M", "1400", "1540", "3", "0.71", "5.60", "2.80", "257",
        "-"]
    assert "**All weights are random**" in text and "180 GFLOP/s, the best float32 convolution" in text
    assert "Commit 0123456;" in text and "9216 MiB" in text


def test_targets_reached():
    found = verdicts(text_of(measured()))
    assert len(found) == len(TARGETS) == 9 and {verdict for _, verdict in found.values()} == {"reached"}
    assert found["Model A in int8 against the 786g single column in float32 (across precisions)"][0] == \
        "48.00x (int8 against int8: 28.00x)"
    assert found["Model A, k = 8, against itself run whole: measured of counted speed-up"][0] == \
        "98.4% (1.64x of 1.67x)"


@pytest.mark.parametrize("target, figures, value", [
    ("Model A against ICNet", {"icnet": (180, 172, 1.49, 1.4)}, "2.98x"),
    ("Model A against the 786g single column, float32", {"single": (879, 786, 9.9, 7.0)}, "19.80x"),
    ("Model A in int8 against the 786g", {"single": (879, 786, 6.2, 7.0)}, "24.80x (int8 against int8: 28.00x)"),
    ("Model A in int8 against Fast-SCNN", {"fastscnn": (6.5, 6.5, 0.249, None)},
     "1.00x (float32 against float32: 0.50x)"),
    ("Model A in int8 against Model A", {"model_a": (36, 31.5, 0.5, 0.32)}, "1.56x"),
    ("Model A, float32, of the ceiling", {"model_a": (30, 31.5, 0.5, 0.25)}, "66.7%"),
    ("The 786g single column, float32, of", {"single": (879, 786, 14.0, 7.0)}, "69.8%"),
    ("Model A, k = 8", {"model_a_whole": (60, 60, 0.7, None)}, "84.0% (1.40x of 1.67x)"),
    ("ISCTF with all units", {"isctf_fast_whole": (225, 225, 3.5, None)}, "91.5% (2.06x of 2.25x)"),
])
def test_targets_not_reached(target, figures, value):
    found = [line for text, line in verdicts(text_of(changed(**figures))).items() if text.startswith(target)]
    assert found == [[value, "not reached"]]


def test_what_was_not_measured_is_said():
    text = text_of(measured({"icnet": FIGURES["icnet"]}))
    assert all(line == ["-", "not measured"] for line in verdicts(text).values())
    assert lines_of(text, "ICNet (gluoncv)")[0][10:12] == ["-", "-"]
    assert "Table 5" not in text and "serves it best" not in text and "The floor" not in text


def test_table_5_and_the_floor_as_counted_and_as_measured():
    assert "multiply-adds alone take 400 ms in float32 and 100 ms in int8" in text_of(measured())  # 36g at 90g a second
    found = stages(measured())
    assert [row for row, _, _ in found] == ["single", "max", "sctf", "isctf", "isctf-fast", "optimised", "model-a"]
    assert found[0][1:] == (1, 1) and found[-1][1:] == pytest.approx((36 / 879, 0.5 / 12))
    assert lines_of(text_of(measured()), "Model A: 1-1-2-0-1-2-4-1")[-1][1:] == ["4.1%", "24.4", "4.2%", "24.0"]


@pytest.mark.parametrize("arguments, words", [
    (["--row", "model-a,icnot"], "ROW: 'icnot' is not known; choose from icnet, "),
    (["--row", "PSPNet"], "'PSPNet' is not known"),  # the paper's alone
    (["--rounds", "0"], "ROUNDS: 0 is not 1 or more"),
])
def test_a_users_mistake_is_one_line(arguments, words, capsys):
    assert table6.main(arguments) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and words in said


def test_pictures_are_the_same_each_time_and_show_the_figures(tmp_path):
    assert_drawn(lambda record, folder: draw(record, ROWS, folder), measured(), changed(model_a=(36, 31.5, 1.5, 1)),
                 tmp_path, *PICTURES)


def test_networks_that_memory_has_no_room_for_are_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "OWN", tmp_path)
    monkeypatch.setattr(subject, "FREE", -1)
    assert table6.main([*SMALL, "--row", "fastscnn", "--rounds", "2"]) == 0
    assert [len(one["seconds"]) for one in read_table6(tmp_path / "table6.json")["rows"]] == [2]


def test_a_small_measurement(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "OWN", tmp_path)
    assert table6.main([*SMALL, "--row", "model-a,fastscnn", "--rounds", "2"]) == 0
    assert capsys.readouterr().out.endswith("table6.md\n")
    record = read_table6(tmp_path / "table6.json")
    assert [(one["row"], one["precision"]) for one in record["rows"]] == [
        ("fastscnn", "float32"), ("model-a", "float32"), ("model-a", "int8")]
    assert all(len(one["seconds"]) == 2 and one["parameters"] > 0 and gflops(one) > 0 for one in record["rows"])
    ours = record["rows"][1]
    assert ours["multiply_adds"] > 0 and ours["paper"] > 0 and record["rows"][2]["paper"] == ours["paper"]
    assert record["ceiling"]["rate"] > 0 and record["provenance"]["command"] == \
        "make table6 ROW=model-a,fastscnn SIZE=128x256 WIDTH=0.25 ROUNDS=2"
    text = (tmp_path / "table6.md").read_text()
    assert text == text_of(record) and "width 0.25" in text
    assert [path.name for path in tmp_path.glob("*.png")] == ["table6-cost.png"]  # without the single column no stages


def test_what_takes_long_has_fewer_turns_and_memory_is_what_is_free():
    assert [subject.turns(seconds) for seconds in (1, 3, 5, 100)] == [45, 15, 9, subject.LEAST]
    assert subject.turns(3, anew=True) == 7 and subject.available() > 2 ** 20
