"""Ways in which a file that people bring can be wrong, whatever it is: each yields (what is wrong, where, content).

Content is bytes; a folder is a mapping of names to content; and a function makes something else at a path.
"""

from __future__ import annotations

import functools
import operator
import os
import random
import struct
import zlib
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple, Union

import yaml

from repro.data.headers import PNG

Content = Union[bytes, Callable[[Path], Any], Dict[str, Any]]
Damaged = Tuple[str, str, Content]

OTHERS = {"empty": b"", "text": b"hello, world\n", "zeros": bytes(500), "ones": b"\xff" * 500,
          "zip": b"PK\3\4" + bytes(60), "html": b"<!DOCTYPE html><title>404</title>",
          "pickle": b"\x80\x04\x95\x1e\0\0\0\0\0\0\0\x8c\5posix\x94.",
          "elf": b"\x7fELF" + bytes(60), "gzip": b"\x1f\x8b\x08" + bytes(60), "newline": b"\n", "NUL": b"\0",
          # which FFmpeg, given a video's name, would follow to other files or over a network
          "playlist": b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n", "address": b"http://127.0.0.1:9/a.mp4",
          "list of files": b"ffconcat version 1.0\nfile '/etc/passwd'\n", "pattern": b"image%03d.png",
          "session": b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=video 9 RTP/AVP 33\r\n"}
NUMBERS = (0, 1, 3, 255, 1 << 15, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 40, 1 << 62, (1 << 64) - 1)
WRONG = (None, True, -1, 0, 2.5, 1 << 40, 1 << 70, 10 ** 400, 1e308, float("nan"), float("inf"), "", "x", "a\nb\x1b[2J",
         "ü" * 5000, [], {}, [[[[]]]], [1] * 50, {"x": None})

NO_UTF8 = ("\udcff",)
ODD_NAMES = ("with spaces and 'quotes\"", "Straße 東京 🚲", "-", "%s%d", "a\nb", "a.b.c", "#;$(x)&", "*[a-b]?", "~",
             "[x]", *NO_UTF8)
NO_NAMES = ("none/a", "x" * 300, "/".join(["x" * 200] * 30), "a\0b", "[", "[!", "{a,b}*", "**/*", "?" * 300, "*" * 50,
            "http://127.0.0.1:9/a", "/dev/null", "/dev/zero", "/proc/self/mem", "/proc/self/environ/a")


def _loop(path: Path) -> None:
    path.symlink_to(path.with_suffix(".other"))
    path.with_suffix(".other").symlink_to(path)


NO_FILES: Dict[str, Callable[[Path], Any]] = {
    "missing": lambda path: None, "an empty folder": Path.mkdir, "a pipe": os.mkfifo, "a loop of links": _loop,
    "a link to nothing": lambda path: path.symlink_to(path.with_name("nothing")),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to the folder above": lambda path: path.symlink_to(path.parent),
}

# what YAML, or its reader in Python, has of its own
ODD_YAML = (
    "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{one}: &{one} [{', '.join(['*' + other] * 9)}]\n" for other, one in zip("abcdefghijklmnopqrstu",
                                                                              "bcdefghijklmnopqrstuv")),
    "rows:\n- &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"- &{one} [{', '.join(['*' + other] * 9)}]\n" for other, one in zip("abcdefghij", "bcdefghijk")),
    "&a [*a]", "rows: &a [*a]", "&a {rows: *a}", "[" * 1000, "{a: " * 1000,
    "".join("  " * n + "a:\n" for n in range(400)), "rows: 2001-99-99", "rows: !!bool x", "rows: !!int x",
    "rows: !!float x", "rows: !!timestamp x", "rows: !!binary x", "rows: !!set {a, b}", "rows: !!pairs [a: 1, a: 2]",
    "!!python/object/apply:os.system ['echo']", "rows: !!python/name:os.system", "rows: []\nrows: []", "? [a]\n: 1",
    "? {a: 1}\n: 1", "rows: =", "<<: [1]\nrows: []", "rows: []\n---\nrows: []", f"rows: {'9' * 10000}",
    f"rows: 0x{'f' * 10000}", "rows: *nothing", "rows:\n\t- a", "\ufeffrows: []", "rows: \0", "rows: \"\x1b[2J\"",
    "".join(f"k{n}: 1\n" for n in range(5000)), "# " + "x" * (1 << 19), "# rows", "null", "%YAML 9.9\n--- rows",
)


def damaged(data: bytes, draw: random.Random, count: int = 12) -> Iterator[Damaged]:
    """Damage any file, so many times in each way; most often at its beginning, where headers are."""
    for length in sorted({draw.randrange(1, len(data)) for _ in range(count)} | {1, 4, len(data) - 1}):
        yield "truncated", f"{length} of {len(data)} bytes", data[:length]
    for number in range(count):
        at = draw.randrange(len(data) if number % 3 == 0 else min(len(data), 200))
        value = draw.choice((0, 1, 0x7F, 0x80, 0xFF, data[at] ^ 1 << draw.randrange(8)))
        yield "changed byte", f"{at} is {value}", data[:at] + bytes([value]) + data[at + 1:]
    for _ in range(count // 4):
        one, other = sorted(draw.sample(range(len(data)), 2))
        noise = bytes(draw.randrange(256) for _ in range(other - one))
        for how, content in (("left out", b""), ("twice", data[one:other] * 2), ("random", noise)):
            yield "part moved", f"{one} to {other} {how}", data[:one] + content + data[other:]


def binary(data: bytes, draw: random.Random, count: int = 12) -> Iterator[Damaged]:
    """Damage a file of numbers: any file; and counts, sizes and types, at its beginning, its end or anywhere."""
    yield from damaged(data, draw, count)
    for _ in range(count):
        at = draw.choice((draw.randrange(len(data)), draw.randrange(min(len(data), 120)),
                          draw.randrange(max(0, len(data) - 90), len(data))))
        kind, value = draw.choice("HIQ"), draw.choice(NUMBERS)
        number = struct.pack(draw.choice("<>") + kind, value & ((1 << 8 * struct.calcsize(f"={kind}")) - 1))
        yield "wrong number", f"{value:#x} at {at}", data[:at] + number + data[at + len(number):]


def picture(data: bytes, draw: random.Random) -> Iterator[Damaged]:
    """Damage a picture: any file; and a PNG's header so that its checksum, made anew, does not show it."""
    yield from damaged(data, draw)
    sides, methods = [value for value in NUMBERS if value < 1 << 32], (*range(8), 16, 255)
    fields = [(16, 4, sides), (20, 4, sides), *((at, 1, methods) for at in range(24, 29))]  # width, height; depth ...
    for at, size, values in fields if data.startswith(PNG) else ():
        for value in values:
            header = (data[:at] + value.to_bytes(size, "big") + data[at + size:])[12:29]
            checksum = zlib.crc32(header).to_bytes(4, "big")
            yield "lying header", f"{value:#x} at {at}", data[:12] + header + checksum + data[33:]


def _places(value: Any, above: Tuple = ()) -> Iterator[Tuple]:
    """Yield the keys that lead to every value inside a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield (*above, key)
        yield from _places(one, (*above, key))


def text(data: bytes, draw: random.Random, count: int = 60) -> Iterator[Damaged]:
    """Damage a YAML file: its bytes; its text, so that it is another's; its values, each of which may be any."""
    yield from damaged(data, draw)
    for odd in ODD_YAML:
        yield "odd YAML", repr(odd[:30]), odd.encode()
    yield "odd YAML", "UTF-16", data.decode().encode("utf-16")
    yield "odd YAML", "Latin-1", "rows: ü".encode("latin-1")
    for _ in range(count):
        value = yaml.safe_load(data)
        *above, key = draw.choice([*_places(value)])
        inner = functools.reduce(operator.getitem, above, value)
        what = draw.choice(("wrong value", "wrong value", "wrong value", "missing key", "unknown key"))
        if what == "unknown key" and isinstance(inner, dict):
            inner[draw.choice((1, "more", "a\nb"))] = 1
        elif what == "missing key":
            del inner[key]
        else:
            what, inner[key] = "wrong value", draw.choice(WRONG)
        yield what, ".".join(map(str, (*above, key))), yaml.safe_dump(value).encode()


def folder(files: Dict[str, bytes], draw: random.Random) -> Iterator[Damaged]:
    """Damage one file of a folder after the other, or put something else in its place or in its folder's."""
    for name, data in files.items():
        other = draw.choice([*OTHERS])
        wrong: List[Damaged] = [*draw.sample([*damaged(data, draw)], 2), ("another kind of file", other, OTHERS[other])]
        wrong += [("missing or no file", where, NO_FILES[where]) for where in draw.sample([*NO_FILES], 2)]
        for what, where, content in wrong:
            yield what, f"{name}: {where}", {**files, name: content}
    for above in sorted({str(Path(name).parent) for name in files} - {"."}):
        where = draw.choice([*NO_FILES])
        without = {name: content for name, content in files.items() if not name.startswith(f"{above}/")}
        yield "missing or no file", f"{above}: {where}", {**without, above: NO_FILES[where]}
