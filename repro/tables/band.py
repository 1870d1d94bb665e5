"""The acceptance band of a published row: where another training of it is to land, and what it took."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Mapping, Optional, Sequence

from repro.errors import UserError
from repro.records import Record, by_seed, several
from repro.tables.intervals import pooled, t_95
from repro.tables.speed import median

COST, SPEED = 2.0, 1.25  # factors beside the published cost and ratio of times: machines differ


@dataclass(frozen=True)
class Band:
    """Values from `low` to `high`, around `centre`; `why` says in words how they were found."""

    centre: float
    low: float
    high: float
    why: str

    def holds(self, value: float) -> bool:
        """Return True if the value lies inside."""
        return self.low <= value <= self.high


def accuracy(own: Sequence[Record], every: Sequence[Record], inference: str) -> Optional[Band]:
    """Return the band of a training's mean IoU; None where no training at all has several seeds.

    It is m ± t(0.95) s sqrt(1 + 1/n), the 90% prediction interval of one more seed: m the mean of the n published
    seeds, s their standard deviation of n - 1 degrees of freedom. Of one seed, s is pooled over the trainings with
    several: those of the same data, preset and budget; else of the same data; else all.

    own    the training's published records, of one data, preset and budget. every: all published records.
    """
    found = by_seed(own, inference=inference)
    if not found:
        return None
    centre, number = statistics.mean(found.values()), len(found)
    spreads, text = [found], f"from its {number} seeds"
    if number == 1:
        scopes = {"of the same data, preset and budget": [one for one in every if one.group == own[0].group],
                  f"of {own[0].data}": [one for one in every if one.data == own[0].data], "of all data": every}
        spreads, text = [], ""
        for words, records in scopes.items():
            if not spreads:
                spreads = [by_seed(some) for some in several(records)]
                text = (f"from the spread of {len(spreads)} training{'s' * (len(spreads) > 1)} {words} with several "
                        "seeds, as it has one seed")
    deviation = pooled(spreads)
    if deviation is None:
        return None
    freedom = sum(len(one) - 1 for one in spreads)
    half = t_95(freedom) * deviation * math.sqrt(1 + 1 / number)
    return Band(centre, centre - half, centre + half, text)


def cost(own: Sequence[Record]) -> Band:
    """Return the band of a training's core-seconds: the published ones, by COST less to COST more."""
    found = [record.train["core_seconds"] for record in own]
    return Band(statistics.mean(found), min(found) / COST, max(found) * COST,
                f"from {len(found)} published, by {COST:g} either way, as machines differ")


def ratio(record, row: str, base: str, precision: str = "float32") -> Optional[float]:
    """Return how many times the time of `base` that of `row` is, within one record of speed; None: not measured."""
    times = {one["row"]: median(one.get("seconds") or one["labels"]) for one in record["rows"]
             if one["precision"] == precision and one.get("engine", "mxnet") == "mxnet"}
    return times[row] / times[base] if {row, base} <= times.keys() else None


def speed(records: Sequence[Mapping], row: str, base: str, precision: str = "float32") -> Band:
    """Return the band of that ratio: those published, one a machine, by SPEED less to SPEED more."""
    found = [one for one in (ratio(record, row, base, precision) for record in records) if one is not None]
    if not found:
        known = sorted({one["row"] for record in records for one in record["rows"] if one["precision"] == precision})
        raise UserError(f"ROW of table 6: {row!r} is not published in {precision}; choose from {', '.join(known)}")
    return Band(statistics.mean(found), min(found) / SPEED, max(found) * SPEED,
                f"from {len(found)} published, by {SPEED:g} either way, as machines differ")
