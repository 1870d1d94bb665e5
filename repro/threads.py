"""How many threads compute."""

from __future__ import annotations

import os


def threads() -> int:
    """As many as MXNet: OMP_NUM_THREADS, or one per core that this process may run on."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(os.environ.get("OMP_NUM_THREADS") or own)
