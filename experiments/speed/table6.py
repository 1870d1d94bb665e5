"""Measure Table 6's networks side by side in the inference engine, and write tables/table6.md and its pictures.

    python -m experiments.speed.table6               measures every row and precision of table6.yaml (20 minutes)
    python -m experiments.speed.table6 --render      writes the page from what was measured
    python -m experiments.speed.table6 --draw        the page and the pictures

Some of the rows, another size or width, or fewer rounds, are written to .cache/speed/ instead.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from experiments.lib.command import HERE, Parser, at_least_one, run
from experiments.lib.repeat import command_of, fewer, other, places, tell
from experiments.render import published
from experiments.table import CACHE, RESULTS
from repro.config.peers import load_peers
from repro.config.rows import HEIGHT, WIDTH
from repro.device import threads
from repro.errors import UserError
from repro.files import write_text
from repro.records import provenance
from repro.tables.engines import read_engines
from repro.tables.table6 import PICTURES, page, read_table6, stages
from repro.tables.table6_figures import draw_cost, draw_waterfall
from repro.timing.clock import rounded

OWN = CACHE / "speed"
ROUNDS = 15
LEAST, SHARE = 3, 45.0  # turns of the slowest; seconds that a row's turns may take, if there are more of them
RESIDENT = 7 * 2 ** 30  # bytes of engines that stay in memory; others are made anew for each of their turns
CALIBRATION = 2  # scenes
CEILINGS = ("model-a", "single")  # whose convolutions the ceiling is the best of; if none is measured, of all that are
FINALISTS = 3  # convolutions timed beside the networks, of those that a quick trial finds best


def chosen_rows(text: str):
    """The measured rows of table6.yaml, or those with these ids, "a,b"."""
    rows = [row for row in load_peers(HERE / "table6.yaml") if row.measured]
    known = [row.id for row in rows]
    for name in filter(None, text.split(",")):
        if name not in known:
            raise UserError(f"--rows: {name!r} is not known; choose from {', '.join(known)}")
    return [row for row in rows if not text or row.id in text.split(",")]


def parse_size(text: str):
    """(H, W) of "1024x2048"."""
    parts = text.split("x")
    if len(parts) != 2 or not all(part.isdigit() and int(part) for part in parts):
        raise UserError(f"--size: {text!r} is not a height and a width, such as 1024x2048")
    return int(parts[0]), int(parts[1])


class Competitor:
    """A network that is timed from `image` to labels, with its engine where there is memory for it.

    make   the engine. facts: what a record says of it; "multiply_adds" among them.
    keep   it stays, whatever memory it takes.
    """

    def __init__(self, image, make, facts, keep=False):
        self.image, self.facts, self.keep, self.engine, self._make = image, facts, keep, None, make

    def run(self):
        return self.engine.labels(self.image)

    def stay(self, engine):
        """Keep this engine, and no second copy of its parameters."""
        self.engine, self._make = engine, None

    @contextmanager
    def present(self):
        """Its engine is there, and has run once; made for the time unless it stays."""
        stays = self._make is None
        if not stays:
            self.engine = self._make()
            self.run()
        try:
            yield
        finally:
            if not stays and self._make is not None:
                self.engine = None


def enter(found):
    """How each of the competitors, by name, is to take part.

    Returns (seconds of one run by name, `during` of those that do not stay in memory).
    """
    from tqdm import tqdm

    from repro.timing.clock import interleaved
    from repro.timing.memory import resident

    estimates, during = {}, {}
    # those that are kept first; then those with the fewest multiply-adds, which run most often
    order = sorted(found, key=lambda name: (not found[name].keep, found[name].facts["multiply_adds"]))
    for name in tqdm(order, "made and tried", unit="network", disable=None):
        one = found[name]
        with one.present():
            estimates[name] = interleaved({"": one.run}, 1, warmup=0)[""].median
            if one.keep or resident() < RESIDENT:
                one.stay(one.engine)
            else:
                during[name] = one.present
    return estimates, during


def competitors(rows, size, width: float):
    """These rows in their precisions, by name, in the order of the file; and the graphs for the ceiling."""
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


def machine(peers):
    """The Ceiling of the best convolutions of these networks, and seconds of its runs, both by a quick trial."""
    import mxnet as mx

    from repro.timing.ceiling import LENGTH, Ceiling, layers_of
    from repro.timing.clock import interleaved

    rates = {}
    for layer in dict.fromkeys(layer for peer in peers for layer in layers_of(peer.symbol, peer.shape)):
        one = Ceiling([layer], mx.cpu(), LENGTH // 2)
        rates[layer] = one.best(interleaved(one.runs(), 1, 1)).rate
    chosen = sorted(rates, key=rates.get)[-FINALISTS:]
    made = Ceiling(chosen, mx.cpu())
    return made, {name: LENGTH * layer.multiply_adds / rates[layer] for name, layer in zip(made.runs(), chosen)}


def measure(rows, size, width: float, rounds: int, command: str) -> dict:
    """Time every row and precision in one interleaved run, and the machine's ceiling with them."""
    from tqdm import tqdm

    from repro.timing.clock import interleaved
    from repro.timing.memory import peak

    origin = provenance(command)  # of the code that starts, whatever is committed meanwhile
    found, peers = competitors(rows, size, width)
    estimates, during = enter(found)
    ceiling, trials = machine(peers)
    counts = {name: max(LEAST, int(SHARE / (seconds * (2 if name in during else 1))))
              for name, seconds in {**estimates, **trials}.items()}
    runs = {**{name: one.run for name, one in found.items()}, **ceiling.runs()}
    timings = interleaved(runs, rounds, 0, counts, lambda turns: tqdm(turns, "rounds", disable=None), during)
    best = ceiling.best(timings)
    return {
        "size": list(size), "width": width, "threads": threads(), "peak_memory": peak(),
        "ceiling": {"rate": best.rate, "layer": best.layer},
        "rows": [{**one.facts, "seconds": rounded(timings[name].seconds)} for name, one in found.items()],
        "provenance": origin,
    }


def write(given) -> None:
    """Measure unless only the page is asked for; write what was measured, the page and the pictures."""
    rows, size = chosen_rows(given.rows), parse_size(given.size)
    at_least_one(given.rounds, "--rounds")
    reduced = other(given, rows="", size=f"{HEIGHT}x{WIDTH}", width=1.0), fewer(given, rounds=ROUNDS)
    path, target = places(reduced, OWN, RESULTS / "table6.json", RESULTS.parent / "table6.md")
    if not (given.render or given.draw):
        write_text(path, json.dumps(measure(rows, size, given.width, given.rounds, given.command), indent=1) + "\n")
    record, every = read_table6(path), load_peers(HERE / "table6.yaml")
    if not given.render:
        draw_cost(record, every, target.parent / PICTURES[0])
        if stages(record):
            draw_waterfall(record, every, target.parent / PICTURES[1])
    write_text(target, page(record, every, published("table6"),
                            [read_engines(file) for file in sorted(path.parent.glob("engines-*.json"))]))
    print(os.path.relpath(target))
    tell(reduced, OWN)


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.speed.table6", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--rows", default="", help="ids of experiments/table6.yaml, such as model-a,icnet (default: all)")
    add("--size", default=f"{HEIGHT}x{WIDTH}", help="height x width of the image (default %(default)s)")
    add("--width", type=float, default=1.0, help="of this project's networks, for a quick look (default %(default)s)")
    add("--rounds", type=int, default=ROUNDS, help="turns of each network; slow ones get fewer (default %(default)s)")
    add("--render", action="store_true", help="write the page from what was measured before")
    add("--draw", action="store_true", help="the pictures too")
    given = parser.parse_args(arguments)
    given.command = command_of(parser, given, "table6")
    return run(write, given)


if __name__ == "__main__":
    sys.exit(main())
