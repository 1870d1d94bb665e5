"""The page on how cost grows, from made-up measurements and from a small one of processes of their own."""

from __future__ import annotations

import pytest
from made_up import PROVENANCE
from speed_records import assert_drawn, lines_of

from experiments.lib import paths
from experiments.speed import growth
from repro.tables.growth import PICTURE, draw, page, read_growth, slope

CASE = {"k": 8, "height": 1024, "width": 2048, "batch": 1, "threads": 2, "multiply_adds": 36 * 10 ** 9,
        "memory": 800 * 2 ** 20, "seconds": [0.4, 0.5, 0.6]}


def case(**changes):
    return {**CASE, **changes}


def measured(**changes):
    groups = {
        "k": [case(k=k, multiply_adds=(28 + k) * 10 ** 9, seconds=[0.3 + 0.025 * k]) for k in (0, 4, 8, 16)],
        "size": [case(height=512, width=1024, k=2, multiply_adds=9 * 10 ** 9, seconds=[0.15]), case()],
        "batch": [case(), case(batch=2, multiply_adds=72 * 10 ** 9, seconds=[0.9], memory=1300 * 2 ** 20)],
        "threads": [case(threads=1, seconds=[0.9]), case()],
    }
    return {"row": "model-a", "multiplier": 1.0, "region": 256, "base": 200 * 2 ** 20, "groups": groups,
            "provenance": PROVENANCE, **changes}


def test_each_table_varies_one_thing():
    text = page(measured())
    assert lines_of(text, "512x1024, 2 of 8") == [
        ["512x1024, 2 of 8", "9.00g", "1.00", "150", "150", "1.00", "16.7", "120", "800", "1"]]
    assert lines_of(text, "1024x2048, 8 of 32") == [
        ["1024x2048, 8 of 32", "36.0g", "4.00", "500", "600", "3.33", "13.9", "144", "800", "3"]]
    # a batch's figures are an image's, but for its rate and memory
    assert ["2", "36.0g", "1.00", "450", "450", "0.90", "12.5", "160", "1300", "1"] in lines_of(text, "2 ")
    assert [line[3] for line in lines_of(text.split("## Threads")[1], "1 ")] == ["900"]
    # another program may have left a version out
    assert "; Python 3.11.7; " in page(measured(provenance={**PROVENANCE, "versions": {"python": "3.11.7"}}))
    assert "Commit 0123456;" in text and "200 MiB" in text and "Not the published" not in text


def test_what_a_region_costs_is_a_line_through_those_computed():
    text = page(measured())
    assert "A region more costs 25.0 ms and 1.00g multiply-adds" in text and "300 ms and 28.0g" in text
    assert slope([(1, 2), (2, 4), (3, 6)]) == pytest.approx((2, 0))
    assert "A region more" not in page(measured(groups={"k": [case(k=0), case(k=8)]}))


def test_cases_are_the_papers_image_and_what_is_around_it(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    groups = growth.cases((1024, 2048), 1.0)
    assert [one.k for one in groups["k"]] == [0, 1, 2, 4, 8, 16, 24, 32]
    assert [(one.height, one.width, one.k, one.regions) for one in groups["size"]] == [
        (512, 1024, 2, 8), (768, 1536, 4, 18), (1024, 2048, 8, 32), (1536, 3072, 18, 72), (2048, 4096, 32, 128)]
    assert [one.batch for one in groups["batch"]] == [1, 2, 4] and all(one.ready for one in groups["batch"])
    assert [one.threads for one in groups["threads"]] == [1, 2, 4]
    assert {one.region for members in groups.values() for one in members} == {256}


def test_the_picture_is_the_same_each_time_and_shows_the_figures(tmp_path):
    assert_drawn(draw, measured(), measured(groups={"k": measured()["groups"]["k"]}), tmp_path, PICTURE)


def test_a_small_measurement(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "OWN", tmp_path)
    monkeypatch.setattr(growth, "KEPT", (0, 8))
    monkeypatch.setattr(growth, "BATCHES", (2,))
    monkeypatch.setattr(growth, "SCALES", (1,))
    monkeypatch.setattr(growth, "threads", lambda: 1)
    assert growth.main(["--size", "128x256", "--width", "0.25", "--rounds", "2"]) == 0
    assert capsys.readouterr().out.endswith("growth.md\n")
    record = read_growth(tmp_path / "growth.json")
    none, some, two = (*record["groups"]["k"], *record["groups"]["batch"])
    assert (none["k"], some["k"], two["batch"]) == (0, 8, 2) and none["multiply_adds"] < some["multiply_adds"]
    assert two["multiply_adds"] == 2 * some["multiply_adds"]
    assert all(len(one["seconds"]) == 2 and one["memory"] > record["base"] > 0 for one in (none, some, two))
    assert record["region"] == 32 and record["provenance"]["command"] == \
        "make growth SIZE=128x256 WIDTH=0.25 ROUNDS=2"
    text = (tmp_path / "growth.md").read_text()
    assert text == page(record) and "width 0.25" in text and (tmp_path / "growth.png").is_file()


def test_a_process_that_fails_ends_the_measurement(capfd, monkeypatch):
    monkeypatch.setattr(growth, "KEPT", (33,))  # of 32 regions
    assert growth.main(["--size", "128x256", "--width", "0.25", "--rounds", "1"]) == 2
    assert "error: model-a at 128x256: k 33: 0 to 32" in capfd.readouterr().err
