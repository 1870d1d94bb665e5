"""Ways in which a file, its name or the values in it can be wrong, whatever kind it is."""

from __future__ import annotations

import copy
import os
import random
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, Optional, Tuple

from experiments.stress.fuzz.case import BOTH, LINE, RESULT, Case

Damaged = Tuple[str, str, bytes]  # family, name, bytes
OTHERS = {"text": b"hello, world\n", "zeros": bytes(500), "ones": b"\xff" * 500, "zip": b"PK\3\4" + bytes(60),
          "html": b"<!DOCTYPE html><title>404</title>", "pickle": b"\x80\x04\x95\x1e\0\0\0\0\0\0\0\x8c\5posix\x94.",
          "elf": b"\x7fELF" + bytes(60), "gzip": b"\x1f\x8b\x08" + bytes(60), "newline": b"\n", "NUL": b"\0"}
WRONG = (None, True, -1, 0, 2.5, 1 << 40, 1 << 70, 10 ** 400, 1e308, float("nan"), float("inf"), "", "x", "a\nb\x1b[2J",
         "ü" * 5000, [], {}, [[[[]]]], [1] * 50, {"x": None})
MISSING = object()


def cut(data: bytes, draw: random.Random, count: int) -> Iterator[Damaged]:
    """Empty, other kinds of files, and the file cut at its first bytes and anywhere."""
    yield "empty", "empty", b""
    for name, other in OTHERS.items():
        yield "wrong type", name, other
    lengths = {*range(1, min(count // 4, len(data))), *(draw.randrange(1, len(data)) for _ in range(count))}
    for length in sorted(lengths):
        yield "truncated", f"{length} of {len(data)} bytes", data[:length]


def flipped(data: bytes, draw: random.Random, count: int) -> Iterator[Damaged]:
    """Bytes changed, most of them near the beginning, where headers are; parts left out, doubled and exchanged."""
    size = len(data)
    for number in range(count):
        at = draw.randrange(size if number % 3 == 0 else min(size, 200))
        value = draw.choice((0, 1, 0x7F, 0x80, 0xFF, data[at] ^ 1 << draw.randrange(8)))
        yield "changed bytes", f"{at} is {value}", data[:at] + bytes([value]) + data[at + 1:]
    for _ in range(count // 4):
        one, other = sorted(draw.sample(range(size), 2))
        yield "parts moved", f"{one} to {other} left out", data[:one] + data[other:]
        yield "parts moved", f"{one} to {other} twice", data[:other] + data[one:]
        noise = bytes(draw.randrange(256) for _ in range(other - one))
        yield "parts moved", f"{one} to {other} random", data[:one] + noise + data[other:]


def files(name: str, data: Iterable[Damaged], read: Callable[[Path], Any], right: Callable[[Any, bytes], bool],
          allowed: Tuple[str, ...] = BOTH) -> Iterator[Case]:
    """Yield a case for each damaged content of a file called `name`."""
    for family, what, content in data:
        def run(folder: Path, content=content):
            path = folder / name
            path.write_bytes(content)
            return read(path)
        yield Case(family, f"{name}: {what}", run, lambda value, content=content: right(value, content),
                   (LINE,) if family in ("empty", "wrong type") else allowed)


def paths(data: bytes, suffix: str, read: Callable[[Path], Any], right: Callable[[Any], bool]) -> Iterator[Case]:
    """Return cases of odd but right names of a file, and of names that lead to none."""
    for name in ("with spaces and 'quotes\"", "Straße 東京 🚲", "-", "%s%d", "a\nb", "a.b.c", "\udcff", "#;$(x)&",
                 "*[a-b]?"):
        def run(folder: Path, name=name):
            path = folder / f"{name}{suffix}"
            path.write_bytes(data)
            return read(path)
        yield Case("odd names", repr(name), run, right, (RESULT,))

    def linked(folder: Path):
        (folder / "kept").write_bytes(data)
        (folder / f"link{suffix}").symlink_to(folder / "kept")
        return read(folder / f"link{suffix}")
    yield Case("links", "to a file", linked, right, (RESULT,))
    for name, make in NO_FILES.items():
        def wrong(folder: Path, make=make):
            path = folder / f"a{suffix}"
            return read(make(path) or path)
        yield Case("links" if "link" in name else "no file", name, wrong, lambda value: False, (LINE,))


def _loop(path: Path) -> None:
    path.symlink_to(path.with_suffix(".other"))
    path.with_suffix(".other").symlink_to(path)


def _below(path: Path) -> Path:
    path.write_bytes(b"x")
    return path / path.name


NO_FILES: Dict[str, Callable[[Path], Optional[Path]]] = {
    "missing": lambda path: None, "a folder": lambda path: path.mkdir(), "a loop of links": _loop,
    "a link to nothing": lambda path: path.symlink_to(path.with_name("nothing")),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"), "a pipe": lambda path: os.mkfifo(path),
    "below a file": _below, "too long": lambda path: path.with_name("x" * 300 + path.suffix),
    "far too long": lambda path: path.parent / "/".join(["x" * 200] * 30),
    "NUL": lambda path: path.with_name("a\0b" + path.suffix),
}


def places(value: Any, above: Tuple = ()) -> Iterator[Tuple]:
    """Yield the way to every value inside a value, its own first."""
    yield above
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield from places(one, (*above, key))


def put(value: Any, place: Tuple, new: Any) -> Any:
    """Return A copy of `value` with something else at a place; without it for MISSING."""
    if not place:
        return new
    made = copy.deepcopy(value)
    inner = made
    for key in place[:-1]:
        inner = inner[key]
    if new is MISSING:
        del inner[place[-1]]
    else:
        inner[place[-1]] = new
    return made


def changed(value: Any, draw: random.Random, count: int) -> Iterator[Tuple[str, str, Any]]:
    """(family, name, value): values of other types or sizes, missing and unknown ones, at `count` places of it."""
    known = list(places(value))
    for number in range(count):
        place = known[number % len(known)] if count >= len(known) else draw.choice(known)
        way = ".".join(map(str, place)) or "all"
        chosen = draw.choice((*WRONG, *WRONG, MISSING, "unknown"))
        if chosen is MISSING and place:
            yield "missing key", way, put(value, place, MISSING)
        elif chosen == "unknown":
            yield "unknown key", way, put(value, place, {**at(value, place), draw.choice((1, "more", "a\nb")): 1}
                                          if isinstance(at(value, place), dict) else {"more": 1})
        else:
            new = None if chosen is MISSING else chosen
            yield "wrong value", f"{way} is {new!r:.30}", put(value, place, new)


def at(value: Any, place: Tuple) -> Any:
    """Return the value at a place."""
    for key in place:
        value = value[key]
    return value
