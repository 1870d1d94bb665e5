"""Measure how Model A's time and memory grow, and write growth.md and its picture.

    python -m experiments.speed.growth               measures (about 10 minutes)
    python -m experiments.speed.growth --render      writes the page from what was published

Each case runs in a process of its own: MXNet reads its number of threads once, and memory is a process's. The cases of
a group take turns.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Dict, Tuple

from experiments.lib.command import Parser, at_least_one, run
from experiments.lib.measurement import options
from experiments.lib.pages import GROWTH
from experiments.lib.paths import SIZE, parse_size
from experiments.lib.processes import Process, serve
from experiments.lib.repeat import command_of
from experiments.lib.subject import chosen_rows, progress
from repro.config.rows import HEIGHT
from repro.device import threads
from repro.errors import choice
from repro.records import provenance
from repro.tables.growth import TITLES
from repro.timing.clock import rounded

ROW = "model-a"
KEPT = (0, 1, 2, 4, 8, 16, 24, 32)
SCALES = (0.5, 0.75, 1, 1.5, 2)  # of the base's sides
BATCHES = (1, 2, 4)
ROUNDS = 15


@dataclass(frozen=True)
class Case:
    """What is run: k regions of `region` px an image of height x width, `batch` images at once on so many threads.

    ready  images are normalised already, as a batch needs them.
    """

    k: int
    height: int
    width: int
    region: int
    multiplier: float
    threads: int
    batch: int = 1
    ready: bool = False

    @property
    def regions(self) -> int:
        """Return how many an image has."""
        return (self.height // self.region) * (self.width // self.region)


def cases(size: Tuple[int, int], multiplier: float, chosen) -> Dict[str, Tuple[Case, ...]]:
    """Return the cases of each of the chosen groups around `size`, with as many regions as the paper's image has."""
    (row,), (height, width) = chosen_rows(ROW), size
    base = Case(row.k, height, width, row.network.region * height // HEIGHT, multiplier, threads())
    sizes = (replace(base, height=int(height * scale), width=int(width * scale)) for scale in SCALES)
    groups = {
        "k": (replace(base, k=k) for k in KEPT),
        "size": (replace(one, k=one.regions * base.k // base.regions) for one in sizes),
        "batch": (replace(base, batch=batch, ready=True) for batch in BATCHES),
        "threads": (replace(base, threads=count) for count in sorted({1, 2, base.threads})),
    }
    return {group: tuple(groups[group]) for group in chosen}


def serve_case(pipe, case: Case) -> None:
    """Be the process of one case: send what it costs, then run it in turns, and send its memory."""
    import cv2

    from repro.labels import labelmap
    from repro.timing.memory import forget_peak, peak, resident
    from repro.timing.subject import images, normalised, subject

    cv2.setNumThreads(case.threads)
    base, size, (row,) = resident(), (case.height, case.width), chosen_rows(ROW)
    made = subject(row, "float32", size, case.multiplier, k=case.k, region=case.region)
    cost, stride = made.peer.true * case.batch, made.peer.stride
    pictures = images(size, case.batch, "val")
    engine = made.engine(batch=case.batch)
    del made
    ready = normalised(pictures) if case.ready else None

    def labels() -> int:
        if ready is None:
            engine.labels(pictures[0])
        else:
            for scores in engine.outputs(ready)[0].asnumpy():
                labelmap.labels_of(scores, size, stride)
        return peak()

    for _ in range(2):
        labels()
    forget_peak()
    pipe.send({"multiply_adds": cost, "base": base})
    serve(pipe, labels)


def measure(groups: Dict[str, Tuple[Case, ...]], given) -> dict:
    """Time every case, the cases of a group in one interleaved run."""
    from repro.timing.clock import interleaved

    origin = provenance(command_of(given, "growth"))  # of the code that starts, whatever is committed meanwhile
    found, base = {}, 0
    for group, members in groups.items():
        facts, running = [], []
        with ExitStack() as stack:
            for case in progress(f"{group}: started", "process")(members):
                running.append(stack.enter_context(Process(serve_case, case, OMP_NUM_THREADS=case.threads)))
                facts.append(running[-1].read())
            timings = interleaved({number: one.run for number, one in enumerate(running)}, given.rounds, 1,
                                  progress=progress(f"{group}: rounds"))
        found[group] = [
            {**{key: getattr(case, key) for key in ("k", "height", "width", "batch", "threads")},
             "multiply_adds": facts[number]["multiply_adds"], "memory": running[number].last,
             "seconds": rounded(timings[number].seconds)} for number, case in enumerate(members)]
        base = max(base, *(one["base"] for one in facts))
    first = next(iter(groups.values()))[0]
    return {"row": ROW, "multiplier": first.multiplier, "region": first.region, "base": base, "groups": found,
            "provenance": origin}


def write(given) -> None:
    """Measure what is asked for."""
    chosen = [choice(name, tuple(TITLES), "ONLY") for name in given.only.split(",") if name] or list(TITLES)
    at_least_one(given.rounds, "ROUNDS")
    groups = cases(parse_size(given.size), given.width, chosen)
    GROWTH.run(given, partial(measure, groups, given))


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.speed.growth", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--size", default=SIZE, help="height x width that the cases are around (default %(default)s)")
    add("--width", type=float, default=1.0, help="of the network, for a quick look (default %(default)s)")
    add("--only", default="", help=f"some of {','.join(TITLES)} (default: all)")
    add("--rounds", type=int, default=ROUNDS, help="turns of each case (default %(default)s)")
    options(parser)
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
