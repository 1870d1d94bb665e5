"""Give every reader and writer what is wrong, count what came of it, and write tables/robustness.md.

    python -m experiments.stress.robustness                     runs all cases (one to two minutes)
    python -m experiments.stress.robustness --render            writes the page from what was published
    python -m experiments.stress.robustness --reader images     one reader, and every fault it has; writes nothing

Each reader's cases run in a process of their own: one that ends, or reports nothing for a minute, is a fault.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections import Counter
from typing import Dict, Iterator, List, Tuple

from experiments.lib.command import Parser, run
from experiments.lib.measurement import Measurement, options
from experiments.lib.processes import Process
from experiments.lib.repeat import command_of
from experiments.stress.fuzz import FAULT, READERS, RESULT, cases, outcome
from repro.errors import UserError, choice
from repro.records import provenance
from repro.tables.robustness import OUTCOMES, page, read_counted

MEASUREMENT = Measurement(
    "robustness", lambda folder: read_counted(folder / "robustness.json", tuple(READERS)), page)
PATIENCE = 60  # seconds of one case, after which it hangs
Outcome = Tuple[str, str, str]  # family, outcome, what was reported


def serve(pipe, reader: str, seed: int) -> None:
    """Send (family, name, outcome, text) of each case: without the last two as it begins, whole as it ends; then ""."""
    with open(os.devnull, "w") as nowhere:  # what libraries print
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", DeprecationWarning)
    for case in cases(reader, seed):
        pipe.send((case.family, case.name, "", ""))
        pipe.send((case.family, case.name, *outcome(case)))
    pipe.send("")


def outcomes(reader: str, seed: int, function=serve, patience: float = PATIENCE) -> Iterator[Outcome]:
    """Yield what each case of a reader ended in, from a process of its own; one that ends it or hangs is a fault."""
    family = name = ""
    with Process(function, reader, seed) as process:
        try:
            while process.read(patience):
                family, name, found, text = process.last
                if found:
                    yield family, found, f"{name}: {text}"
        except TimeoutError:
            yield family, FAULT, f"{name}: hangs"
        except RuntimeError as error:
            yield family, FAULT, f"{name}: {error}"


def count(readers, seed: int) -> Tuple[Dict[str, Dict[str, Dict[str, int]]], List[str]]:
    """Return ({reader: {family: {outcome: cases}}}, what is at fault)."""
    counted: Dict[str, Dict[str, Dict[str, int]]] = {}
    faults: List[str] = []
    for reader in readers:
        families: Dict[str, Counter] = {}
        for family, found, text in outcomes(reader, seed):
            families.setdefault(family, Counter())[found] += 1
            faults += [f"{reader}: {family}: {text}"] if found == FAULT else []
        counted[reader] = {family: {name: found[name] for name in OUTCOMES}
                           for family, found in sorted(families.items())}
        total = sum(families.values(), Counter())
        print(f"{reader}: {sum(total.values())} cases, {total[RESULT]} right results, {total[FAULT]} faults",
              file=sys.stderr)
    return counted, faults


def write(given) -> None:
    """Run what is asked for. UserError where there were faults."""
    faults: List[str] = []

    def measure(readers=READERS):
        origin = provenance(command_of(given, "robustness"), 1)
        counted, found = count(readers, given.seed)
        faults.extend(found)
        for fault in found:
            print(f"fault: {fault}", file=sys.stderr)
        return {"seed": given.seed, "readers": counted, "provenance": origin}
    if given.reader:
        measure([choice(given.reader, READERS, "reader")])
    else:
        MEASUREMENT.run(given, measure)
    if faults:
        raise UserError(f"{len(faults)} faults, as said above")


def main(arguments=None) -> int:
    """Run; the exit code is 2 where there are faults."""
    parser = Parser(prog="python -m experiments.stress.robustness", description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0, help="of the random cases (default %(default)s)")
    parser.add_argument("--reader", default="", help=f"one of {', '.join(READERS)} (default: all)")
    options(parser)
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
