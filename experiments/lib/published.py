"""What is published of a row that a command names, and of the data it is on; and what given weights of it give."""

from __future__ import annotations

import os
from typing import Any, List, Optional, Tuple

import numpy as np

from experiments.lib import paths
from experiments.lib.command import contexts
from experiments.lib.lookup import Wanted, budget_of, chosen, data_folder, preset_of, trained_plan
from experiments.lib.paths import TABLES
from experiments.lib.tables import all_rows, published_images
from repro.config.networks import Network
from repro.errors import UserError
from repro.records import Record, load_records
from repro.tables.verdicts import Figure, Ours

Group = Tuple[str, str, str]  # data, preset, budget


def group_of(given) -> Group:
    """Return (data, preset, budget) as records have them; DATA is a folder, or a name that is published.

    Without PRESET, `given` takes the one that this data is published with.
    """
    from repro.data import open_dataset

    every = load_records(paths.RESULTS)
    data, known = given.data, sorted({one.data for one in every} | {"minicity"})
    if os.path.isdir(data):
        data = open_dataset(data).name
    elif data not in known:
        raise UserError(f"DATA: {data!r} is neither a folder nor published; choose from {', '.join(known)}")
    given.preset = given.preset or next((one.preset for one in every if one.data == data), "lite")
    return data, given.preset, given.budget


def figure_of(table: str, row: str, extra: str = "") -> Figure:
    """Return the figure of a row's training; UserError for a table, row or training not known."""
    chosen(Wanted(table, row, extra))
    return Figure(TABLES[table], row, extra)


def named(text: str, place: str) -> Figure:
    """Return the figure of a training named TABLE/ROW or TABLE/ROW+EXTRA; UserError with the choices."""
    table, slash, rest = text.partition("/")
    if not slash:
        raise UserError(f"{place}: {text!r} is not TABLE/ROW, such as 3/isctf-sparse-p0.25-l0.001-r256")
    row, _, extra = rest.partition("+")
    return figure_of(table, row, extra)


def source_of(group: Group, *figures: Figure) -> Ours:
    """Return the published records of a data set, preset and budget, the neighbours' if a figure is of theirs.

    Without those, spreads are as in tables/claims.md. UserError where a figure is not published so, naming how it is.
    """
    every, known = load_records(paths.RESULTS), all_rows()
    neighbours = "neighbours" in [figure.table for figure in figures]
    source = Ours(group[0], tuple(one for one in every if one.group == group and (
        neighbours or isinstance(one.network, Network))), known, {}, published_images)
    for figure in figures:
        row = known[figure.table, figure.row]
        if not source.found(figure):
            others = sorted({f"DATA={one.data} PRESET={one.preset} BUDGET={one.budget}" for one in every
                             if (one.network, one.training) == (row.network, dict(row.trainings)[figure.extra])})
            raise UserError(f"{figure.row} of {figure.table} is not published of {' '.join(group)}; it is of "
                            + ("; ".join(others) or "nothing yet"))
    return source


class _Watched:
    """A network that keeps the masks (Y, X) of what it is run on, in `masks`."""

    def __init__(self, network, masks: List[np.ndarray]):
        self.network, self.outputs, self.masks = network, network.outputs, masks

    def __call__(self, x):
        outputs = self.network(x)
        if "mask" in self.outputs:
            self.masks.extend(outputs[self.outputs.index("mask")].asnumpy()[:, 0])
        return outputs


def classes_of(record: Record) -> int:
    """Return how many classes a record's network tells apart."""
    return len(next(iter(record.evaluations.values()))["class_iou"])


def evaluate_weights(given) -> Tuple[Any, Optional[np.ndarray]]:
    """Return (the figures in the row's inference, the share of images in which each region is computed).

    given  options that name a row, its data and WEIGHTS, which `check_early` has looked at.
    """
    preset, ctx, (row, _) = preset_of(given.preset), contexts(given.gpu)[0], chosen(given)
    from tqdm import tqdm

    from repro.data import open_dataset
    from repro.data.images import image_size
    from repro.data.loader import evaluation_batches
    from repro.evaluation.inference import evaluate
    from repro.training.run import EVALUATION_BATCH, network_factory

    dataset = open_dataset(data_folder(given.data, preset)[0])
    samples = dataset.measured[:budget_of(given).images]
    plan, arrays = trained_plan(given, dataset, image_size(samples[0].image))
    made = network_factory(plan, arrays, len(dataset.classes), row.inference, ctx)
    batches = evaluation_batches(samples, dataset.classes, EVALUATION_BATCH, (plan.multiple, plan.multiple))
    batches = tqdm(batches, row.inference, -(-len(samples) // EVALUATION_BATCH), leave=False, disable=None)
    masks: List[np.ndarray] = []
    found, _ = evaluate(lambda *size: _Watched(made(*size), masks), batches, dataset.classes.names, ctx)
    return found, np.mean(masks, axis=0) if masks and len({mask.shape for mask in masks}) == 1 else None
