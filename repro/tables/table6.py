"""Table 6's page: the paper's figures, the peers measured here, which targets are reached, other engines, Table 5."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from repro.config import parsing
from repro.config.rows import PeerRow
from repro.device import cpu_words
from repro.records import parse_provenance
from repro.tables.columns import giga
from repro.tables.engines import best_table
from repro.tables.markdown import markdown_table
from repro.tables.speed import (
    Measured,
    entries,
    gflops,
    mebibytes,
    median,
    milliseconds,
    origin,
    positive,
    precision,
    read_json,
    seconds,
    size,
    timing,
)
from repro.tables.targets import A_INT8, FP32, INT8, TARGETS, A, of, share, targets_table

STAGES = ("single", "max", "sctf", "isctf", "isctf-fast", "optimised", "model-a")  # Table 5's
PICTURES = ("table6-cost.png", "table6-waterfall.png")
INT8_TIMES = 4  # 8-bit multiply-adds in the time of a float32 one


_RECORD = {
    "size": size, "width": positive, "threads": parsing.integer, "peak_memory": parsing.integer,
    "ceiling": parsing.mapping({"rate": positive, "layer": parsing.text}),
    "rows": entries({
        "row": parsing.text, "precision": precision, "multiply_adds": parsing.integer, "paper": parsing.integer,
        "parameters": parsing.integer, "seconds": seconds}, "row", "precision"),
    "provenance": parse_provenance,
}

def read_table6(path) -> Dict[str, Any]:
    """What `experiments.speed.table6` wrote to `path`, checked; a UserError names file and key."""
    return read_json(path, _RECORD)


def _ratio(measured: Measured, base: Optional[Measured]) -> str:
    return "-" if base is None else f"{median(measured) / median(base):.2f}"


def _printed(rows: Sequence[PeerRow], paper: Mapping[str, Any]) -> str:
    chosen = [row for row in rows if not row.measured]

    def cell(row: PeerRow, key: str) -> str:
        value = paper["rows"][row.id][key]
        return "-" if value is None else str(value)
    return markdown_table([
        ("Method", [row.label for row in chosen]),
        *((header, [cell(row, key) for row in chosen])
          for header, key in (("Mean IoU", "mean_iou"), ("Time (ms)", "time"), ("Frames/s", "speed"))),
    ], 1)


def _measured(record: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    lines = record["rows"]
    own = {FP32: of(record, A), INT8: of(record, A_INT8)}
    other = {FP32: own[INT8], INT8: own[FP32]}
    return markdown_table([
        ("Network", [labels.get(one["row"], one["row"]) for one in lines]),
        ("In the picture", [one["row"] for one in lines]),
        ("Precision", [one["precision"] for one in lines]),
        ("Calc.", [f"{giga(one['paper'])}g" for one in lines]),
        ("Multiply-adds run", [f"{giga(one['multiply_adds'])}g" for one in lines]),
        ("Parameters", [f"{one['parameters'] / 1e6:.1f}M" for one in lines]),
        ("Time (ms)", [milliseconds(median(one)) for one in lines]),
        ("p95 (ms)", [milliseconds(timing(one).p95) for one in lines]),
        ("Runs", [str(len(one["seconds"])) for one in lines]),
        ("Frames/s", [f"{1 / median(one):.2f}" for one in lines]),
        ("Time / Model A, same precision", [_ratio(one, own.get(one["precision"])) for one in lines]),
        ("Time / Model A in the other (across precisions)", [
            _ratio(one, other.get(one["precision"])) for one in lines]),
        ("GFLOP/s", [f"{gflops(one):.0f}" for one in lines]),
        ("Of the ceiling", [f"{share(record, one):.0%}" if one["precision"] == FP32 else "-" for one in lines]),
    ], 3)


def _floors(record: Mapping[str, Any]) -> str:
    """What Model A's times could come to, and what stands in between."""
    rate = record["ceiling"]["rate"]
    measured = [(of(record, key), key[1], times) for key, times in ((A, 1), (A_INT8, INT8_TIMES))]
    floors = [f"{milliseconds(one['multiply_adds'] / rate / times)} ms in {precision}"
              for one, precision, times in measured if one]
    if not floors:
        return ""
    return (f"The floor: Model A's multiply-adds alone take {' and '.join(floors)}, at the ceiling and, for int8, at "
            f"{INT8_TIMES} times that, which 8-bit dot products can give. What stands in between is in "
            "[profile.md](profile.md), operator by operator: convolutions of few channels; maps that change their "
            "layout in memory between 3x3 and some 1x1 convolutions, within these operators' time (oneDNN 2.4, MXNet "
            "1.9.1's, keeps them in two); and what is no convolution, which int8 makes no shorter.\n")


def stages(record: Mapping[str, Any]) -> List[Tuple[str, float, float]]:
    """(row, multiply-adds, seconds) of Table 5's stages relative to the single column's; those that were measured."""
    found = [(row, of(record, (row, FP32))) for row in STAGES]
    base = found[0][1]
    if base is None:
        return []
    return [(row, one["multiply_adds"] / base["multiply_adds"], median(one) / median(base))
            for row, one in found if one]


def _waterfall(record: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    found = stages(record)
    return markdown_table([
        ("Stage", [labels.get(row, row) for row, _, _ in found]),
        ("Multiply-adds, of the single column's", [f"{counted:.1%}" for _, counted, _ in found]),
        ("Times fewer", [f"{1 / counted:.1f}" for _, counted, _ in found]),
        ("Time, of the single column's", [f"{spent:.1%}" for _, _, spent in found]),
        ("Times as fast", [f"{1 / spent:.1f}" for _, _, spent in found]),
    ], 1)


def page(record: Mapping[str, Any], rows: Sequence[PeerRow], paper: Mapping[str, Any],
         engines: Sequence[Mapping[str, Any]] = ()) -> str:
    """The page; `record` as the reader gives it, `engines` as repro.tables.engines', one of each machine, `rows` of
    table6.yaml, `paper` its printed figures."""
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
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"
