"""The page on how Model A's cost grows: time and memory against regions, image size, batch and threads; its picture."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence, Tuple

from repro.config import parsing
from repro.records import parse_provenance
from repro.tables.columns import giga
from repro.tables.markdown import Column, markdown_table
from repro.tables.speed import (
    Measured,
    figure,
    gflops,
    mebibytes,
    median,
    milliseconds,
    origin,
    positive,
    read_json,
    save,
    seconds,
    timing,
)

PICTURE = "growth.png"
TITLES = {"k": "Regions computed", "size": "Image size", "batch": "Images at once", "threads": "Threads"}
_COUNT = parsing.positive(parsing.integer)
_COUNTS = ("height", "width", "batch", "threads", "multiply_adds", "memory")
_CASE = {"k": parsing.natural, **dict.fromkeys(_COUNTS, _COUNT), "seconds": seconds}


def _cases(value, place: str) -> Sequence[Dict[str, Any]]:
    return parsing.filled(lambda one, where: parsing.fields(one, where, _CASE))(value, place)


_RECORD = {
    "row": parsing.text, "multiplier": positive, "region": _COUNT, "base": parsing.natural,
    "groups": parsing.mapping(dict.fromkeys(TITLES, _cases), optional=TITLES),
    "provenance": parse_provenance,
}


def read_growth(path) -> Dict[str, Any]:
    """What `experiments.speed.growth` wrote to `path`, checked; a UserError names file and key."""
    return read_json(path, _RECORD)


def _name(group: str, case: Measured, region: int) -> str:
    """What tells a case from the others of its group."""
    if group == "size":
        return f"{case['height']}x{case['width']}, {case['k']} of {_regions(case, region)}"
    return str(case[group])


def _regions(case: Measured, region: int) -> int:
    return (case["height"] // region) * (case["width"] // region)


def _growth(cases: Sequence[Measured], values) -> Sequence[str]:
    """Each case's multiple of the first one's value."""
    found = [values(case) for case in cases]
    return [f"{value / found[0]:.2f}" for value in found]


def _table(group: str, cases: Sequence[Measured], region: int) -> str:
    def column(header: str, cell) -> Column:
        return header, [cell(case) for case in cases]
    each = ", an image" if group == "batch" else ""
    return markdown_table([
        column(TITLES[group], lambda case: _name(group, case, region)),
        column(f"Multiply-adds{each}", lambda case: f"{giga(case['multiply_adds'] / case['batch'])}g"),
        ("/ first", _growth(cases, lambda case: case["multiply_adds"] / case["batch"])),
        column(f"Time{each} (ms)", lambda case: milliseconds(median(case) / case["batch"])),
        column("p95 (ms)", lambda case: milliseconds(timing(case).p95 / case["batch"])),
        ("/ first", _growth(cases, lambda case: median(case) / case["batch"])),
        column("ms / 10^9 multiply-adds", lambda case: f"{median(case) / case['multiply_adds'] * 1e12:.1f}"),
        column("GFLOP/s", lambda case: f"{gflops(case):.0f}"),
        column("Peak memory (MiB)", lambda case: mebibytes(case["memory"])),
        column("Runs", lambda case: str(len(case["seconds"]))),
    ], 1)


def slope(points: Sequence[Tuple[float, float]]) -> Tuple[float, float]:
    """(slope, value at 0) of the straight line nearest to points of two or more different x, by least squares."""
    count = len(points)
    x, y = (sum(values) / count for values in zip(*points))
    steep = sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)
    return steep, y - steep * x


def _region_costs(cases: Sequence[Measured]) -> str:
    """What one more region costs, counted and measured."""
    some = [case for case in cases if case["k"]]  # none at all is another graph, without a full column
    if len({case["k"] for case in some}) < 2:
        return ""
    spent, fixed = slope([(case["k"], median(case)) for case in some])
    counted, rest = slope([(case["k"], case["multiply_adds"]) for case in some])
    return (f"A region more costs {spent * 1e3:.1f} ms and {giga(counted)}g multiply-adds (a line through k > 0 by "
            f"least squares); what does not depend on k, {fixed * 1e3:.0f} ms and {giga(rest)}g.\n\n")


def page(record: Mapping[str, Any]) -> str:
    """The page; `record` as `read_growth` gives it."""
    region = record["region"]
    parts: List[str] = [
        f"# How cost grows: {record['row']}, float32\n\n"
        "From an image to labels of every pixel, with random weights, in the inference engine. Each table varies one "
        f"thing; the sizes have regions of {region} px throughout, a quarter of them computed. Each case runs in a "
        "process of its own, the cases of a table in turns; times are medians.\n\n"
        "* **Images at once**: from images that are normalised already, so that times are not those of the "
        "other tables.\n"
        "* **Peak memory**: of the process while it labels images, after the engine was made. Before it, with Python, "
        f"MXNet and OpenCV loaded: {mebibytes(record['base'])} MiB.\n"
        + (f"* **Not the published network**: width {record['multiplier']:g}.\n" if record["multiplier"] != 1 else "")
        + f"* {origin(record['provenance'])}\n\n![Time and memory]({PICTURE})"]
    for group, cases in record["groups"].items():
        line = _region_costs(cases) if group == "k" else ""
        parts.append(f"## {TITLES[group]}\n\n{line}{_table(group, cases, region)}")
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def draw(record: Mapping[str, Any], path) -> None:
    """Time above, memory below, a column for each thing that varies; dashed: time if it grew as multiply-adds do."""
    groups = record["groups"]
    made = figure(3.2 * len(groups), 5)
    above, below = made.subplots(2, len(groups), squeeze=False)  # arrays of axes
    for upper, lower, (group, cases) in zip(above, below, groups.items()):
        x = [case["height"] * case["width"] / 1e6 if group == "size" else case[group] for case in cases]
        spent = [median(case) / case["batch"] for case in cases]
        counted = [case["multiply_adds"] / case["batch"] for case in cases]
        upper.plot(x, [value * 1e3 for value in spent], marker="o", markersize=3, label="measured")
        if group in ("k", "size"):
            upper.plot(x, [value * spent[-1] / counted[-1] * 1e3 for value in counted], linestyle="--", color="0.6",
                       linewidth=0.9, label="as the last one's multiply-adds")
            upper.legend(fontsize=7)
        lower.plot(x, [case["memory"] / 2 ** 30 for case in cases], marker="o", markersize=3, color="tab:red")
        lower.axhline(record["base"] / 2 ** 30, color="0.6", linestyle="--", linewidth=0.9)
        upper.set_title(TITLES[group].lower(), fontsize=9)
        lower.set_xlabel("megapixels" if group == "size" else group, fontsize=8)
        for axes in (upper, lower):
            axes.set_ylim(0, 1.08 * axes.get_ylim()[1])
            axes.tick_params(labelsize=8)
            if group in ("batch", "threads"):
                axes.set_xticks(x)
    above[0].set_ylabel("ms an image", fontsize=8)
    below[0].set_ylabel("GiB; dashed: before the engine", fontsize=8)
    save(made, path)
