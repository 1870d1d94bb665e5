"""SparseRefine's two trained networks in MXNet, as repro.sparserefine.refined calls them."""

from __future__ import annotations

import os
from typing import Callable, Dict, Tuple

import mxnet as mx
import numpy as np

from repro.errors import UserError
from repro.evaluation.inference import named_outputs
from repro.models.build import PLANES, build_refiner
from repro.models.parameters import assign
from repro.sparserefine.refinement import Selected

# On a CPU MXNet keeps what it prepares for every shape, 0.4 MB an image here, where each has its own: so many of a kind
os.environ.setdefault("MXNET_MKLDNN_CACHE_NUM", "256")


def scores_by(network, ctx) -> Callable[[np.ndarray], np.ndarray]:
    """Return a network of a row as repro.sparserefine.refined.dense_scores calls it."""
    return lambda x: named_outputs(network, mx.nd.array(x, ctx=ctx))["scores"].asnumpy()


def planes_of(width: float) -> Tuple[int, ...]:
    """Return the extractor's channels at a width."""
    return tuple(int(channels * width) for channels in PLANES)


def new_refiner(classes: int, width: float, frozen: bool = False):
    """Return the refiner, uninitialised; frozen: for inference. UserError for a width that does not divide its planes.
    """
    try:
        return build_refiner(classes, width, frozen=frozen)
    except ValueError as error:
        raise UserError(f"refiner: {error}") from None


def refiner_of(arrays: Dict, classes: int, width: float, ctx):
    """Return the refiner for inference, with trained values by name; UserError where they are not its values."""
    network = new_refiner(classes, width, frozen=True)
    assign(network, arrays, "the refiner", ctx)
    network.hybridize()
    return network


def run_refiner(network, given: Selected, ctx):
    """Fused and own scores, (M, K) each, of what was selected."""
    return network(*(mx.nd.array(one, ctx=ctx, dtype=one.dtype) for one in given.arrays))


def fused_by(network, ctx) -> Callable[[Selected], np.ndarray]:
    """Return a refiner as repro.sparserefine.refined.Refined calls it."""
    return lambda given: run_refiner(network, given, ctx)[0].asnumpy()
