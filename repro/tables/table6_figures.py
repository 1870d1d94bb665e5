"""Table 6's pictures: time against multiply-adds, and Table 5's stages as run and as timed."""

from __future__ import annotations

from textwrap import fill
from typing import Any, List, Mapping, Sequence, Tuple

from repro.config.peers import PeerRow
from repro.plot import figure, save
from repro.tables.speed import FP32, INT8
from repro.tables.table6 import stages
from repro.timing.clock import median

COLOURS = {FP32: "tab:blue", INT8: "tab:orange", "float16": "tab:green"}
OWN, OTHERS = "o", "s"  # markers


def draw_cost(record: Mapping[str, Any], rows: Sequence[PeerRow], path) -> None:
    """Draw every network's time over its multiply-adds, both logarithmic, and what the ceiling allows in float32."""
    made = figure(9, 6)
    axes = made.subplots()
    known = {row.id: row for row in rows}
    for precision in COLOURS:
        chosen = [one for one in record["rows"] if one["precision"] == precision]
        for marker in (OWN, OTHERS):
            points = [(one["multiply_adds"] / 1e9, median(one["seconds"])) for one in chosen
                      if (known[one["row"]].model is not None) == (marker == OTHERS)]
            if points:
                axes.scatter(*zip(*points), color=COLOURS[precision], marker=marker, zorder=3,
                             label=f"{precision}, {'gluoncv' if marker == OTHERS else 'ours'}")
    axes.set(xscale="log", yscale="log", xlabel="10^9 multiply-adds run", ylabel="seconds an image")
    low, high = (edge(one["multiply_adds"] / 1e9 for one in record["rows"]) for edge in (min, max))
    ends = (low / 1.3, high * 1.3)
    axes.plot(ends, [end * 1e9 / record["ceiling"]["rate"] for end in ends], color="0.6", linestyle="--",
              linewidth=0.9, label="at the ceiling")
    _name_points(axes, record["rows"])
    axes.legend(fontsize=8, loc="upper left")
    axes.grid(True, which="both", linewidth=0.3, color="0.85")
    save(made, path)


def _name_points(axes, measured) -> None:
    """Write ids right of their points; of points close together each next one's further down."""
    placed: List[Tuple[float, float]] = []
    for one in sorted(measured, key=lambda one: (-median(one["seconds"]), one["row"])):
        x, y = axes.transData.transform((one["multiply_adds"] / 1e9, median(one["seconds"])))
        at = y
        while any(abs(at - other) < 9 and -90 < x - left < 90 for left, other in placed):
            at -= 1
        placed.append((x, at))
        far = y - at > 9
        line = {"arrowstyle": "-", "color": "0.7", "linewidth": 0.4} if far else None
        axes.annotate(one["row"], (one["multiply_adds"] / 1e9, median(one["seconds"])), fontsize=7, arrowprops=line,
                      xytext=(14 if far else 6, (at - y) * 0.72 - 3), textcoords="offset points",
                      color=COLOURS[one["precision"]])


def draw_waterfall(record: Mapping[str, Any], rows: Sequence[PeerRow], path) -> None:
    """Draw Table 5's stages relative to the single column: multiply-adds, and time beside."""
    found = stages(record)
    labels = {row.id: row.label for row in rows}
    made = figure(9, 4.2)
    axes = made.subplots()
    for offset, values, name, colour in ((-0.2, [run for _, run, _ in found], "multiply-adds run", "0.6"),
                                         (0.2, [spent for _, _, spent in found], "time", "tab:blue")):
        bars = axes.bar([index + offset for index in range(len(found))], values, 0.38, label=name, color=colour)
        axes.bar_label(bars, ["1" if value == 1 else f"1/{1 / value:.1f}" for value in values], fontsize=8)
    axes.set_xticks(range(len(found)), [fill(labels[row], 16, break_on_hyphens=False) for row, _, _ in found],
                    fontsize=8)
    axes.set(ylabel="of the single column's", title="Table 5's stages, as run and as timed (float32)")
    axes.legend(fontsize=8)
    save(made, path)
