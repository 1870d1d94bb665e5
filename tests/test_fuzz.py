"""Every reader of what people bring, given what is wrong: the right result or one clear line."""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Iterator, NamedTuple, Tuple

import damage
import pytest
from folders import write_camvid
from readers import READERS, Reader, Sample

from experiments import predict, table
from experiments.lib import paths
from experiments.lib.processes import Process
from repro.errors import LONGEST, UserError

PATIENCE = 60  # seconds of one case, after which it hangs
RESULT, LINE, FAULT = "right result", "one clear line", "fault"


class Case(NamedTuple):
    """What a reader is given: content at a path, which is a sample's but for `kind`, at a place `where`."""

    kind: str
    where: str
    path: str
    content: damage.Content
    allowed: Tuple[str, ...]
    sample: Sample


def put(path: Path, content: damage.Content) -> Path:
    """Write a file or a folder, or make what is neither; return its path."""
    if callable(content):
        content(path)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        for name, one in content.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            put(path / name, one)
    return path


def cases(reader: Reader) -> Iterator[Case]:
    """Yield what a reader is given: each sample damaged, and what is no sample; the same every time."""
    for name, content in reader.samples().items():
        with tempfile.TemporaryDirectory() as made:
            sample = Sample(content, reader.read(put(Path(made) / name, content)))
        yield Case("as it should be", name, name, content, (RESULT,), sample)
        for kind, where, other in reader.damage(content, random.Random(f"0 {name}")):
            yield Case(kind, where, name, other, (RESULT, LINE), sample)

    def of_name(kind: str, where: str, path: str, other: damage.Content, allowed: str) -> Case:
        return Case(kind, where, path, other, (allowed,), sample)
    for where, other in damage.OTHERS.items():
        yield of_name("another kind of file", where, name, other, LINE)
    for where, other in reader.wrong().items():
        yield of_name("whole but wrong", where, name, other, LINE)
    for odd in damage.ODD_NAMES:
        refused = odd in damage.NO_UTF8 and not reader.any_name
        yield of_name("odd name", repr(odd), f"{odd}{Path(name).suffix}", content, LINE if refused else RESULT)
    yield of_name("odd name", "a link", name, lambda path: path.symlink_to(put(path.with_name("kept"), content)),
                  RESULT)
    for where, make in damage.NO_FILES.items():
        yield of_name("missing or no file", where, name, make, LINE)
    for none in damage.NO_NAMES:
        yield of_name("no name", repr(none[:30]), none, damage.NO_FILES["missing"], LINE)


def outcome(reader: Reader, case: Case) -> Tuple[str, str]:
    """Return (RESULT, LINE or FAULT; the line, or what is at fault) of a case, run in a folder of its own."""
    content = case.sample.content if callable(case.content) else case.content
    with tempfile.TemporaryDirectory(prefix="fuzz ü ") as folder:
        try:
            with contextlib.redirect_stderr(None):
                value = reader.read(put(Path(folder) / case.path, case.content))
                right = reader.right(value, content, case.sample)
            found, text = (RESULT, "") if right else (FAULT, f"a wrong result: {value!r:.200}")
        except UserError as error:
            found, text = LINE, str(error)
            if not text or "\n" in text or len(text) > LONGEST + 10:
                found = FAULT
        except Exception as error:  # noqa: BLE001 - what is looked for
            last = traceback.extract_tb(error.__traceback__)[-1]
            found, text = FAULT, f"{type(error).__name__}: {error!s:.200} ({Path(last.filename).name}:{last.lineno})"
    if found not in case.allowed and found != FAULT:
        return FAULT, f"{found}, not {' or '.join(case.allowed)}: {text}"
    return found, text


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
    one, other = ([case[:3] for case in cases(READERS["presets"])] for _ in range(2))
    assert one == other
    assert {kind for kind, *_ in one} >= {
        "another kind of file", "truncated", "changed byte", "part moved", "odd name", "missing or no file", "no name",
        "as it should be", "odd YAML", "missing key", "unknown key", "wrong value"}


def _line(text):
    raise UserError(text)


@pytest.mark.parametrize("read, right, allowed, wanted", [
    (lambda path: path.read_bytes(), lambda found, content, _: found == content, (RESULT,), (RESULT, "")),
    (lambda path: _line("a: no such file"), lambda *_: True, (LINE,), (LINE, "a: no such file")),
    (lambda path: 1, lambda found, *_: found == 2, (RESULT,), (FAULT, "a wrong result: 1")),
    (lambda path: 1, lambda *_: True, (LINE,), (FAULT, "right result, not one clear line: ")),
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
    names = (*damage.NO_NAMES, "~none-such/a", "file:///etc/passwd", "-1", "image%03d.png", "a\nb")
    for number, name in enumerate(names):
        others = ((predict.main, f"--weights={name}"), (table.main, "--table=1", f"--data={name}"),
                  (table.main, "--table=1", street, f"--pretrained={name}"))
        for main, *options in ((predict.main, f"--input={name}"), others[number % 3]):
            assert main(options) == 2, options
            said = capsys.readouterr().err.splitlines()  # predict says its weights before it opens an input
            assert said[-1].startswith("error: ") and sum("error: " in line for line in said) == 1, (options, said)
