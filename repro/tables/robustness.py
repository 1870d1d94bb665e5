"""The page on bad input: how many cases each reader was given, and what they ended in."""

from __future__ import annotations

from collections import Counter
from typing import Any, Dict, Mapping

from repro.tables.markdown import markdown_table
from repro.tables.speed import origin, reader

OUTCOMES = RESULT, LINE, FAULT = "right result", "one clear line", "fault"
# what `make robustness` writes: "readers" is {what is read: {what is wrong: {outcome: cases}}}
read_counted = reader("seed", "readers", "provenance")


def _table(first: str, lines: Mapping[str, Counter]) -> str:
    """Return a table of a line each, and their sum."""
    counts = [*lines.values(), sum(lines.values(), Counter())]
    return markdown_table([(first, [*lines, "all"]), ("Cases", [str(sum(one.values())) for one in counts]),
                           *((outcome.capitalize(), [str(one[outcome]) for one in counts]) for outcome in OUTCOMES)], 1)


def page(counted: Mapping[str, Any]) -> str:
    """Return the page; `counted` as `read_counted` gives it."""
    readers: Dict[str, Counter] = {}
    kinds: Dict[str, Counter] = {}
    for what, found in counted["readers"].items():
        for kind, outcomes in sorted(found.items()):
            readers.setdefault(what, Counter()).update(outcomes)
            kinds.setdefault(kind, Counter()).update(outcomes)
    total = sum(sum(one.values()) for one in readers.values())
    return (
        "# Bad input, on purpose\n\n"
        f"{total} cases: files as people bring them, empty, cut, changed, of another kind, with headers that say "
        "what is not so, missing and unknown keys, NaN weights, loops of links, pipes, odd names "
        "(`experiments/stress/readers.py` has the readers and their samples, `damage.py` the ways to damage them). "
        "Each must end in the right result or in one clear line, which a script reports with exit code 2. Anything "
        "else is a fault: another exception, two lines, a wrong result, a warning, a process that ends, or one that "
        f"hangs for a minute. Seed of the random cases: {counted['seed']}. {origin(counted['provenance'])}\n\n"
        f"{_table('What is read', readers)}\n"
        f"{_table('What is wrong', dict(sorted(kinds.items())))}\n"
        "*Right result* is checked: of a PNG with a changed byte the whole picture, of a file cut short what the whole "
        "one holds, of YAML what is written there. Where a format has no checksum (JPEG, BMP, TIFF, WebP, JPEG 2000, "
        "PNM, videos, .params, ONNX) a changed byte within the values is another right file; there the result must be "
        "of the kind and size that the file says, and finite.\n")
