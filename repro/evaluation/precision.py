"""What a precision costs in accuracy: one trained network in several, on a test set, in this engine or exported."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

import numpy as np
import onnx

from repro.config.presets import round_up
from repro.data import Dataset
from repro.data.images import image_size, read_labelled, read_sample
from repro.data.loader import evaluation_batches
from repro.engine import Engine, Options, engine_of, prepared
from repro.evaluation.metrics import Confusion
from repro.export import PORTABLE, to_onnx
from repro.export.carry import in_precision
from repro.models.build import Plan
from repro.models.parameters import traced
from repro.runtime.exported import Exported
from repro.timing.clock import interleaved, rounded

WARMUP = 3


def calibration_images(dataset: Dataset, padded: Tuple[int, int], count: int) -> List[np.ndarray]:
    """Return training images for int8's ranges: of `count` spread evenly, those whose padded size (H, W) this is."""
    chosen = dataset.train[::max(1, len(dataset.train) // count)][:count]
    return [x for x, _, _ in evaluation_batches(chosen, dataset.classes, 1, padded) if x.shape[2:] == padded]


def engines(plan: Plan, arrays: Dict, dataset: Dataset, size: Tuple[int, int], precisions: Sequence[str],
            calibration: int) -> Dict[str, Engine]:
    """Return the fast inference of a trained network for images up to `size` (H, W), in each precision.

    calibration  so many training images, spread evenly, give int8's ranges.
    """
    padded = round_up(size, plan.multiple)
    images = calibration_images(dataset, padded, calibration) if "int8" in precisions else []
    made = {}
    for precision in precisions:
        network = plan.build(len(dataset.classes), padded, fast=True, decoder_on_crops=True)
        made[precision] = engine_of(network, arrays, (1, 3, *padded), Options(precision=precision), calibration=images)
    return made


def exported(plan: Plan, arrays: Dict, dataset: Dataset, size: Tuple[int, int], precisions: Sequence[str],
             calibration: int, make: Callable[[Path, str], Exported]) -> Dict[str, Exported]:
    """Return the same as `engines`, of exported files; `make`: an engine of a file, to compute in a precision."""
    padded = round_up(size, plan.multiple)
    shape = (1, 3, *padded)
    network = plan.build(len(dataset.classes), padded, fast=True, decoder_on_crops=True)
    symbol, named = traced(network, arrays, shape)
    symbol, named = prepared(symbol, named, shape, PORTABLE, [network.outputs.index("scores")])
    images = calibration_images(dataset, padded, calibration) if "int8" in precisions else []
    made = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        to_onnx(symbol, named, shape, path)
        model = onnx.load(str(path))
        for precision in precisions:
            onnx.save(in_precision(model, "float32" if precision == "bfloat16" else precision, images), str(path))
            made[precision] = make(path, precision)
    return made


def labelled(made: Mapping[str, Any], dataset: Dataset, progress: Callable = lambda samples: samples) -> Dict[str, Any]:
    """Run the measured split through engines, by name: how right each is, and how like the first the others.

    Returns {"images", "size", "mean_iou": {name: percent}, "alike": {name but the first: percent of the pixels}}.
    """
    samples, (first, *others) = dataset.measured, made
    confusions, alike, pixels = {name: Confusion(len(dataset.classes)) for name in made}, dict.fromkeys(others, 0), 0
    for sample in progress(samples):
        image, label = read_labelled(sample, dataset.classes)
        found = {name: engine.labels(image) for name, engine in made.items()}
        for name, labels in found.items():
            confusions[name].add(label, labels)
        for name in others:
            alike[name] += int((found[name] == found[first]).sum())
        pixels += label.size
    return {"images": len(samples), "size": "{}x{}".format(*image_size(samples[0].image)),
            "mean_iou": {name: round(confusion.mean_iou(), 2) for name, confusion in confusions.items()},
            "alike": {name: round(100 * count / pixels, 2) for name, count in alike.items()}}


def compare(plan: Plan, arrays: Dict, dataset: Dataset, precisions: Sequence[str] = ("float32", "int8"),
            calibration: int = 16, progress: Callable = lambda samples: samples) -> Dict[str, Any]:
    """Return mean IoU in each precision over the measured split, and the share of pixels labelled as in the first one.

    Returns {"images", "calibration", "size", "mean_iou": {precision: percent}, "alike": percent, of the least alike}.
    """
    size = image_size(dataset.measured[0].image)
    found = labelled(engines(plan, arrays, dataset, size, precisions, calibration), dataset, progress)
    return {**found, "calibration": calibration, "alike": min(found["alike"].values(), default=100)}


def compare_exported(plan: Plan, arrays: Dict, dataset: Dataset, precisions: Sequence[str],
                     make: Callable[[Path, str], Exported], calibration: int = 16, rounds: int = 50,
                     progress: Callable = lambda samples: samples) -> Dict[str, Any]:
    """Compare exported files likewise, each with its own share of pixels labelled alike, and how long each takes.

    Returns what `compare` does, "alike" by precision, and "seconds": {precision: of each of `rounds` runs in turn, from
    a photo to labels}.
    """
    size = image_size(dataset.measured[0].image)
    made = exported(plan, arrays, dataset, size, precisions, calibration, make)
    found = labelled(made, dataset, progress)
    image, _ = read_sample(dataset.measured[0], dataset.classes)
    timings = interleaved({name: partial(engine.labels, image) for name, engine in made.items()}, rounds, WARMUP)
    return {**found, "calibration": calibration,
            "seconds": {name: rounded(one.seconds, 4) for name, one in timings.items()}}
