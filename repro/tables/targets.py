"""What a measurement of speed is judged by: each target a figure of its record, and the least that is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional, Sequence, Tuple

from repro.tables.markdown import table_of
from repro.tables.speed import FP32, INT8, Measured, percent, reached, times
from repro.timing.clock import median

Key = Tuple[str, str]  # row, precision
Found = Optional[Tuple[float, str]]  # a figure, and the words beside it; None: not measured


def entry(record: Measured, **key) -> Optional[Measured]:
    """Return the entry of a record with this key; None if there is none."""
    return next((one for one in record["rows"] if all(one[name] == value for name, value in key.items())), None)


def of(record: Measured, key: Key) -> Optional[Measured]:
    """Return a row's entry in a precision; None if there is none."""
    return entry(record, row=key[0], precision=key[1])


def share(record: Measured, one: Measured) -> float:
    """Return what a network reaches of the machine's ceiling, the rate of a float32 convolution."""
    return one["multiply_adds"] / median(one["seconds"]) / record["ceiling"]["rate"]


def ratio(slow: Optional[Measured], quick: Optional[Measured], what: str = "seconds") -> Optional[float]:
    """Return how many times as fast `quick` is as `slow`; None where one was not measured."""
    return median(slow[what]) / median(quick[what]) if slow and quick else None


def saving(whole: Optional[Measured], some: Optional[Measured], what: str = "seconds") -> Found:
    """Return the share of the saving in multiply-adds that is one in time, both in words beside it."""
    measured = ratio(whole, some, what)
    if not (whole and some and measured):
        return None
    counted = whole["multiply_adds"] / some["multiply_adds"]
    return measured / counted, f" ({times(measured)} of {times(counted)})"


@dataclass(frozen=True)
class Target:
    """The figure that `find` returns of a record is to be `least` at least."""

    text: str
    least: float
    find: Callable[[Measured], Found]
    shown: Callable[[float], str] = times


def targets_table(record: Measured, targets: Sequence[Target]) -> str:
    """Return a table of what was asked, what was measured, and whether that reaches it."""
    return table_of(
        [(target, target.find(record)) for target in targets], 1,
        ("Target", lambda one: one[0].text), ("Asked", lambda one: one[0].shown(one[0].least)),
        ("Measured", lambda one: one[0].shown(one[1][0]) + one[1][1] if one[1] else "-"),
        ("Verdict", lambda one: reached(one[1][0], one[0].least) if one[1] else "not measured"))


def _faster(text: str, slow: Key, quick: Key, least: float, beside: Tuple[Key, ...] = ()) -> Target:
    def find(record: Measured) -> Found:
        value = ratio(of(record, slow), of(record, quick))
        same = ratio(of(record, beside[0]), of(record, beside[1])) if beside else None
        words = f" ({beside[0][1]} against {beside[1][1]}: {times(same)})" if same else ""
        return None if value is None else (value, words)
    return Target(text + " (across precisions)" * (slow[1] != quick[1]), least, find)


def _of_ceiling(text: str, row: str) -> Target:
    def find(record: Measured) -> Found:
        one = of(record, (row, FP32))
        return (share(record, one), "") if one else None
    return Target(text, 0.75, find, percent)


def _of_counted(text: str, row: str) -> Target:
    return Target(text, 0.95, lambda record: saving(of(record, (f"{row}-whole", FP32)), of(record, (row, FP32))),
                  percent)


A, A_INT8, SINGLE = ("model-a", FP32), ("model-a", INT8), ("single", FP32)
TARGETS = (
    _faster("Model A against ICNet, float32", ("icnet", FP32), A, 3),
    _faster("Model A against the 786g single column, float32", SINGLE, A, 20),
    _faster("Model A in int8 against the 786g single column in float32", SINGLE, A_INT8, 25,
            (("single", INT8), A_INT8)),
    _faster("Model A in int8 against Fast-SCNN in float32", ("fastscnn", FP32), A_INT8, 1, (("fastscnn", FP32), A)),
    _faster("Model A in int8 against Model A in float32", A, A_INT8, 1.6),
    _of_ceiling("Model A, float32, of the ceiling", "model-a"),
    _of_ceiling("The 786g single column, float32, of the ceiling", "single"),
    _of_counted("Model A, k = 8, against itself run whole: measured of counted speed-up", "model-a"),
    _of_counted("ISCTF with all units, k = 8, likewise", "isctf-fast"),
)
