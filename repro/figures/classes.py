"""Bars of per-class IoU, from the published records alone."""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence, Tuple

from repro.errors import UserError
from repro.plot import figure, save
from repro.records import Record

Series = Tuple[str, Sequence[Record]]  # in words; one record a seed
MEAN = "mean"
COLOURS = ("0.65", "tab:blue", "tab:cyan", "tab:orange", "tab:green")


def spread(records: Sequence[Record], inference: str) -> Dict[str, Optional[Tuple[float, float, float]]]:
    """Return (mean, least, largest) IoU over seeds of each class and of their mean; None where no image has a class."""
    evaluations = [record.evaluations[inference] for record in records]
    found = {name: [one["class_iou"][name] for one in evaluations] for name in evaluations[0]["class_iou"]}
    found[MEAN] = [one["mean_iou"] for one in evaluations]
    return {name: None if None in values else (sum(values) / len(values), min(values), max(values))
            for name, values in found.items()}


def draw_classes(series: Sequence[Series], path, inference: str = "fast") -> None:
    """Draw a group of bars per class and one for the mean, with the majority map's; whiskers from the least to the
    largest seed. UserError unless all are of one data set, preset and budget."""
    records = [record for _, some in series for record in some]
    first = records[0]
    if {record.group for record in records} != {first.group}:
        raise UserError(f"{path}: records of {' and '.join(sorted({'-'.join(one.group) for one in records}))}")
    values = [(name, spread(some, inference), len(some)) for name, some in series]
    classes: List[str] = [*values[0][1]]
    made = figure(11, 4.8)
    axis = made.subplots()
    width = 0.84 / len(values)
    for index, ((name, found, seeds), colour) in enumerate(zip(values, COLOURS)):
        places = [(at, one) for at, one in enumerate(found[name] for name in classes) if one is not None]
        offset = (index - (len(values) - 1) / 2) * width
        heights = [one[0] for _, one in places]
        whiskers = [[one[0] - one[1] for _, one in places], [one[2] - one[0] for _, one in places]]
        axis.bar([at + offset for at, _ in places], heights, width, color=colour,
                 label=name + (f", {seeds} seeds" if seeds > 1 else ""),
                 yerr=whiskers if seeds > 1 else None, error_kw={"elinewidth": 0.7, "capsize": 1})
    last = len(classes) - 1
    axis.axvline(last - 0.5, color="0.5", linewidth=0.6)
    level = first.majority["mean_iou"]
    axis.plot([last - 0.5, last + 0.5], [level, level], color="black", linewidth=1.6,
              label=f"majority map of the training set, mean ({level:.1f})")
    axis.set_xticks(range(len(classes)), classes, rotation=40, ha="right", fontsize=9)
    axis.set(ylabel="IoU, %", xlim=(-0.6, last + 0.6), ylim=(0, 100),
             title=f"IoU by class, {inference} inference, {first.data} ({first.preset}, {first.budget}), "
                   f"{first.evaluations[inference]['images']} images")
    axis.grid(True, axis="y", linewidth=0.3)
    axis.set_axisbelow(True)
    made.legend(fontsize=9, ncols=3, loc="outside lower center", frameon=False)
    save(made, path)
