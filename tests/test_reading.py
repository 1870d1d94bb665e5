"""The page on reading, and the measurement it is made from."""

from __future__ import annotations

import json
import os

import pytest
from folders import write_camvid
from made_up import PROVENANCE, made_up
from speed_records import lines_of

from experiments import reading
from repro.errors import UserError
from repro.tables.reading import CACHES, MODES, page, read_measured

RATES = {"all": {"thread": 900.0, "1 process": 80.0, "2 processes": 160.0},
         "none": {"thread": 40.04, "1 process": 5.0, "2 processes": 100.0}}
CASE = {"data": "minicity", "preset": "lite", "samples": 400, "size": "256x512", "crop": "256x512", "batch": 2,
        "rates": RATES}


def measured(*cases):
    return {"seconds": 10, "cases": list(cases), "provenance": PROVENANCE}


def test_reading_stands_beside_the_published_training():
    train = {"loss_first": 3.0, "loss_last": 0.5, "seconds": 50.0}
    records = [made_up(reading.row(), recipe={"batch": 2}, train=train),
               made_up(reading.row(), recipe={"batch": 2}, seed=1), made_up(reading.row(), data="camvid")]
    text = page(measured(CASE, {**CASE, "preset": "paper"}), reading.row(), records)
    assert lines_of(text, "minicity") == [  # 200 steps of 2 in 50 s are 8 samples a second
        ["minicity", "lite", "256x512", "256x512", "all", "2", "900.0", "80.0", "160.0", "8.0", "10.0x"],
        ["minicity", "lite", "256x512", "256x512", "none", "2", "40.0", "5.0", "100.0", "8.0", "0.6x"],
        ["minicity", "paper", "256x512", "256x512", "all", "2", "900.0", "80.0", "160.0", "not measured", "-"],
        ["minicity", "paper", "256x512", "256x512", "none", "2", "40.0", "5.0", "100.0", "not measured", "-"]]
    assert "minicity: 200 steps of 2 in 50 s (Some CPU, 2 threads)" in text
    assert "Commit 0123456;" in text and "OpenCV 4.11.0.86" in text and "2026-01-02" in text


def test_without_a_published_training_the_page_says_so():
    assert "None is published" in page(measured(CASE), reading.row(), [])


def test_a_folder_is_measured_in_every_way(tmp_path):
    found = reading.case(write_camvid(tmp_path / "camvid"), "lite", seconds=0)
    assert found["rates"].keys() == set(CACHES) and all(rates.keys() == set(MODES) for rates in found["rates"].values())
    assert all(rate > 0 for rates in found["rates"].values() for rate in rates.values())
    assert (found["data"], found["samples"], found["size"], found["crop"]) == ("camvid", 5, "24x32", "64x64")
    path = tmp_path / "reading.json"
    path.write_text(json.dumps(measured(found)))
    assert len(lines_of(page(read_measured(path), reading.row(), []), "camvid")) == 2


def test_a_wrong_folder_is_said_before_anything_is_measured(tmp_path, monkeypatch, capsys):
    def never(*of, **named):
        raise AssertionError("measured")
    monkeypatch.setattr(reading, "case", never)
    monkeypatch.setattr("experiments.measure.CACHE", tmp_path / "cache")  # minicity is not drawn either
    (tmp_path / "none").mkdir()
    for given, words in (("/no/such", "DATA: '/no/such' is neither minicity nor a folder"),
                         (str(tmp_path / "none"), f"{tmp_path / 'none'}: ")):
        assert reading.main(["--data", given]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"error: {words}") and said.count("\n") == 1
    assert not (tmp_path / "cache").exists()


def test_what_is_reduced_leaves_what_is_published(tmp_path, monkeypatch, capsys):
    for name, path in (("MEASURED", "reading.json"), ("PAGE", "reading.md"), ("OWN", "own")):
        monkeypatch.setattr(reading, name, tmp_path / path)
    street = write_camvid(tmp_path / "camvid")
    monkeypatch.setattr(reading, "folders_of", lambda data: [("minicity", street)] + [("camvid", street)] * bool(data))
    monkeypatch.setattr(reading, "measure", lambda folders, seconds: measured(
        *({**CASE, "data": name} for name, _ in folders)))
    assert reading.main(["--data", "x"]) == 0 and not (tmp_path / "own").exists()
    before = reading.MEASURED.read_bytes(), reading.PAGE.read_bytes()
    capsys.readouterr()
    for arguments, words in ((["--seconds", "1", "--data", "x"], "--seconds 1 is less than 10"),
                             ([], "--data is without camvid")):
        assert reading.main(arguments) == 0
        captured = capsys.readouterr()
        own = os.path.relpath(tmp_path / "own")
        assert captured.err == f"{words}: written to {own}, and what is published stays\n"
        assert captured.out == f"{own}/reading.md\n"
        assert (reading.MEASURED.read_bytes(), reading.PAGE.read_bytes()) == before
    assert len(read_measured(tmp_path / "own" / "reading.json")["cases"]) == 1
    assert reading.main(["--data", "x"]) == 0 and not capsys.readouterr().err


def test_the_page_is_written_from_what_was_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reading, "MEASURED", tmp_path / "reading.json")
    monkeypatch.setattr(reading, "PAGE", tmp_path / "reading.md")
    reading.MEASURED.write_text(json.dumps(measured(CASE)))
    assert reading.main(["--render"]) == 0
    assert capsys.readouterr().out == os.path.relpath(reading.PAGE) + "\n"
    assert len(lines_of(reading.PAGE.read_text(), "minicity")) == 2


@pytest.mark.parametrize("content, words", [
    (None, "No such file"),
    ("{", "not a readable measurement"),
    (json.dumps({"seconds": 1, "cases": []}), "'provenance' is missing"),
    (json.dumps(measured({**CASE, "rates": {"all": RATES["all"]}})), "cases[0]: rates: key 'none' is missing"),
    (json.dumps(measured({**CASE, "batch": "2"})), "cases[0]: batch: '2' is not an integer"),
])
def test_what_is_no_measurement_is_named(tmp_path, content, words, capsys, monkeypatch):
    path = tmp_path / "reading.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError) as caught:
        read_measured(path)
    assert str(caught.value).startswith(f"{path}: ") and words in str(caught.value)
    monkeypatch.setattr(reading, "MEASURED", path)
    assert reading.main(["--render"]) == 2
    assert capsys.readouterr().err == f"error: {caught.value}\n"
