"""Measure how Model A's time and memory grow, and write growth.md and its picture.

    python -m experiments.speed.growth               measures (about 10 minutes)
    python -m experiments.speed.growth --render      writes the page from what was published

Each case runs in a process of its own: MXNet reads its number of threads once, and memory is a process's. The cases of
a group take turns.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import partial
from typing import Dict, Tuple

from experiments.lib.command import Parser, run
from experiments.lib.measurement import options
from experiments.lib.pages import GROWTH
from experiments.lib.paths import parse_size
from experiments.lib.subject import chosen_rows, serve_turns, side_by_side
from repro.config.networks import HEIGHT
from repro.device import threads
from repro.timing.memory import resident

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


def cases(size: Tuple[int, int], multiplier: float) -> Dict[str, Tuple[Case, ...]]:
    """Return the cases of each group around `size`, with as many regions as the paper's image has."""
    (row,), (height, width) = chosen_rows(ROW), size
    base = Case(row.k, height, width, row.network.region * height // HEIGHT, multiplier, threads())
    sizes = (replace(base, height=int(height * scale), width=int(width * scale)) for scale in SCALES)
    return {
        "k": tuple(replace(base, k=k) for k in KEPT),
        "size": tuple(replace(one, k=one.regions * base.k // base.regions) for one in sizes),
        "batch": tuple(replace(base, batch=batch, ready=True) for batch in BATCHES),
        "threads": tuple(replace(base, threads=count) for count in sorted({1, 2, base.threads})),
    }


def serve_case(pipe, case: Case) -> None:
    """Be the process of one case: send what it costs, then run it in turns."""
    import cv2

    from repro.labels import labelmap
    from repro.timing.subject import images, normalised, subject

    cv2.setNumThreads(case.threads)
    base, size, (row,) = resident(), (case.height, case.width), chosen_rows(ROW)
    made = subject(row, "float32", size, case.multiplier, k=case.k, region=case.region)
    cost, stride = made.peer.true * case.batch, made.peer.stride
    pictures = images(size, case.batch, "val")
    engine = made.engine(batch=case.batch)
    del made
    ready = normalised(pictures) if case.ready else None

    def labels() -> None:
        if ready is None:
            engine.labels(pictures[0])
        else:
            for scores in engine.outputs(ready)[0].asnumpy():
                labelmap.labels_of(scores, size, stride)
    serve_turns(pipe, {"multiply_adds": cost, "base": base}, labels)


def measure(groups: Dict[str, Tuple[Case, ...]], given) -> dict:
    """Time every case, the cases of a group in one interleaved run."""
    found, base = {}, 0
    for group, members in groups.items():
        timed = side_by_side(serve_case, members, [case.threads for case in members], given.rounds, f"{group}: ")
        found[group] = [
            {**{key: getattr(case, key) for key in ("k", "height", "width", "batch", "threads")},
             "multiply_adds": facts["multiply_adds"], "memory": memory, "seconds": spent}
            for case, (facts, spent, memory) in zip(members, timed)]
        base = max(base, *(facts["base"] for facts, _, _ in timed))
    first = groups["k"][0]
    return {"row": ROW, "multiplier": first.multiplier, "region": first.region, "base": base, "groups": found}


def write(given) -> None:
    """Measure what is asked for."""
    GROWTH.run(given, partial(measure, cases(parse_size(given.size), given.width), given))


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.speed.growth", description=__doc__.split("\n")[0])
    options(parser, ROUNDS, image=True)
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
