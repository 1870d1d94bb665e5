"""Memory of this process, as the system (Linux) counts it."""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path
from typing import Callable, Dict

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def _status(key: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024


def resident() -> int:
    """Return bytes in memory now."""
    return _status("VmRSS:")


def peak() -> int:
    """Return the most bytes that were in memory, since the process began or `forget_peak`."""
    try:
        return _status("VmHWM:")
    except StopIteration:  # some containers do not say
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def forget_peak() -> None:
    """Let `peak` begin anew, where the system can."""
    with suppress(OSError):
        CLEAR.write_text("5")


def held_by(run: Callable[[], object], times: int) -> Dict[str, int]:
    """Run it so many times; return the most bytes held until then, "built", and since, "running"."""
    built = peak()
    forget_peak()
    for _ in range(times):
        run()
    return {"built": max(built, peak()), "running": peak()}
