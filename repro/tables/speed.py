"""What the pages share: their records' reader and its checks, figures as text, where a record comes from."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Mapping, Sequence, Tuple

from repro.config import parsing
from repro.config.rows import PRECISIONS
from repro.device import cpu_words
from repro.errors import UserError, choice, shown
from repro.records import versions_of
from repro.timing.clock import median

FP32, BF16, INT8 = "float32", "bfloat16", "int8"
G = 1e9
Measured = Mapping[str, Any]  # a record, or an entry of one

count = parsing.positive(parsing.integer)
positive = parsing.positive(parsing.number)
seconds = parsing.filled(positive, "no runs")  # of one or more


def read_json(path, checks: Mapping[str, parsing.Check], optional: Iterable[str] = ()) -> Dict[str, Any]:
    """Return the measurement in the file `path`, checked key by key; a UserError names file and key."""
    return parsing.fields(parsing.read_json(path, "measurement"), str(path), dict(checks), optional)


def reader(checks: Mapping[str, parsing.Check], optional: Iterable[str] = ()) -> Callable[[Any], Dict[str, Any]]:
    """Return what reads such a measurement from a file, as `read_json` does."""
    return lambda path: read_json(path, checks, optional)


def not_negative(value, place: str) -> float:
    """Check a number that may be 0, as a time shorter than the profiler's microsecond is."""
    return value if value == 0 else positive(value, place)


def one_of(choices: Sequence[str]) -> parsing.Check:
    """Check one of `choices`."""
    return lambda value, place: choice(value, choices, place)


precision = one_of(PRECISIONS)


def each(names: Iterable[str], check: parsing.Check) -> parsing.Check:
    """Check a mapping of these names, each value by `check`."""
    return parsing.mapping(dict.fromkeys(names, check))


def size(value, place: str) -> Tuple[int, int]:
    """Check a height and a width."""
    found = parsing.sequence(parsing.integer)(value, place)
    if len(found) != 2 or min(found) < 1:
        raise UserError(f"{place}: {shown(value)} is not a height and a width")
    return found


def entries(checks: Mapping[str, parsing.Check], *key: str) -> parsing.Check:
    """Check a list of measurements, no two alike in `key`."""
    def checked(value, place):
        found = parsing.sequence(parsing.mapping(checks))(value, place)
        known = [tuple(one[name] for name in key) for one in found]
        for index, one in enumerate(known):
            if one in known[:index]:
                raise UserError(f"{place}[{index}]: {' '.join(map(str, one))} is there twice")
        return found
    return checked


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
