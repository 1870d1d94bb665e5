"""The kinds of comparison a claim consists of; each has a text of its figures and a verdict (None: it has no say)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

from repro.tables.columns import giga
from repro.tables.verdicts import (
    FAILS,
    GAINS,
    HOLDS,
    MISSING,
    NOT_MORE,
    OPEN,
    Figure,
    Gap,
    Ours,
    Paper,
    Source,
    Value,
    judged,
    key_of,
    noise_of,
    quartiles,
    regions_active,
    steps_of,
    together,
    value_of,
)

FLOAT_ERROR = 0.05  # points of mean IoU
DOMINATED = 0.05    # a mean z2 below this leaves the half column 95% of the weight
LISTED = 3          # figures beyond so many are given by their lowest and highest


def text_of(source: Source, value: Value) -> str:
    """A value as a cell has it: the mean and, over several seeds, ± half their range."""
    mean = value_of(source, value)
    if mean is None:
        return source.missing
    digits = 3 if key_of(value) == "z2_mean" else 2
    if isinstance(value, Gap):
        return f"{mean:.{digits}f}"
    values = source.values(value)
    half = (max(values) - min(values)) / 2
    return f"{mean:.{digits}f}" + (f" ± {half:.{digits}f}" if len(values) > 1 else "")


def counted(number: int, noun: str) -> str:
    """"1 training", "2 trainings"."""
    return f"{number} {noun}{'s' * (number != 1)}"


def _means(source: Source, values: Sequence[Value]) -> Optional[List[float]]:
    """The mean of each; None where one is missing."""
    means = [value_of(source, value) for value in values]
    known = [mean for mean in means if mean is not None]
    return known if len(known) == len(means) else None


def _listed(source: Source, figures, between: str = ", ") -> str:
    """The figures one after the other, or the word for what is missing."""
    if _means(source, figures) is None:
        return source.missing
    return between.join(text_of(source, figure) for figure in figures)


@dataclass(frozen=True)
class Change:
    """From one figure to others; each other minus the one is claimed to lie between `bounds`."""

    one: Value
    others: Tuple[Value, ...]
    bounds: Tuple[float, float]

    def _others(self, source: Source) -> List[Value]:
        return list(dict.fromkeys(v if isinstance(v, Gap) else source.resolve(v) for v in self.others))

    def _differences(self, source: Source) -> List[Optional[float]]:
        one = value_of(source, self.one)
        others = [value_of(source, other) for other in self._others(source)]
        return [None if one is None or other is None else other - one for other in others]

    def text(self, source: Source) -> str:
        others = self._others(source)
        one, means = value_of(source, self.one), _means(source, others)
        if one is None or means is None:
            return source.missing
        differences = [mean - one for mean in means]
        if len(others) > LISTED:
            return (f"{text_of(source, self.one)} → {min(means):.2f} to {max(means):.2f} "
                    f"({min(differences):+.2f} to {max(differences):+.2f})")
        changes = [f" ({difference:+.2f})" if key_of(self.one) == "mean_iou" else "" for difference in differences]
        return f"{text_of(source, self.one)} → " + ", ".join(
            text_of(source, other) + change for other, change in zip(others, changes))

    def verdict(self, source: Source) -> Optional[str]:
        noise = noise_of(source, self.one)
        return together([judged(difference, noise, self.bounds) for difference in self._differences(source)])


@dataclass(frozen=True)
class Range:
    """Figures whose highest and lowest are claimed to be alike."""

    figures: Tuple[Figure, ...]

    def _range(self, source: Source) -> Optional[float]:
        means = _means(source, self.figures)
        return None if means is None else max(means) - min(means)

    def text(self, source: Source) -> str:
        texts, width = _listed(source, self.figures), self._range(source)
        return texts if width is None else f"{texts} (range {width:.2f})"

    def verdict(self, source: Source) -> Optional[str]:
        return judged(self._range(source), noise_of(source, *self.figures), NOT_MORE)


@dataclass(frozen=True)
class Rising:
    """A sequence claimed to rise: the last is above the first, and no step clearly falls."""

    figures: Tuple[Figure, ...]

    def text(self, source: Source) -> str:
        return _listed(source, self.figures, " → ")

    def verdict(self, source: Source) -> Optional[str]:
        means = _means(source, self.figures)
        if means is None:
            return MISSING
        noise = noise_of(source, *self.figures)
        if any(judged(new - old, noise, GAINS) == FAILS for old, new in zip(means, means[1:])):
            return FAILS
        return judged(means[-1] - means[0], noise, GAINS)


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
class Varies:
    """The number of regions with s > 0 is claimed to differ between images."""

    figure: Figure

    def text(self, source: Source) -> str:
        found = source.found(self.figure) if isinstance(source, Ours) else ()
        counts = regions_active(found)
        if not counts:
            return source.missing
        mean = sum(number * images for number, images in counts.items()) / sum(counts.values())
        one = found[0].evaluations["active"]
        low, *_, high = quartiles(counts)
        k = found[0].training.k(one["regions"])
        return f"{mean:.1f} of {one['regions']} on average, {low} to {high} (k = {k})"

    def verdict(self, source: Source) -> Optional[str]:
        counts = regions_active(source.found(self.figure)) if isinstance(source, Ours) else {}
        return (HOLDS if len(counts) > 1 else FAILS) if counts else MISSING


@dataclass(frozen=True)
class Steps:
    """How long two figures' networks were trained; it has no say."""

    figures: Tuple[Figure, Figure]

    def text(self, source: Source) -> str:
        steps = [steps_of(source, figure) for figure in self.figures]
        return "" if None in steps else "{} → {} steps".format(*steps)

    def verdict(self, source: Source) -> Optional[str]:
        return None


@dataclass(frozen=True)
class Cost:
    """Multiply-adds of two rows of Table 5: the first is claimed to need `times` as many."""

    old: str
    new: str
    times: int

    def text(self, source: Source) -> str:
        if isinstance(source, Paper):
            rows = source.published["table5"]["rows"]
            return f"{rows[self.old]['calc']}g → {rows[self.new]['calc']}g"
        (old, old_true), (new, new_true) = source.costs[self.old], source.costs[self.new]
        return (f"{giga(old)}g → {giga(new)}g: {old / new:.1f} times; "
                f"{old_true / new_true:.1f} with the shortcuts")

    def verdict(self, source: Source) -> Optional[str]:
        if isinstance(source, Paper):
            return HOLDS
        return HOLDS if round(source.costs[self.old][0] / source.costs[self.new][0]) == self.times else FAILS


@dataclass(frozen=True)
class Speed:
    """Frames per second, of which no record exists."""

    row: str

    def text(self, source: Source) -> str:
        return f"{source.published['table6']['rows'][self.row]['speed']} fps" if isinstance(source, Paper) else MISSING

    def verdict(self, source: Source) -> Optional[str]:
        return MISSING
