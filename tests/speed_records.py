"""Made-up measurements for the tests of the pages on speed, and what these pages' readers and pictures share."""

from __future__ import annotations

import json

import pytest
from made_up import PROVENANCE

from repro.errors import UserError

# row -> (10^9 multiply-adds run, in the paper's convention, seconds in float32, in int8)
FIGURES = {
    "icnet": (180, 172, 2.24, 1.4), "fastscnn": (6.5, 6.5, 0.3, None), "pspnet": (1500, 1400, 19.2, None),
    "deeplabv3": (1550, 1450, 19.6, None), "fcn": (1250, 1150, 15.6, None), "single": (879, 786, 12.0, 7.0),
    "stride16": (281, 256, 4.1, None), "stride32": (180, 165, 2.5, None), "classic": (150, 139, 2.2, None),
    "max": (225, 206, 3.4, None), "sctf": (225, 206, 3.5, None), "isctf": (231, 212, 3.6, None),
    "isctf-fast": (100, 103, 1.7, None), "optimised": (80, 77, 1.2, None), "model-a": (36, 31.5, 0.5, 0.25),
    "isctf-fast-whole": (225, 225, 3.7, None), "model-a-whole": (60, 60, 0.82, None)}


def measured(figures=FIGURES, **changes):
    """A record as experiments.speed.table6 writes it; each seconds are of three runs."""
    rows = [{"row": row, "precision": precision, "multiply_adds": round(run * 1e9), "paper": round(paper * 1e9),
             "parameters": 26_000_000, "seconds": [seconds, seconds * 1.1, seconds * 0.9]}
            for row, (run, paper, *both) in figures.items()
            for precision, seconds in zip(("float32", "int8"), both) if seconds is not None]
    return {"size": [1024, 2048], "width": 1.0, "threads": 2, "peak_memory": 9 * 2 ** 30,
            "ceiling": {"rate": 90e9, "layer": "128 -> 128, 3x3, at 256x512"}, "rows": rows,
            "provenance": PROVENANCE, **changes}


def lines_of(text, first):
    """The cells of the lines of a page's tables that begin so."""
    return [[cell.strip() for cell in line.strip("|\n").split("|")]
            for line in text.splitlines() if line.startswith(f"| {first} ")]


def refused(read, value, path):
    """What a reader says of a measurement that is none: one line that names its file, and here what follows that."""
    path.write_text(json.dumps(value))
    with pytest.raises(UserError) as caught:
        read(path)
    file, _, said = str(caught.value).partition(": ")
    assert file == str(path) and "\n" not in said
    return said


def assert_drawn(draw, record, other, folder, *pictures):
    """A picture is a PNG, the same each time, and shows the figures: another record gives another one.

    pictures  those that `draw` writes into a folder; none: it writes the file it is given.
    """
    paths = [folder / name for name in "abc"]
    for path, one in zip(paths, (record, record, other)):
        if pictures:
            path.mkdir(exist_ok=True)
        draw(one, path)
    for picture in pictures or ("",):
        first, same, different = ((path / picture).read_bytes() for path in paths)
        assert first.startswith(b"\x89PNG") and first == same != different
