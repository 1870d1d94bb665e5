"""Compare two published rows by seed, by class and by image, with intervals: what `make compare` runs.

    python -m experiments.compare --a 3/isctf-wta-p0.25-r256 --b 3/isctf-sparse-p0.25-l0.001-r256 --data camvid
    python -m experiments.compare --a 4/1120-1241 --b 4/1120-1241+bootstrapping --data camvid
"""

from __future__ import annotations

import sys

from experiments.lib.command import Parser, run
from experiments.lib.lookup import options
from experiments.lib.published import group_of, named, source_of
from repro.tables.pairs import compare


def show(given) -> None:
    """Print the comparison; UserError where either row is not published."""
    group, figures = group_of(given), [named(text, place) for text, place in ((given.a, "A"), (given.b, "B"))]
    source = source_of(group, *figures)
    print(f"A: {given.a}\nB: {given.b}\n{', '.join(group)}; intervals of 90%, as in tables/claims.md\n")
    print(compare(source, *figures).rstrip("\n"))


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.compare", description=__doc__.split("\n", maxsplit=1)[0])
    add = parser.add_argument
    add("--a", default="", help="TABLE/ROW, or TABLE/ROW+EXTRA for a row's extra training")
    add("--b", default="", help="the other, likewise")
    add("--data", default="minicity", help="name or folder of the data (default %(default)s)")
    options(parser, row=False, published=True)
    return run(show, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
