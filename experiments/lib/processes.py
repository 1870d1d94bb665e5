"""Processes that each run one thing when told to: what is measured in turns has threads and memory of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Dict

from experiments.lib.command import HERE, Reported


class Process:
    """`python -m MODULE --serve CASE` with so many threads, which says facts as lines of JSON: first of all that it is
    ready, then once for each line that it is sent. A Reported where it ended by itself, which has said why."""

    def __init__(self, module: str, case: Dict, threads: int):
        command = [sys.executable, "-W", "ignore", "-m", module, "--serve", json.dumps(case)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(command, cwd=HERE.parent, env=environment, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.facts: Dict = {}

    def hear(self) -> None:
        """Wait for what it says next."""
        line = self.process.stdout.readline()
        if not line:
            raise Reported
        self.facts.update(json.loads(line))

    def start(self) -> None:
        """Have it run once."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def run(self) -> None:
        """Have it run once, and wait for what it says."""
        self.start()
        self.hear()

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def answer(run, facts) -> None:
    """Be such a process, once it is ready: call run() for each line that comes, and say facts()."""
    for _ in sys.stdin:
        run()
        print(json.dumps(facts()), flush=True)
