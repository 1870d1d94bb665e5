"""A dense network's low-resolution prediction refined by SparseRefine: labels of images, and what a test set gives."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

import mxnet as mx
import numpy as np

from repro.build import PLANES, build_refiner
from repro.data.augment import normalise
from repro.data.images import size_of
from repro.errors import UserError
from repro.inference import named_outputs
from repro.labelmap import arg_max, labels_of
from repro.measure import by_class
from repro.metrics import Confusion
from repro.parameters import assign
from repro.presets import round_up
from repro.refine import STRIDE, THRESHOLD, Selected, multiply_adds, select, selected

# On a CPU MXNet keeps what it prepares for every shape, 0.4 MB an image here, where each has its own: so many of a kind
os.environ.setdefault("MXNET_MKLDNN_CACHE_NUM", "256")
FACTOR = 2  # the dense network sees the image at 1/2, as published


@dataclass(frozen=True)
class Prediction:
    """Of one image (H, W): its labels, those of the dense network alone, the selected pixels (bool), the network's
    input (None: no pixel was selected)."""

    labels: np.ndarray
    dense: np.ndarray
    mask: np.ndarray
    given: Optional[Selected]

    @property
    def density(self) -> float:
        """The share of pixels selected."""
        return float(self.mask.mean())


def shrunk(x: np.ndarray, factor: int = FACTOR) -> np.ndarray:
    """Images (N, 3, H, W) -> means of factor x factor pixels, (N, 3, H / factor, W / factor)."""
    count, channels, height, width = x.shape
    return x.reshape(count, channels, height // factor, factor, width // factor, factor).mean((3, 5), dtype=np.float32)


def dense_scores(network_for: Callable[[int, int], object], ctx, factor: int = FACTOR):
    """A trained network as dense predictor: images float32 (N, 3, H, W) -> scores float32 (N, K, h, w).

    network_for  (H, W) -> a network for images of that size, as repro.measure.network_factory makes; it sees the
                 images shrunk by `factor`.
    """
    def scores(x: np.ndarray) -> np.ndarray:
        small = mx.nd.array(shrunk(x, factor), ctx=ctx)
        return named_outputs(network_for(*small.shape[2:]), small)["scores"].asnumpy()
    return scores


def engine_scores(make: Callable[[int, int], Any], factor: int = FACTOR, kept: int = 8):
    """As dense_scores, by engines (repro.engine), of which those of the `kept` sizes used last are kept.

    make  (H, W) -> the engine for shrunk images of that size.
    """
    engine = lru_cache(kept)(make)

    def scores(x: np.ndarray) -> np.ndarray:
        small = shrunk(x, factor)
        return engine(*small.shape[2:]).outputs(small)[0].asnumpy()
    return scores


def planes_of(width: float) -> Tuple[int, ...]:
    """The extractor's channels at a width."""
    return tuple(int(channels * width) for channels in PLANES)


def refiner_of(arrays: Dict, classes: int, width: float, ctx, source: str = "the refiner"):
    """The refiner for inference, with trained values by name; UserError where they are not its values."""
    try:
        network = build_refiner(classes, width, frozen=True)
    except ValueError as error:
        raise UserError(f"refiner: {error}") from None
    assign(network, arrays, source, ctx)
    network.hybridize()
    return network


def run_refiner(network, given: Selected, ctx):
    """Fused and own scores, (M, K) each, of what was selected."""
    places = (mx.nd.array(one, ctx=ctx, dtype="int32") for one in given.places.arrays)
    return network(mx.nd.array(given.pixels, ctx=ctx), mx.nd.array(given.dense, ctx=ctx), *places)


class Refined:
    """SparseRefine over a dense predictor.

    dense      images (N, 3, H, W) -> scores at 1/4 of their size shrunk by `factor`; see dense_scores.
    refiner    a network of refiner_of, or any that takes and gives the same.
    multiple   sides of images that `dense` takes are multiples of it.
    """

    def __init__(self, dense: Callable[[np.ndarray], np.ndarray], refiner, ctx, threshold: float = THRESHOLD,
                 factor: int = FACTOR, multiple: int = 32 * FACTOR):
        self.dense, self.refiner, self.ctx = dense, refiner, ctx
        self.threshold, self.factor, self.multiple = threshold, factor, multiple

    def segment(self, image: np.ndarray) -> Prediction:
        """uint8 (H, W, 3) RGB of any size -> what is predicted of it."""
        size = size_of(image)
        x = np.zeros((1, 3, *round_up(size, self.multiple)), np.float32)
        normalise(image, x[0, :, :size[0], :size[1]])
        return self.predict(x, size)

    def predict(self, x: np.ndarray, size: Tuple[int, int]) -> Prediction:
        """One padded image (1, 3, H', W') whose own size is (H, W). Pixels not selected keep the dense labels."""
        scores = self.dense(x)
        mask = select(scores, [size], self.threshold, self.factor)
        dense = labels_of(scores[0], size, STRIDE * self.factor)
        given, labels = selected(x, scores, mask), dense
        mask = mask[0, :size[0], :size[1]]
        if given is not None:
            fused = run_refiner(self.refiner, given, self.ctx)[0].asnumpy()
            labels = dense.copy()
            labels[mask] = arg_max(np.ascontiguousarray(fused.T)[:, None])[0]
        return Prediction(labels, dense, mask, given)


def _spread(values: Sequence[float]) -> Dict[str, float]:
    """Mean, standard deviation, smallest and largest over the images."""
    return {"mean": float(np.mean(values)), "spread": float(np.std(values)), "least": float(min(values)),
            "most": float(max(values))}


def evaluate_refined(refined: Refined, batches: Iterable, names: Sequence[str], width: float) -> Dict[str, Any]:
    """A test set's accuracies, dense and refined, on every labelled pixel, and what was selected of its images.

    batches  of repro.data.loader.evaluation_batches; width: the refiner's, for its multiply-adds.
    Returns plain values: "dense", "refined" (percentages), "selected_pixel_acc" (of the pixels selected alone, both;
    None where there are none), "density", "multiply_adds" (of pairs that exist) and "multiplied" (by this project's
    layers) an image, "images".
    """
    confusions = {name: Confusion(len(names)) for name in ("dense", "refined", "dense_there", "refined_there")}
    found: Dict[str, List[float]] = {"density": [], "multiply_adds": [], "multiplied": []}
    for x, labels, sizes in batches:
        for one, label, size in zip(x, labels, sizes):
            prediction = refined.predict(one[None], size)
            for name, values in (("dense", prediction.dense), ("refined", prediction.labels)):
                confusions[name].add(label, values)
                confusions[f"{name}_there"].add(label[prediction.mask], values[prediction.mask])
            found["density"].append(prediction.density)
            for name, existing in (("multiply_adds", True), ("multiplied", False)):
                found[name].append(0 if prediction.given is None else sum(multiply_adds(
                    prediction.given.places, planes_of(width), len(names), existing=existing).values()))
    there = {name: round(confusions[f"{name}_there"].pixel_accuracy(), 4) for name in ("dense", "refined")}
    return {**{name: {**confusions[name].accuracies(), "class_iou": by_class(names, confusions[name].class_iou())}
               for name in ("dense", "refined")},
            "selected_pixel_acc": {name: None if np.isnan(value) else value for name, value in there.items()},
            **{name: _spread(values) for name, values in found.items()}, "images": len(found["density"])}
