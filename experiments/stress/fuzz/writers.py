"""Writers on a full disk and in folders that take no files: the old file stays whole, and one line says why.

A full disk is stood in for by RLIMIT_FSIZE, beyond which no file grows, as one needs rights to be made; a read-only
folder by /proc and by a path below a file, as whoever has all rights may write into any other.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Callable, Dict, Iterator, Tuple

import mxnet as mx
import numpy as np

from experiments.lib.command import run
from experiments.lib.paths import HERE
from experiments.stress.fuzz.case import LINE, RESULT, Case, full_disk
from experiments.stress.fuzz.commands import called
from experiments.stress.fuzz.pictures import encoded
from experiments.stress.fuzz.videos import video
from repro.errors import UserError
from repro.files import replacing, write_text
from repro.models.parameters import save_arrays
from repro.training import logs

OLD = b"what was there before"
LINES = [{"step": n, "loss": 1 / n, "total": 3 / n, "rate": 0.1, "q": 0.3, "active": 9.0} for n in range(1, 9)]


def _scores(path: Path) -> None:
    with replacing(path) as temporary:
        np.save(temporary, np.zeros((5, 16, 16), np.float32))


# by what is written: the file's suffix, and what writes it through repro.files, each by another library
WRITERS: Dict[str, Tuple[str, Callable[[Path], None]]] = {
    "text": (".txt", lambda path: write_text(path, "x" * 3000)),
    "parameters": (".params", lambda path: save_arrays(path, {"a": mx.nd.array(np.arange(2000)), "b": mx.nd.ones(7)})),
    "scores": (".npy", _scores), "curves": (".png", lambda path: logs.plot(LINES, path, "a")),
}
# what predict writes of an input: its name, its content, the result, and bytes for which there is room
PREDICTED = (("a.png", encoded("png"), "a_labelIds.png", 50), ("a.png", encoded("png"), "a_overlay.jpg", 400),
             ("a.avi", video(".avi"), "a_overlay.mp4", 1500))


def _said(write: Callable[[], None]) -> None:
    """Run as a script does; UserError with the line that it says, where the exit code is 2."""
    out = io.StringIO()
    with contextlib.redirect_stderr(out):
        code = run(lambda _: write(), None)
    if code == 2 and out.getvalue().count("\n") == 1:
        raise UserError(out.getvalue().rstrip("\n"))
    if code:
        raise AssertionError(f"exit code {code}: {out.getvalue()}")


def _kept(path: Path, size: int, write: Callable[[], None]) -> None:
    """Write where a file is already and the disk is full after `size` bytes; AssertionError unless the file stays."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(OLD)
    try:
        with full_disk(size):
            write()
    finally:
        if path.read_bytes() != OLD:
            raise AssertionError("what was there is lost")


def _grown(folder: Path) -> None:
    """Write a log, which grows line by line, on a full disk; AssertionError unless its lines so far are whole."""
    log = logs.Log(folder / "a.jsonl")
    try:
        with full_disk(300):
            _said(lambda: [log.add(line) for line in LINES])
    finally:
        with contextlib.suppress(OSError):
            log.close()
        found = logs.read(folder / "a.jsonl")
        if not found or found != LINES[:len(found)]:
            raise AssertionError(f"the log has {len(found)} lines")


def writers(seed: int) -> Iterator[Case]:
    """Each kind of writer: a full disk, a folder that takes no files, a file's odd name."""
    for what, (suffix, write) in WRITERS.items():
        def full(folder: Path, suffix=suffix, write=write):
            path = folder / f"a b{suffix}"
            _kept(path, 100, lambda: _said(lambda: write(path)))
        yield Case("full disk", what, full, lambda _: False, (LINE,))

        def below(folder: Path, suffix=suffix, write=write):
            (folder / "file").write_bytes(OLD)
            _said(lambda: write(folder / "file" / f"none{suffix}"))
        yield Case("read-only folder", f"{what}: below a file", below, lambda _: False, (LINE,))

        def odd(folder: Path, suffix=suffix, write=write):
            path = folder / f"Straße 東京\n{suffix}"
            _said(lambda: write(path))
            return path.stat().st_size
        yield Case("odd names", what, odd, lambda size: size > 0, (RESULT,))
    for name, place in (("a folder that takes none", "/proc/self/none"), ("a loop of links", "{}/loop/none"),
                        ("too long", "{}/" + "x" * 300)):
        def closed(folder: Path, place=place):
            (folder / "loop").symlink_to(folder / "loop")
            _said(lambda: write_text(Path(place.format(folder)), "x"))
        yield Case("read-only folder", f"text: {name}", closed, lambda _: False, (LINE,))
    for given, content, result, size in PREDICTED:
        def predicted(folder: Path, given=given, content=content, result=result, size=size):
            (folder / given).write_bytes(content)
            _kept(folder / "out" / result, size, lambda: called(HERE / "predict.py", [
                "--input", folder / given, "--output", folder / "out"]))
        yield Case("full disk", f"predict: {result}", predicted, lambda _: False, (LINE,))
    yield Case("full disk", "a log", _grown, lambda _: False, (LINE,))
