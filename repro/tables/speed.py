"""What the pages share: their records' reader and its checks, figures as text, where a record comes from."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Mapping

from repro.config import parsing
from repro.device import cpu_words
from repro.records import versions_of
from repro.timing.clock import median

FP32, BF16, INT8 = "float32", "bfloat16", "int8"
G = 1e9
Measured = Mapping[str, Any]  # a record, or an entry of one


def reader(*keys: str, optional: Iterable[str] = (), **checks: parsing.Check) -> Callable[[Any], Dict[str, Any]]:
    """Return what reads a measurement of this project from a file.

    A UserError names the file, and what it lacks of these keys or has beside them, as another version's does. checks:
    of values that are not to stay as they are in the file.
    """
    known = {**dict.fromkeys((*keys, *optional), lambda value, place: value), **checks}
    return lambda path: parsing.fields(parsing.read_json(path, "measurement"), str(path), known, optional)


def gflops(measured: Measured) -> float:
    """Return the rate of an entry, two operations a multiply-add."""
    return 2 * measured["multiply_adds"] / median(measured["seconds"]) / G


def giga(multiply_adds: float) -> str:
    """Return multiply-adds in 10^9 as the paper prints them: three significant digits (786, 77.0, 31.5), no unit."""
    value = multiply_adds / G
    return f"{value:.0f}" if value >= 999.5 else f"{value:#.3g}".rstrip(".")


def calc(multiply_adds: float) -> str:
    """Return multiply-adds as the paper's tables have them: 31.5g."""
    return f"{giga(multiply_adds)}g"


def milliseconds(value: float) -> str:
    """Return seconds as milliseconds: 19200, 561, 40.3."""
    return f"{value * 1e3:.1f}" if value < 0.1 else f"{value * 1e3:.0f}"


def mebibytes(value: float) -> str:
    """Return bytes in MiB."""
    return f"{value / 2 ** 20:.0f}"


def times(value: float) -> str:
    """Return a ratio: 2.50x."""
    return f"{value:.2f}x"


def percent(share: float) -> str:
    """Return a share in percent: 12.3%."""
    return f"{share:.1%}"


def reached(value: float, least: float) -> str:
    """Return the verdict on a target."""
    return "reached" if value >= least else "not reached"


def commit(provenance: Mapping[str, Any]) -> str:
    """Return the commit of a record, and whether it had been changed."""
    return provenance["commit"][:7] + (" with uncommitted changes" if provenance["dirty"] else "")


def origin(provenance: Mapping[str, Any]) -> str:
    """Return where a record comes from, in a sentence."""
    return (f"Commit {commit(provenance)}; {versions_of(provenance)}; {cpu_words(provenance)}; {provenance['date']}; "
            f"`{provenance['command']}`.")
