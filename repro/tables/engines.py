"""The page on the same networks in several engines: how long each takes there, and where each is quickest."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from repro.config import parsing
from repro.device import cpu_words, same_cpu
from repro.errors import UserError
from repro.records import parse_provenance
from repro.tables.columns import giga
from repro.tables.markdown import markdown_table
from repro.tables.speed import entries, milliseconds, origin, positive, precision, read_json, seconds, size
from repro.tables.targets import Target, targets_table
from repro.timing.clock import Timing

PIPELINED, WHOLE = "model-a", "model-a-whole-k"  # Model A, which is timed in a pipeline too; and with all its regions
READY = 8  # photos of one run of the pipeline
OWN = "mxnet"
FP32, BF16, INT8 = "float32", "bfloat16", "int8"
_RECORD = {
    "size": size, "width": positive, "threads": parsing.integer, "versions": parsing.mapping_of(parsing.text),
    "rows": entries({
        "row": parsing.text, "label": parsing.text, "engine": parsing.text, "precision": precision,
        "multiply_adds": parsing.integer, "paper": parsing.integer, "alike": parsing.number, "labels": seconds,
        "scores": seconds, "pipeline": parsing.sequence(positive)}, "row", "engine", "precision"),
    "provenance": parse_provenance,
}
Record = Mapping[str, Any]
Line = Mapping[str, Any]


def read_engines(path) -> Dict[str, Any]:
    """Return what `experiments.speed.engines` wrote to `path`, checked; a UserError names file and key."""
    return read_json(path, _RECORD)


def spent(line: Line, what: str = "labels") -> float:
    """Return the median seconds of "labels", "scores" or "pipeline", an image."""
    return Timing(tuple(line[what])).median


def best(record: Record, row: str, precisions: Sequence[str] = (FP32, BF16, INT8)) -> Optional[Line]:
    """Return a row where it is quickest, photo to labels, in one of these precisions; None where it was not timed."""
    found = [one for one in record["rows"] if one["row"] == row and one["precision"] in precisions]
    return min(found, key=lambda one: spent(one)) if found else None


def of(record: Record, row: str, engine: str, kind: str) -> Optional[Line]:
    """Return the line of a row there; None where it was not timed."""
    return next((one for one in record["rows"]
                 if (one["row"], one["engine"], one["precision"]) == (row, engine, kind)), None)


def _against(text: str, row: str, least: float, *precisions: str) -> Target:
    def value(record: Record) -> Optional[float]:
        one, own = (best(record, name, precisions) for name in (row, PIPELINED))
        return spent(one) / spent(own) if one and own else None
    return Target(f"Model A against {text}, each in the engine that serves it best, {' or '.join(precisions)}", value,
                  least)


def _saved(engine: str, kind: str) -> Target:
    def figures(record: Record) -> Optional[Tuple[float, float]]:
        whole, some = (of(record, row, engine, kind) for row in (WHOLE, PIPELINED))
        return (spent(whole, "scores") / spent(some, "scores"), whole["multiply_adds"] / some["multiply_adds"]) \
            if whole and some else None

    def value(record: Record) -> Optional[float]:
        found = figures(record)
        return found[0] / found[1] if found else None

    def beside(record: Record) -> str:
        found = figures(record)
        return f" ({found[0]:.2f}x of {found[1]:.2f}x)" if found else ""
    return Target(f"Model A, k = 8 against all regions, {engine} {kind}: measured of counted saving, image to scores",
                  value, 0.95, lambda share: f"{share:.1%}", beside)


def _frames(text: str, least: float, what: str, *precisions: str) -> Target:
    def value(record: Record) -> Optional[float]:
        found = [1 / spent(one, what) for one in record["rows"]
                 if one["row"] == PIPELINED and one["precision"] in precisions and one[what]]
        return max(found, default=None)
    return Target(text, value, least, lambda rate: f"{rate:.1f}/s")


TARGETS = (
    _frames("Model A in bfloat16, one photo after the other, frames a second", 15, "labels", BF16),
    _frames("Model A in int8, likewise", 20, "labels", INT8),
    _frames("Model A in a pipeline, its best precision", 25, "pipeline", FP32, BF16, INT8),
    _against("ICNet", "icnet", 3, FP32), _against("ICNet", "icnet", 3, FP32, BF16, INT8),
    _against("the 786g single column", "single", 20, FP32),
    _against("the 786g single column", "single", 20, FP32, BF16, INT8),
    _saved("openvino", FP32), _saved("openvino", BF16),
)


def best_table(record: Record) -> str:
    """Return a table of the networks, each in the engine that serves it best, against Model A in its own."""
    rows = list(dict.fromkeys(one["row"] for one in record["rows"]))
    own = {kinds: best(record, PIPELINED, kinds) for kinds in ((FP32,), (FP32, BF16, INT8))}
    columns: List[Tuple[str, List[str]]] = [("Network", []), ("Multiply-adds / Model A", [])]
    counted = next((one["multiply_adds"] for one in record["rows"] if one["row"] == PIPELINED), None)
    for row in rows:
        one = next(line for line in record["rows"] if line["row"] == row)
        columns[0][1].append(one["label"])
        columns[1][1].append(f"{one['multiply_adds'] / counted:.2f}" if counted else "-")
    for kinds, name in (((FP32,), "float32"), ((FP32, BF16, INT8), "any precision")):
        found = [best(record, row, kinds) for row in rows]
        base = own[kinds]
        columns += [
            (f"Best engine, {name}", [f"{one['engine']} {one['precision']}" if one else "-" for one in found]),
            ("ms", [milliseconds(spent(one)) if one else "-" for one in found]),
            ("/ Model A", [f"{spent(one) / spent(base):.2f}" if one and base else "-" for one in found])]
    return markdown_table(columns, 1)


def _times(record: Record) -> str:
    lines = record["rows"]

    def against(one: Line) -> str:
        own = of(record, one["row"], OWN, FP32)
        return f"{spent(own) / spent(one):.2f}" if own else "-"

    def column(header: str, cell: Callable[[Line], str]) -> Tuple[str, List[str]]:
        return header, [cell(one) for one in lines]
    return markdown_table([
        column("Network", lambda one: one["label"]), column("Engine", lambda one: one["engine"]),
        column("Precision", lambda one: one["precision"]),
        column("Multiply-adds", lambda one: f"{giga(one['multiply_adds'])}g"),
        column("Photo to labels (ms)", lambda one: milliseconds(spent(one))),
        column("p95", lambda one: milliseconds(Timing(tuple(one["labels"])).p95)),
        column("Frames/s", lambda one: f"{1 / spent(one):.2f}"),
        column("In a pipeline", lambda one: f"{1 / spent(one, 'pipeline'):.2f}" if one["pipeline"] else "-"),
        column("Tensor to scores (ms)", lambda one: milliseconds(spent(one, "scores"))),
        column("p95", lambda one: milliseconds(Timing(tuple(one["scores"])).p95)),
        column("Times as fast as MXNet's float32", against),
        column("Labels alike", lambda one: f"{one['alike']:.2f}%"),
    ], 3)


def block(record: Record) -> str:
    """Return the part of the page that is of one machine."""
    height, width = record["size"]
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    runs = sorted({len(one[what]) for one in record["rows"] for what in ("labels", "scores")})
    return (
        f"## {cpu_words(record['provenance'])}\n\n"
        f"One image of {height}x{width} at a time"
        + (f", at width {record['width']:g}" if record["width"] != 1 else "") +
        f"; {' to '.join(map(str, runs))} turns of each, in one interleaved run. {versions}. "
        f"{origin(record['provenance'])}\n\n### Targets\n\n{targets_table(record, TARGETS)}\n"
        f"### Each network in the engine that serves it best\n\n{best_table(record)}\n### All\n\n{_times(record)}")


def page(records: Sequence[Record]) -> str:
    """Return the page: a block for each machine, whose times are compared among themselves alone.

    UserError where two records are of one kind of CPU.
    """
    for index, one in enumerate(records):
        if any(same_cpu(one["provenance"], other["provenance"]) for other in records[:index]):
            raise UserError(f"two records are of one kind of CPU: {cpu_words(one['provenance'])}")
    return (
        "# The same networks in MXNet, onnxruntime and OpenVINO\n\n"
        "**Photo to labels**: a decoded image, uint8 in memory, to labels of every pixel, one after the other; **in a "
        f"pipeline**: photo after photo, {READY} a run, labels of one made while the network runs for the next; "
        "**tensor to scores**: the network alone. Medians and 95th percentiles (of fewer than 20 runs the slowest). "
        "All weights are random: time alone is measured. An engine's float32 scores were compared with MXNet's before; "
        "*alike* are the labels that MXNet's float32 gives too, which random weights make as different as can be "
        "(trained ones: [precision.md](precision.md)). int8 is calibrated on scenes of minicity; in OpenVINO what it "
        "leaves computes in bfloat16 where the CPU has that.\n\n"
        + "\n".join(block(record).rstrip("\n") + "\n" for record in records))
