"""Writers on a full disk and in folders that take no files: the old file stays whole, and one line says why.

A full disk is stood in for by RLIMIT_FSIZE, beyond which no file grows, as one needs rights to be made; a read-only
folder by /proc and by a path below a file, as whoever has all rights may write into any other.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict, Iterator

import mxnet as mx
import numpy as np

from experiments.lib import segmenting
from experiments.lib.command import run
from experiments.stress.fuzz.case import LINE, RESULT, Case, full_disk
from experiments.stress.fuzz.texts import RECORDS, WEIGHTS
from repro import records
from repro.data.minicity import scene
from repro.errors import UserError
from repro.files import replacing, write_text
from repro.models import parameters
from repro.prediction import weights
from repro.training import logs

OLD = b"what was there before"
LINES = [{"step": n, "loss": 1 / n, "total": 3 / n, "rate": 0.1, "q": 0.3, "active": 9.0} for n in range(1, 9)]
ARRAYS = {"a": mx.nd.array(np.arange(2000)), "b": mx.nd.ones(7)}


def _record(path: Path) -> None:
    made = min(records.record_files(RECORDS.parent), key=lambda one: one.stat().st_size)
    written = records.write_record(path.parent / "records", records.read_record(made))
    written.replace(path)


def _description(path: Path) -> None:
    weights.write(replace(weights.read(WEIGHTS), path=path.with_suffix(".params")))


def _scores(path: Path) -> None:
    with replacing(path) as temporary:
        np.save(temporary, np.zeros((5, 16, 16), np.float32))


def _film(path: Path) -> None:
    pictures = np.random.RandomState(0).randint(0, 256, (6, 48, 64, 3)).astype(np.uint8)
    with segmenting.film(path, 10) as add:
        for number, picture in enumerate(pictures):
            add(picture, number / 10)


# by what is written: the file's suffix, and what writes it
WRITERS: Dict[str, tuple] = {
    "text": (".txt", lambda path: write_text(path, "x" * 3000)),
    "parameters": (".params", lambda path: parameters.save_arrays(path, ARRAYS)),
    "record": (".json", _record), "description": (".json", _description), "scores": (".npy", _scores),
    "labels": (".png", lambda path: segmenting.image_file(path, scene(0, "test", 0, (64, 128))[0])),
    "overlay": (".jpg", lambda path: segmenting.image_file(path, scene(0, "test", 0, (64, 128))[0])),
    "film": (".mp4", _film), "curves": (".png", lambda path: logs.plot(LINES, path, "a")),
}


def _said(write: Callable[[], None]) -> None:
    """Run as a script does; UserError with the line that it says, where the exit code is 2."""
    out = io.StringIO()
    with contextlib.redirect_stderr(out):
        code = run(lambda _: write(), None)
    if code == 2 and out.getvalue().count("\n") == 1:
        raise UserError(out.getvalue().rstrip("\n"))
    if code:
        raise AssertionError(f"exit code {code}: {out.getvalue()}")


def writers(seed: int) -> Iterator[Case]:
    """Everything that writes a file through repro.files."""
    draw = random.Random(seed)
    for what, (suffix, write) in WRITERS.items():
        sizes = {0, 1, 100, 4095, 4096, *(draw.randrange(9000) for _ in range(10))}
        for size in sorted(sizes)[::1 if what != "curves" else 4]:  # which take a second to draw
            def full(folder: Path, size=size, suffix=suffix, write=write):
                path = folder / f"a b{suffix}"
                path.write_bytes(OLD)
                try:
                    with full_disk(size):
                        _said(lambda: write(path))
                except UserError:
                    if path.read_bytes() != OLD:
                        raise AssertionError("what was there is lost") from None
                    raise
                return path.read_bytes()
            yield Case("full disk", f"{what} at {size} bytes", full, lambda value: len(value) > 0)
        for name, place in (("a folder that takes none", "/proc/self/none"), ("below a file", "{}/file/none"),
                            ("a loop of links", "{}/loop/none"), ("too long", "{}/" + "x" * 300)):
            def closed(folder: Path, place=place, suffix=suffix, write=write):
                (folder / "file").write_bytes(OLD)
                (folder / "loop").symlink_to(folder / "loop")
                _said(lambda: write(Path(place.format(folder) + suffix)))
            yield Case("read-only folder", f"{what}: {name}", closed, lambda _: False, (LINE,))

        def odd(folder: Path, suffix=suffix, write=write):
            path = folder / f"Straße 東京\n{suffix}"
            _said(lambda: write(path))
            return path.stat().st_size
        yield Case("odd names", what, odd, lambda size: size > 0, (RESULT,))
    for size in range(0, 900, 60):  # a log grows line by line: on a full disk its lines so far are whole
        def grown(folder: Path, size=size):
            log, path = None, folder / "a.jsonl"
            try:
                with full_disk(size):
                    def write():
                        nonlocal log
                        log = logs.Log(path)
                        for line in LINES:
                            log.add(line)
                    _said(write)
            finally:
                with contextlib.suppress(OSError):
                    if log:
                        log.close()
                found = logs.read(path) if path.exists() else []
                if found != LINES[:len(found)] or len(found) < size // (max(map(_length, LINES)) + 1) - 1:
                    raise AssertionError(f"the log has {len(found)} lines")
            return found
        yield Case("full disk", f"a log at {size} bytes", grown, lambda found: found == LINES)


def _length(line) -> int:
    return len(json.dumps(line))
