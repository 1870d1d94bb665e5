"""How fast this machine moves memory: copies by NumPy and by MXNet, to be timed beside what they are compared with."""

from __future__ import annotations

from typing import Callable, Dict, Mapping

import mxnet as mx
import numpy as np

from repro.timing.clock import Timing

COPIED = 2 ** 28  # bytes: more than a cache holds


class Copies:
    """Copies of `count` bytes, read once and written once."""

    def __init__(self, count: int = COPIED, ctx=None):
        self.count = count
        self._from, self._to = np.ones(count, np.uint8), np.ones(count, np.uint8)
        self._device_from = mx.nd.ones((count // 4,), ctx=ctx or mx.cpu())
        self._device_to = self._device_from.copy()
        self._device_to.wait_to_read()

    def runs(self) -> Dict[str, Callable[[], object]]:
        """What is to be timed."""
        return {"copy by NumPy": lambda: np.copyto(self._to, self._from), "copy by MXNet": self._copied}

    def _copied(self) -> None:
        self._device_from.copyto(self._device_to)
        self._device_to.wait_to_read()

    def best(self, timings: Mapping[str, Timing]) -> float:
        """Bytes a second, of the faster one, from the timings of `runs`."""
        return 2 * self.count / min(timings[name].median for name in self.runs())
