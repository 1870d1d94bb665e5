"""The kinds of comparison a claim consists of; each has a text of its figures and a verdict (None: it has none)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

from repro.tables.counts import Silent
from repro.tables.verdicts import (
    FAILS,
    GAINS,
    HOLDS,
    MISSING,
    NOT_MORE,
    OPEN,
    Difference,
    Figure,
    Gap,
    Ours,
    Paper,
    Source,
    Value,
    by_seed,
    difference,
    judged,
    key_of,
    together,
    value_of,
)

FLOAT_ERROR = 0.05  # points of mean IoU
DOMINATED = 0.05    # a mean z2 below this leaves the half column 95% of the weight
LISTED = 3          # figures beyond so many are given by their lowest and highest


def text_of(source: Source, value: Value) -> str:
    """Return a value as a cell has it: the mean and, over several seeds, ± half their range."""
    mean = value_of(source, value)
    if mean is None:
        return source.missing
    digits = 3 if key_of(value) == "z2" else 2
    if isinstance(value, Gap):
        return f"{mean:.{digits}f}"
    values = by_seed(source, value).values()
    half = (max(values) - min(values)) / 2
    return f"{mean:.{digits}f}" + (f" ± {half:.{digits}f}" if len(values) > 1 else "")


def counted(number: int, noun: str) -> str:
    """Return "1 training", "2 trainings"."""
    return f"{number} {noun}{'s' * (number != 1)}"


def _means(source: Source, values: Sequence[Value]) -> Optional[List[float]]:
    """Return the mean of each; None where one is missing."""
    means = [value_of(source, value) for value in values]
    known = [mean for mean in means if mean is not None]
    return known if len(known) == len(means) else None


def _listed(source: Source, figures, between: str = ", ") -> str:
    """Return the figures one after the other, or the word for what is missing."""
    if _means(source, figures) is None:
        return source.missing
    return between.join(text_of(source, figure) for figure in figures)


def _with_intervals(text: str, differences: Sequence[Difference]) -> str:
    """Return "-1.23; t -2.0 to -0.4; images -1.9 to -0.6", of several differences the outermost bounds."""
    for name, found in (("t", [one.interval for one in differences]), ("images", [one.images for one in differences])):
        known = [one for one in found if one is not None and one[0] < one[1]]
        if known and len(known) == len(found):
            low, high = (round(bound, 1) + 0.0 for bound in (min(known)[0], max(one[1] for one in known)))
            text += f"; {name} {low:.1f} to {high:.1f}"
    return f"({text})"


@dataclass(frozen=True)
class Change:
    """From one figure to others; each other minus the one is claimed to lie between `bounds`."""

    one: Value
    others: Tuple[Value, ...]
    bounds: Tuple[float, float]

    def _others(self, source: Source) -> List[Value]:
        return list(dict.fromkeys(v if isinstance(v, Gap) else source.resolve(v) for v in self.others))

    def _differences(self, source: Source) -> List[Optional[Difference]]:
        return [difference(source, self.one, other) for other in self._others(source)]

    def text(self, source: Source) -> str:
        others, means = self._others(source), _means(source, self._others(source))
        differences = [found for found in self._differences(source) if found is not None]
        if means is None or len(differences) < len(others):
            return source.missing
        if len(others) > LISTED:
            ends = f"{min(d.mean for d in differences):+.2f} to {max(d.mean for d in differences):+.2f}"
            return (f"{text_of(source, self.one)} → {min(means):.2f} to {max(means):.2f} "
                    f"{_with_intervals(ends, differences)}")
        changes = [" " + _with_intervals(f"{found.mean:+.2f}", [found]) if key_of(self.one) == "mean_iou" else ""
                   for found in differences]
        return f"{text_of(source, self.one)} → " + ", ".join(
            text_of(source, other) + change for other, change in zip(others, changes))

    def verdict(self, source: Source) -> Optional[str]:
        return together([judged(found, self.bounds) for found in self._differences(source)])


@dataclass(frozen=True)
class Range:
    """Figures whose highest and lowest are claimed to be alike."""

    figures: Tuple[Figure, ...]

    def _range(self, source: Source) -> Optional[Difference]:
        means = _means(source, self.figures)
        if means is None:
            return None
        low, high = (self.figures[means.index(end)] for end in (min(means), max(means)))
        return difference(source, low, high)

    def text(self, source: Source) -> str:
        texts, found = _listed(source, self.figures), self._range(source)
        return texts if found is None else f"{texts} {_with_intervals(f'range {found.mean:.2f}', [found])}"

    def verdict(self, source: Source) -> Optional[str]:
        return judged(self._range(source), NOT_MORE)


@dataclass(frozen=True)
class Rising:
    """A sequence claimed to rise: the last is above the first, and no step clearly falls."""

    figures: Tuple[Figure, ...]

    def text(self, source: Source) -> str:
        texts, whole = _listed(source, self.figures, " → "), difference(source, self.figures[0], self.figures[-1])
        if whole is None or texts == source.missing:
            return source.missing
        return f"{texts} {_with_intervals(f'{whole.mean:+.2f}', [whole])}"

    def verdict(self, source: Source) -> Optional[str]:
        if _means(source, self.figures) is None:
            return MISSING
        steps = [difference(source, old, new) for old, new in zip(self.figures, self.figures[1:])]
        if any(judged(step, GAINS) == FAILS for step in steps):
            return FAILS
        return judged(difference(source, self.figures[0], self.figures[-1]), GAINS)


@dataclass(frozen=True)
class Same:
    """Classic and fast inference of one network are claimed to be the same function; `figures` are the paper's pair."""

    figures: Tuple[Figure, Figure]

    def _differences(self, source: Ours) -> List[float]:
        return [abs(record.evaluations["fast"]["mean_iou"] - record.evaluations["classic"]["mean_iou"])
                for record in source.records
                if record.network.fusion == "isctf" and {"fast", "classic"} <= set(record.evaluations)]

    def text(self, source: Source) -> str:
        if isinstance(source, Paper):
            return Change(self.figures[0], self.figures[1:], GAINS).text(source)
        found = self._differences(source)
        return f"{max(found):.2f} at most ({counted(len(found), 'training')})" if found else source.missing

    def verdict(self, source: Source) -> Optional[str]:
        if isinstance(source, Paper):
            return HOLDS if len({value_of(source, figure) for figure in self.figures}) == 1 else FAILS
        found = self._differences(source)
        return (HOLDS if max(found) < FLOAT_ERROR else FAILS) if found else MISSING


@dataclass(frozen=True)
class Dominated:
    """Some of these mean z2 are claimed to be near 0."""

    figures: Tuple[Figure, ...]

    def text(self, source: Source) -> str:
        return _listed(source, self.figures)

    def verdict(self, source: Source) -> Optional[str]:
        means = _means(source, self.figures)
        if means is None:
            return MISSING
        return HOLDS if min(means) < DOMINATED else FAILS


@dataclass(frozen=True)
class Released:
    """Changes of z2 that are claimed of those that begin near 0."""

    changes: Tuple[Change, ...]

    def text(self, source: Source) -> str:
        texts = [change.text(source) for change in self.changes]
        return source.missing if source.missing in texts else "; ".join(texts)

    def verdict(self, source: Source) -> Optional[str]:
        begins = _means(source, [change.one for change in self.changes])
        if begins is None or source.missing in [change.text(source) for change in self.changes]:
            return MISSING
        near = [change for change, begin in zip(self.changes, begins) if begin < DOMINATED]
        return together([change.verdict(source) for change in near]) if near else OPEN


@dataclass(frozen=True)
class Beside(Silent):
    """The paper's own figures of bootstrapping without the coarse set, beside ours on data without one."""

    changes: Tuple[Change, ...]

    def text(self, source: Source) -> str:
        return "bs. alone: " + "; ".join(one.text(source) for one in self.changes) if isinstance(source, Paper) else ""
