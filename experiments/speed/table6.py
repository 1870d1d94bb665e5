"""Measure Table 6's networks side by side in the inference engine, and write table6.md and its pictures.

    python -m experiments.speed.table6               measures every row and precision of table6.yaml (20 minutes)
    python -m experiments.speed.table6 --render      writes the page from what was published
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial

from experiments.lib.command import Parser, run
from experiments.lib.measurement import options
from experiments.lib.pages import TABLE6
from experiments.lib.paths import parse_size
from experiments.lib.subject import CALIBRATION, Competitor, chosen_rows, enter, machine, progress, turns
from repro.device import threads
from repro.timing.clock import interleaved, rounded
from repro.timing.memory import peak

ROUNDS = 15
CEILINGS = ("model-a", "single")  # whose convolutions the ceiling is the best of; if none is measured, of all that are


def competitors(rows, size, width: float):
    """Return these rows in their precisions, by name, in the order of the file; and the graphs for the ceiling."""
    from repro.timing.subject import images, normalised, subject

    image, scenes = images(size, 1, "val")[0], images(size, CALIBRATION)
    calibration = [normalised([scene]) for scene in scenes]
    found, peers = {}, []
    for row in rows:
        for precision in row.precisions:
            one = subject(row, precision, size, width)
            # int8 is kept: calibrating takes minutes
            found[one.name] = Competitor(image, partial(one.engine, calibration), {
                "row": row.id, "precision": precision, "multiply_adds": one.peer.true, "paper": one.paper,
                "parameters": one.peer.parameters}, precision == "int8")
            if row.id in CEILINGS or not set(CEILINGS) & {row.id for row in rows}:
                peers.append(replace(one.peer, arrays={}))
    return found, peers


def measure(rows, size, given) -> dict:
    """Time every row and precision in one interleaved run, and the machine's ceiling with them."""
    found, peers = competitors(rows, size, given.width)
    estimates, during = enter(found)
    ceiling, trials = machine(peers)
    counts = {name: turns(seconds, name in during) for name, seconds in {**estimates, **trials}.items()}
    runs = {**{name: one.run for name, one in found.items()}, **ceiling.runs()}
    timings = interleaved(runs, given.rounds, 0, counts, progress("rounds"), during)
    best = ceiling.best(timings)
    return {
        "size": list(size), "width": given.width, "threads": threads(), "peak_memory": peak(),
        "ceiling": {"rate": best.rate, "layer": best.layer},
        "rows": [{**one.facts, "seconds": rounded(timings[name].seconds)} for name, one in found.items()],
    }


def write(given) -> None:
    """Measure what is asked for."""
    rows, size = chosen_rows(given.row), parse_size(given.size)
    TABLE6.run(given, partial(measure, rows, size, given))


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.speed.table6", description=__doc__.split("\n")[0])
    parser.add_argument("--row", default="", help="ids of experiments/table6.yaml, as model-a,icnet (default: all)")
    options(parser, ROUNDS, image=True)
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
