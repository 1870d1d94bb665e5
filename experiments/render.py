"""Write tables/table1.md to table5.md and the README's short table from the committed records."""

from __future__ import annotations

import argparse
import sys

from experiments.command import HERE, run
from repro.cost import row_cost
from repro.files import write_text
from repro.parsing import read_yaml
from repro.records import load_records
from repro.rows import load_table
from repro.tables import page
from repro.tables.headline import headline, with_headline

ROOT = HERE.parent
NUMBERS = (1, 2, 3, 4, 5)


def sources(number: int):
    """What table `number` is rendered from: its rows, the paper's figures, costs, published records."""
    rows = load_table(HERE / f"table{number}.yaml")
    paper = read_yaml(HERE / "published.yaml")[f"table{number}"]
    return rows, paper, {row.id: row_cost(row) for row in rows}, load_records(ROOT / "tables" / "results")


def render(number: int, local: bool = False) -> str:
    """The text of table `number`; with `local` also what this machine measured and did not publish."""
    return page(number, *sources(number), load_records(ROOT / ".cache" / "results") if local else ())


def readme() -> str:
    """The README's text with its short table rendered anew."""
    return with_headline((ROOT / "README.md").read_text(encoding="utf-8"), headline(*sources(5)))


def write_tables(given) -> None:
    """Write the chosen tables and print their paths."""
    for number in (given.table,) if given.table else NUMBERS:
        path = ROOT / "tables" / f"table{number}.md"
        write_text(path, render(number, given.local))
        print(path.relative_to(ROOT))
    if not given.table:
        write_text(ROOT / "README.md", readme())


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = argparse.ArgumentParser(prog="python -m experiments.render", description=__doc__)
    parser.add_argument("--table", type=int, choices=NUMBERS, help="one table (default: all)")
    parser.add_argument("--local", action="store_true", help="add what this machine measured itself")
    return run(write_tables, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
