"""The processes that train one network together, each on its share of every batch, through a kvstore (ps-lite)."""

from __future__ import annotations

from typing import Dict, Tuple

import mxnet as mx
import numpy as np

FIRST_KEY = 1_000_000  # gluon.Trainer numbers its parameters from 0


class Team:
    """One process of a team; alone without a kvstore.

    kvstore  MXNet's `dist_sync` store, which adds up what the processes push. All processes must call the methods in
             the same order.
    """

    def __init__(self, kvstore=None):
        self.kvstore = kvstore
        self.rank = kvstore.rank if kvstore else 0
        self.size = kvstore.num_workers if kvstore else 1
        self._keys: Dict[Tuple[int, ...], int] = {}

    def total(self, values: np.ndarray) -> np.ndarray:
        """The sum over the processes of a float32 array of one shape."""
        if self.kvstore is None:
            return values
        key = self._keys.get(values.shape)
        value = mx.nd.array(values)
        if key is None:
            key = self._keys[values.shape] = FIRST_KEY + len(self._keys)
            self.kvstore.init(key, mx.nd.zeros(values.shape))
        self.kvstore.push(key, value)
        self.kvstore.pull(key, out=value)
        return value.asnumpy()

    def gathered(self, values: np.ndarray) -> np.ndarray:
        """The processes' float32 arrays one after the other along axis 0, by rank."""
        every = np.zeros((self.size, *values.shape), np.float32)
        every[self.rank] = values
        return self.total(every).reshape(-1, *values.shape[1:])


def joined(role_is_set: bool) -> Team:
    """The team of this process: that of the environment's ps-lite variables where they are set, else alone."""
    return Team(mx.kv.create("dist_sync")) if role_is_set else Team()
