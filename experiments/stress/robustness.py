"""Give every reader of what people bring what is wrong, count what came of it, and write tables/robustness.md.

    python -m experiments.stress.robustness              runs all cases (a minute or two)
    python -m experiments.stress.robustness --render     writes the page from what was published

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
from experiments.stress.cases import cases, outcome
from experiments.stress.readers import READERS
from repro.errors import UserError
from repro.records import provenance
from repro.tables.robustness import FAULT, OUTCOMES, RESULT, page, read_counted

MEASUREMENT = Measurement("robustness", lambda folder: read_counted(folder / "robustness.json"), page)
PATIENCE = 60  # seconds of one case, after which it hangs
Outcome = Tuple[str, str, str]  # kind of case, outcome, what was reported


def serve(pipe, reader: str, seed: int) -> None:
    """Send (kind, where, outcome, text) of each case: without the last two as it begins, whole as it ends; then ""."""
    with open(os.devnull, "w") as nowhere:  # what libraries print
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", DeprecationWarning)
    for case in cases(READERS[reader], seed):
        where = f"{case.path!r:.50}: {case.where}"
        pipe.send((case.kind, where, "", ""))
        pipe.send((case.kind, where, *outcome(READERS[reader], case)))
    pipe.send("")


def outcomes(reader: str, seed: int, function=serve, patience: float = PATIENCE) -> Iterator[Outcome]:
    """Yield what each case of a reader ended in, from a process of its own; one that ends it or hangs is a fault."""
    kind = where = ""
    with Process(function, reader, seed) as process:
        try:
            while process.read(patience):
                kind, where, found, text = process.last
                if found:
                    yield kind, found, f"{where}: {text}"
        except TimeoutError:
            yield kind, FAULT, f"{where}: hangs"
        except RuntimeError as error:
            yield kind, FAULT, f"{where}: {error}"


def count(readers, seed: int) -> Tuple[Dict[str, Dict[str, Dict[str, int]]], List[str]]:
    """Return ({what is read: {kind: {outcome: cases}}}, what is at fault)."""
    counted: Dict[str, Dict[str, Dict[str, int]]] = {}
    faults: List[str] = []
    for reader in readers:
        kinds: Dict[str, Counter] = {}
        for kind, found, text in outcomes(reader, seed):
            kinds.setdefault(kind, Counter())[found] += 1
            faults += [f"{reader}: {kind}: {text}"] if found == FAULT else []
        counted[READERS[reader].about] = {kind: {name: found[name] for name in OUTCOMES}
                                          for kind, found in sorted(kinds.items())}
        total = sum(kinds.values(), Counter())
        print(f"{reader}: {sum(total.values())} cases, {total[RESULT]} right results, {total[FAULT]} faults",
              file=sys.stderr)
    return counted, faults


def write(given) -> None:
    """Run what is asked for. UserError where there were faults."""
    faults: List[str] = []

    def measure():
        origin = provenance(command_of(given, "robustness"), 1)
        counted, found = count(READERS, given.seed)
        faults.extend(found)
        for fault in found:
            print(f"fault: {fault}", file=sys.stderr)
        return {"seed": given.seed, "readers": counted, "provenance": origin}
    MEASUREMENT.run(given, measure)
    if faults:
        raise UserError(f"{len(faults)} faults, as said above")


def main(arguments=None) -> int:
    """Run; the exit code is 2 where there are faults."""
    parser = Parser(prog="python -m experiments.stress.robustness", description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0, help="of the random cases (default %(default)s)")
    options(parser)
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
