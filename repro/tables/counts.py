"""The kinds of comparison that need no interval: of counts, shares and costs, and those that have no verdict."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean
from typing import Optional, Tuple

from repro.tables.speed import calc
from repro.tables.verdicts import FAILS, HOLDS, MISSING, Figure, Ours, Paper, Source, quartiles, regions_active

CHANCE = 2  # times chance: what computed regions are to hold of small objects


class Silent:
    """Words beside others' figures, without a verdict."""

    def verdict(self, source: Source) -> Optional[str]:
        return None


@dataclass(frozen=True)
class Varies:
    """The number of regions with s > 0 is claimed to differ between images, or from p: p is loose."""

    figure: Figure

    def _found(self, source: Source) -> Optional[Tuple[Tuple[int, ...], float, int, float]]:
        """Return quartiles and mean of the number of regions with s > 0, all regions, and p times those."""
        records = source.found(self.figure) if isinstance(source, Ours) else ()
        counts = regions_active(records)
        if not counts:
            return None
        average = sum(number * images for number, images in counts.items()) / sum(counts.values())
        regions = next(one["regions"] for one in (r.evaluations.get("active") for r in records) if one)
        return quartiles(counts), average, regions, records[0].training.p * regions

    def text(self, source: Source) -> str:
        found = self._found(source)
        if found is None:
            return source.missing
        (low, first, _, third, high), average, regions, wanted = found
        return (f"{average:.1f} of {regions} on average, {low} to {high}, quartiles {first} and {third} "
                f"(p asks for {wanted:.1f})")

    def verdict(self, source: Source) -> Optional[str]:
        found = self._found(source)
        if found is None:
            return MISSING
        (_, first, _, third, _), average, _, wanted = found
        return FAILS if third - first < 1 and abs(average - wanted) <= 0.5 else HOLDS


@dataclass(frozen=True)
class Selects:
    """Computed regions are claimed to hold CHANCE times as many pixels of small objects as chance would."""

    figure: Figure

    def _shares(self, source: Source) -> Optional[Tuple[float, float, Optional[float]]]:
        """Return percent held of small objects, of the area, and by a fixed map of small objects; means over seeds."""
        found = [record.evaluations.get(source.inference(self.figure), {}).get("selection")
                 for record in source.found(self.figure)] if isinstance(source, Ours) else []
        objects, area, fixed = ([one[key] for one in found if one] for key in ("objects", "area", "fixed"))
        if None in objects + area or not 0 < len(objects) == len(found):
            return None
        return mean(objects), mean(area), None if None in fixed else mean(fixed)

    def text(self, source: Source) -> str:
        shares = self._shares(source)
        if shares is None:
            return source.missing
        objects, area, fixed = shares
        return (f"{objects:.1f}% in {area:.1f}% of the area ({objects / area:.1f} times chance)"
                + (f", a fixed map {fixed:.1f}%" if fixed is not None else ""))

    def verdict(self, source: Source) -> Optional[str]:
        shares = self._shares(source)
        return MISSING if shares is None else HOLDS if shares[0] >= CHANCE * shares[1] else FAILS


@dataclass(frozen=True)
class Everywhere(Silent):
    """Whether mean z2 of figures are over all positions, as in records without that of computed regions."""

    figures: Tuple[Figure, ...]

    def text(self, source: Source) -> str:
        if isinstance(source, Paper):
            return ""
        found = [record.evaluations.get(source.inference(figure)) for figure in self.figures
                 for record in source.found(figure)]
        return "over all positions" if any(one and one.get("z2_computed") is None for one in found) else ""


@dataclass(frozen=True)
class Steps(Silent):
    """How long two figures' networks were trained."""

    figures: Tuple[Figure, Figure]

    def text(self, source: Source) -> str:
        found = [source.found(figure) for figure in self.figures] if isinstance(source, Ours) else []
        return "{} → {} steps".format(*(one[0].steps for one in found)) if found and all(found) else ""


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
        return f"{calc(old)} → {calc(new)}: {old / new:.1f} times; {old_true / new_true:.1f} with the shortcuts"

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
