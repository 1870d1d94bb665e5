"""Timing several things side by side, so that what the machine does meanwhile meets them all alike."""

from __future__ import annotations

import statistics
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Callable, ContextManager, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple


def median(seconds: Sequence[float]) -> float:
    """Return the median of runs."""
    return statistics.median(seconds)


def p95(seconds: Sequence[float]) -> float:
    """Return the 95th percentile of runs: the smallest that 95 in 100 do not exceed."""
    ordered = sorted(seconds)
    return ordered[max(0, -(-95 * len(ordered) // 100) - 1)]


@dataclass(frozen=True)
class Timing:
    """Seconds of each measured run."""

    seconds: Tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.seconds)

    @property
    def p95(self) -> float:
        return p95(self.seconds)


def rounded(seconds: Iterable[float], digits: int = 5) -> List[float]:
    """Return seconds as a record keeps them."""
    return [float(f"{value:.{digits}g}") for value in seconds]


def interleaved(runs: Mapping[str, Callable[[], object]], rounds: int, warmup: int = 2,
                counts: Optional[Mapping[str, int]] = None, progress=lambda rounds: rounds,
                during: Optional[Mapping[str, Callable[[], ContextManager]]] = None) -> Dict[str, Timing]:
    """Run each of `runs` `warmup` times, then once a round, in turn; return the timings of the rounds.

    A run returns when its result is there (synchronised). counts: how many of the rounds, spread evenly, a slow one
    takes part in; it is warmed up once at most. progress: wraps the rounds, to show how far it is. during: what is
    around each turn of a run and not timed, such as having its memory, where there is not enough for all at once.
    """
    counts = {name: min(rounds, (counts or {}).get(name, rounds)) for name in runs}
    during = during or {}
    for name, run in runs.items():
        turns = warmup if counts[name] == rounds else min(warmup, 1)
        with during.get(name, nullcontext)() if turns else nullcontext():
            for _ in range(turns):
                run()
    seconds: Dict[str, list] = {name: [] for name in runs}
    for number in progress(range(rounds)):
        for name, run in runs.items():
            if number * counts[name] % rounds < counts[name]:
                with during.get(name, nullcontext)():
                    began = time.perf_counter()
                    run()
                    seconds[name].append(time.perf_counter() - began)
    return {name: Timing(tuple(values)) for name, values in seconds.items()}
