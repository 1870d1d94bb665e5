"""Timing several things side by side, so that what the machine does meanwhile meets them all alike."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Callable, Dict, Mapping, Optional, Tuple


@dataclass(frozen=True)
class Timing:
    """Seconds of each measured run."""

    seconds: Tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def p95(self) -> float:
        """The 95th percentile: the smallest run that 95 in 100 do not exceed."""
        ordered = sorted(self.seconds)
        return ordered[max(0, -(-95 * len(ordered) // 100) - 1)]


def interleaved(runs: Mapping[str, Callable[[], object]], rounds: int, warmup: int = 2,
                counts: Optional[Mapping[str, int]] = None, progress=lambda rounds: rounds) -> Dict[str, Timing]:
    """Run each of `runs` `warmup` times, then once a round, in turn; the timings of the rounds.

    A run returns when its result is there (synchronised). counts: how many of the rounds, spread evenly, a slow one
    takes part in; it is warmed up once. progress: wraps the rounds, to show how far it is.
    """
    counts = {name: min(rounds, (counts or {}).get(name, rounds)) for name in runs}
    for name, run in runs.items():
        for _ in range(warmup if counts[name] == rounds else 1):
            run()
    seconds: Dict[str, list] = {name: [] for name in runs}
    for number in progress(range(rounds)):
        for name, run in runs.items():
            if number * counts[name] % rounds < counts[name]:
                began = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - began)
    return {name: Timing(tuple(values)) for name, values in seconds.items()}
