"""Write tables/*.md, its pictures and the README's short table from the committed records alone: `make tables`."""

from __future__ import annotations

import sys

from experiments.lib import tables
from experiments.lib.command import Parser, run
from experiments.lib.pages import MEASUREMENTS
from experiments.lib.paths import RESULTS, ROOT
from repro.errors import choice
from repro.files import write_text


def write(given) -> None:
    """Write the chosen pages and print their paths."""
    known = (*tables.PAGES, *MEASUREMENTS)
    for name in [choice(given.table, known, "TABLE")] if given.table else known:
        if name in tables.PAGES:
            tables.write(name)
        elif given.table or MEASUREMENTS[name].there(RESULTS):
            MEASUREMENTS[name].render()
    if not given.table:
        write_text(ROOT / "README.md", tables.readme())


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.render", description=__doc__)
    known = ", ".join((*tables.PAGES, *MEASUREMENTS))
    parser.add_argument("--table", default="", help=f"one of {known} (default: all)")
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
