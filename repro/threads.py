"""How many threads compute."""

from __future__ import annotations

import os


def threads() -> int:
    """As many as MXNet: OMP_NUM_THREADS, or one per core."""
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
