"""Measure the rows of a table that this machine has not measured yet, then render it: what `make table3` runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Sequence

from experiments.lib import paths, tables
from experiments.lib.command import Parser, run
from experiments.lib.lookup import HALF
from experiments.lib.pages import LOCAL_NEIGHBOURS
from experiments.lib.paths import PRESETS, TABLES
from experiments.lib.schedule import measured
from repro.errors import UserError
from repro.files import write_bytes
from repro.records import read_record


def measure(given) -> None:
    """Measure what is missing, publish if asked, render the table."""
    if given.publish and given.split:
        raise UserError("PUBLISH: what is measured on another split is not published")
    files = measured(given)
    if given.publish:
        publish(files)
    if given.table in tables.PAGES:
        tables.write(given.table, local=True)
    else:
        LOCAL_NEIGHBOURS.render()
    for path in files if given.row else ():
        found = read_record(path).evaluations
        accuracy = (found.get("fast") or found["whole"])["mean_iou"]
        print(f"{os.path.relpath(path.with_suffix('.params'))}: mean IoU {accuracy:.2f}%")


def publish(files: Sequence[Path]) -> None:
    """Copy records, and what lies beside them: what each image gave, the log."""
    for path in files:
        folder = paths.RESULTS / "-".join(read_record(path).group)
        for kind in (".npz", ".jsonl.gz", ".json"):
            if path.with_suffix(kind).exists():
                write_bytes(folder / (path.stem + kind), path.with_suffix(kind).read_bytes())


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.table", description=__doc__)
    add = parser.add_argument
    add("--table", required=True, help=f"one of {', '.join(TABLES)}")
    add("--data", default="minicity", help="minicity, or a folder: Cityscapes' layout, CamVid's, or with classes.yaml")
    add("--preset", default="lite", help=f"one of {', '.join(PRESETS)} (default %(default)s)")
    add("--budget", default="", help="quick or full (default: quick for a table, full for one row)")
    add("--row", default="", help="one row's id (default: all rows)")
    add("--extra", default="", help="own, bootstrapping or coarse: only that training of the row (default: all)")
    add("--seeds", default="0", help="such as 0,1,2 (default %(default)s)")
    add("--gpu", default="", help="cards, such as 0 or 0,1 (default: the CPU)")
    add("--hosts", default="", help="machines to train each row on together, such as localhost,other (default: this)")
    add("--pretrained", default="", help=f"a backbone's .params; {HALF}: open_nsfw's, downloaded and converted; "
        "resnet50_v1: gluoncv's, downloaded (default: the preset's, or the shipped one)")
    add("--split", default="", help="val: measure on it, to choose by (default: the split that the tables report)")
    add("--batch", type=int, help="another batch than the preset's")
    add("--steps", type=int, help="other steps than the budget's")
    add("--jobs", type=int, default=0, help="rows trained at once on a CPU (default: one per core)")
    add("--readers", type=int, default=0, help="threads that read images ahead of training (default: one)")
    add("--checkpoint", type=int, default=200, help="steps between checkpoints (default %(default)s)")
    add("--fresh", action="store_true", help="measure again what this machine has measured")
    add("--leak", action="store_true", help="go on where measured images are trained on too")
    add("--publish", action="store_true", help="write the records into tables/results/")
    return run(measure, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
