"""The page on the same networks in several engines: how long each takes there, and where each is quickest."""

from __future__ import annotations

from typing import Optional, Sequence

from repro.device import cpu_words, same_cpu
from repro.errors import UserError
from repro.tables.markdown import joined, table_of
from repro.tables.speed import BF16, FP32, INT8, Measured, calc, milliseconds, origin, percent, reader
from repro.tables.targets import Found, Target, entry, ratio, saving, targets_table
from repro.timing.clock import median, p95

PIPELINED, WHOLE = "model-a", "model-a-whole-k"  # Model A, which is timed in a pipeline too; and with all its regions
READY = 8  # photos of one run of the pipeline
OWN = "mxnet"
ANY = (FP32, BF16, INT8)
# what experiments.speed.engines writes
read_engines = reader("size", "width", "threads", "versions", "rows", "provenance")


def best(record: Measured, row: str, precisions: Sequence[str] = ANY) -> Optional[Measured]:
    """Return a row where it is quickest, photo to labels, in one of these precisions; None where it was not timed."""
    found = [one for one in record["rows"] if one["row"] == row and one["precision"] in precisions]
    return min(found, key=lambda one: median(one["labels"])) if found else None


def _against(text: str, row: str, least: float, *precisions: str) -> Target:
    def find(record: Measured) -> Found:
        value = ratio(best(record, row, precisions), best(record, PIPELINED, precisions), "labels")
        return None if value is None else (value, "")
    return Target(f"Model A against {text}, each in the engine that serves it best, {' or '.join(precisions)}", least,
                  find)


def _saved(engine: str, kind: str) -> Target:
    def find(record: Measured) -> Found:
        whole, some = (entry(record, row=row, engine=engine, precision=kind) for row in (WHOLE, PIPELINED))
        return saving(whole, some, "scores")
    return Target(f"Model A, k = 8 against all regions, {engine} {kind}: measured of counted saving, image to scores",
                  0.95, find, percent)


def _frames(text: str, least: float, what: str, *precisions: str) -> Target:
    def find(record: Measured) -> Found:
        found = [1 / median(one[what]) for one in record["rows"]
                 if one["row"] == PIPELINED and one["precision"] in precisions and one[what]]
        return (max(found), "") if found else None
    return Target(text, least, find, lambda rate: f"{rate:.1f}/s")


TARGETS = (
    _frames("Model A in bfloat16, one photo after the other, frames a second", 15, "labels", BF16),
    _frames("Model A in int8, likewise", 20, "labels", INT8),
    _frames("Model A in a pipeline, its best precision", 25, "pipeline", *ANY),
    _against("ICNet", "icnet", 3, FP32), _against("ICNet", "icnet", 3, *ANY),
    _against("the 786g single column", "single", 20, FP32), _against("the 786g single column", "single", 20, *ANY),
    _saved("openvino", FP32), _saved("openvino", BF16),
)


def best_table(record: Measured) -> str:
    """Return a table of the networks, each in the engine that serves it best, against Model A in its own."""
    counted = entry(record, row=PIPELINED)

    def columns(name: str, kinds: Sequence[str]):
        base = best(record, PIPELINED, kinds)

        def cell(shown):
            def of(row: str) -> str:
                one = best(record, row, kinds)
                return shown(one) if one else "-"
            return of
        return ((f"Best engine, {name}", cell(lambda one: f"{one['engine']} {one['precision']}")),
                ("ms", cell(lambda one: milliseconds(median(one["labels"])))),
                ("/ Model A", cell(lambda one: f"{ratio(one, base, 'labels'):.2f}" if base else "-")))
    lines = {one["row"]: one for one in reversed(record["rows"])}
    rows = dict.fromkeys(one["row"] for one in record["rows"])
    return table_of(
        list(rows), 1, ("Network", lambda row: lines[row]["label"]),
        ("Multiply-adds / Model A",
         lambda row: f"{lines[row]['multiply_adds'] / counted['multiply_adds']:.2f}" if counted else "-"),
        *columns("float32", (FP32,)), *columns("any precision", ANY))


def _times(record: Measured) -> str:
    def against(one: Measured) -> str:
        value = ratio(entry(record, row=one["row"], engine=OWN, precision=FP32), one, "labels")
        return "-" if value is None else f"{value:.2f}"
    return table_of(
        record["rows"], 3, ("Network", lambda one: one["label"]), ("Engine", lambda one: one["engine"]),
        ("Precision", lambda one: one["precision"]), ("Multiply-adds", lambda one: calc(one["multiply_adds"])),
        ("Photo to labels (ms)", lambda one: milliseconds(median(one["labels"]))),
        ("p95", lambda one: milliseconds(p95(one["labels"]))),
        ("Frames/s", lambda one: f"{1 / median(one['labels']):.2f}"),
        ("In a pipeline", lambda one: f"{1 / median(one['pipeline']):.2f}" if one["pipeline"] else "-"),
        ("Tensor to scores (ms)", lambda one: milliseconds(median(one["scores"]))),
        ("p95", lambda one: milliseconds(p95(one["scores"]))),
        ("Times as fast as MXNet's float32", against), ("Labels alike", lambda one: f"{one['alike']:.2f}%"))


def block(record: Measured) -> str:
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


def page(records: Sequence[Measured]) -> str:
    """Return the page: a block for each machine, whose times are compared among themselves alone.

    UserError where two records are of one kind of CPU.
    """
    for index, one in enumerate(records):
        if any(same_cpu(one["provenance"], other["provenance"]) for other in records[:index]):
            raise UserError(f"two records are of one kind of CPU: {cpu_words(one['provenance'])}")
    return joined([
        "# The same networks in MXNet, onnxruntime and OpenVINO",
        "**Photo to labels**: a decoded image, uint8 in memory, to labels of every pixel, one after the other; **in a "
        f"pipeline**: photo after photo, {READY} a run, labels of one made while the network runs for the next; "
        "**tensor to scores**: the network alone. Medians and 95th percentiles (of fewer than 20 runs the slowest). "
        "All weights are random: time alone is measured. An engine's float32 scores were compared with MXNet's before; "
        "*alike* are the labels that MXNet's float32 gives too, which random weights make as different as can be "
        "(trained ones: [precision.md](precision.md)). int8 is calibrated on scenes of minicity; in OpenVINO what it "
        "leaves computes in bfloat16 where the CPU has that.",
        *map(block, records)])
