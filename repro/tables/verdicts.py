"""Whether a claim holds: the figures it compares, and one rule that says what a difference between them can bear."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Callable, Collection, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from repro.config.rows import Row
from repro.records import Record, by_seed, find, several
from repro.tables.groups import NO_COARSE
from repro.tables.intervals import Interval, bootstrap, pooled, sequences, t_interval

HOLDS, FAILS, OPEN, MISSING = "holds", "does not hold", "not decidable at this scale", "not measured"
SMALL = 1.5  # points of mean IoU: what the paper calls limited or none is 1.41 at most, what it calls significant 3

LOSES, GAINS = (-math.inf, 0.0), (0.0, math.inf)  # what a claim asks of a difference: strictly between
NOT_LESS, NOT_MORE, ALIKE = (-SMALL, math.inf), (-math.inf, SMALL), (-SMALL, SMALL)


@dataclass(frozen=True)
class Figure:
    """A figure of a table's row, `key` of repro.records.by_seed: of its training or its `extra` one, in its own
    inference or another."""

    table: str
    row: str
    extra: str = ""
    key: str = "mean_iou"
    inference: str = ""

    @property
    def terms(self) -> Tuple[Tuple[int, Figure], ...]:
        """Return the figures that this is the sum of, each with its sign: itself."""
        return ((1, self),)


@dataclass(frozen=True)
class Gap:
    """What `less` is below `more`."""

    more: Figure
    less: Figure

    @property
    def key(self) -> str:
        """Return the name of both figures in a record's evaluation."""
        return self.more.key

    @property
    def terms(self) -> Tuple[Tuple[int, Figure], ...]:
        """Return the figures that this is the sum of, each with its sign."""
        return (1, self.more), (-1, self.less)


Value = Union[Figure, Gap]
Terms = Tuple[List[Tuple[float, np.ndarray]], Tuple[str, ...]]  # (weight, confusion matrices by image), names


@dataclass(frozen=True)
class Paper:
    """The paper's figures, table -> rows -> row id -> figures, of which there are no records."""

    published: Mapping[str, Any]
    missing = "no figures"

    def resolve(self, figure: Figure) -> Figure:
        """Return the figure that stands for `figure` here: itself."""
        return figure

    def found(self, figure: Figure) -> Tuple[Record, ...]:
        """Return no records."""
        return ()

    def inference(self, figure: Figure) -> str:
        """Return the inference that is asked for; the row's own is not known here."""
        return figure.inference

    def seeds(self, figure: Figure) -> Dict[int, float]:
        """Return the printed figure, if there is one, as of one seed."""
        row = self.published.get(figure.table, {}).get("rows", {}).get(figure.row, {})
        if figure.inference or (figure.extra and figure.key != "mean_iou"):
            return {}
        value = row.get(figure.extra or figure.key)
        return {} if value is None else {0: value}

    def deviation(self, one: Value, other: Value) -> Optional[Tuple[float, int]]:
        """Return none: the paper gives no spread over seeds; its figures are taken as they are."""
        return 0.0, 1

    def over_images(self, one: Value, other: Value, seeds: Collection[int]) -> Optional[Interval]:
        """Return None: nothing is printed of single images."""
        return None


@dataclass(frozen=True)
class Ours:
    """The published records of one data set; `rows` by table and id; `costs` of Table 5's rows.

    `images` gives what lies beside a record: confusion matrices (images, K, K) by inference, and "images", their names.
    """

    data: str
    records: Tuple[Record, ...]
    rows: Mapping[Tuple[str, str], Row]
    costs: Mapping[str, Tuple[int, int]]
    images: Callable[[Record], Mapping[str, Any]] = lambda record: {}
    missing = MISSING

    def resolve(self, figure: Figure) -> Figure:
        """Return bootstrapping alone for bootstrapping and the coarse set, where there are no coarse labels."""
        coarse = figure.extra == "coarse" and self.data in NO_COARSE
        return replace(figure, extra="bootstrapping") if coarse else figure

    def found(self, figure: Figure) -> Tuple[Record, ...]:
        """Return the records of a figure's training, by seed."""
        figure = self.resolve(figure)
        row = self.rows[figure.table, figure.row]
        return find(self.records, row.network, dict(row.trainings)[figure.extra])

    def inference(self, figure: Figure) -> str:
        """Return the inference that a figure is of."""
        return figure.inference or self.rows[figure.table, figure.row].inference

    def seeds(self, figure: Figure) -> Dict[int, float]:
        """Return the figure of each seed."""
        return by_seed(self.found(figure), figure.key, self.inference(figure))

    def deviation(self, one: Value, other: Value) -> Optional[Tuple[float, int]]:
        """Return the pooled deviation of such paired differences, and its degrees of freedom; None: unknown.

        Of two inferences of one training: of the same two of its fusion's trainings, if some has several seeds. A
        difference of two gaps varies by the root of 2 more than one of two rows.
        """
        between = self.between_rows(one.key)
        if isinstance(one, Gap) or isinstance(other, Gap):
            return between and (math.sqrt(2) * between[0], between[1])
        records = self.found(one)
        if records != self.found(other):
            return between
        spreads = [_paired(*(by_seed(found, one.key, self.inference(figure)) for figure in (one, other)))
                   for found in several(self.records) if found[0].network.fusion == records[0].network.fusion]
        within = pooled(spreads)
        return between if within is None else (within, sum(len(spread) - 1 for spread in spreads if spread))

    def between_rows(self, key: str) -> Optional[Tuple[float, int]]:
        """Return the pooled deviation of all pairs of trainings with several seeds, and its degrees of freedom.

        Those are (trainings - 1) * (seeds - 1), not those of all pairs, which are not independent.
        """
        found = [seeds for seeds in (by_seed(some, key) for some in several(self.records)) if len(seeds) > 1]
        deviation, each = pooled([_paired(*pair) for pair in combinations(found, 2)]), [len(one) - 1 for one in found]
        return None if deviation is None else (deviation, max(1, sum(each) - max(each)))

    def over_images(self, one: Value, other: Value, seeds: Collection[int]) -> Optional[Interval]:
        """Return the bootstrap's interval of other - one over these seeds; None unless all have their images'."""
        found = self.by_image(one, other, seeds)
        return found and bootstrap(found[0], sequences(found[1]))

    def by_image(self, one: Value, other: Value, seeds: Collection[int]) -> Optional[Terms]:
        """Return what other - one over these seeds is the sum of, and the images' names; None where those differ."""
        terms, names = [], set()
        for sign, figure in [(sign * way, figure) for sign, value in ((-1, one), (1, other))
                             for way, figure in value.terms]:
            for record in self.found(figure):
                if record.seed in seeds:
                    arrays = self.images(record)
                    if figure.key != "mean_iou" or self.inference(figure) not in arrays:
                        return None
                    terms.append((sign / len(seeds), arrays[self.inference(figure)]))
                    names.add(tuple(map(str, arrays["images"])))
        return (terms, names.pop()) if len(names) == 1 else None


Source = Union[Paper, Ours]


@dataclass(frozen=True)
class Difference:
    """A paired difference: its mean over seeds, t interval (None: unknown), interval over images (None: no images)."""

    mean: float
    interval: Optional[Interval]
    images: Optional[Interval] = None


def _paired(one: Mapping[int, float], other: Mapping[int, float]) -> Dict[int, float]:
    """Return other - one of each seed that both have."""
    return {seed: other[seed] - value for seed, value in one.items() if seed in other}


def seeds_of(source: Source, value: Value) -> Dict[int, float]:
    """Return the value of each seed, in a gap of those that both figures have."""
    parts = [(sign, source.seeds(figure)) for sign, figure in value.terms]
    return {seed: sum(sign * found[seed] for sign, found in parts) for seed in parts[0][1]
            if all(seed in found for _, found in parts)}


def value_of(source: Source, value: Value) -> Optional[float]:
    """Return the mean over seeds; None where there is none."""
    values = seeds_of(source, value).values()
    return sum(values) / len(values) if values else None


def difference(source: Source, one: Value, other: Value) -> Optional[Difference]:
    """Return other - one over the seeds that both have; None where there is none."""
    pairs = _paired(seeds_of(source, one), seeds_of(source, other))
    if not pairs:
        return None
    mean, deviation = sum(pairs.values()) / len(pairs), source.deviation(one, other)
    return Difference(mean, deviation and t_interval(mean, len(pairs), *deviation),
                      source.over_images(one, other, pairs))


def judged(found: Optional[Difference], bounds: Interval) -> str:
    """Return the verdict on a difference claimed to lie strictly between `bounds`."""
    if found is None:
        return MISSING
    if found.interval is None:
        return OPEN
    low, high = found.interval
    if bounds[0] < low and high < bounds[1]:
        return HOLDS
    return FAILS if high <= bounds[0] or low >= bounds[1] else OPEN


def together(verdicts: Sequence[Optional[str]]) -> str:
    """Return the verdict on a claim of several differences."""
    return next((verdict for verdict in (MISSING, FAILS, OPEN) if verdict in verdicts), HOLDS)
