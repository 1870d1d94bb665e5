"""What the pages on speed share: their records' reader, figures as text, where they come from, pictures."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Mapping, Sequence, Tuple

from repro.config import parsing
from repro.config.rows import PRECISIONS
from repro.device import cpu_words
from repro.errors import UserError, shown
from repro.files import replacing
from repro.records import versions_of
from repro.timing.clock import Timing

G = 1e9
Measured = Mapping[str, Any]  # an entry of a record: its "seconds", "multiply_adds" and what it is of


def read_json(path, checks: Mapping[str, parsing.Check], optional: Iterable[str] = ()) -> Dict[str, Any]:
    """The measurement in the file `path`, checked key by key; a UserError names file and key."""
    return parsing.fields(parsing.read_json(path, "measurement"), str(path), dict(checks), optional)


def positive(value, place: str) -> float:
    """Check a number above 0."""
    number = parsing.number(value, place)
    if number <= 0:
        raise UserError(f"{place}: {number} is not above 0")
    return number


def seconds(value, place: str) -> Sequence[float]:
    """Check the seconds of one or more runs."""
    return parsing.filled(positive, "no runs")(value, place)


def precision(value, place: str) -> str:
    """Check one of PRECISIONS."""
    if value not in PRECISIONS:
        raise UserError(f"{place}: {shown(value)} is not known; choose from {', '.join(PRECISIONS)}")
    return value


def size(value, place: str) -> Tuple[int, int]:
    """Check a height and a width."""
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


def timing(measured: Measured) -> Timing:
    """The runs of an entry."""
    return Timing(tuple(measured["seconds"]))


def median(measured: Measured) -> float:
    """Seconds of an entry's run."""
    return timing(measured).median


def gflops(measured: Measured) -> float:
    """Two operations a multiply-add."""
    return 2 * measured["multiply_adds"] / median(measured) / G


def milliseconds(value: float) -> str:
    """Seconds as milliseconds: 19200, 561, 40.3."""
    return f"{value * 1e3:.1f}" if value < 0.1 else f"{value * 1e3:.0f}"


def mebibytes(value: int) -> str:
    """Bytes in MiB."""
    return f"{value / 2 ** 20:.0f}"


def origin(provenance: Mapping[str, Any]) -> str:
    """Where a record comes from, in a sentence."""
    return (f"Commit {provenance['commit'][:7]}{' with uncommitted changes' if provenance['dirty'] else ''}; "
            f"{versions_of(provenance)}; {cpu_words(provenance)}; {provenance['date']}; `{provenance['command']}`.")


def figure(width: float, height: float):
    """An empty picture, in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    return made


def save(made, path) -> None:
    """Write a picture; the same figures give the same bytes with one matplotlib."""
    with replacing(path) as temporary:
        made.savefig(temporary, dpi=100, metadata={"Software": None})
