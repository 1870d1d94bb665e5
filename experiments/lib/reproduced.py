"""The files that `make tables` writes beside its pages: the index of results and times, and blocks in other files."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Dict, Sequence

from experiments.lib.paths import HERE, RESULTS, ROOT, TABLES
from experiments.lib.tables import published, published_images
from repro.config import parsing
from repro.config.networks import Network, parse_network
from repro.config.rows import load_peers, load_rows
from repro.prediction.weights import digest
from repro.records import load_records
from repro.tables import index
from repro.tables.engines import read_engines
from repro.tables.reproducibility import (
    card_block,
    claims_block,
    compute_block,
    differences_block,
    verdicts,
    with_block,
)
from repro.tables.table6 import read_table6

PAGE = ROOT / "docs" / "reproducibility.md"


def files() -> Dict[Path, str]:
    """Return what is to be written where: tables/*.csv, docs/reproducibility.md, the cards of the shipped weights."""
    from repro.models.cost import row_figures

    costs = lru_cache(maxsize=None)(row_figures)
    tables = {table: load_rows(HERE / f"{table}.yaml") for table in TABLES.values()}
    records = load_records(RESULTS)
    lines = index.results(tables, records, costs, published_images)
    timed = speed_lines()
    rows = {(table, row.id): row for table, some in tables.items() for row in some}
    found = verdicts(rows, {row.id: costs(row)[:2] for row in tables["table5"]},
                     [one for one in records if isinstance(one.network, Network)], published_images)
    page = PAGE.read_text(encoding="utf-8")
    size = sum(path.stat().st_size for path in RESULTS.rglob("*") if path.is_file())
    for name, block in (("verdicts", claims_block(found)), ("compute", compute_block(lines, size)),
                        ("differences", differences_block(published("remarks")))):
        page = with_block(page, name, block, PAGE.name)
    return {ROOT / "tables" / "results.csv": index.text(lines, index.RESULTS),
            ROOT / "tables" / "speed.csv": index.text(timed, index.SPEED), PAGE: page, **cards(timed)}


def speed_lines():
    """Return the lines of tables/speed.csv."""
    return index.speed(
        read_table6(RESULTS / "table6.json"),
        {path.stem: read_engines(path) for path in sorted(RESULTS.glob("engines-*.json"))},
        {path.stem: parsing.read_json(path, "measurement") for path in sorted(RESULTS.glob("profile*.json"))})


def cards(timed: Sequence[index.Line]) -> Dict[Path, str]:
    """Return the card of each shipped weights file, with what is measured of them written anew."""
    peers, made = load_peers(HERE / "table6.yaml"), {}
    for weights in sorted((HERE / "pretrained").glob("*.params")):
        about, card = parsing.read_json(weights.with_suffix(".json"), "description"), weights.with_suffix(".md")
        network = parse_network(about["network"], card.name) if "network" in about else None
        names = [row.id for row in peers if network is not None and (row.network, row.inference) == (network, "fast")]
        block = card_block(about, [one for one in timed if one["network"] in names], digest(weights))
        made[card] = with_block(card.read_text(encoding="utf-8"), "measured", block, card.name)
    return made
