"""Write tables/*.md and the README's short table from the committed records."""

from __future__ import annotations

import sys

import numpy as np

from experiments.lib.command import HERE, Parser, run
from repro.config.parsing import read_yaml
from repro.config.rows import Network, load_table
from repro.files import write_text
from repro.models.cost import row_cost
from repro.records import load_records, record_path, told_apart
from repro.tables.claims_page import claims_page
from repro.tables.columns import ABLATIONS
from repro.tables.headline import headline, with_headline
from repro.tables.render import page, with_counterparts

ROOT = HERE.parent
CLAIMS = "claims"
NUMBERS = (1, 2, 3, 4, 5)
PAGES = {**{str(number): f"table{number}" for number in NUMBERS}, ABLATIONS: ABLATIONS, CLAIMS: CLAIMS}


def table_rows(name: str):
    """The rows of experiments/<name>.yaml; the ablations with the rows of Table 3 that they are compared with."""
    rows = load_table(HERE / f"{name}.yaml")
    return with_counterparts(rows, load_table(HERE / "table3.yaml")) if name == ABLATIONS else rows


def published_records():
    """What the paper's tables and claims are rendered from: the published records of networks of its kind."""
    return tuple(one for one in load_records(ROOT / "tables" / "results") if isinstance(one.network, Network))


def published_images(record):
    """What lies beside a published record: confusion matrices by inference, and the images' names; {} of older ones."""
    path = ROOT / "tables" / "results" / "-".join(record.group) / record_path("", record).with_suffix(".npz").name
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def published(name: str):
    """What the paper prints in a table, "table6", or says of it."""
    return read_yaml(HERE / "published.yaml")[name]


def sources(name: str):
    """What the page of experiments/<name>.yaml is rendered from: rows, the paper's figures, costs, records."""
    rows = table_rows(name)
    return rows, published(name), {row.id: row_cost(row) for row in rows}, published_records()


def render(chosen: str, local: bool = False) -> str:
    """The text of a page of PAGES; with `local` also what this machine measured and did not publish (not in claims)."""
    if chosen == CLAIMS:
        tables = {name: table_rows(name) for name in PAGES.values() if name != CLAIMS}
        costs = {row.id: row_cost(row) for row in tables["table5"]}
        return claims_page(tables, read_yaml(HERE / "published.yaml"), costs, published_records(),
                           published_images)
    own = told_apart(load_records(ROOT / ".cache" / "results")) if local else ()
    return page(ABLATIONS if chosen == ABLATIONS else int(chosen), *sources(PAGES[chosen]), own)


def readme() -> str:
    """The README's text with its short table rendered anew."""
    return with_headline((ROOT / "README.md").read_text(encoding="utf-8"), headline(*sources("table5")))


def write_tables(given) -> None:
    """Write the chosen pages and print their paths."""
    for chosen in (given.table,) if given.table else PAGES:
        path = ROOT / "tables" / f"{PAGES[chosen]}.md"
        write_text(path, render(chosen, given.local))
        print(path.relative_to(ROOT))
    if not given.table:
        write_text(ROOT / "README.md", readme())


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.render", description=__doc__)
    parser.add_argument("--table", choices=tuple(PAGES), help="one page (default: all)")
    parser.add_argument("--local", action="store_true", help="add what this machine measured itself")
    return run(write_tables, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
