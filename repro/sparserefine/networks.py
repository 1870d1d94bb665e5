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
from repro.sparserefine.refined import FACTOR, shrunk
from repro.sparserefine.refinement import Selected

# On a CPU MXNet keeps what it prepares for every shape, 0.4 MB an image here, where each has its own: so many of a kind
os.environ.setdefault("MXNET_MKLDNN_CACHE_NUM", "256")


def dense_scores(network_for: Callable[[int, int], object], ctx, factor: int = FACTOR):
    """Return a trained network as dense predictor: images float32 (N, 3, H, W) -> scores float32 (N, K, h, w).

    network_for  (H, W) -> a network for images of that size, as repro.training.run.network_factory makes; it sees the
                 images shrunk by `factor`.
    """
    def scores(x: np.ndarray) -> np.ndarray:
        small = mx.nd.array(shrunk(x, factor), ctx=ctx)
        return named_outputs(network_for(*small.shape[2:]), small)["scores"].asnumpy()
    return scores


def planes_of(width: float) -> Tuple[int, ...]:
    """Return the extractor's channels at a width."""
    return tuple(int(channels * width) for channels in PLANES)


def refiner_of(arrays: Dict, classes: int, width: float, ctx, source: str = "the refiner"):
    """Return the refiner for inference, with trained values by name; UserError where they are not its values."""
    try:
        network = build_refiner(classes, width, frozen=True)
    except ValueError as error:
        raise UserError(f"refiner: {error}") from None
    assign(network, arrays, source, ctx)
    network.hybridize()
    return network


def run_refiner(network, given: Selected, ctx):
    """Fused and own scores, (M, K) each, of what was selected."""
    return network(*(mx.nd.array(one, ctx=ctx, dtype=one.dtype) for one in given.arrays))


def fused_by(network, ctx) -> Callable[[Selected], np.ndarray]:
    """Return A refiner as repro.sparserefine.refined.Refined calls it."""
    return lambda given: run_refiner(network, given, ctx)[0].asnumpy()
