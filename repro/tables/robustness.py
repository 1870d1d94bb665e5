"""The page on bad input: how many cases each reader and writer was given, and what they ended in."""

from __future__ import annotations

from collections import Counter
from typing import Any, Dict, Mapping, Tuple

from repro.config import parsing
from repro.records import parse_provenance
from repro.tables.markdown import markdown_table
from repro.tables.speed import origin, read_json

OUTCOMES = ("right result", "one clear line", "fault")
# what each reader is, by the names of experiments.stress.fuzz
READS = {
    "images": "images of a data set (PNG, JPEG)",
    "labels": "labels of a data set (PNG)",
    "photos": "photos to segment (nine formats)",
    "videos": "videos (AVI, MP4, Matroska)",
    "orientations": "pictures that a header says are to be turned (JPEG, PNG, WebP, TIFF)",
    "ranges": "pictures of other values than 0 to 255 (PNG, TIFF, JPEG 2000, PNM)",
    "streams": "videos whose headers estimate, count wrongly or turn (AVI, MP4, Matroska)",
    "rows": "rows of tables (YAML)",
    "presets": "presets (YAML)",
    "classes": "classes of an own data set (YAML)",
    "neighbours": "rows of other networks, trained or timed (YAML)",
    "datasets": "folders of data sets",
    "inputs": "what INPUT names: files, folders, patterns",
    "parameters": "parameters (.params)",
    "types": "types and values of parameters; other files",
    "backbones": "pre-trained backbones (.params)",
    "exported": "exported networks (ONNX)",
    "writers": "each kind of file that is written",
    "commands": "scripts, as a user calls them",
}
_COUNTS = {outcome: parsing.natural for outcome in OUTCOMES}


def _families(value, place: str) -> Dict[str, Any]:
    return parsing.fields(value, place, {
        family: lambda one, where: parsing.fields(one, where, _COUNTS)
        for family in (value if isinstance(value, dict) else ())})


def read_counted(path, readers: Tuple[str, ...]) -> Dict[str, Any]:
    """Return what `make robustness` wrote to `path`, checked, of all `readers`; a UserError names file and key."""
    return read_json(path, {
        "seed": parsing.natural,
        "readers": parsing.mapping(dict.fromkeys(readers, _families)),
        "provenance": parse_provenance})


def _sum(counts) -> Counter:
    return sum((Counter(one) for one in counts), Counter())


def page(counted: Mapping[str, Any]) -> str:
    """Return the page; `counted` as `read_counted` gives it."""
    readers = {reader: _sum(families.values()) for reader, families in counted["readers"].items()}
    names = sorted({family for families in counted["readers"].values() for family in families})
    families = {name: _sum(one[name] for one in counted["readers"].values() if name in one) for name in names}
    total = _sum(readers.values())

    def table(first: str, lines: Mapping[str, Counter], shown) -> str:
        return markdown_table([(first, [shown(name) for name in lines] + ["all"]),
                               ("Cases", [str(sum(one.values())) for one in (*lines.values(), total)]),
                               *((outcome.capitalize(), [str(one[outcome]) for one in (*lines.values(), total)])
                                 for outcome in OUTCOMES)], 1)
    return (
        "# Bad input, on purpose\n\n"
        f"{sum(total.values())} cases: files that are empty, cut, changed, of another kind or size, that lie about "
        "their size, NaN weights, loops of links, pipes, odd names, full disks (`experiments/stress/fuzz/`); of what "
        "people bring, and one full disk for each kind of file that is written. Each must end in the right result or "
        "in one clear line, which a script reports with exit code 2. Anything else is a fault: another exception, two "
        "lines, a wrong result, a file half written, a lost one, a warning, a process that ends, or one that hangs for "
        f"a minute. Seed of the random cases: {counted['seed']}. {origin(counted['provenance'])}\n\n"
        f"{table('Reader or writer', readers, lambda name: f'{name}: {READS[name]}')}\n"
        f"{table('What is wrong', families, str)}\n"
        "*Right result* is checked: a PNG with a changed byte is the whole picture or refused, a row is read as it is "
        "written, a file that cannot be replaced is as before. Where a format has no checksum (JPEG, BMP, TIFF, WebP, "
        "JPEG 2000, PNM, videos, .params, ONNX, YAML) a changed byte within the values is another right file; there "
        "the result must be of the kind and size that the file says, and finite.\n\n"
        "*Stand-ins*: a full disk is a limit on the size of files (RLIMIT_FSIZE), which fails in the same calls; a "
        "read-only folder is one below /proc or below a file. Both take no rights, and bind whoever has all of them.\n")
