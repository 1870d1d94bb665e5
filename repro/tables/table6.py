"""Table 6's page: the paper's figures, the peers measured here, which targets are reached, other engines, Table 5."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from repro import parsing
from repro.errors import UserError, shown
from repro.peer_rows import PRECISIONS, PeerRow
from repro.records import parse_provenance
from repro.tables.columns import giga
from repro.tables.markdown import markdown_table
from repro.tables.speed import (
    Measured,
    gflops,
    mebibytes,
    median,
    milliseconds,
    origin,
    positive,
    read_json,
    seconds,
    timing,
)
from repro.tables.targets import A_INT8, FP32, INT8, TARGETS, A, Target, missed, of, reached, share

STAGES = ("single", "max", "sctf", "isctf", "isctf-fast", "optimised", "model-a")  # Table 5's
PICTURES = ("table6-cost.png", "table6-waterfall.png")
INT8_TIMES = 4  # 8-bit multiply-adds in the time of a float32 one
OWN_ENGINE = "ours"  # in engines.json, the engine of repro/engine


def _precision(value, place: str) -> str:
    if value not in PRECISIONS:
        raise UserError(f"{place}: {shown(value)} is not known; choose from {', '.join(PRECISIONS)}")
    return value


def _size(value, place: str) -> Tuple[int, int]:
    found = parsing.sequence(parsing.integer)(value, place)
    if len(found) != 2 or min(found) < 1:
        raise UserError(f"{place}: {shown(value)} is not a height and a width")
    return found


def entries(checks: Mapping[str, parsing.Check], *key: str) -> parsing.Check:
    """A list of measurements, no two alike in `key`."""
    def checked(value, place):
        found = parsing.sequence(lambda one, where: parsing.fields(one, where, dict(checks)))(value, place)
        known = [tuple(one[name] for name in key) for one in found]
        for index, one in enumerate(known):
            if one in known[:index]:
                raise UserError(f"{place}[{index}]: {' '.join(map(str, one))} is there twice")
        return found
    return checked


_RECORD = {
    "size": _size, "width": positive, "threads": parsing.integer, "peak_memory": parsing.integer,
    "ceiling": parsing.mapping({"rate": positive, "layer": parsing.text}),
    "rows": entries({
        "row": parsing.text, "precision": _precision, "multiply_adds": parsing.integer, "paper": parsing.integer,
        "parameters": parsing.integer, "seconds": seconds}, "row", "precision"),
    "provenance": parse_provenance,
}
_ENGINES = {
    "rows": entries({"row": parsing.text, "engine": parsing.text, "precision": _precision, "seconds": seconds},
                    "row", "engine", "precision"),
    "provenance": parse_provenance,
    "versions": lambda value, place: parsing.fields(
        value, place, dict.fromkeys(value, parsing.text) if isinstance(value, dict) else {}),
}


def read_table6(path) -> Dict[str, Any]:
    """What `experiments.table6` wrote to `path`, checked; a UserError names file and key."""
    return read_json(path, _RECORD)


def read_engines(path) -> Dict[str, Any]:
    """The same graphs in other engines, as `experiments.engines` measured them, checked."""
    return read_json(path, _ENGINES)


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


def _targets(record: Mapping[str, Any]) -> str:
    def verdict(target: Target, value: Optional[float]) -> str:
        return "not measured" if value is None else reached if value >= target.least else missed
    values = [target.value(record) for target in TARGETS]
    return markdown_table([
        ("Target", [target.text for target in TARGETS]),
        ("Asked", [target.shown(target.least) for target in TARGETS]),
        ("Measured", ["-" if value is None else target.shown(value) + target.beside(record)
                      for target, value in zip(TARGETS, values)]),
        ("Verdict", [verdict(target, value) for target, value in zip(TARGETS, values)]),
    ], 1)


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


def _engines(engines: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    lines = engines["rows"]

    def against(one: Measured) -> str:
        own = [two for two in lines
               if (two["row"], two["precision"], two["engine"]) == (one["row"], one["precision"], OWN_ENGINE)]
        return _ratio(one, own[0]) if own else "-"
    table = markdown_table([
        ("Network", [labels.get(one["row"], one["row"]) for one in lines]),
        ("Engine", [one["engine"] for one in lines]),
        ("Precision", [one["precision"] for one in lines]),
        ("Time (ms)", [milliseconds(median(one)) for one in lines]),
        ("p95 (ms)", [milliseconds(timing(one).p95) for one in lines]),
        ("Runs", [str(len(one["seconds"])) for one in lines]),
        ("Time / ours", [against(one) for one in lines]),
    ], 3)
    ratios = [against(one) for one in lines if one["engine"] == "onnxruntime"]
    why = ("onnxruntime is the quicker where its ratio is below 1: its layout optimisation keeps the maps of all "
           "convolutions in blocks of channels, where MXNet's oneDNN changes between two layouts.\n\n"
           if any(ratio != "-" and float(ratio) < 1 for ratio in ratios) else "")
    versions = ", ".join(f"{name} {version}" for name, version in engines["versions"].items())
    return ("From the normalised image to the score maps, without labels, which are the same work for all; in turns, "
            "in a run of their own. Each engine's scores were compared with ours before.\n\n"
            f"{why}{versions}. {origin(engines['provenance'])}\n\n{table}")


def page(record: Mapping[str, Any], rows: Sequence[PeerRow], paper: Mapping[str, Any],
         engines: Optional[Mapping[str, Any]] = None) -> str:
    """The page; `record` and `engines` as the readers give them, `rows` of table6.yaml, `paper` its printed figures."""
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
        "all of the graph that is run, with the short cuts of fast inference (repro/build.py); GFLOP/s are twice these "
        "by time.\n"
        "* **Time**: median; p95: of fewer than 20 runs the slowest.\n"
        f"* **Ceiling**: {2 * ceiling['rate'] / 1e9:.0f} GFLOP/s, the best float32 convolution of the networks' own "
        f"shapes ({ceiling['layer']}), in the same run. int8 is not compared with it.\n"
        + (f"* **Not the published networks**: width {record['width']:g}.\n" if record["width"] != 1 else "")
        + f"* Peak memory of the whole measurement: {mebibytes(record['peak_memory'])} MiB. "
        f"{origin(record['provenance'])}\n\n{_measured(record, labels)}\n"
        f"![Time against multiply-adds]({PICTURES[0]})",
        "## Targets\n\nThis project's own, by the figures above, before rounding.\n\n"
        f"{_targets(record)}\n{_floors(record)}",
    ]
    if stages(record):
        parts.append("## Table 5 as run and as timed\n\n"
                     "Multiply-adds are those run: projection shortcuts are counted, and what fast inference's short "
                     "cuts leave out is not. In the paper's convention the same stages are in [Table 5](table5.md).\n\n"
                     f"{_waterfall(record, labels)}\n![Table 5's stages]({PICTURES[1]})")
    if engines is not None:
        parts.append(f"## The same graphs in other engines\n\n{_engines(engines, labels)}")
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"
