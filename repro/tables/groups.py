"""Column groups: the records of one data, preset and budget, and in words where they come from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Sequence, Tuple

from repro.config.rows import Row
from repro.device import cpu_words
from repro.records import Record, versions_of
from repro.tables.speed import commit

MAIN = ("minicity", "lite", "full")  # the group whose columns are plainly "ours"
NO_COARSE = ("camvid",)  # data sets without a coarsely labelled set
NOTES = {"camvid": "images of 360x480 padded to whole regions, measured on the labels' own pixels"}  # as published


@dataclass(frozen=True)
class Group:
    """One column group: the records of one data, preset and budget that belong to a page's rows."""

    key: Tuple[str, str, str]
    local: bool
    records: Tuple[Record, ...]
    coarse: bool = False  # whether a row of the page trains on coarse labels

    @property
    def suffix(self) -> str:
        """Return what its column headers end in; empty for the main group."""
        if self.key == MAIN and not self.local:
            return ""
        data, preset, budget = self.key
        words = [data] + ([preset] if preset != MAIN[1] else [])
        words += [budget] if budget != MAIN[2] or self.local else []
        return f" ({', '.join(words + ['this machine'] * self.local)})"


def groups_of(rows: Sequence[Row], records: Sequence[Record], local: bool) -> List[Group]:
    """Return the records of these rows by group, the main group first (when published, even if it is empty)."""
    specs = {(row.network, training) for row in rows for _, training in row.trainings}
    coarse = any(training.coarse for _, training in specs)
    used = [record for record in records if (record.network, record.training) in specs]
    keys = {record.group for record in used} | (set() if local else {MAIN})
    order = sorted(keys, key=lambda key: (key != MAIN, key[0] != MAIN[0], key))
    return [Group(key, local, tuple(one for one in used if one.group == key), coarse) for key in order]


def listed(values: Iterable[Any]) -> str:
    """Return distinct values in order, separated by commas."""
    return ", ".join(str(value) for value in sorted(set(values)))


def from_to(values: Iterable[Any]) -> str:
    """Return "3", or "3 to 5"."""
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"


def _grids(records: Sequence[Record]) -> str:
    """Return regions and k where the grid is not the paper's, such as "regions of 64 px: 6x8 = 48, k = 12 at …"."""
    kept: Dict[Tuple[str, int], Dict] = {}
    for record in records:
        for one in record.evaluations.values():
            if one["regions"] and one["regions"] != record.network.regions:
                by_p = kept.setdefault((record.scale, one["regions"]), {})
                by_p[record.training.p] = record.training.k(one["regions"])
    texts = []
    for (scale, regions), by_p in sorted(kept.items(), key=lambda item: item[0]):
        height, width = map(int, scale.split("x"))
        side = math.isqrt(height * width // regions)
        grid = f"{height // side}x{width // side} = " if (height // side) * (width // side) == regions else ""
        texts.append(f"regions of {side} px: {grid}{regions}, "
                     + ", ".join(f"k = {k} at p = {p:g}" for p, k in sorted(by_p.items())))
    return "; ".join(texts)


def _images(group: Group) -> str:
    """Return how images become the network's input, where that needs a word."""
    data = group.key[0]
    words = [] if group.local or data not in NOTES else [NOTES[data]]
    words += [text for text in (_grids(group.records),) if text]
    words += ['no coarsely labelled set, so no training on one: "-"'] if group.coarse and data in NO_COARSE else []
    return f" ({'; '.join(words)})" if words else ""


def caption(group: Group, target: str) -> str:
    """Return where a group's figures come from, one list item; `target` is what `make` measures them with."""
    name = f"ours{group.suffix}"
    data, preset, budget = group.key
    if not group.records:
        given = "" if group.key == MAIN else f" DATA=/path/to/{data} PRESET={preset}"
        return f"* **{name}**: not measured yet; `make {target}{given} BUDGET=full PUBLISH=1` does it.\n"
    records = group.records
    images = listed(one["images"] for record in records for one in record.evaluations.values())
    provenances = [record.provenance for record in records]

    def of_all(shown) -> str:
        return "; ".join(sorted({shown(one) for one in provenances}))
    warning = " This is a quick check of the whole path, too short to compare rows by." if budget == "quick" else ""
    factors = {r.recipe.get("lambda_scale", 1) for r in records if r.training.lam is not None} - {1}
    scaled = f" (lambda as printed is multiplied by {listed(factors)})" if factors else ""
    majorities = listed(f"{record.majority['mean_iou']:.2f}" for record in records)
    return (
        f"* **{name}**: {data}, {images} images measured, scale {listed(r.scale for r in records)}"
        f"{_images(group)}, "
        f"width {listed(r.width for r in records)} (preset {preset}), budget {budget}: "
        f"{from_to([r.steps for r in records])} steps{scaled}, seeds {listed(r.seed for r in records)}. "
        f"The training set's per-pixel majority map has mean IoU {majorities}.{warning} "
        f"Commit {listed(map(commit, provenances))}; {of_all(versions_of)}; {of_all(cpu_words)}; "
        f"{from_to([p['date'] for p in provenances])}; "
        f"{', '.join(sorted({'`' + p['command'] + '`' for p in provenances}))}.\n"
    )
