"""Measure how Model A's time and memory grow, and write tables/growth.md and its picture.

    python -m experiments.speed.growth               measures (about 10 minutes)
    python -m experiments.speed.growth --render      writes the page from what was measured
    python -m experiments.speed.growth --draw        the page and the picture

Each case runs in a process of its own: MXNet reads its number of threads once, and memory is a process's. The cases of
a group take turns. Another base or width, some groups alone, or fewer rounds, are written to .cache/speed/ instead.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Dict, Tuple

from experiments.lib.command import HERE, Parser, at_least_one, run
from experiments.lib.processes import Process, answer
from experiments.lib.repeat import command_of, fewer, other, places, tell
from experiments.speed.table6 import OWN, parse_size
from experiments.table import RESULTS
from repro.config.peers import load_peers
from repro.config.rows import HEIGHT, WIDTH
from repro.device import threads
from repro.errors import choice
from repro.files import write_text
from repro.records import provenance
from repro.tables.growth import PICTURE, TITLES, draw, page, read_growth
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
        return (self.height // self.region) * (self.width // self.region)


def cases(size: Tuple[int, int], multiplier: float, chosen) -> Dict[str, Tuple[Case, ...]]:
    """The cases of each of the chosen groups around `size`, with as many regions there as the paper's image has."""
    height, width = size
    region = row().network.region * height // HEIGHT
    base = Case(row().k, height, width, region, multiplier, threads())
    sizes = (replace(base, height=int(height * scale), width=int(width * scale)) for scale in SCALES)
    groups = {
        "k": (replace(base, k=k) for k in KEPT),
        "size": (replace(one, k=one.regions * base.k // base.regions) for one in sizes),
        "batch": (replace(base, batch=batch, ready=True) for batch in BATCHES),
        "threads": (replace(base, threads=count) for count in sorted({1, 2, base.threads})),
    }
    return {group: tuple(groups[group]) for group in chosen}


def row():
    """The row whose cost grows."""
    return next(one for one in load_peers(HERE / "table6.yaml") if one.id == ROW)


def serve(case: Case) -> None:
    """Be the process of one case: say what it costs, then run it for each line that comes, and say its memory."""
    import cv2

    from repro.labels import labelmap
    from repro.timing.memory import forget_peak, peak, resident
    from repro.timing.subject import images, normalised, subject

    cv2.setNumThreads(case.threads)
    base, size = resident(), (case.height, case.width)
    made = subject(row(), "float32", size, case.multiplier, k=case.k, region=case.region)
    cost, stride = made.peer.true * case.batch, made.peer.stride
    pictures = images(size, case.batch, "val")
    engine = made.engine(batch=case.batch)
    del made
    ready = normalised(pictures) if case.ready else None

    def labels():
        if ready is None:
            engine.labels(pictures[0])
            return
        for scores in engine.outputs(ready)[0].asnumpy():
            labelmap.labels_of(scores, size, stride)

    for _ in range(2):
        labels()
    forget_peak()
    print(json.dumps({"multiply_adds": cost, "base": base}), flush=True)
    answer(labels, lambda: {"memory": peak()})


def measure(groups: Dict[str, Tuple[Case, ...]], rounds: int, command: str) -> dict:
    """Time every case, the cases of a group in one interleaved run."""
    from tqdm import tqdm

    from repro.timing.clock import interleaved

    origin = provenance(command)  # of the code that starts, whatever is committed meanwhile
    found, base = {}, 0
    for group, members in groups.items():
        with ExitStack() as stack:
            processes = []
            for case in tqdm(members, f"{group}: started", disable=None):
                processes.append(Process("experiments.speed.growth", asdict(case), case.threads))
                stack.callback(processes[-1].close)
                processes[-1].hear()
            timings = interleaved({str(i): one.run for i, one in enumerate(processes)}, rounds, 1,
                                  progress=lambda turns, group=group: tqdm(turns, f"{group}: rounds", disable=None))
            found[group] = [
                {**{key: getattr(case, key) for key in ("k", "height", "width", "batch", "threads")},
                 "multiply_adds": one.facts["multiply_adds"], "memory": one.facts["memory"],
                 "seconds": rounded(timings[str(i)].seconds)} for i, (case, one) in enumerate(zip(members, processes))]
            base = max(base, *(one.facts["base"] for one in processes))
    any_case = next(iter(groups.values()))[0]
    return {"row": ROW, "multiplier": any_case.multiplier, "region": any_case.region, "base": base, "groups": found,
            "provenance": origin}


def write(given) -> None:
    """Measure unless only the page is asked for; write what was measured, the page and the picture."""
    if given.serve:
        serve(Case(**json.loads(given.serve)))
        return
    size = parse_size(given.size)
    chosen = [choice(name, tuple(TITLES), "--only") for name in given.only.split(",") if name] or list(TITLES)
    at_least_one(given.rounds, "--rounds")
    reduced = other(given, only="", size=f"{HEIGHT}x{WIDTH}", width=1.0), fewer(given, rounds=ROUNDS)
    path, target = places(reduced, OWN, RESULTS / "growth.json", RESULTS.parent / "growth.md")
    if not (given.render or given.draw):
        measured = measure(cases(size, given.width, chosen), given.rounds, given.command)
        write_text(path, json.dumps(measured, indent=1) + "\n")
    record = read_growth(path)
    if not given.render:
        draw(record, target.parent / PICTURE)
    write_text(target, page(record))
    print(os.path.relpath(target))
    tell(reduced, OWN)


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.speed.growth", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--size", default=f"{HEIGHT}x{WIDTH}", help="height x width that the cases are around (default %(default)s)")
    add("--width", type=float, default=1.0, help="of the network, for a quick look (default %(default)s)")
    add("--only", default="", help=f"some of {','.join(TITLES)} (default: all)")
    add("--rounds", type=int, default=ROUNDS, help="turns of each case (default %(default)s)")
    add("--render", action="store_true", help="write the page from what was measured before")
    add("--draw", action="store_true", help="the picture too")
    add("--serve", default="", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    given.command = command_of(parser, given, "growth")
    return run(write, given)


if __name__ == "__main__":
    sys.exit(main())
