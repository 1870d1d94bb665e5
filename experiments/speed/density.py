"""Time SparseRefine's sparse part by the share of pixels selected, and write sparserefine.md and its picture.

    python -m experiments.speed.density               measures (8 minutes on an idle machine)
    python -m experiments.speed.density --render      writes the page from what was published
"""

from __future__ import annotations

import sys
from functools import partial

from experiments.lib.command import Parser, run
from experiments.lib.measurement import options
from experiments.lib.pages import SPARSEREFINE
from experiments.lib.paths import parse_size
from experiments.lib.subject import progress
from repro.errors import UserError
from repro.tables.refine import DENSITY

SIZE, CLASSES, ROUNDS = "512x1024", 19, 7


def measure(given) -> dict:
    """Time all densities in turns, with random weights."""
    from repro.sparserefine.networks import new_refiner
    from repro.timing.density import density_curve

    new_refiner(CLASSES, given.width)  # says of a width that there are no planes of it
    found = density_curve(parse_size(given.size), given.width, CLASSES, given.rounds, progress=progress("rounds"))
    return {"size": given.size, "width": given.width, "classes": CLASSES, **found}


def write(given) -> None:
    """Measure what is asked for."""
    if any(side % 64 for side in parse_size(given.size)):
        raise UserError(f"SIZE: {given.size}: its sides are not multiples of 64")
    SPARSEREFINE.run(given, partial(measure, given), DENSITY, target="density")


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.speed.density", description=__doc__.split("\n")[0])
    options(parser, ROUNDS, image=True)
    parser.set_defaults(size=SIZE)
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
