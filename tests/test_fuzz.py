"""Every reader of what people bring, given what is wrong: the right result or one clear line (experiments/stress)."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter

import pytest
from folders import write_camvid
from made_up import PROVENANCE

from experiments import predict, table
from experiments.lib import paths
from experiments.stress import robustness
from experiments.stress.cases import Case, Reader, Sample, cases, outcome
from experiments.stress.damage import NO_NAMES
from experiments.stress.readers import READERS
from repro.errors import UserError
from repro.tables.robustness import FAULT, LINE, OUTCOMES, RESULT, page, read_counted


def test_every_case_ends_in_the_right_result_or_one_line():
    found = list(robustness.outcomes([*READERS], 0))
    assert not [one for one in found if one[2] == FAULT]
    counts = Counter((reader, ended) for reader, _, ended, _ in found)
    assert all(counts[reader, LINE] > 30 and counts[reader, RESULT] > 10 for reader in READERS)


def test_cases_are_the_same_every_time_and_of_every_kind():
    for reader, own in (("parameters", {"wrong number"}), ("presets", {"odd YAML", "missing key", "unknown key"})):
        one, other = ([case[:3] for case in cases(READERS[reader], seed)] for seed in (3, 3))
        assert one == other != [case[:3] for case in cases(READERS[reader], 4)]
        assert {case[0] for case in one} >= own | {
            "another kind of file", "truncated", "changed byte", "part moved", "odd name",
            "missing or no file", "no name", "as it should be"}


def _line(text):
    raise UserError(text)


@pytest.mark.parametrize("read, right, allowed, wanted", [
    (lambda path: 1, lambda found, *_: found == 1, (RESULT,), (RESULT, "")),
    (lambda path: path.read_bytes(), lambda found, content, _: found == content, (RESULT,), (RESULT, "")),
    (lambda path: _line("a: no such file"), lambda *_: True, (LINE,), (LINE, "a: no such file")),
    (lambda path: 1, lambda found, *_: found == 2, (RESULT,), (FAULT, "a wrong result: 1")),
    (lambda path: 1, lambda *_: True, (LINE,), (FAULT, "right result, not one clear line: ")),
    (lambda path: _line("a"), lambda *_: True, (RESULT,), (FAULT, "one clear line, not right result: a")),
    (lambda path: _line(""), lambda *_: True, (LINE,), (FAULT, "")),
    (lambda path: [][0], lambda *_: True, (LINE,), (FAULT, "IndexError: list index out of range (test_fuzz.py:")),
])
def test_faults_are_seen(read, right, allowed, wanted):
    case = Case("kind", "where", "a", b"content", allowed, Sample(b"", None))
    ended, text = outcome(Reader("files", dict, read, right), case)
    assert ended == wanted[0] and text.startswith(wanted[1])


def test_a_name_that_cannot_be_is_one_line(tmp_path, capsys, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    street = f"--data={write_camvid(tmp_path / 'street')}"
    for name in (*NO_NAMES, "~none-such/a", "file:///etc/passwd", "-1", "image%03d.png", "a\nb"):
        for main, *options in ((predict.main, f"--input={name}"), (predict.main, f"--weights={name}"),
                               (table.main, "--table=1", f"--data={name}"),
                               (table.main, "--table=1", street, f"--pretrained={name}")):
            assert main(options) == 2, options
            said = capsys.readouterr().err.splitlines()  # predict says its weights before it opens an input
            assert said[-1].startswith("error: ") and sum("error: " in line for line in said) == 1, (options, said)


def serve_some(pipe, readers, seed: int) -> None:
    """Run a case of the first reader, and begin another that kills the process or hangs."""
    how = readers[0]
    for sent in (("cut", "a", "", ""), ("cut", "a", LINE, "no"), ("cut", "b", "", "")):
        pipe.send((how, *sent))
    os.kill(os.getpid(), signal.SIGKILL) if how == "killed" else time.sleep(100)


def test_a_process_that_ends_and_one_that_hangs_are_faults():
    """And the next reader has a process of its own."""
    one, two, three, four = robustness.outcomes(["killed", "sleeps"], 0, serve_some, 10)
    assert one == ("killed", "cut", LINE, "a: no") and three == ("sleeps", "cut", LINE, "a: no")
    assert two[:3] == ("killed", "cut", FAULT) and two[3].endswith("ended with code -9")
    assert four == ("sleeps", "cut", FAULT, "b: hangs")


def test_the_page_counts_and_a_wrong_count_is_named(tmp_path):
    path = tmp_path / "a.json"
    readers = {"images": {"empty": dict(zip(OUTCOMES, (0, 5, 1))), "truncated": dict(zip(OUTCOMES, (2, 30, 0)))},
               "labels": {"empty": dict(zip(OUTCOMES, (1, 20, 0)))}}
    path.write_text(json.dumps({"seed": 7, "readers": readers, "provenance": PROVENANCE}))
    text = page(read_counted(path))
    lines = [[cell.strip() for cell in line.strip("| \n").split("|")] for line in text.splitlines() if "|" in line]
    assert text.startswith("# Bad input, on purpose\n\n59 cases: ") and "Seed of the random cases: 7." in text
    for line in (["images", "38", "2", "35", "1"], ["labels", "21", "1", "20", "0"], ["empty", "27", "1", "25", "1"],
                 ["truncated", "32", "2", "30", "0"]):
        assert line in lines
    assert lines.count(["all", "59", "3", "55", "1"]) == 2
    path.write_text(json.dumps({"seed": 0}))
    with pytest.raises(UserError, match="a.json: key 'readers' is missing"):
        read_counted(path)


def test_the_script_counts_and_writes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "OWN", tmp_path)
    monkeypatch.setattr(robustness, "outcomes", lambda readers, seed: iter([
        one for reader in readers for one in ((reader, "empty", LINE, "a: no"),
                                              (reader, "cut", FAULT if reader == "rows" else RESULT, "b: why"))]))
    assert robustness.main(["--seed", "5"]) == 2
    said = capsys.readouterr().err
    assert "fault: rows: cut: b: why\n" in said and said.endswith("error: 1 faults, as said above\n")
    found = read_counted(tmp_path / "robustness.json")
    assert found["readers"][READERS["rows"].about] == {
        "cut": dict(zip(OUTCOMES, (0, 0, 1))), "empty": dict(zip(OUTCOMES, (0, 1, 0)))}
    assert found["seed"] == 5 and found["provenance"]["command"] == "make robustness SEED=5"
    assert (tmp_path / "robustness.md").read_text() == page(found)


def test_the_committed_page_is_its_rendering():
    found = robustness.MEASUREMENT.read(paths.RESULTS)
    assert [*found["readers"]] == [reader.about for reader in READERS.values()]
    assert page(found) == (paths.RESULTS.parent / "robustness.md").read_text(encoding="utf-8")
    assert not sum(one[FAULT] for kinds in found["readers"].values() for one in kinds.values())
