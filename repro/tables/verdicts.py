"""Whether a claim holds: the figures it compares, and one rule that says what a difference between them can bear."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from repro.records import Record, find
from repro.rows import INFERENCES, Row
from repro.tables.groups import NO_COARSE

HOLDS, FAILS, OPEN, MISSING = "holds", "does not hold", "not decidable at this scale", "not measured"
SEEDS = 3        # a training measured with so many says how much a figure varies by itself
SMALL = 1.5      # points of mean IoU: what the paper calls limited or none is 1.41 at most, what it calls significant 3

LOSES, GAINS = (-math.inf, 0.0), (0.0, math.inf)  # what a claim asks of a difference: strictly between
NOT_LESS, NOT_MORE, ALIKE = (-SMALL, math.inf), (-math.inf, SMALL), (-SMALL, SMALL)


@dataclass(frozen=True)
class Figure:
    """A figure of a table's row: of its training or its `extra` one, in its own inference or another."""

    table: str
    row: str
    extra: str = ""
    key: str = "mean_iou"
    inference: str = ""


@dataclass(frozen=True)
class Gap:
    """What `less` is below `more`."""

    more: Figure
    less: Figure


Value = Union[Figure, Gap]


@dataclass(frozen=True)
class Paper:
    """The paper's figures: table -> rows -> row id -> figures."""

    published: Mapping[str, Any]
    missing = "no figures"

    def resolve(self, figure: Figure) -> Figure:
        """The figure that stands for `figure` here: itself."""
        return figure

    def values(self, figure: Figure) -> List[float]:
        """The printed figure, if there is one."""
        row = self.published.get(figure.table, {}).get("rows", {}).get(figure.row, {})
        if figure.inference or (figure.extra and figure.key != "mean_iou"):
            return []
        value = row.get(figure.extra or figure.key)
        return [] if value is None else [value]

    def noise(self, key: str) -> Optional[float]:
        """The paper gives no spread over seeds; its figures are taken as they are."""
        return 0.0


@dataclass(frozen=True)
class Ours:
    """The published records of one data set; `rows` by table and id; `costs` of Table 5's rows."""

    data: str
    records: Tuple[Record, ...]
    rows: Mapping[Tuple[str, str], Row]
    costs: Mapping[str, Tuple[int, int]]
    missing = MISSING

    def resolve(self, figure: Figure) -> Figure:
        """Without coarsely labelled images, bootstrapping alone stands for bootstrapping and the coarse set."""
        coarse = figure.extra == "coarse" and self.data in NO_COARSE
        return Figure(figure.table, figure.row, "bootstrapping", figure.key, figure.inference) if coarse else figure

    def found(self, figure: Figure) -> Tuple[Record, ...]:
        """The records of a figure's training, by seed."""
        figure = self.resolve(figure)
        row = self.rows[figure.table, figure.row]
        return find(self.records, row.network, dict(row.trainings)[figure.extra])

    def values(self, figure: Figure) -> List[float]:
        """The figure of each seed."""
        inference = figure.inference or self.rows[figure.table, figure.row].inference
        found = (record.evaluations.get(inference, {}).get(figure.key) for record in self.found(figure))
        return [value for value in found if value is not None]

    def noise(self, key: str) -> Optional[float]:
        """S, the largest of `ranges_of`; None while nothing was measured with 3 seeds."""
        return max((width for width, _, _ in ranges_of(self.records, key)), default=None)


Source = Union[Paper, Ours]


def ranges_of(records: Sequence[Record], key: str) -> List[Tuple[float, Record, str]]:
    """(range between seeds, of whom, in which inference) of each training with SEEDS seeds or more."""
    ranges = []
    counts = Counter((record.network, record.training) for record in records)
    for network, training in [spec for spec, count in counts.items() if count >= SEEDS]:
        found = find(records, network, training)
        for inference in INFERENCES:
            values = [one.evaluations[inference][key] for one in found if inference in one.evaluations]
            if len(values) >= SEEDS and None not in values:
                ranges.append((max(values) - min(values), found[0], inference))
    return ranges


def value_of(source: Source, value: Value) -> Optional[float]:
    """The mean over seeds, or the difference of two; None where one is missing."""
    if isinstance(value, Gap):
        more, less = value_of(source, value.more), value_of(source, value.less)
        return None if more is None or less is None else more - less
    values = source.values(value)
    return sum(values) / len(values) if values else None


def judged(difference: Optional[float], noise: Optional[float], bounds: Tuple[float, float]) -> str:
    """The verdict on difference ± noise, claimed to lie strictly between `bounds`."""
    if difference is None:
        return MISSING
    if noise is None:
        return OPEN
    low, high = bounds
    if low < difference - noise and difference + noise < high:
        return HOLDS
    return FAILS if difference + noise <= low or difference - noise >= high else OPEN


def together(verdicts: Sequence[Optional[str]]) -> str:
    """The verdict on a claim of several differences."""
    for verdict in (MISSING, FAILS, OPEN):
        if verdict in verdicts:
            return verdict
    return HOLDS


def key_of(value: Value) -> str:
    """The name of the figure in a record's evaluation."""
    return value.more.key if isinstance(value, Gap) else value.key


def noise_of(source: Source, *values: Value) -> Optional[float]:
    """What a difference of `values` may vary by: the seeds' spread, twice that between gaps."""
    spread = source.noise(key_of(values[0]))
    return None if spread is None else spread * (2 if isinstance(values[0], Gap) else 1)


def steps_of(source: Source, figure: Figure) -> Optional[int]:
    """Training steps of a figure; None where it is the paper's or was not measured."""
    found = source.found(figure) if isinstance(source, Ours) else ()
    return found[0].steps if found else None


def regions_active(records: Sequence[Record]) -> Dict[int, int]:
    """{regions with s > 0: images} over the records (seeds) of one training."""
    counts: Counter = Counter()
    for record in records:
        for number, images in (record.evaluations.get("active", {}).get("active_counts") or {}).items():
            counts[int(number)] += images
    return dict(sorted(counts.items()))


def quartiles(counts: Mapping[int, int]) -> Tuple[int, int, int, int, int]:
    """Minimum, quartiles (nearest rank) and maximum of values counted."""
    values = sorted(Counter(counts).elements())
    least, lower, middle, upper, most = (values[max(0, math.ceil(len(values) * part / 4) - 1)] for part in range(5))
    return least, lower, middle, upper, most
