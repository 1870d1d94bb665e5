"""The networks of Table 6, made ready for the engine: a graph up to the score maps, and values for its parameters.

Every graph ends with the score maps, gluoncv's too (gluoncv_networks.py), so that all of them reach labels of the
image's size on one path.

The values are random: they are for time, not for accuracy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Dict, Tuple
from zlib import crc32

import mxnet as mx
import numpy as np

from repro.config.networks import HEIGHT, WIDTH
from repro.config.rows import UNCROPPED, PeerRow
from repro.errors import UserError
from repro.models import cost
from repro.models.build import build
from repro.models.gluoncv_networks import before_upsampling, gluoncv_network
from repro.models.parameters import constants_of, learned


@dataclass(frozen=True)
class Peer:
    """A network at one input size.

    symbol      the traced graph, from "data" to the score maps (N, K, H / stride, W / stride).
    arrays      values by the graph's names.
    shape       of "data": (1, 3, H, W).
    stride      pixels from one score to the next.
    parameters  how many values are learned: kernels, biases, batch norm's scales and shifts.
    counts      the multiply-adds, layer by layer.
    """

    symbol: mx.sym.Symbol
    arrays: Dict[str, mx.nd.NDArray]
    shape: Tuple[int, int, int, int]
    stride: int
    parameters: int
    counts: Tuple[cost.Count, ...]

    @property
    def paper(self) -> int:
        """Multiply-adds in the paper's convention, without the ResNet's projection shortcuts."""
        return cost.paper(self.counts)

    @property
    def true(self) -> int:
        """All multiply-adds."""
        return cost.true(self.counts)


def network_of(row: PeerRow, size: Tuple[int, int], classes: int, width: float, settings: Dict):
    """Return the Gluon network of a row, uninitialised; width and settings are for this project's. UserError where it
    does not fit `size`."""
    if row.model is not None:
        if size[0] % 32 or size[1] % 32:
            raise UserError(f"{row.id} at {size[0]}x{size[1]}: gluoncv's networks want multiples of 32 pixels")
        return gluoncv_network(row.model, size, classes)
    if row.network is None:
        raise UserError(f"{row.id}: the paper's figures alone, no network to measure")
    regions: Dict[str, Any] = {}
    if row.network.region is not None:
        side = row.network.region * size[0] // HEIGHT  # as many regions as on the paper's image
        if not side or size[0] % side or size[1] % side:
            raise UserError(f"{row.id} at {size[0]}x{size[1]}: not of whole regions of {side} pixels")
        regions = {"grid": (size[0] // side, size[1] // side), "region": side, "k": row.k,
                   "fast": row.inference == "fast", "uncropped": row.inference == UNCROPPED}
    try:
        return build(row.network, classes, width, **{**regions, **settings})
    except ValueError as error:
        raise UserError(f"{row.id} at {size[0]}x{size[1]}: {error}") from None


def random_values(name: str, shape: Tuple[int, ...], seed: int) -> np.ndarray:
    """Values for the parameter `name`, the same whichever graph it is in.

    Kernels keep the size of what passes (He et al. 2015); batch norm is near the identity and not the identity.
    """
    random = np.random.default_rng((seed, crc32(name.encode())))
    if name.endswith("weight"):
        return random.standard_normal(shape, np.float32) * np.float32(math.sqrt(2 / math.prod(shape[1:])))
    if name.endswith(("gamma", "running_var", "shares")):
        return random.uniform(0.75, 1.25, shape).astype(np.float32)
    if name.endswith(("beta", "bias", "running_mean")):
        return random.standard_normal(shape, np.float32) * np.float32(0.1)
    raise ValueError(f"parameter {name}: of no known kind")


def peer(row: PeerRow, size: Tuple[int, int] = (HEIGHT, WIDTH), classes: int = 19, width: float = 1.0, **settings
         ) -> Peer:
    """Return the network of a measured row for one image of `size` (H, W), with random values.

    settings  of repro.models.build.build, over those that follow from the row: grid, region, k, fast.
    """
    shape = (1, 3, *size)
    with mx.name.NameManager():  # names that do not depend on what was built before
        network = network_of(row, size, classes, width, settings)
        symbol = cost.trace(network, shape)
    if row.model is not None:
        symbol = before_upsampling(symbol)
    arguments, outputs, states = symbol.infer_shape(data=shape)
    shapes = dict(zip(symbol.list_arguments(), arguments))
    shapes.pop("data")
    shapes.update(zip(symbol.list_auxiliary_states(), states))
    constants = {name: value for name, value in constants_of(network).items() if shapes.pop(name, None)}
    arrays = {name: mx.nd.array(random_values(name, one, 0)) for name, one in shapes.items()}
    return Peer(symbol, {**arrays, **constants}, shape, size[0] // outputs[0][2], learned(arrays),
                cost.count(symbol, shape))
