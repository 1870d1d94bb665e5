"""Write tables/*.md, its pictures, the index of results and what other files show of them: `make tables`.

All of it is of the committed records alone.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Dict, Sequence

from experiments.lib import tables
from experiments.lib.command import Parser, run
from experiments.lib.pages import MEASUREMENTS
from experiments.lib.paths import HERE, RESULTS, ROOT, TABLES
from repro.config import parsing
from repro.config.networks import parse_network
from repro.config.rows import load_peers
from repro.errors import choice
from repro.files import write_text
from repro.prediction.weights import digest
from repro.records import load_records
from repro.tables import index, reproducibility
from repro.tables.claims_page import differences
from repro.tables.engines import read_engines
from repro.tables.table6 import read_table6

KNOWN = (*tables.PAGES, *MEASUREMENTS)


def beside() -> Dict[Path, str]:
    """Return what is written beside the pages: tables/*.csv, blocks in README.md, docs/ and the cards
    of the shipped weights."""
    from repro.models.cost import row_figures

    rows = tables.all_rows()
    by_table = {table: [row for (name, _), row in rows.items() if name == table] for table in TABLES.values()}
    records = load_records(RESULTS)
    lines = index.results(by_table, records, row_figures, tables.published_images)
    timed = index.speed(
        read_table6(RESULTS / "table6.json"),
        {path.stem: read_engines(path) for path in sorted(RESULTS.glob("engines-*.json"))},
        {path.stem: parsing.read_json(path, "measurement") for path in sorted(RESULTS.glob("profile*.json"))})
    papers = tables.sources("table5")
    found = reproducibility.verdicts(rows, *papers[2:], tables.published_images)
    size = sum(path.stat().st_size for path in RESULTS.rglob("*") if path.is_file())
    blocks = {
        ROOT / "README.md": {"headline": reproducibility.headline(*papers),
                             "streets": reproducibility.streets_block(rows, records, few=True)},
        ROOT / "docs" / "reproducibility.md": {"verdicts": reproducibility.claims_block(found),
                                               "compute": reproducibility.compute_block(lines, size),
                                               "differences": differences(tables.published("remarks"))},
        ROOT / "docs" / "training.md": {"streets": reproducibility.streets_block(rows, records)},
        **cards(timed)}
    made: Dict[Path, str] = {}
    for path, some in blocks.items():
        made[path] = path.read_text(encoding="utf-8")
        for name, block in some.items():
            made[path] = reproducibility.with_block(made[path], name, block, path.name)
    return {**made, ROOT / "tables" / "results.csv": index.text(lines, index.RESULTS),
            ROOT / "tables" / "speed.csv": index.text(timed, index.SPEED)}


def cards(timed: Sequence[index.Line]) -> Dict[Path, Dict[str, str]]:
    """Return the card of each shipped weights file, with the block of what is measured of them."""
    peers, made = load_peers(HERE / "table6.yaml"), {}
    for weights in sorted((HERE / "pretrained").glob("*.params")):
        about = parsing.read_json(weights.with_suffix(".json"), "description")
        network = parse_network(about["network"], weights.name) if "network" in about else None
        names = [row.id for row in peers if network is not None and (row.network, row.inference) == (network, "fast")]
        made[weights.with_suffix(".md")] = {"measured": reproducibility.card_block(
            about, [one for one in timed if one["network"] in names], digest(weights))}
    return made


def write(given) -> None:
    """Write the chosen pages and print their paths."""
    for name in [choice(given.table, KNOWN, "TABLE")] if given.table else KNOWN:
        if name in tables.PAGES:
            tables.write(name)
        elif given.table or MEASUREMENTS[name].there(RESULTS):
            MEASUREMENTS[name].render()
    if not given.table:
        for path, text in beside().items():
            write_text(path, text)
            print(path.relative_to(ROOT))


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.render", description=__doc__.split("\n")[0])
    parser.add_argument("--table", default="", help=f"one of {', '.join(KNOWN)} (default: all)")
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
