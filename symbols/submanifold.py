"""Convolutions over chosen positions of a map alone, as SparseRefine's extractor has them (Liu et al., ECCV 2024).

A map is its active positions, one row of channels each: (M, C); all others are zero and are not stored. Which row lies
where is given as int32 places, made outside the graph (repro/refine.py): rows are numbered from 1, and 0 is a neighbour
that is not active. A layer gathers the rows its places name and multiplies once. Nothing is scattered on the way
forward, as each output gathers its own inputs; `take`'s gradient is the scattering.

Places are arguments of the graph and not padded to a capacity: a hybridized block takes rows of any number, and
batch norm then sees active positions alone. (With static memory and one capacity, wide layers would take half the time
on a CPU and narrow ones the same; but every image has other numbers of rows, at each of six levels.)
"""

from __future__ import annotations

from mxnet.gluon import nn

from symbols.regions import filled

TAPS = 9  # positions of a 3x3 kernel, row by row
REACHED = 4  # kernels of stride 2 that reach one position, at most


class SparseConv(nn.HybridBlock):
    """A bias-free 3x3 convolution, padded by 1, of stride 1 or 2: which of the two is in its places.

    Of stride 1 it is submanifold: the active positions of its output are its input's.
    """

    def __init__(self, inputs: int, channels: int, **kwargs):
        super().__init__(**kwargs)
        self.inputs, self.channels = inputs, channels
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(channels, TAPS * inputs))  # taps, then channels

    def hybrid_forward(self, F, x, places, weight):
        """x (M, inputs), places (M', 9) -> (M', channels)."""
        rows = F.reshape(F.take(filled(F, x), places), (-1, TAPS * self.inputs))
        return F.FullyConnected(rows, weight, no_bias=True, num_hidden=self.channels)


class SparseDeconv(nn.HybridBlock):
    """The transpose of a 3x3 convolution of stride 2, read at the finer map's active positions, bias-free.

    Multiplied first and gathered then: what each coarse row gives to its nine positions, of which each fine position
    takes the one, two or four that are its own. Gathering first would multiply nine places, mostly empty.
    """

    def __init__(self, inputs: int, channels: int, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(TAPS * channels, inputs))

    def hybrid_forward(self, F, x, places, weight):
        """x (M', inputs), places (M, 4) among the M' * 9 products -> (M, channels)."""
        given = F.FullyConnected(x, weight, no_bias=True, num_hidden=TAPS * self.channels)
        given = filled(F, F.reshape(given, (-1, self.channels)))
        first, *others = F.split(F.take(given, places), REACHED, axis=1)  # sum(axis=1) takes MXNet 4 to 8 times as long
        for one in others:
            first = first + one
        return F.reshape(first, (-1, self.channels))


class NormRelu(nn.HybridBlock):
    """Batch norm (eps 1e-5) over the active positions, and ReLU.

    frozen  its stored statistics, as scale and shift: a quarter of the operator's time on rows.
    """

    def __init__(self, channels: int, frozen: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.frozen = frozen
        with self.name_scope():
            self.gamma = self.params.get("gamma", shape=(channels,), init="ones")
            self.beta = self.params.get("beta", shape=(channels,), init="zeros")
            statistics = {"shape": (channels,), "grad_req": "null", "differentiable": False}
            self.running_mean = self.params.get("running_mean", init="zeros", **statistics)
            self.running_var = self.params.get("running_var", init="ones", **statistics)

    def hybrid_forward(self, F, x, gamma, beta, running_mean, running_var):
        """(M, C) -> (M, C)."""
        if not self.frozen:
            return F.relu(F.BatchNorm(x, gamma, beta, running_mean, running_var, axis=1, eps=1e-5, fix_gamma=False))
        scale = gamma * F.rsqrt(running_var + 1e-5)
        shift = beta - running_mean * scale
        x = F.broadcast_mul(x, F.expand_dims(scale, axis=0))
        return F.relu(F.broadcast_add(x, F.expand_dims(shift, axis=0)))
