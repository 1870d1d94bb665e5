"""A case: something given to a reader, and what it may answer."""

from __future__ import annotations

import contextlib
import resource
import shutil
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, Tuple

from repro.errors import LONGEST, UserError

RESULT, LINE, FAULT = "right result", "one clear line", "fault"
BOTH = (RESULT, LINE)


@dataclass(frozen=True)
class Case:
    """Something wrong, or odd but right, given to a reader.

    family, name  what is wrong, such as truncated; and where.
    run           (an empty folder) -> what the reader makes of it; a file is written there, and read.
    right         whether a result is the right one; whatever is no UserError and no right result is a fault.
    allowed       what it may end in.
    """

    family: str
    name: str
    run: Callable[[Path], Any]
    right: Callable[[Any], bool] = lambda value: True
    allowed: Tuple[str, ...] = BOTH


def outcome(case: Case) -> Tuple[str, str]:
    """Return (RESULT, LINE or FAULT; the line, or what is at fault) of a case, run in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="fuzz ü ") as folder:
        try:
            with contextlib.redirect_stderr(None):
                value = case.run(Path(folder))
            found, text = (RESULT, "") if case.right(value) else (FAULT, f"a wrong result: {value!r:.200}")
        except UserError as error:
            found, text = LINE, str(error)
            if not text or "\n" in text or len(text) > LONGEST + 10:
                found = FAULT
        except Exception as error:  # noqa: BLE001 - what is looked for
            last = traceback.extract_tb(error.__traceback__)[-1]
            found, text = FAULT, f"{type(error).__name__}: {error!s:.200} ({Path(last.filename).name}:{last.lineno})"
        left = [path.name for path in Path(folder).rglob(".writing-*")]
    if left:
        return FAULT, f"left {left[0]}"
    if found not in case.allowed and found != FAULT:
        return FAULT, f"{found}, not {' or '.join(case.allowed)}: {text}"
    return found, text


@contextlib.contextmanager
def full_disk(bytes_left: int) -> Iterator[None]:
    """Stand in for a full disk, which takes rights to make: no file may grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, hard))  # Python ignores the signal; write() fails with EFBIG
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def copy(source, target) -> Path:
    """Return A file's copy, for what is about to be damaged."""
    return Path(shutil.copyfile(source, target))
