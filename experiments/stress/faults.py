"""Kill runs at random moments, fill their disk, run two at once; count what came of it, and write tables/faults.md.

    python -m experiments.stress.faults [--moments 50] [--times 3]   kills, so many of each other event (half an hour)
    python -m experiments.stress.faults --render                     writes the page from what was published
    python -m experiments.stress.faults --event two_fresh            one kind of event, what was wrong; writes nothing

All of it happens in a private copy of the project (trials/tree.py).
"""

from __future__ import annotations

import contextlib
import random
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

from experiments.lib.command import Parser, run
from experiments.lib.measurement import Measurement, options
from experiments.lib.repeat import command_of
from experiments.stress.trials.events import Trials
from experiments.stress.trials.moments import kills, uninterrupted
from experiments.stress.trials.tree import Fault, Tree, draw_data
from repro.errors import UserError, choice
from repro.records import provenance
from repro.tables.faults import EVENTS, KILLS, PHASES, page, read_faults

MEASUREMENT = Measurement("faults", lambda folder: read_faults(folder / "faults.json"), page)
MOMENTS, TIMES = 50, 3  # as published


@contextlib.contextmanager
def trials() -> Iterator[Trials]:
    """Hold a private copy of the project for as long as this context lasts."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        yield Trials(Tree(Path(folder) / "tree", draw_data(Path(folder) / "city")))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def count_kills(made: Trials, moments: int, seed: int) -> Tuple[Dict[str, Any], List[str]]:
    """({"phases": how many kills hit each, …, "left": temporary files}, what is at fault)."""
    phases, left, faults = {phase: dict.fromkeys(KILLS, 0) for phase in PHASES}, 0, []
    seconds = uninterrupted(made.tree)
    whole = made.known[()] = made.tree.left()
    _say("uninterrupted: " + ", ".join(f"{phase} {seconds[phase]:.2f} s" for phase in PHASES))
    try:
        for number, kill in enumerate(kills(made.tree, whole, seconds, moments, seed), 1):
            for name, value in zip(KILLS, (True, kill.step > 0, kill.record, bool(kill.fault))):
                phases[kill.phase][name] += value
            left += kill.left
            where = f"kill {number} of {moments}: {PHASES[kill.phase]}; checkpoint of step {kill.step}"
            _say(f"{where}: {kill.fault or 'the same in the end'}")
            faults += [f"{where}: {kill.fault}"] if kill.fault else []
    except Fault as error:  # of a run that was to be killed; what was counted before stays
        _say(str(error))
        faults.append(str(error))
    return {"phases": phases, "left": left}, faults


def count_events(made: Trials, names, times: int, seed: int) -> Tuple[Dict[str, Dict[str, Any]], List[str]]:
    """({event: {"times", "faults", "seconds": the longest until it was said}}, what is at fault)."""
    counted: Dict[str, Dict[str, Any]] = {}
    faults: List[str] = []
    for name in names:
        said, wrong = [], []
        for number in range(times):
            try:
                said.append(getattr(made, name)(random.Random(f"{name} {seed} {number}")))
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
        origin = provenance(command_of(given, "faults"))
        with trials() as made:
            counted, found = count_kills(made, given.moments, given.seed)
            counted["events"], more = count_events(made, EVENTS, given.times, given.seed)
        faults.extend([*found, *more])
        return {"seed": given.seed, **counted, "provenance": origin}
    if given.event:
        with trials() as made:
            _, faults = count_events(made, [choice(given.event, tuple(EVENTS), "event")], given.times, given.seed)
    else:
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
    add("--event", default="", help=f"one of {', '.join(EVENTS)} (default: all, and kills)")
    options(parser)
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
