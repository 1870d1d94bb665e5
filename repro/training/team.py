"""The processes that train one network together, each on its share of every batch, through a kvstore (ps-lite)."""

from __future__ import annotations

from typing import Dict, Optional, Sequence, Tuple

import mxnet as mx
import numpy as np

from repro.errors import UserError
from repro.models.parameters import AVERAGES, structural


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
        self._taken = 0

    def keys(self, number: int) -> range:
        """Return so many keys of the kvstore that nothing else has: one that is begun with twice waits for ever."""
        self._taken += number
        return range(self._taken - number, self._taken)

    def total(self, values: np.ndarray) -> np.ndarray:
        """Return the sum over the processes of a float32 array of one shape."""
        if self.kvstore is None:
            return values
        key = self._keys.get(values.shape)
        value = mx.nd.array(values)
        if key is None:
            key, = self.keys(1)
            self._keys[values.shape] = key
            self.kvstore.init(key, mx.nd.zeros(values.shape))
        self.kvstore.push(key, value)
        self.kvstore.pull(key, out=value)
        return value.asnumpy()

    def gathered(self, values: np.ndarray) -> np.ndarray:
        """Return the processes' float32 arrays one after the other along axis 0, by rank."""
        every = np.zeros((self.size, *values.shape), np.float32)
        every[self.rank] = values
        return self.total(every).reshape(-1, *values.shape[1:])


class Summed:
    """The gradients of parameters, to be summed over all devices and processes.

    gluon.Trainer's own way is not taken. In its first step it hands out the first device's values of all parameters,
    the sparsity term's q among them, while gradients are already summed: in about one run of four dist_sync's server
    then answered with a sum of gradients where a parameter was asked for.
    """

    def __init__(self, parameters: Sequence[mx.gluon.Parameter], team: Team):
        """Begin with the first process's values everywhere. All processes must do so at the same time."""
        self._parameters, self._keys = parameters, team.keys(len(parameters))
        several = any(len(p.list_ctx()) > 1 for p in parameters)
        self._store = team.kvstore or (mx.kv.create("device") if several else None)
        if self._store is None:
            return
        # through copies: a forward pass may have left a kernel in oneDNN's own layout, which is not sent, silently
        values = [mx.nd.array(p.list_data()[0].asnumpy()) for p in parameters]
        for key, value in zip(self._keys, values):
            self._store.init(key, value)
        for key, parameter, value in zip(self._keys, parameters, values):
            self._store.pull(key, value)
            parameter.set_data(value)
        mx.nd.waitall()

    def sum(self) -> None:
        """Give every device the sum of all its parameters' gradients. Does not wait for it."""
        if self._store is None:
            return
        for key, parameter in zip(self._keys, self._parameters):
            self._store.push(key, parameter.list_grad(), priority=-key)
            self._store.pull(key, parameter.list_grad(), priority=-key)


class Averages:
    """The sparsity term's moving averages q of all devices and processes, as one array; empty without the term."""

    def __init__(self, network, ctx, team: Team):
        self._q, self._ctx, self._team = structural(network).get(AVERAGES), ctx, team

    def get(self) -> np.ndarray:
        """Return them; all processes must do so at the same time."""
        if self._q is None:
            return np.zeros(0, np.float32)
        mx.nd.waitall()  # the operator writes q in its backward pass, of which MXNet's engine is not told
        return self._team.gathered(np.concatenate([self._q.data(device).asnumpy() for device in self._ctx]))

    def set(self, values: np.ndarray) -> None:
        """Give each device its own; UserError where they do not divide."""
        if self._q is None:
            return
        size = self._q.shape[0]
        if len(values) != size * len(self._ctx) * self._team.size:
            raise UserError(f"checkpoint: {len(values)} moving averages do not divide among {len(self._ctx)} devices "
                            f"and {self._team.size} processes of {size} each")
        first = self._team.rank * len(self._ctx)
        for number, device in enumerate(self._ctx, first):
            self._q.data(device)[:] = mx.nd.array(values[number * size:(number + 1) * size], ctx=device)

    def mean(self) -> Optional[float]:
        """Return that of this process's first device: enough for the log; None without the term."""
        if self._q is None:
            return None
        mx.nd.waitall()
        return float(self._q.data(self._ctx[0]).mean().asscalar())
