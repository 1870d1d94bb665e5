"""Write tables/table1.md ... table5.md from the committed records: python -m experiments.render [--table N] [--local]"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from repro.cost import row_cost
from repro.errors import UserError
from repro.files import write_text
from repro.parsing import read_yaml
from repro.records import load_records
from repro.rows import load_table
from repro.tables import page

ROOT = Path(__file__).resolve().parent.parent
NUMBERS = (1, 2, 3, 4, 5)


def render(number: int, local: bool = False) -> str:
    """The text of table `number`; with `local` also what this machine measured and did not publish."""
    rows = load_table(ROOT / "experiments" / f"table{number}.yaml")
    paper = read_yaml(ROOT / "experiments" / "published.yaml")[f"table{number}"]
    costs = {row.id: row_cost(row) for row in rows}
    published = load_records(ROOT / "tables" / "results")
    return page(number, rows, paper, costs, published, load_records(ROOT / ".cache" / "results") if local else ())


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = argparse.ArgumentParser(prog="python -m experiments.render", description=__doc__.split(":")[0])
    parser.add_argument("--table", type=int, choices=NUMBERS, help="one table (default: all)")
    parser.add_argument("--local", action="store_true", help="add what this machine measured and did not publish")
    given = parser.parse_args(arguments)
    try:
        for number in (given.table,) if given.table else NUMBERS:
            path = ROOT / "tables" / f"table{number}.md"
            write_text(path, render(number, given.local))
            print(path.relative_to(ROOT))
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
