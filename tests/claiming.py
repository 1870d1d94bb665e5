"""Made-up records of the tables' rows, for the tests of claims."""

from __future__ import annotations

import numpy as np
from made_up import made_up

from experiments.lib.paths import HERE
from experiments.lib.tables import CLAIMS, PAGES, table_rows
from repro.config.parsing import read_yaml
from repro.tables.verdicts import Figure, Ours

TABLES = {name: table_rows(name) for name in PAGES.values() if name != CLAIMS}
ROWS = {(name, row.id): row for name, rows in TABLES.items() for row in rows}
PUBLISHED = read_yaml(HERE / "published.yaml")
COSTS = {row.id: (787 * 10**9, 879 * 10**9) if row.id == "single" else (315 * 10**8, 380 * 10**8)
         for row in TABLES["table5"]}
SCTF = Figure("table3", "sctf-sparse-p0.5-l0.001-r256")
WTA = Figure("table3", "isctf-wta-p0.5-r256")


def record_of(figure, iou, seed=0, data="minicity", **evaluation):
    row = ROWS[figure.table, figure.row]
    record = made_up(row, iou, training=dict(row.trainings)[figure.extra], seed=seed, data=data)
    for one in record.evaluations.values():
        one.update(evaluation)
    return record


def seeds(figure, *values, **more):
    return [record_of(figure, value, seed, **more) for seed, value in enumerate(values)]


def ours(*records, data="minicity", **more):
    return Ours(data, tuple(records), ROWS, COSTS, **more)


def noise(width, key="mean_iou"):
    """Two other rows whose paired differences make the interval of one pair ± `width`."""
    by_seed = (5.0, 5.0 + width / 2.92, 5.0 - width / 2.92)
    rows = [Figure("table4", "3463-3463", extra) for extra in ("", "bootstrapping")]
    return [record_of(figure, 30.0, seed, **{key: value}) for figure, values in zip(rows, ((5.0,) * 3, by_seed))
            for seed, value in enumerate(values)]


def matrices(*right):
    """Confusion matrices of images of 100 pixels of two classes each, of which so many are right."""
    return np.array([[[one, 100 - one], [100 - one, one]] for one in right], np.uint32)


def claims_in(text):
    """The table of claims in a page: [{header: cell}]."""
    block = next(block for block in text.split("\n\n") if block.startswith("| Claim"))
    header, _, *lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in block.splitlines()]
    return [dict(zip(header, line)) for line in lines]
