"""Every reader and writer, given what is wrong: the right result or one clear line (experiments/stress/fuzz)."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from collections import Counter

import pytest
from made_up import PROVENANCE

from experiments.lib import paths
from experiments.stress import robustness
from experiments.stress.fuzz import FAULT, LINE, READERS, RESULT, Case, cases, outcome
from experiments.stress.fuzz.case import full_disk
from experiments.stress.fuzz.commands import called
from repro.errors import UserError
from repro.files import write_text
from repro.tables.robustness import OUTCOMES, READS, page, read_counted

SHARE = {"rows": 4, "presets": 2, "classes": 2, "datasets": 4, "neighbours": 4}  # one of so many: the slow
LEAST = {"images": 500, "labels": 500, "photos": 1000, "videos": 400, "orientations": 80, "ranges": 50, "streams": 50,
         "rows": 100, "neighbours": 100, "presets": 150, "classes": 150, "datasets": 70, "inputs": 70,
         "parameters": 500, "types": 100, "backbones": 200, "exported": 350, "writers": 19, "commands": 39}


@pytest.mark.parametrize("reader", READERS)
def test_every_case_ends_in_the_right_result_or_one_line(reader):
    found, faults = Counter(), []
    for case in itertools.islice(cases(reader), 0, None, SHARE.get(reader, 1)):
        ended, text = outcome(case)
        found[ended] += 1
        faults += [f"{case.family}: {case.name}: {text}"] if ended == FAULT else []
    assert not faults
    assert sum(found.values()) >= LEAST[reader] and found[LINE] and (found[RESULT] or reader == "commands")


def test_cases_are_the_same_every_time():
    assert LEAST.keys() == READERS.keys() == READS.keys()
    for reader in ("images", "presets"):
        one, other = ([(case.family, case.name) for case in cases(reader, seed)] for seed in (3, 3))
        assert one == other != [(case.family, case.name) for case in cases(reader, 4)]


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
    (lambda folder: (folder / ".writing-x").touch(), lambda value: True, (RESULT,), (FAULT, "left .writing-x")),
])
def test_faults_are_seen(run, right, allowed, wanted):
    ended, text = outcome(Case("family", "name", run, right, allowed))
    assert ended == wanted[0] and text.startswith(wanted[1])


def test_a_script_that_prints_more_than_its_error_is_a_fault(tmp_path):
    script = tmp_path / "a.py"
    script.write_text("import sys\nprint(sys.argv[1], file=sys.stderr)\nsys.exit(int(sys.argv[2]))")
    with pytest.raises(UserError, match="error: x"):
        called(script, ["error: x", 2])
    for text, code in [("error: x", 1), *((text, 2) for text in (
            "usage: a [-h]\nerror: x", "a: error: x", "Warning: y\nerror: x", "error: x\nerror: y", "error: x\nTraceback",
            ""))]:
        with pytest.raises(AssertionError, match=f"exit code {code}"):
            called(script, [text, code])


def test_a_disk_is_full_only_as_long_as_it_is(tmp_path):
    with full_disk(5):
        write_text(tmp_path / "a", "12345")
        with pytest.raises(OSError, match="File too large"):
            write_text(tmp_path / "a", "123456")
    assert (tmp_path / "a").read_text() == "12345" and [one.name for one in tmp_path.iterdir()] == ["a"]
    write_text(tmp_path / "a", "123456")


def serve_one(how: str, seed: int, results) -> None:
    """Run one case, and begin another that kills its process or hangs; or none for "nothing"."""
    if how != "nothing":
        for sent in (("cut", "a", "", ""), ("cut", "a", LINE, "no"), ("cut", "b", "", "")):
            results.send(sent)
        os.kill(os.getpid(), signal.SIGKILL) if how == "killed" else time.sleep(100)


def test_a_process_that_ends_and_one_that_hangs_are_faults():
    for how, words in (("killed", "b: its process ended with -9"), ("sleeps", "b: hangs")):
        assert list(robustness.outcomes(how, 0, serve_one, 20 if how == "killed" else 3)) == [
            ("cut", LINE, "a: no"), ("cut", FAULT, words)]
    assert list(robustness.outcomes("nothing", 0, serve_one)) == [("", FAULT, ": its process ended with 0")]


def counted(**changes):
    readers = {reader: {"empty": dict(zip(OUTCOMES, (1, 20, 0)))} for reader in READERS}
    return {"seed": 7, "readers": {**readers, **changes}, "provenance": PROVENANCE}


def test_the_page_counts_and_a_wrong_count_is_named(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(counted(images={"empty": dict(zip(OUTCOMES, (0, 5, 1))),
                                               "truncated": dict(zip(OUTCOMES, (2, 30, 0)))})))
    text = page(read_counted(path, tuple(READERS)))
    lines = [[cell.strip() for cell in line.strip("| \n").split("|")] for line in text.splitlines() if "|" in line]
    total = 21 * (len(READERS) - 1) + 38
    assert text.startswith(f"# Bad input, on purpose\n\n{total} cases: ") and "Seed of the random cases: 7." in text
    assert ["images: images of a data set (PNG, JPEG)", "38", "2", "35", "1"] in lines
    assert ["truncated", "32", "2", "30", "0"] in lines
    assert lines.count(["all", str(total), str(len(READERS) + 1), str(20 * (len(READERS) - 1) + 35), "1"]) == 2
    for value, words in (({"seed": 0}, "key 'readers' is missing"), (counted(images=[]), r"images: \[\] is not a mapp"),
                         (counted(images={"empty": {"fault": -1}}), "images: empty: key 'right result' is missing"),
                         (counted(more={}), "readers: unknown key 'more'")):
        path.write_text(json.dumps(value))
        with pytest.raises(UserError, match=words):
            read_counted(path, tuple(READERS))


def test_the_script_counts_and_renders(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(robustness, "outcomes", lambda reader, seed: iter(
        [("empty", LINE, "a: no"), ("cut", FAULT if reader == "rows" else RESULT, "b: why")]))
    assert robustness.main(["--seed", "0", "--publish"]) == 2
    said = capsys.readouterr().err
    assert "fault: rows: cut: b: why\n" in said and said.endswith("error: 1 faults, as said above\n")
    found = read_counted(tmp_path / "results" / "robustness.json", tuple(READERS))
    assert found["readers"]["rows"] == {"cut": dict(zip(OUTCOMES, (0, 0, 1))), "empty": dict(zip(OUTCOMES, (0, 1, 0)))}
    assert found["seed"] == 0 and found["provenance"]["command"] == "make robustness"
    written = tmp_path / "robustness.md"
    before = written.read_bytes()
    assert robustness.main(["--render"]) == 0 and written.read_bytes() == before
    assert robustness.main(["--reader", "none"]) == 2 and "reader: 'none' is not known" in capsys.readouterr().err


def test_the_committed_page_is_its_rendering():
    found = read_counted(paths.RESULTS / "robustness.json", tuple(READERS))
    assert page(found) == (paths.ROOT / "tables" / "robustness.md").read_text(encoding="utf-8")
    assert not sum(one["fault"] for families in found["readers"].values() for one in families.values())
