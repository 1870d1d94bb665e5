"""The page on how Model A's cost grows: time and memory against regions, image size, batch and threads; its picture."""

from __future__ import annotations

from typing import Any, Mapping, Sequence, Tuple

from repro.plot import figure, save
from repro.tables.markdown import joined, table_of
from repro.tables.speed import Measured, calc, gflops, mebibytes, milliseconds, origin, reader
from repro.timing.clock import median, p95

PICTURE = "growth.png"
TITLES = {"k": "Regions computed", "size": "Image size", "batch": "Images at once", "threads": "Threads"}
# what experiments.speed.growth writes
read_growth = reader("row", "multiplier", "region", "base", "groups", "provenance")


def _spent(case: Measured) -> float:
    """Return the seconds of an image."""
    return median(case["seconds"]) / case["batch"]


def _counted(case: Measured) -> float:
    """Return the multiply-adds of an image."""
    return case["multiply_adds"] / case["batch"]


def _table(group: str, cases: Sequence[Measured], region: int) -> str:
    def name(case: Measured) -> str:
        height, width = case["height"], case["width"]
        regions = height // region * (width // region)
        return f"{height}x{width}, {case['k']} of {regions}" if group == "size" else str(case[group])
    each = ", an image" if group == "batch" else ""
    return table_of(
        cases, 1, (TITLES[group], name),
        (f"Multiply-adds{each}", lambda case: calc(_counted(case))),
        ("/ first", lambda case: f"{_counted(case) / _counted(cases[0]):.2f}"),
        (f"Time{each} (ms)", lambda case: milliseconds(_spent(case))),
        ("p95 (ms)", lambda case: milliseconds(p95(case["seconds"]) / case["batch"])),
        ("/ first", lambda case: f"{_spent(case) / _spent(cases[0]):.2f}"),
        ("ms / 10^9 multiply-adds", lambda case: f"{_spent(case) / _counted(case) * 1e12:.1f}"),
        ("GFLOP/s", lambda case: f"{gflops(case):.0f}"),
        ("Peak memory (MiB)", lambda case: mebibytes(case["memory"])),
        ("Runs", lambda case: len(case["seconds"])))


def slope(points: Sequence[Tuple[float, float]]) -> Tuple[float, float]:
    """Return (slope, value at 0) of the line nearest to points of two or more different x, by least squares."""
    x, y = (sum(values) / len(points) for values in zip(*points))
    steep = sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)
    return steep, y - steep * x


def _region_costs(cases: Sequence[Measured]) -> str:
    """Return what one more region costs, counted and measured."""
    some = [case for case in cases if case["k"]]  # none at all is another graph, without a full column
    if len({case["k"] for case in some}) < 2:
        return ""
    spent, fixed = slope([(case["k"], median(case["seconds"])) for case in some])
    counted, rest = slope([(case["k"], case["multiply_adds"]) for case in some])
    return (f"A region more costs {spent * 1e3:.1f} ms and {calc(counted)} multiply-adds (a line through k > 0 by "
            f"least squares); what does not depend on k, {fixed * 1e3:.0f} ms and {calc(rest)}.\n\n")


def page(record: Mapping[str, Any]) -> str:
    """Return the page of a record."""
    region = record["region"]
    return joined([
        f"# How cost grows: {record['row']}, float32\n\n"
        "From an image to labels of every pixel, with random weights, in the inference engine. Each table varies one "
        f"thing; the sizes have regions of {region} px throughout, a quarter of them computed. Each case runs in a "
        "process of its own, the cases of a table in turns; times are medians.\n\n"
        "* **Images at once**: from images that are normalised already, so that times are not those of the "
        "other tables.\n"
        "* **Peak memory**: of the process while it labels images, after the engine was made. Before it, with Python, "
        f"MXNet and OpenCV loaded: {mebibytes(record['base'])} MiB.\n"
        + (f"* **Not the published network**: width {record['multiplier']:g}.\n" if record["multiplier"] != 1 else "")
        + f"* {origin(record['provenance'])}\n\n![Time and memory]({PICTURE})",
        *(f"## {TITLES[group]}\n\n{_region_costs(cases) if group == 'k' else ''}{_table(group, cases, region)}"
          for group, cases in record["groups"].items())])


def draw(record: Mapping[str, Any], folder) -> None:
    """Draw time above, memory below, a column for each thing that varies; dashed: time if as multiply-adds."""
    groups = record["groups"]
    made = figure(3.2 * len(groups), 5)
    above, below = made.subplots(2, len(groups), squeeze=False)  # arrays of axes
    for upper, lower, (group, cases) in zip(above, below, groups.items()):
        x = [case["height"] * case["width"] / 1e6 if group == "size" else case[group] for case in cases]
        upper.plot(x, [_spent(case) * 1e3 for case in cases], marker="o", markersize=3, label="measured")
        if group in ("k", "size"):
            last = cases[-1]
            upper.plot(x, [_counted(case) * _spent(last) / _counted(last) * 1e3 for case in cases], linestyle="--",
                       color="0.6", linewidth=0.9, label="as the last one's multiply-adds")
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
    save(made, folder / PICTURE)
