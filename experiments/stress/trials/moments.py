"""Kills with -9 at random moments of a first run, each followed by the same command to its end."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Dict, Iterator

from experiments.stress.trials.tree import EVERY, PHASES, STEPS, Fault, Tree
from repro.errors import UserError


@dataclass(frozen=True)
class Kill:
    """A kill and what came of it.

    phase  it hit, one of PHASES. step: of the checkpoint found then, 0: none. record: whether the record was written.
    left   temporary files that it left. fault: what was wrong of the same command's result, "" for nothing.
    """

    phase: str
    step: int
    record: bool
    left: int
    fault: str


def uninterrupted(tree: Tree) -> Dict[str, float]:
    """Run the command once: seconds of each phase, those of "checkpoint" for one of them."""
    tree.clear()
    seconds = dict.fromkeys(PHASES, 0.0)
    with tree.start() as run:
        last = time.monotonic()
        while run.running:
            phase, now = tree.phase(), time.monotonic()
            seconds[phase] += now - last
            last = now
            time.sleep(0.0005)
        run.end_well("the uninterrupted run")
    return {**seconds, "checkpoint": seconds["checkpoint"] * EVERY / STEPS}


def kills(tree: Tree, whole: Dict[str, bytes], seconds: Dict[str, float], moments: int, seed: int) -> Iterator[Kill]:
    """So many kills: each phase in turn, at a random moment of the `seconds` that it took in the uninterrupted run.

    The turns are in a random order. A phase is waited for by its files, as its beginning varies; what is hit is said by
    the files left.
    """
    draw = random.Random(seed)
    order = draw.sample(PHASES[:-1], len(PHASES) - 1)  # the end, a moment, is hit by those meant for the page
    for number in range(moments):
        wanted = order[number % len(order)]
        for _ in range(5):
            killed = _killed(tree, wanted, draw.randrange(EVERY, STEPS + 1, EVERY), draw.uniform(0, seconds[wanted]))
            if killed:
                break
        else:
            raise Fault(f"five runs ended before they could be killed: {wanted}")
        phase = tree.phase()
        try:
            step, fault = tree.checkpoint_step(), ""
        except UserError as error:
            step, fault = 0, str(error)
        record, left = any(tree.cache.glob("results/*/[!.]*.json")), tree.half_written()
        try:
            tree.run()
            tree.as_never_stopped(whole)
        except Fault as error:
            fault = fault or str(error)
        yield Kill(phase, step, record, left, fault)


def _killed(tree: Tree, wanted: str, nth: int, delay: float) -> bool:
    """Run, and kill so long after a phase has begun, for checkpoints that of the nth step; False if it ended before."""
    tree.clear()

    def begun() -> bool:
        found = PHASES.index(tree.phase())
        return found >= PHASES.index(wanted) and (
            wanted != "checkpoint" or found > PHASES.index(wanted) or tree.steps() >= nth)
    with tree.start() as run:
        run.wait_for(begun)
        time.sleep(delay)
        there = run.running
        run.kill()
    return there
