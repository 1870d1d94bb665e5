"""What Table 6's measurement is judged by: each target a figure of its record, and the least that is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Mapping, Optional, Sequence, Tuple

from repro.tables.markdown import markdown_table
from repro.tables.speed import Measured, median

reached, missed = "reached", "not reached"
Record = Mapping[str, Any]
Key = Tuple[str, str]  # row, precision

FP32, INT8 = "float32", "int8"


def of(record: Record, key: Key) -> Optional[Measured]:
    """A row's measurement in a precision; None if there is none."""
    return next((one for one in record["rows"] if (one["row"], one["precision"]) == key), None)


def share(record: Record, measured: Measured) -> float:
    """Of the machine's ceiling, the rate of a float32 convolution, what a network reaches."""
    return measured["multiply_adds"] / median(measured) / record["ceiling"]["rate"]


def speedup(record: Record, slow: Key, quick: Key) -> Optional[float]:
    """How many times as fast `quick` is as `slow`; None where one was not measured."""
    one, other = of(record, slow), of(record, quick)
    return None if one is None or other is None else median(one) / median(other)


def counted(record: Record, slow: Key, quick: Key) -> Optional[float]:
    """How many times fewer multiply-adds `quick` has."""
    one, other = of(record, slow), of(record, quick)
    return None if one is None or other is None else one["multiply_adds"] / other["multiply_adds"]


def _times(value: float) -> str:
    return f"{value:.2f}x"


def _percent(value: float) -> str:
    return f"{value:.1%}"


@dataclass(frozen=True)
class Target:
    """`value` of a record (None: not measured) is to be `least` at least; `beside` is added to what was measured."""

    text: str
    value: Callable[[Record], Optional[float]]
    least: float
    shown: Callable[[float], str] = _times
    beside: Callable[[Record], str] = lambda record: ""


def targets_table(record: Record, targets: Sequence[Target]) -> str:
    """Return a table of what was asked, what was measured, and whether that reaches it."""
    def verdict(target: Target, value: Optional[float]) -> str:
        return "not measured" if value is None else reached if value >= target.least else missed
    values = [target.value(record) for target in targets]
    return markdown_table([
        ("Target", [target.text for target in targets]),
        ("Asked", [target.shown(target.least) for target in targets]),
        ("Measured", ["-" if value is None else target.shown(value) + target.beside(record)
                      for target, value in zip(targets, values)]),
        ("Verdict", [verdict(target, value) for target, value in zip(targets, values)]),
    ], 1)


def _faster(text: str, slow: Key, quick: Key, least: float, beside: Optional[Tuple[Key, Key]] = None) -> Target:
    def same_precision(record: Record) -> str:
        value = None if beside is None else speedup(record, *beside)
        return "" if beside is None or value is None else f" ({beside[0][1]} against {beside[1][1]}: {_times(value)})"
    across = " (across precisions)" if slow[1] != quick[1] else ""
    return Target(text + across, lambda record: speedup(record, slow, quick), least, beside=same_precision)


def _of_ceiling(text: str, row: str, least: float) -> Target:
    def value(record: Record) -> Optional[float]:
        one = of(record, (row, FP32))
        return None if one is None else share(record, one)
    return Target(text, value, least, _percent)


def _of_counted(text: str, row: str, least: float) -> Target:
    whole, kept = (f"{row}-whole", FP32), (row, FP32)

    def value(record: Record) -> Optional[float]:
        measured, fewer = speedup(record, whole, kept), counted(record, whole, kept)
        return None if measured is None or fewer is None else measured / fewer

    def both(record: Record) -> str:
        measured, fewer = speedup(record, whole, kept), counted(record, whole, kept)
        return "" if measured is None or fewer is None else f" ({_times(measured)} of {_times(fewer)})"
    return Target(text, value, least, _percent, both)


A, A_INT8, SINGLE = ("model-a", FP32), ("model-a", INT8), ("single", FP32)
TARGETS = (
    _faster("Model A against ICNet, float32", ("icnet", FP32), A, 3),
    _faster("Model A against the 786g single column, float32", SINGLE, A, 20),
    _faster("Model A in int8 against the 786g single column in float32", SINGLE, A_INT8, 25,
            (("single", INT8), A_INT8)),
    _faster("Model A in int8 against Fast-SCNN in float32", ("fastscnn", FP32), A_INT8, 1, (("fastscnn", FP32), A)),
    _faster("Model A in int8 against Model A in float32", A, A_INT8, 1.6),
    _of_ceiling("Model A, float32, of the ceiling", "model-a", 0.75),
    _of_ceiling("The 786g single column, float32, of the ceiling", "single", 0.75),
    _of_counted("Model A, k = 8, against itself run whole: measured of counted speed-up", "model-a", 0.95),
    _of_counted("ISCTF with all units, k = 8, likewise", "isctf-fast", 0.95),
)
