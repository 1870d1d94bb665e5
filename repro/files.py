"""Writing files so that a reader sees the old content or the new, never a part; and reading files alone."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile
from collections import deque
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, List, Set

from repro.errors import UserError


@contextmanager
def replacing(path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it replaces `path`, on an error it is removed.

    The temporary name keeps the suffix, so that writers choosing a format by suffix work. An OSError, such as of a full
    disk, names `path`.
    """
    path, name = Path(path), None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-", suffix=path.suffix)
        os.close(handle)
        yield Path(name)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        if error.filename is None or Path(error.filename).name.startswith(".writing-"):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        if name is not None and os.path.exists(name):
            os.unlink(name)


def no_file(path, what: str, write: bool = False) -> None:
    """Raise a UserError that begins with `what` if a file is where a folder, or one above it, is to be; `write`: or if
    that folder, or where it is to be made, may not be written to."""
    there = next(one for one in (Path(path), *Path(path).parents, Path("/")) if os.path.exists(one))
    if not os.path.isdir(there):
        raise UserError(f"{what}: {there} is a file, not a folder")
    if write and not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"{what}: {there} may not be written to")


def walk(root, enter: Callable[[Path], bool] = lambda folder: True) -> List[Path]:
    """Return the files in a folder, and in those below it that `enter` takes, sorted.

    Hidden files and folders are left out. Links are followed, but no folder is entered twice: under its own name rather
    than a link's. What is no folder is a file here, a link to nothing too. A folder that cannot be listed has none.
    """
    found: List[Path] = []
    seen: Set[str] = set()
    real, linked = deque([Path(root)]), deque()  # type: ignore[var-annotated]
    while real or linked:
        folder = (real or linked).popleft()
        place = os.path.realpath(folder)
        try:
            names = [] if place in seen else sorted(os.listdir(folder))
        except (OSError, ValueError):  # a NUL in its name
            continue
        seen.add(place)
        for path in (folder / name for name in names if not name.startswith(".")):
            if not os.path.isdir(path):
                found.append(path)
            elif enter(path):
                (linked if path.is_symlink() else real).append(path)
    return sorted(found)


def contents(path, most: int = 1 << 32) -> bytes:
    """Return the bytes of a file; OSError, its strerror in words for a user, for one that is none, or of over `most`
    bytes.

    A pipe or a device, which might give bytes for ever, or never one, is none.
    """
    try:
        found = os.stat(path)
    except ValueError:  # a NUL in its name
        raise OSError(errno.ENOENT, "no name of a file", str(path)) from None
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, f"not a file but a {'folder' if stat.S_ISDIR(found.st_mode) else 'device or pipe'}",
                      str(path))
    with open(path, "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"more than {most} bytes", str(path))
    return data


def given(path, place: str) -> bytes:
    """Return the bytes of a file that a user named; a UserError that begins with `place` where it cannot be read."""
    try:
        return contents(path)
    except FileNotFoundError:
        raise UserError(f"{place}: no such file") from None
    except OSError as error:
        raise UserError(f"{place}: cannot be read ({error.strerror})") from None


def utf8(path) -> str:
    """`path` for a library that takes UTF-8 alone, and may end the process for another name; UserError for such."""
    try:
        return str(path).encode("utf-8").decode("utf-8")
    except UnicodeEncodeError:
        raise UserError(f"{path}: its name is not UTF-8; rename it") from None


def write_bytes(path, data: bytes) -> None:
    """Write `data` to `path` whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


@contextmanager
def locked(path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock file `path`, made if need be, which one process at a time can; `waiting` is called if another does.

    The system gives the lock free when its holder ends, however that ends.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
