"""Kill runs at random moments, fill their disk, run two at once; count what came of it, and write tables/faults.md.

    python -m experiments.stress.faults [--moments 50] [--times 3]   kills, so many of each other event (half an hour)
    python -m experiments.stress.faults --render                     writes the page from what was published

All of it happens in a private copy of the project (tree.py).
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterable, List, Tuple

from experiments.lib.command import Parser, run
from experiments.lib.measurement import Measurement, options
from experiments.stress.tree import Tree
from experiments.stress.trials import TRIALS, kill_in
from repro.errors import UserError
from repro.tables.faults import EVENTS, KILLS, PHASES, page, read_faults

MEASUREMENT = Measurement("faults", lambda folder: read_faults(folder / "faults.json"), page)
MOMENTS, TIMES = 50, 3  # as published


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def count_kills(tree: Tree, moments: int, seed: int) -> Tuple[Dict[str, Any], List[str]]:
    """Kill so many first runs, each phase in turn; return ({"phases": how many kills hit each, …, "left": temporary
    files}, what is at fault). What is hit is said by the files left."""
    phases, left, faults, draw = {phase: dict.fromkeys(KILLS, 0) for phase in PHASES}, 0, [], random.Random(seed)
    order = draw.sample([*PHASES][:-1], len(PHASES) - 1)  # the end, a moment, is hit by those meant for the page
    for number in range(moments):
        wanted = order[number % len(order)]
        hit, step, record, fault = wanted, 0, False, ""
        try:
            kill_in(tree, wanted, draw)
            hit, record = tree.phase(), any(tree.cache.glob("results/*/[!.]*.json"))
            left += tree.half_written()
            step = tree.checkpoint_step()
            tree.same_in_the_end()
        except UserError as error:
            fault = str(error)
        for name, value in zip(KILLS, (True, step > 0, record, bool(fault))):
            phases[hit][name] += value
        where = f"kill {number + 1} of {moments}: {PHASES[hit]}; checkpoint of step {step}"
        _say(f"{where}: {fault or 'the same in the end'}")
        faults += [f"{where}: {fault}"] if fault else []
    return {"phases": phases, "left": left}, faults


def count_events(tree: Tree, names: Iterable[str], times: int, seed: int
                 ) -> Tuple[Dict[str, Dict[str, Any]], List[str]]:
    """Return ({event: {"times", "faults", "seconds": the longest until it was said}}, what is at fault)."""
    counted: Dict[str, Dict[str, Any]] = {}
    faults: List[str] = []
    for name in names:
        said, wrong = [], []
        for number in range(times):
            try:
                said.append(TRIALS[name](tree, random.Random(f"{name} {seed} {number}")))
            except UserError as error:
                wrong.append(f"{EVENTS[name]}: {error}")
        longest = max((one for one in said if one is not None), default=None)
        counted[name] = {"times": times, "faults": len(wrong), "seconds": longest and round(longest, 1)}
        within = f", said within {longest:.1f} s" if longest else ""
        _say(f"{EVENTS[name]}: {times} times, {len(wrong)} faults{within}")
        for fault in wrong:
            _say(f"  {fault}")
        faults += wrong
    return counted, faults


def write(given) -> None:
    """Run what is asked for. UserError where there were faults."""
    for name in ("moments", "times", "seed"):
        if getattr(given, name) < 0:
            raise UserError(f"--{name}: {getattr(given, name)} is below 0")
    faults: List[str] = []

    def measure() -> Dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            tree = Tree(Path(folder))
            counted, found = count_kills(tree, given.moments, given.seed)
            counted["events"], more = count_events(tree, EVENTS, given.times, given.seed)
        faults.extend([*found, *more])
        return {"seed": given.seed, **counted}
    MEASUREMENT.run(given, measure)
    if faults:
        raise UserError(f"{len(faults)} faults, as said above")


def main(arguments=None) -> int:
    """Run; the exit code is 2 where there are faults."""
    parser = Parser(prog="python -m experiments.stress.faults", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--moments", type=int, default=MOMENTS, help="kills of a run (default %(default)s)")
    add("--times", type=int, default=TIMES, help="of each other event (default %(default)s)")
    add("--seed", type=int, default=0, help="of the moments (default %(default)s)")
    options(parser)
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
