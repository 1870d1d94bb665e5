"""What a precision costs in accuracy: one trained network through the inference engine in several, on a test set."""

from __future__ import annotations

from typing import Any, Callable, Dict, Sequence, Tuple

import numpy as np

from repro.data import Dataset
from repro.data.images import image_size, read_sample
from repro.data.loader import evaluation_batches
from repro.engine import Engine, Options, engine_of
from repro.measure import Plan
from repro.metrics import Confusion
from repro.presets import round_up


def engines(plan: Plan, arrays: Dict, dataset: Dataset, size: Tuple[int, int], precisions: Sequence[str],
            calibration: int) -> Dict[str, Engine]:
    """The fast inference of a trained network for images up to `size` (H, W), in each precision.

    calibration  so many training images, spread evenly, give int8's ranges.
    """
    padded = round_up(size, plan.multiple)
    chosen = dataset.train[::max(1, len(dataset.train) // calibration)][:calibration]
    batches = evaluation_batches(chosen, dataset.classes, 1, padded)
    images = [x for x, _, _ in batches if x.shape[2:] == padded] if "int8" in precisions else []
    made = {}
    for precision in precisions:
        options = Options(precision=precision)
        network = plan.build(len(dataset.classes), padded, fast=True, **options.network())
        made[precision] = engine_of(network, arrays, (1, 3, *padded), options, calibration=images)
    return made


def compare(plan: Plan, arrays: Dict, dataset: Dataset, precisions: Sequence[str] = ("float32", "int8"),
            calibration: int = 16, progress: Callable = lambda samples: samples) -> Dict[str, Any]:
    """Mean IoU in each precision over the measured split, and the share of pixels labelled alike in all of them.

    Returns {"images", "calibration", "size", "mean_iou": {precision: percent}, "alike": percent}.
    """
    samples = dataset.measured
    size = image_size(samples[0].image)
    made = engines(plan, arrays, dataset, size, precisions, calibration)
    confusions = {precision: Confusion(len(dataset.classes)) for precision in made}
    alike, pixels = 0, 0
    for sample in progress(samples):
        image, label = read_sample(sample, dataset.classes)
        found = {precision: engine.labels(image) for precision, engine in made.items()}
        for precision, labels in found.items():
            confusions[precision].add(label, labels)
        first = found[precisions[0]]
        alike += int(np.all([labels == first for labels in found.values()], axis=0).sum())
        pixels += label.size
    return {"images": len(samples), "calibration": calibration, "size": "{}x{}".format(*size),
            "mean_iou": {precision: round(confusion.mean_iou(), 2) for precision, confusion in confusions.items()},
            "alike": round(100 * alike / pixels, 2)}
