"""Measure Table 6's networks side by side in the inference engine, and write table6.md and its pictures.

    python -m experiments.speed.table6               measures every row and precision of table6.yaml (20 minutes)
    python -m experiments.speed.table6 --render      writes the page from what was published
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial

from experiments.lib.command import Parser, at_least_one, run
from experiments.lib.measurement import options
from experiments.lib.pages import TABLE6
from experiments.lib.paths import SIZE, parse_size
from experiments.lib.repeat import command_of
from experiments.lib.subject import CALIBRATION, Competitor, chosen_rows, enter, machine, progress, turns
from repro.device import threads
from repro.records import provenance
from repro.timing.clock import rounded

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
    from repro.timing.clock import interleaved
    from repro.timing.memory import peak

    origin = provenance(command_of(given, "table6"))  # of the code that starts, whatever is committed meanwhile
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
        "provenance": origin,
    }


def write(given) -> None:
    """Measure what is asked for."""
    rows, size = chosen_rows(given.row), parse_size(given.size)
    at_least_one(given.rounds, "ROUNDS")
    TABLE6.run(given, partial(measure, rows, size, given))


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.speed.table6", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--row", default="", help="ids of experiments/table6.yaml, such as model-a,icnet (default: all)")
    add("--size", default=SIZE, help="height x width of the image (default %(default)s)")
    add("--width", type=float, default=1.0, help="of this project's networks, for a quick look (default %(default)s)")
    add("--rounds", type=int, default=ROUNDS, help="turns of each network; slow ones get fewer (default %(default)s)")
    options(parser)
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
