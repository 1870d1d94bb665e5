"""Give every reader of what people bring what is wrong, count what came of it, and write tables/robustness.md.

    python -m experiments.stress.robustness              runs all cases (a minute or two)
    python -m experiments.stress.robustness --render     writes the page from what was published

The cases run in a process of their own: one that ends it, or takes more than a minute, is a fault.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Dict, Iterator, List, Sequence, Tuple

from experiments.lib.command import Parser, run
from experiments.lib.measurement import Measurement, options
from experiments.lib.processes import Process
from experiments.stress.cases import cases, outcome
from experiments.stress.readers import READERS
from repro.errors import UserError
from repro.tables.robustness import FAULT, OUTCOMES, page, read_counted

MEASUREMENT = Measurement("robustness", lambda folder: read_counted(folder / "robustness.json"), page)
PATIENCE = 60  # seconds of one case, after which it hangs
Outcome = Tuple[str, str, str, str]  # reader, kind of case, outcome, what was reported


def serve(pipe, readers: Sequence[str], seed: int) -> None:
    """Send (reader, kind, where, outcome, text) of each case: the last two empty as it begins; then ""."""
    with open(os.devnull, "w") as nowhere:  # what libraries print
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", DeprecationWarning)
    for reader in readers:
        for case in cases(READERS[reader], seed):
            place = reader, case.kind, f"{case.path!r:.50}: {case.where}"
            pipe.send((*place, "", ""))
            pipe.send((*place, *outcome(READERS[reader], case)))
    pipe.send("")


def outcomes(readers: Sequence[str], seed: int, function=serve, patience: float = PATIENCE) -> Iterator[Outcome]:
    """Yield what each case of these readers ended in, from a process of their own.

    A case that ends the process or hangs is a fault; another process goes on with the next reader.
    """
    while readers:
        reader, kind, where = readers[0], "", ""
        with Process(function, readers, seed) as process:
            try:
                while process.read(patience):
                    reader, kind, where, found, text = process.last
                    if found:
                        yield reader, kind, found, f"{where}: {text}"
                return
            except TimeoutError:
                yield reader, kind, FAULT, f"{where}: hangs"
            except RuntimeError as error:
                yield reader, kind, FAULT, f"{where}: {error}"
        readers = readers[readers.index(reader) + 1:]


def count(seed: int) -> Tuple[Dict[str, Dict[str, Dict[str, int]]], List[str]]:
    """Return ({what is read: {kind: {outcome: cases}}}, what is at fault)."""
    counted: Dict[str, Dict[str, Dict[str, int]]] = {}
    faults: List[str] = []
    for reader, kind, found, text in outcomes([*READERS], seed):
        kinds = counted.setdefault(READERS[reader].about, {})
        kinds.setdefault(kind, dict.fromkeys(OUTCOMES, 0))[found] += 1
        if found == FAULT:
            faults.append(f"{reader}: {kind}: {text}")
            print(f"fault: {faults[-1]}", file=sys.stderr)
    return counted, faults


def write(given) -> None:
    """Run what is asked for. UserError where there were faults."""
    faults: List[str] = []

    def measure():
        counted, found = count(given.seed)
        faults.extend(found)
        return {"seed": given.seed, "readers": counted}
    MEASUREMENT.run(given, measure, threads=1)
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
