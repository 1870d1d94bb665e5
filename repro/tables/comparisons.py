"""The kinds of comparison that claims consist of: each returns its figures in words and a verdict (None: it has none).

All take a source, the paper or our records, and then what repro/tables/claims.py lists.
"""

from __future__ import annotations

import math
from collections import Counter
from statistics import mean
from typing import List, NamedTuple, Optional, Sequence, Tuple

from repro.records import Record
from repro.tables.intervals import Interval
from repro.tables.speed import calc
from repro.tables.verdicts import (
    ALIKE,
    FAILS,
    GAINS,
    HOLDS,
    MISSING,
    NOT_MORE,
    OPEN,
    Difference,
    Figure,
    Gap,
    Paper,
    Source,
    Value,
    difference,
    judged,
    seeds_of,
    together,
    value_of,
)

FLOAT_ERROR = 0.05  # points of mean IoU
DOMINATED = 0.05    # a mean z2 below this leaves the half column 95% of the weight
LISTED = 3          # figures beyond so many are given by their lowest and highest
Z2 = "z2_computed"  # the full column's mean weight, over the positions of computed regions
CHANCE = 2          # times chance: what computed regions are to hold of small objects

Told = Tuple[str, Optional[str]]
Pair = Tuple[Value, Sequence[Value]]  # one figure, and others beside it


def text_of(source: Source, value: Value) -> str:
    """Return a value as a cell has it: the mean and, over several seeds, ± half their range."""
    average = value_of(source, value)
    if average is None:
        return source.missing
    digits = 3 if value.key == Z2 else 2
    values = seeds_of(source, value).values()
    half = f" ± {(max(values) - min(values)) / 2:.{digits}f}"
    return f"{average:.{digits}f}" + half * (len(values) > 1 and isinstance(value, Figure))


def counted(number: int, noun: str) -> str:
    """Return "1 training", "2 trainings"."""
    return f"{number} {noun}{'s' * (number != 1)}"


def _means(source: Source, values: Sequence[Value]) -> Optional[List[float]]:
    """Return the mean of each; None where one is missing."""
    means = [value_of(source, value) for value in values]
    known = [one for one in means if one is not None]
    return known if len(known) == len(means) else None


def _listed(source: Source, values: Sequence[Value], between: str = ", ") -> str:
    return between.join(text_of(source, value) for value in values)


def _with_intervals(text: str, differences: Sequence[Difference]) -> str:
    """Return "-1.23; t -2.0 to -0.4; images -1.9 to -0.6", of several differences the outermost bounds."""
    for name, found in (("t", [one.interval for one in differences]), ("images", [one.images for one in differences])):
        known = [one for one in found if one is not None and one[0] < one[1]]
        if known and len(known) == len(found):
            low, high = (round(bound, 1) + 0.0 for bound in (min(known)[0], max(one[1] for one in known)))
            text += f"; {name} {low:.1f} to {high:.1f}"
    return f"({text})"


def change(source: Source, one: Value, others: Sequence[Value], bounds: Interval) -> Told:
    """Compare one figure with others: each of them minus the one is claimed to lie between `bounds`."""
    others = list(dict.fromkeys(v if isinstance(v, Gap) else source.resolve(v) for v in others))
    differences = [difference(source, one, other) for other in others]
    verdict = together([judged(found, bounds) for found in differences])
    known = [found for found in differences if found is not None]
    if len(known) < len(others):
        return source.missing, verdict
    if len(others) > LISTED:
        means = _means(source, others) or []
        ends = f"{min(found.mean for found in known):+.2f} to {max(found.mean for found in known):+.2f}"
        text = f"{min(means):.2f} to {max(means):.2f} {_with_intervals(ends, known)}"
    else:
        text = ", ".join(text_of(source, other) + (
            " " + _with_intervals(f"{found.mean:+.2f}", [found]) if one.key == "mean_iou" else "")
            for other, found in zip(others, known))
    return f"{text_of(source, one)} → {text}", verdict


def alike(source: Source, *figures: Figure) -> Told:
    """Compare the highest and the lowest of figures, which are claimed to be alike."""
    means = _means(source, figures)
    if means is None:
        return source.missing, MISSING
    found = difference(source, *(figures[means.index(end)] for end in (min(means), max(means))))
    text = f" {_with_intervals(f'range {found.mean:.2f}', [found])}" if found else ""
    return _listed(source, figures) + text, judged(found, NOT_MORE)


def rising(source: Source, *figures: Figure) -> Told:
    """Compare a sequence claimed to rise: the last is above the first, and no step clearly falls."""
    whole = difference(source, figures[0], figures[-1])
    if whole is None or _means(source, figures) is None:
        return source.missing, MISSING
    falls = FAILS in [judged(difference(source, *step), GAINS) for step in zip(figures, figures[1:])]
    return (f"{_listed(source, figures, ' → ')} {_with_intervals(f'{whole.mean:+.2f}', [whole])}",
            FAILS if falls else judged(whole, GAINS))


def same(source: Source, classic: Figure, fast: Figure) -> Told:
    """Compare classic and fast inference of all ISCTF networks, claimed to be one function; the figures: the paper's.
    """
    if isinstance(source, Paper):
        return change(source, classic, (fast,), ALIKE)
    found = [abs(record.evaluations["fast"]["mean_iou"] - record.evaluations["classic"]["mean_iou"])
             for record in source.records
             if record.network.fusion == "isctf" and {"fast", "classic"} <= set(record.evaluations)]
    if not found:
        return MISSING, MISSING
    return (f"{max(found):.2f} at most ({counted(len(found), 'training')})",
            HOLDS if max(found) < FLOAT_ERROR else FAILS)


def dominated(source: Source, *figures: Figure) -> Told:
    """Find a mean z2 near 0, as some of these are claimed to be."""
    means = _means(source, figures)
    if means is None:
        return source.missing, MISSING
    return _listed(source, figures), HOLDS if min(means) < DOMINATED else FAILS


def released(source: Source, *pairs: Pair) -> Told:
    """Compare z2 that begin near 0 with later ones, which are claimed to be larger."""
    told, begins = [change(source, *pair, GAINS) for pair in pairs], _means(source, [one for one, _ in pairs])
    texts = [text for text, _ in told]
    if begins is None or source.missing in texts:
        return source.missing, MISSING
    near = [verdict for (_, verdict), begin in zip(told, begins) if begin < DOMINATED]
    return "; ".join(texts), together(near) if near else OPEN


def beside(source: Source, *pairs: Pair) -> Told:
    """Give the paper's own figures of bootstrapping without the coarse set, beside ours on data without one."""
    texts = [change(source, *pair, ALIKE)[0] for pair in pairs]
    return ("bs. alone: " + "; ".join(texts) if isinstance(source, Paper) else ""), None


class Numbers(NamedTuple):
    """How many regions have s > 0, over images: their mean; minimum, quartiles (nearest rank), maximum."""

    mean: float
    parts: Tuple[int, ...]


def regions_active(records: Sequence[Record]) -> Optional[Numbers]:
    """Return the numbers over the records (seeds) of one training; None where they were not counted."""
    counts: Counter = Counter()
    for record in records:
        for number, images in (record.evaluations.get("active", {}).get("active_counts") or {}).items():
            counts[int(number)] += images
    values = sorted(counts.elements())
    return Numbers(sum(values) / len(values), tuple(
        values[max(0, math.ceil(len(values) * part / 4) - 1)] for part in range(5))) if values else None


def varies(source: Source, figure: Figure) -> Told:
    """Count the regions with s > 0, claimed to differ between images, or from p: p is loose."""
    records = source.found(figure)
    numbers = regions_active(records)
    if numbers is None:
        return source.missing, MISSING
    (average, (low, first, _, third, high)), p = numbers, records[0].training.p
    regions = next(one["regions"] for one in (record.evaluations.get("active") for record in records) if one)
    return (f"{average:.1f} of {regions} on average, {low} to {high}, quartiles {first} and {third} "
            f"(p asks for {p * regions:.1f})",
            FAILS if third - first < 1 and abs(average - p * regions) <= 0.5 else HOLDS)


def _mean(values: Sequence[Optional[float]]) -> Optional[float]:
    known = [value for value in values if value is not None]
    return mean(known) if known and len(known) == len(values) else None


def selects(source: Source, figure: Figure) -> Told:
    """Compare what computed regions hold of small objects, claimed to be CHANCE times as much as of the area.

    Shares are percentages, means over seeds; beside them what a fixed map would hold, where that is known.
    """
    found = [record.evaluations.get(source.inference(figure), {}).get("selection") or {}
             for record in source.found(figure)]
    objects, area, fixed = (_mean([one.get(key) for one in found]) for key in ("objects", "area", "fixed"))
    if objects is None or area is None:
        return source.missing, MISSING
    text = f"{objects:.1f}% in {area:.1f}% of the area ({objects / area:.1f} times chance)"
    return (text + ("" if fixed is None else f", a fixed map {fixed:.1f}%"),
            HOLDS if objects >= CHANCE * area else FAILS)


def cost(source: Source, old: str, new: str, times: int) -> Told:
    """Compare multiply-adds of two rows of Table 5: the first is claimed to need `times` as many."""
    if isinstance(source, Paper):
        rows = source.published["table5"]["rows"]
        return f"{rows[old]['calc']}g → {rows[new]['calc']}g", HOLDS
    (before, before_true), (after, after_true) = source.costs[old], source.costs[new]
    return (f"{calc(before)} → {calc(after)}: {before / after:.1f} times; {before_true / after_true:.1f} with the "
            "shortcuts", HOLDS if round(before / after) == times else FAILS)


def speed(source: Source, row: str) -> Told:
    """Give the frames per second of a row of Table 6, of which no record exists."""
    if isinstance(source, Paper):
        return f"{source.published['table6']['rows'][row]['speed']} fps", MISSING
    return MISSING, MISSING
