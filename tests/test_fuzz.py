"""Every reader of what people bring, given what is wrong: the right result or one clear line."""

from __future__ import annotations

import os
import warnings
from collections import Counter

import pytest
from cases import FAULT, LINE, RESULT, Case, Reader, Sample, cases, outcome
from damage import NO_NAMES
from folders import write_camvid
from readers import READERS

from experiments import predict, table
from experiments.lib import paths
from experiments.lib.processes import Process
from repro.errors import UserError

PATIENCE = 60  # seconds of one case, after which it hangs


def serve(pipe) -> None:
    """Send (reader, case) as each case begins, and (outcome, text) as it ends; then ""."""
    with open(os.devnull, "w") as nowhere:  # what libraries print
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", DeprecationWarning)
    for name, reader in READERS.items():
        for case in cases(reader):
            pipe.send((name, f"{case.kind}: {case.path!r:.50}: {case.where}"))
            pipe.send(outcome(reader, case))
    pipe.send("")


def test_every_case_ends_in_the_right_result_or_one_line():
    """In a process of its own, so that one that ends it or hangs is named too."""
    counts = Counter()
    with Process(serve) as process:
        while process.read(PATIENCE):
            reader, case = process.last
            try:
                ended, text = process.read(PATIENCE)
            except (TimeoutError, RuntimeError) as error:
                ended, text = FAULT, f"hangs or ends: {error!r}"
            assert ended != FAULT, f"{reader}: {case}: {text}"
            counts[reader, ended] += 1
    assert all(counts[reader, LINE] > 30 and counts[reader, RESULT] > 10 for reader in READERS)


def test_cases_are_the_same_every_time_and_of_every_kind():
    for reader, own in (("parameters", {"wrong number"}), ("presets", {"odd YAML", "missing key", "unknown key"})):
        one, other = ([case[:3] for case in cases(READERS[reader])] for _ in range(2))
        assert one == other
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
    ended, text = outcome(Reader(dict, read, right), case)
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
