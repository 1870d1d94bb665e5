"""Every reader and writer, given what is wrong: the right result or one clear line (experiments/fuzz)."""

from __future__ import annotations

import itertools
import json
import sys
from collections import Counter

import pytest
from made_up import PROVENANCE

from experiments.stress import robustness
from experiments.stress.fuzz import FAULT, LINE, READERS, RESULT, Case, cases, commands, outcome
from experiments.stress.fuzz.case import full_disk
from repro.errors import UserError
from repro.files import write_text
from repro.tables.robustness import OUTCOMES, READS, page, read_counted

SHARE = {"rows": 4, "presets": 2, "classes": 2, "datasets": 4, "backbones": 3, "writers": 3,
         "measurements": 5, "neighbours": 4}  # one of so many: the slow
LEAST = {"images": 500, "labels": 500, "photos": 1000, "videos": 400,
         "orientations": 80, "ranges": 50, "streams": 50, "searches": 70, "rows": 100, "presets": 150, "classes": 150,
         "records": 400, "descriptions": 350, "metadata": 350, "logs": 250, "measurements": 750,
         "neighbours": 100, "datasets": 80, "contents": 100, "inputs": 70,
         "parameters": 500, "types": 100, "backbones": 130, "checkpoints": 350, "exported": 350, "refiners": 350,
         "writers": 50, "commands": 30}


@pytest.mark.parametrize("reader", READERS)
def test_every_case_ends_in_the_right_result_or_one_line(reader):
    found, faults = Counter(), []
    for case in itertools.islice(cases(reader), 0, None, SHARE.get(reader, 1)):
        ended, text = outcome(case)
        found[ended] += 1
        faults += [f"{case.family}: {case.name}: {text}"] if ended == FAULT else []
    assert not faults
    assert sum(found.values()) >= LEAST[reader] and found[LINE] and (found[RESULT] or reader == "commands")


def test_there_are_thousands_of_cases_and_the_same_every_time():
    assert sum(LEAST.values()) >= 2000 and LEAST.keys() == READERS.keys() == READS.keys()
    for reader in ("images", "records", "logs"):
        one, other = ([(case.family, case.name) for case in cases(reader, seed)] for seed in (3, 3))
        assert one == other != [(case.family, case.name) for case in cases(reader, 4)]


def _half_written(folder):
    (folder / ".writing-x").write_text("half")


def _line(text):
    raise UserError(text)


@pytest.mark.parametrize("run, right, allowed, wanted", [
    (lambda folder: 1, lambda value: value == 1, (RESULT,), (RESULT, "")),
    (lambda folder: _line("a: no such file"), lambda value: True, (LINE,), (LINE, "a: no such file")),
    (lambda folder: 1, lambda value: value == 2, (RESULT,), (FAULT, "a wrong result: 1")),
    (lambda folder: 1, lambda value: True, (LINE,), (FAULT, "right result, not one clear line: ")),
    (lambda folder: _line("a"), lambda value: True, (RESULT,), (FAULT, "one clear line, not right result: a")),
    (lambda folder: _line(""), lambda value: True, (LINE,), (FAULT, "")),
    (lambda folder: [][0], lambda value: True, (LINE,), (FAULT, "IndexError: list index out of range (test_fuzz.py:")),
    (_half_written, lambda value: True, (RESULT,), (FAULT, "left .writing-x")),
])
def test_faults_are_seen(run, right, allowed, wanted):
    ended, text = outcome(Case("family", "name", run, right, allowed))
    assert ended == wanted[0] and text.startswith(wanted[1])


@pytest.mark.parametrize("said", [
    "usage: a [-h]\nerror: x", "a: error: x", "Warning: y\nerror: x", "error: x\nerror: y", "error: x\nTraceback", ""])
def test_a_script_that_says_more_than_its_error_is_a_fault(said, monkeypatch):
    monkeypatch.setattr("experiments.predict.main", lambda arguments: print(said, file=sys.stderr) or 2)
    with pytest.raises(AssertionError, match="exit code 2"):
        commands._run("predict", [])


def test_a_disk_is_full_only_as_long_as_it_is(tmp_path):
    with full_disk(5):
        write_text(tmp_path / "a", "12345")
        with pytest.raises(OSError, match="File too large"):
            write_text(tmp_path / "a", "123456")
    assert (tmp_path / "a").read_text() == "12345" and [one.name for one in tmp_path.iterdir()] == ["a"]
    write_text(tmp_path / "a", "123456")


def test_a_process_that_ends_and_one_that_hangs_are_faults(tmp_path, monkeypatch):
    script = tmp_path / "python"
    answers = [json.dumps(["cut", "a"]), json.dumps([LINE, "no"]), json.dumps(["cut", "b"])]
    for end, words in (("kill -9 $$", "its process ended with -9"), ("exec sleep 100", "hangs")):
        script.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in answers) + f"{end}\n")
        script.chmod(0o755)
        monkeypatch.setattr(robustness.sys, "executable", str(script))
        monkeypatch.setattr(robustness, "PATIENCE", 1)
        (family, ended, text), (other, fault, why) = robustness.outcomes("images", 0)
        assert (family, ended, text) == ("cut", LINE, "a: no") and (other, fault) == ("cut", FAULT) and words in why


def counted(**changes):
    readers = {reader: {"empty": dict(zip(OUTCOMES, (1, 20, 0)))} for reader in READERS}
    return {"seeds": [0, 7], "readers": {**readers, **changes}, "provenance": PROVENANCE}


def test_the_page_counts(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(counted(images={"empty": dict(zip(OUTCOMES, (0, 5, 1))),
                                               "truncated": dict(zip(OUTCOMES, (2, 30, 0)))})))
    text = page(read_counted(path, tuple(READERS)))
    lines = [[cell.strip() for cell in line.strip("| \n").split("|")] for line in text.splitlines() if "|" in line]
    total = 21 * (len(READERS) - 1) + 38
    assert text.startswith(f"# Bad input, on purpose\n\n{total} cases: ") and "Seeds of the random cases: 0, 7." in text
    assert ["images: images of a data set (PNG, JPEG)", "38", "2", "35", "1"] in lines
    assert ["truncated", "32", "2", "30", "0"] in lines
    assert lines.count(["all", str(total), str(len(READERS) + 1), str(20 * (len(READERS) - 1) + 35), "1"]) == 2


@pytest.mark.parametrize("value, words", [
    ({"seeds": [0]}, "key 'readers' is missing"), (counted(images=[]), "images: [] is not a mapping"),
    (counted(images={"empty": {"fault": -1}}), "images: empty: key 'right result' is missing"),
    (counted(more={}), "readers: unknown key 'more'"),
])
def test_a_wrong_count_is_named(tmp_path, value, words):
    (tmp_path / "a.json").write_text(json.dumps(value))
    with pytest.raises(UserError) as caught:
        read_counted(tmp_path / "a.json", tuple(READERS))
    assert words in str(caught.value)


def test_the_script_counts_and_renders(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(robustness, "COUNTED", tmp_path / "robustness.json")
    monkeypatch.setattr(robustness, "PAGE", tmp_path / "robustness.md")
    monkeypatch.setattr(robustness, "outcomes", lambda reader, seed: iter(
        [("empty", LINE, "a: no"), ("cut", FAULT if reader == "rows" and seed else RESULT, "b: why")]))
    assert robustness.main(["--seeds", "0,5"]) == 2
    said = capsys.readouterr().err
    assert "fault: rows: cut: b: why\n" in said and said.endswith("error: 1 faults, as said above\n")
    found = read_counted(robustness.COUNTED, tuple(READERS))
    assert found["readers"]["rows"] == {"cut": dict(zip(OUTCOMES, (1, 0, 1))), "empty": dict(zip(OUTCOMES, (0, 2, 0)))}
    assert found["seeds"] == (0, 5) and found["provenance"]["command"].endswith("--seeds 0,5")
    before = robustness.PAGE.read_bytes()
    assert robustness.main(["--render"]) == 0 and robustness.PAGE.read_bytes() == before
    for arguments, words in ((["--seeds", "x"], "SEEDS: 'x'"), (["--reader", "none"], "reader: 'none' is not known")):
        assert robustness.main(arguments) == 2 and words in capsys.readouterr().err


def test_the_committed_page_is_its_rendering():
    found = read_counted(robustness.COUNTED, tuple(READERS))
    assert page(found) == robustness.PAGE.read_text(encoding="utf-8")
    assert not sum(one["fault"] for families in found["readers"].values() for one in families.values())
