"""Table 6's page and pictures: the paper's figures, the peers measured here, targets, other engines, Table 5."""

from __future__ import annotations

from textwrap import fill
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from repro.config.rows import PeerRow
from repro.device import cpu_words
from repro.plot import figure, save
from repro.tables.engines import best_table
from repro.tables.markdown import joined, table_of
from repro.tables.speed import FP32, INT8, Measured, calc, gflops, mebibytes, milliseconds, origin, percent, reader
from repro.tables.targets import A_INT8, TARGETS, A, of, ratio, share, targets_table
from repro.timing.clock import median, p95

STAGES = ("single", "max", "sctf", "isctf", "isctf-fast", "optimised", "model-a")  # Table 5's
PICTURES = ("table6-cost.png", "table6-waterfall.png")
INT8_TIMES = 4  # 8-bit multiply-adds in the time of a float32 one
COLOURS = {FP32: "tab:blue", INT8: "tab:orange", "float16": "tab:green"}
OTHERS = "s"  # the marker of others' networks; ours: "o"
# what experiments.speed.table6 writes
read_table6 = reader("size", "width", "threads", "peak_memory", "ceiling", "rows", "provenance")


def _printed(rows: Sequence[PeerRow], paper: Mapping[str, Any]) -> str:
    def column(header: str, key: str):
        values = {row.id: paper["rows"][row.id][key] for row in rows if not row.measured}
        return header, lambda row: "-" if values[row.id] is None else values[row.id]
    return table_of([row for row in rows if not row.measured], 1, ("Method", lambda row: row.label),
                    column("Mean IoU", "mean_iou"), column("Time (ms)", "time"), column("Frames/s", "speed"))


def _measured(record: Measured, labels: Mapping[str, str]) -> str:
    own = {FP32: of(record, A), INT8: of(record, A_INT8)}
    other = {FP32: own[INT8], INT8: own[FP32]}

    def against(base: Mapping[str, Optional[Measured]]):
        def cell(one: Measured) -> str:
            value = ratio(one, base.get(one["precision"]))
            return "-" if value is None else f"{value:.2f}"
        return cell
    return table_of(
        record["rows"], 3, ("Network", lambda one: labels.get(one["row"], one["row"])),
        ("In the picture", lambda one: one["row"]), ("Precision", lambda one: one["precision"]),
        ("Calc.", lambda one: calc(one["paper"])), ("Multiply-adds run", lambda one: calc(one["multiply_adds"])),
        ("Parameters", lambda one: f"{one['parameters'] / 1e6:.1f}M"),
        ("Time (ms)", lambda one: milliseconds(median(one["seconds"]))),
        ("p95 (ms)", lambda one: milliseconds(p95(one["seconds"]))), ("Runs", lambda one: len(one["seconds"])),
        ("Frames/s", lambda one: f"{1 / median(one['seconds']):.2f}"),
        ("Time / Model A, same precision", against(own)),
        ("Time / Model A in the other (across precisions)", against(other)),
        ("GFLOP/s", lambda one: f"{gflops(one):.0f}"),
        ("Of the ceiling", lambda one: f"{share(record, one):.0%}" if one["precision"] == FP32 else "-"))


def _floors(record: Measured) -> str:
    """Return what Model A's times could come to, and what stands in between."""
    measured = [(of(record, key), key[1], times) for key, times in ((A, 1), (A_INT8, INT8_TIMES))]
    floors = [f"{milliseconds(one['multiply_adds'] / record['ceiling']['rate'] / times)} ms in {name}"
              for one, name, times in measured if one]
    if not floors:
        return ""
    return (f"The floor: Model A's multiply-adds alone take {' and '.join(floors)}, at the ceiling and, for int8, at "
            f"{INT8_TIMES} times that, which 8-bit dot products can give. What stands in between is in "
            "[profile.md](profile.md), operator by operator: convolutions of few channels; maps that change their "
            "layout in memory between 3x3 and some 1x1 convolutions, within these operators' time (oneDNN 2.4, MXNet "
            "1.9.1's, keeps them in two); and what is no convolution, which int8 makes no shorter.\n")


def stages(record: Measured) -> List[Tuple[str, float, float]]:
    """Return (row, multiply-adds, seconds) of Table 5's stages relative to the single column's, those measured."""
    found = {row: one for row, one in ((row, of(record, (row, FP32))) for row in STAGES) if one}
    base = found.get(STAGES[0])
    return [(row, one["multiply_adds"] / base["multiply_adds"], median(one["seconds"]) / median(base["seconds"]))
            for row, one in found.items()] if base else []


def _waterfall(record: Measured, labels: Mapping[str, str]) -> str:
    return table_of(
        stages(record), 1, ("Stage", lambda one: labels.get(one[0], one[0])),
        ("Multiply-adds, of the single column's", lambda one: percent(one[1])),
        ("Times fewer", lambda one: f"{1 / one[1]:.1f}"),
        ("Time, of the single column's", lambda one: percent(one[2])),
        ("Times as fast", lambda one: f"{1 / one[2]:.1f}"))


def page(record: Measured, rows: Sequence[PeerRow], paper: Mapping[str, Any],
         engines: Sequence[Measured] = ()) -> str:
    """Return the page; `engines`: records of repro.tables.engines, one of each machine; `rows` of table6.yaml, `paper`
    its printed figures."""
    labels = {row.id: row.label for row in rows}
    height, width = record["size"]
    ceiling = record["ceiling"]
    parts = [
        f"# Table 6. {paper['title']}\n\nThe paper's claim: {paper['claim']}\n\n{_printed(rows, paper)}",
        "## Measured side by side\n\n"
        f"From a {height}x{width} image (8 bit RGB) to labels of every pixel, on {record['threads']} threads of a CPU. "
        "All networks run in the same engine, with the same folding, fusion and label map, in turns within one run. "
        "**All weights are random**: time alone is measured, and int8 is calibrated on scenes of minicity.\n\n"
        "* **Calc.**: multiply-adds in the paper's convention, without projection shortcuts. **Multiply-adds run**: "
        "all of the graph that is run, with the short cuts of fast inference (repro/models/build.py); GFLOP/s are "
        "twice these by time.\n"
        "* **Time**: median; p95: of fewer than 20 runs the slowest.\n"
        f"* **Ceiling**: {2 * ceiling['rate'] / 1e9:.0f} GFLOP/s, the best float32 convolution of the networks' own "
        f"shapes ({ceiling['layer']}), in the same run. int8 is not compared with it.\n"
        + (f"* **Not the published networks**: width {record['width']:g}.\n" if record["width"] != 1 else "")
        + f"* Peak memory of the whole measurement: {mebibytes(record['peak_memory'])} MiB. "
        f"{origin(record['provenance'])}\n\n{_measured(record, labels)}\n"
        f"![Time against multiply-adds]({PICTURES[0]})",
        "## Targets\n\nThis project's own, by the figures above, before rounding.\n\n"
        f"{targets_table(record, TARGETS)}\n{_floors(record)}",
    ]
    if stages(record):
        parts.append("## Table 5 as run and as timed\n\n"
                     "Multiply-adds are those run: projection shortcuts are counted, and what fast inference's short "
                     "cuts leave out is not. In the paper's convention the same stages are in [Table 5](table5.md).\n\n"
                     f"{_waterfall(record, labels)}\n![Table 5's stages]({PICTURES[1]})")
    if engines:
        parts.append("## Each network in the engine that serves it best\n\nMeasured apart, each machine in a run of "
                     "its own ([engines.md](engines.md)), labels of every pixel included; ratios are to Model A in its "
                     "own best engine, in that run.")
        parts += [f"### {cpu_words(one['provenance'])}\n\n{origin(one['provenance'])}\n\n{best_table(one)}"
                  for one in engines]
    return joined(parts)


def draw(record: Measured, rows: Sequence[PeerRow], folder) -> None:
    """Draw cost against time, and the stages of Table 5 where all are measured."""
    _draw_cost(record, rows, folder / PICTURES[0])
    if stages(record):
        _draw_waterfall(record, rows, folder / PICTURES[1])


def _draw_cost(record: Measured, rows: Sequence[PeerRow], path) -> None:
    """Draw every network's time over its multiply-adds, both logarithmic, and what the ceiling allows in float32."""
    made = figure(9, 6)
    axes = made.subplots()
    known = {row.id: row for row in rows}
    for name in COLOURS:
        chosen = [one for one in record["rows"] if one["precision"] == name]
        for marker in ("o", OTHERS):
            points = [(one["multiply_adds"] / 1e9, median(one["seconds"])) for one in chosen
                      if (known[one["row"]].model is not None) == (marker == OTHERS)]
            if points:
                axes.scatter(*zip(*points), color=COLOURS[name], marker=marker, zorder=3,
                             label=f"{name}, {'gluoncv' if marker == OTHERS else 'ours'}")
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


def _draw_waterfall(record: Measured, rows: Sequence[PeerRow], path) -> None:
    """Draw Table 5's stages relative to the single column: multiply-adds, and time beside."""
    found, labels = stages(record), {row.id: row.label for row in rows}
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
