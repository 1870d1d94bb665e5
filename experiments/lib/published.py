"""What is published: records, what lies beside them, and the rows that a command names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, Mapping, Tuple

import numpy as np

from experiments.lib.command import HERE
from repro.config.neighbours import load_rows
from repro.config.rows import Network, Row
from repro.errors import UserError, choice
from repro.records import Record, load_records, record_path
from repro.tables.verdicts import Figure, Ours

RESULTS = HERE.parent / "tables" / "results"
TABLES = {**{number: f"table{number}" for number in "12345"}, "ablations": "ablations", "neighbours": "neighbours"}
Group = Tuple[str, str, str]  # data, preset, budget


def rows() -> Dict[Tuple[str, str], Row]:
    """Return the rows of all tables, by the names of table and row."""
    return {(table, row.id): row for table in TABLES.values() for row in load_rows(HERE / f"{table}.yaml")}


def beside(record: Record, suffix: str) -> Path:
    """Return where the file of a published record with this suffix lies: .json, .npz or .jsonl.gz."""
    return RESULTS / "-".join(record.group) / (record_path("", record).stem + suffix)


def images(record: Record) -> Mapping[str, np.ndarray]:
    """Return confusion matrices by inference, and "images", their names; {} of older records."""
    path = beside(record, ".npz")
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def data_name(data: str) -> str:
    """Return the name of a data set, of its folder or as published; UserError for neither."""
    from repro.data import open_dataset

    folder = os.path.expanduser(data)
    if os.path.isdir(folder):
        return open_dataset(folder).name
    known = sorted({path.name.split("-")[0] for path in RESULTS.iterdir() if path.is_dir()})
    if data not in known:
        raise UserError(f"DATA: {data!r} is neither a folder nor published; choose from {', '.join(known)}")
    return data


def named(text: str, place: str) -> Figure:
    """Return the figure of a training named TABLE/ROW or TABLE/ROW+EXTRA; UserError with the choices."""
    table, slash, rest = text.partition("/")
    if not slash:
        raise UserError(f"{place}: {text!r} is not TABLE/ROW, such as 3/isctf-sparse-p0.25-l0.001-r256")
    row, _, extra = rest.partition("+")
    return figure_of(table, row, extra, place)


def figure_of(table: str, row: str, extra: str, place: str = "ROW") -> Figure:
    """Return the figure of a row's training; UserError for a table, row or training not known."""
    table = TABLES[choice(table.replace("table", ""), tuple(TABLES), "TABLE")]
    known = {name: one for (of, name), one in rows().items() if of == table}
    trainings = dict(known[choice(row, tuple(known), f"{place} of {table}")].trainings)
    if extra not in trainings:
        others = ", ".join(filter(None, trainings))
        raise UserError(f"EXTRA of {row}: {extra!r} is not known; " + (f"choose from {others}" if others else
                                                                       "it has no training but its own; leave it out"))
    return Figure(table, row, extra)


def source_of(group: Group, neighbours: bool = False) -> Ours:
    """Return the published records of a data set, preset and budget, the neighbours' too if asked for.

    Without those, spreads are as tables/claims.md has them.
    """
    return Ours(group[0], tuple(one for one in load_records(RESULTS) if one.group == group and (
        neighbours or isinstance(one.network, Network))), rows(), {}, images)


def image_names(data: str) -> List[str]:
    """Return the names of the measured images in the folder DATA; none where it is no folder."""
    from repro.data import open_dataset

    folder = os.path.expanduser(data)
    return [Path(one.image).stem for one in open_dataset(folder).measured] if os.path.isdir(folder) else []


def records_of(source: Ours, figure: Figure, group: Group) -> Tuple[Record, ...]:
    """Return a figure's records by seed; UserError naming the groups that have it, where this one has none."""
    found = source.found(figure)
    if not found:
        row = source.rows[figure.table, figure.row]
        training = dict(row.trainings)[figure.extra]
        others: List[str] = sorted({f"DATA={one.data} PRESET={one.preset} BUDGET={one.budget}"
                                    for one in load_records(RESULTS)
                                    if (one.network, one.training) == (row.network, training)})
        raise UserError(f"{figure.row} of {figure.table} is not published of {' '.join(group)}; it is of "
                        + ("; ".join(others) or "nothing yet"))
    return found
