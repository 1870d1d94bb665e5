"""Give every reader and writer what is wrong, count what came of it, and write tables/robustness.md.

    python -m experiments.stress.robustness [--seeds 0,1,2]     runs all cases (one to two minutes a seed)
    python -m experiments.stress.robustness --render            writes the page from what was counted
    python -m experiments.stress.robustness --reader images     one reader, and every fault it has; writes nothing

Each reader's cases run in a process of their own: one that ends, or says nothing for a minute, is a fault.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import subprocess
import sys
import threading
from collections import Counter
from typing import Dict, Iterator, List, Tuple

from experiments.lib.command import HERE, Parser, run
from experiments.lib.repeat import command_of
from experiments.stress.fuzz import FAULT, READERS, RESULT, cases, outcome
from repro.errors import UserError, choice
from repro.files import write_text
from repro.records import provenance
from repro.tables.robustness import OUTCOMES, page, read_counted

ROOT = HERE.parent
COUNTED, PAGE = ROOT / "tables" / "results" / "robustness.json", ROOT / "tables" / "robustness.md"
PATIENCE = 60  # seconds of one case, after which it hangs
Outcome = Tuple[str, str, str]  # family, outcome, what was said


def serve(reader: str, seed: int) -> None:
    """Run a reader's cases, and print each before it begins, and when it has ended, as a line of JSON."""
    answers = os.fdopen(os.dup(1), "w")
    with open(os.devnull, "w") as nowhere:  # what libraries say beside
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    for case in cases(reader, seed):
        answers.write(json.dumps([case.family, case.name]) + "\n")
        answers.flush()
        answers.write(json.dumps(outcome(case)) + "\n")
        answers.flush()


def outcomes(reader: str, seed: int) -> Iterator[Outcome]:
    """What each case of a reader ended in, from a process of its own; what ends or hangs that is a fault too."""
    process = subprocess.Popen([sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-m",
                                "experiments.stress.robustness", "--serve", reader, "--seeds", str(seed)], cwd=ROOT,
                               stdout=subprocess.PIPE, text=True)
    lines: queue.Queue = queue.Queue()
    threading.Thread(target=_put, args=(process.stdout, lines), daemon=True).start()
    begun = None
    try:
        while True:
            try:
                line = lines.get(timeout=PATIENCE)
            except queue.Empty:
                yield (begun or ["start", ""])[0], FAULT, f"{begun}: hangs"
                return
            if not line:
                break
            value = json.loads(line)
            if begun is None:
                begun = value
            else:
                yield begun[0], value[0], f"{begun[1]}: {value[1]}"
                begun = None
        code = process.wait()
        if begun or code:
            yield (begun or ["end", ""])[0], FAULT, f"{begun}: its process ended with {code}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _put(stream, lines: queue.Queue) -> None:
    for line in stream:
        lines.put(line)
    lines.put("")


def count(readers, seeds) -> Tuple[Dict[str, Dict[str, Dict[str, int]]], List[str]]:
    """({reader: {family: {outcome: cases}}}, what is at fault)."""
    counted: Dict[str, Dict[str, Dict[str, int]]] = {}
    faults: List[str] = []
    for reader in readers:
        families: Dict[str, Counter] = {}
        for seed in seeds:
            for family, found, text in outcomes(reader, seed):
                families.setdefault(family, Counter())[found] += 1
                faults += [f"{reader}: {family}: {text}"] if found == FAULT else []
        counted[reader] = {family: {name: found[name] for name in OUTCOMES}
                           for family, found in sorted(families.items())}
        total = sum((found for found in families.values()), Counter())
        print(f"{reader}: {sum(total.values())} cases, {total[RESULT]} right results, {total[FAULT]} faults",
              file=sys.stderr)
    return counted, faults


def seeds_of(text: str) -> List[int]:
    """"0,1" -> [0, 1]; UserError for what is none."""
    try:
        return [int(one) for one in text.split(",")]
    except ValueError:
        raise UserError(f"SEEDS: {text!r} are not whole numbers with commas between") from None


def write(given, parser) -> None:
    """Run what is asked for; write the page and print its path. UserError where there were faults."""
    seeds = seeds_of(given.seeds)
    if given.serve:
        return serve(choice(given.serve, READERS, "reader"), seeds[0])
    faults: List[str] = []
    if not given.render:
        origin = provenance(command_of(parser, given, "robustness", but=("render", "serve")), 1)
        chosen = [choice(given.reader, READERS, "reader")] if given.reader else list(READERS)
        counted, faults = count(chosen, seeds)
        for fault in faults:
            print(f"fault: {fault}", file=sys.stderr)
        if not given.reader:
            write_text(COUNTED, json.dumps({"seeds": seeds, "readers": counted, "provenance": origin}, indent=1) + "\n")
    if not given.reader:
        write_text(PAGE, page(read_counted(COUNTED, tuple(READERS))))
        print(os.path.relpath(PAGE))
    if faults:
        raise UserError(f"{len(faults)} faults, as said above")


def main(arguments=None) -> int:
    """Run; the exit code is 2 where there are faults."""
    parser = Parser(prog="python -m experiments.stress.robustness", description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", default="0", help="of the random cases, such as 0,1,2 (default %(default)s)")
    parser.add_argument("--reader", default="", help=f"one of {', '.join(READERS)} (default: all)")
    parser.add_argument("--render", action="store_true", help="write the page from what was counted before")
    parser.add_argument("--serve", default="", help=argparse.SUPPRESS)
    return run(lambda given: write(given, parser), parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
