"""A case: a reader, what it is given, and what it may end in: the right result, or one clear line."""

from __future__ import annotations

import contextlib
import random
import tempfile
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, NamedTuple, Tuple

import damage

from repro.errors import LONGEST, UserError

RESULT, LINE, FAULT = "right result", "one clear line", "fault"


class Sample(NamedTuple):
    """A right file, or folder, and what its reader makes of it."""

    content: Any
    found: Any


@dataclass(frozen=True)
class Reader:
    """A reader of what people bring.

    samples  makes right files, or folders, by their names.
    read     (path) -> what it makes of a file; a UserError refuses it.
    right    (what it made, of which content, the sample) -> whether that is right.
    damage   (a sample's content, random generator) -> damaged contents; one of damage.py's functions.
    wrong    makes more files that must be refused, by what is wrong with them.
    any_name whether a file's name may be other bytes than UTF-8.
    """

    samples: Callable[[], Dict[str, Any]]
    read: Callable[[Path], Any]
    right: Callable[[Any, Any, Sample], Any]
    damage: Callable[[Any, random.Random], Iterator[damage.Damaged]] = damage.binary
    wrong: Callable[[], Dict[str, bytes]] = field(default=dict)
    any_name: bool = True


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
