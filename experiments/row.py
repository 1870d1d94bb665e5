"""Write the page of a published row: curves, IoU by class, best and worst images, regions: what `make row` runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from experiments.lib import paths
from experiments.lib.command import Parser, run
from experiments.lib.lookup import check_early, options
from experiments.lib.published import classes_of, evaluate_weights, figure_of, group_of, source_of
from experiments.lib.tables import beside
from repro.files import no_file, write_text
from repro.tables.pairs import row_page


def write(given) -> None:
    """Draw what is kept beside the records, write the page and print its path."""
    from repro.training import logs

    figure, group = figure_of(given.table, given.row, given.extra), group_of(given)
    source = source_of(group, figure)
    records, row = source.found(figure), source.rows[figure.table, figure.row]
    if given.weights:
        check_early(given, classes_of(records[0]))
    name = "-".join(filter(None, (figure.table, figure.row, figure.extra, *group)))
    folder = Path(given.out or paths.CACHE / "rows")
    no_file(folder, "OUT", write=True)
    out = folder / f"{name}.md"
    often = evaluate_weights(given)[1] if given.weights else None
    pictures = {}
    for record in records:
        pictures[record.seed] = f"{name}-seed{record.seed}.png"
        logs.plot(logs.read(beside(record, ".jsonl.gz")), out.parent / pictures[record.seed],
                  f"{name}, seed {record.seed}", record.training.p, record.evaluations[row.inference]["regions"])
    write_text(out, row_page(name, records, source, row.inference, pictures, often))
    print(os.path.relpath(out))


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.row", description=__doc__)
    add = parser.add_argument
    options(parser, published=True)
    add("--data", default="minicity", help="name or folder of the data (default %(default)s)")
    add("--weights", default="", help="the row's .params, to count the regions computed; DATA is then a folder")
    add("--gpu", default="", help="a card, such as 0 (default: the CPU)")
    add("--out", default="", help="the folder to write into (default: .cache/rows)")
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
