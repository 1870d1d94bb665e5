"""The rows of all tables, and the pages of the paper's tables and claims."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Optional, Tuple

import numpy as np

from experiments.lib import paths
from experiments.lib.paths import HERE, ROOT, TABLES
from repro.config.networks import Network
from repro.config.parsing import read_yaml
from repro.config.rows import Row, load_rows
from repro.errors import choice
from repro.files import write_text
from repro.records import Record, load_records, record_path, told_apart
from repro.tables.claims_page import claims_page
from repro.tables.columns import ABLATIONS
from repro.tables.render import page, with_counterparts

CLAIMS = "claims"
PAGES = {**{str(number): f"table{number}" for number in range(1, 6)}, ABLATIONS: ABLATIONS, CLAIMS: CLAIMS}


def chosen_rows(table: str, row: Optional[str] = None) -> Tuple[Row, ...]:
    """Return the rows of a table of TABLES, or the one of them with this id."""
    rows = load_rows(HERE / f"{TABLES[choice(table, tuple(TABLES), 'TABLE')]}.yaml")
    if row is None:
        return rows
    choice(row, [one.id for one in rows], f"ROW of {TABLES[table]}")
    return tuple(one for one in rows if one.id == row)


def all_rows() -> Dict[Tuple[str, str], Row]:
    """Return the rows of all TABLES, by the names of table and row."""
    return {(TABLES[table], row.id): row for table in TABLES for row in chosen_rows(table)}


def table_rows(name: str):
    """Return the rows of experiments/<name>.yaml; the ablations with the rows of Table 3 they are compared with."""
    rows = load_rows(HERE / f"{name}.yaml")
    return with_counterparts(rows, load_rows(HERE / "table3.yaml")) if name == ABLATIONS else rows


def published_records():
    """Return what the paper's tables and claims are rendered from: the published records of networks of its kind."""
    return tuple(one for one in load_records(paths.RESULTS) if isinstance(one.network, Network))


def beside(record: Record, suffix: str) -> Path:
    """Return where the file of a published record with this suffix lies: .json, .npz or .jsonl.gz."""
    return paths.RESULTS / "-".join(record.group) / (record_path("", record).stem + suffix)


def published_images(record: Record):
    """Return what lies beside a published record: confusion matrices by inference, and "images", their names."""
    with np.load(beside(record, ".npz"), allow_pickle=False) as arrays:
        return dict(arrays)


def published(name: str):
    """Return what the paper prints in a table, "table6", or says of it."""
    return read_yaml(HERE / "published.yaml")[name]


def costs_of(rows):
    """Return the multiply-adds of rows by id, (in the paper's convention, true)."""
    from repro.models.cost import row_figures

    return {row.id: row_figures(row)[:2] for row in rows}


def sources(name: str):
    """Return what the page of experiments/<name>.yaml is rendered from: rows, the paper's figures, costs, records."""
    rows = table_rows(name)
    return rows, published(name), costs_of(rows), published_records()


def render(chosen: str, local: bool = False) -> str:
    """Return a page of PAGES; with `local` also what this machine measured and did not publish (not in claims)."""
    if chosen == CLAIMS:
        tables = {name: table_rows(name) for name in PAGES.values() if name != CLAIMS}
        costs = costs_of(tables["table5"])
        return claims_page(tables, read_yaml(HERE / "published.yaml"), costs, published_records(), published_images)
    own = told_apart(load_records(paths.CACHE / "results")) if local else ()
    return page(ABLATIONS if chosen == ABLATIONS else int(chosen), *sources(PAGES[chosen]), own)


def write(chosen: str, local: bool = False) -> None:
    """Write a page of PAGES and print its path."""
    path = ROOT / "tables" / f"{PAGES[chosen]}.md"
    write_text(path, render(chosen, local))
    print(path.relative_to(ROOT))
