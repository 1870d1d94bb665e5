"""How the time of SparseRefine's sparse part grows with the share of pixels selected."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Dict, List, Sequence, Tuple

import cv2
import mxnet as mx
import numpy as np

from repro.models.build import build_refiner
from repro.sparserefine.networks import planes_of, run_refiner
from repro.sparserefine.refined import FACTOR
from repro.sparserefine.refinement import STRIDE, multiply_adds, places_of, select, selected
from repro.timing.clock import interleaved

DENSITIES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
SMOOTH = 12  # bands lie around the zeros of noise smoothed over this share of the image's height


def bands(size: Tuple[int, int], density: float, seed: int = 0) -> np.ndarray:
    """Return selected pixels as uncertain ones lie, in bands along borders: bool (H, W), `density` of them to a pixel.

    The pixels where smooth noise is nearest 0. (Pixels scattered at random would fill every coarser level.)
    """
    noise = np.random.RandomState(seed).normal(size=size).astype(np.float32)
    far = np.abs(cv2.GaussianBlur(noise, (0, 0), size[0] / SMOOTH)).reshape(-1)
    mask = np.zeros(far.size, bool)
    mask[np.argsort(far, kind="stable")[:max(1, round(density * far.size))]] = True
    return mask.reshape(size)


def density_curve(size: Tuple[int, int], width: float, classes: int, rounds: int,
                  densities: Sequence[float] = DENSITIES,
                  progress: Callable = lambda turns: turns) -> Dict[str, Any]:
    """Time the sparse part on an image of `size` (H, W), with random weights, at each density, all in turns.

    Returns {"select": seconds of the entropy selector, which is the same for all, "cases": [{"density", "pixels",
    "positions" of each level, "multiply_adds" of pairs that exist, "multiplied", "seconds" of everything between
    selection and scores, "places": seconds of what of it is done in NumPy}]}.
    """
    random = np.random.RandomState(0)
    x = random.normal(size=(1, 3, *size)).astype(np.float32)
    scores = random.normal(size=(1, classes, *(side // (STRIDE * FACTOR) for side in size))).astype(np.float32)
    network = build_refiner(classes, width, frozen=True)
    network.initialize(mx.init.Xavier())
    network.hybridize()
    runs: Dict[str, Callable[[], object]] = {"select": partial(select, scores, [size])}
    cases: List[Dict[str, Any]] = []
    for density in densities:
        mask = bands(size, density)[None]
        places = places_of(mask)
        cases.append({"density": density, "pixels": places.counts[0], "positions": list(places.counts), **{
            name: sum(multiply_adds(places, planes_of(width), classes, existing=existing).values())
            for name, existing in (("multiply_adds", True), ("multiplied", False))}})

        def everything(mask=mask):
            given = selected(x, scores, mask)
            return None if given is None else run_refiner(network, given, mx.cpu())[0].asnumpy()

        runs[f"{density:g}"] = everything
        runs[f"{density:g} places"] = partial(selected, x, scores, mask)
    timings = interleaved(runs, rounds, 1, progress=progress)
    for case in cases:
        name = f"{case['density']:g}"
        case.update(seconds=list(timings[name].seconds), places=list(timings[f"{name} places"].seconds))
    return {"select": list(timings["select"].seconds), "cases": cases}
