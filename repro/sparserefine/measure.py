"""Measuring SparseRefine over one of the rows' networks: its refiner trained on a data set, then the test set."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy as np

from repro.config.presets import round_up
from repro.data import Dataset
from repro.data.loader import Batches, evaluation_batches
from repro.evaluation.metrics import Confusion
from repro.models import cost
from repro.models.build import Plan
from repro.models.parameters import learned
from repro.sparserefine.networks import fused_by, planes_of, refiner_of, scores_by
from repro.sparserefine.refined import FACTOR, Refined, dense_scores
from repro.sparserefine.refinement import multiply_adds
from repro.sparserefine.training import Recipe, train_refiner
from repro.training.loop import Run
from repro.training.run import by_class, network_factory


@dataclass(frozen=True)
class Refining:
    """How a refiner is trained and measured: `width` of its planes, images a batch, `scales` that whole images are
    augmented by, steps, their recipe, a seed, and the number of images measured (None: all)."""

    width: float
    batch: int
    scales: Tuple[float, float]
    steps: int
    recipe: Recipe
    seed: int = 0
    images: Optional[int] = None


def shrunk_size(size: Tuple[int, int], factor: int) -> Tuple[int, int]:
    """(H, W) divided by `factor`, rounded up."""
    return -(-size[0] // factor), -(-size[1] // factor)


def halved(plan: Plan, size: Tuple[int, int]) -> Plan:
    """Return the plan of the same row on images of half the `size`, as published dense models are trained at the
    resolution that they are used at: what is augmented to be of half the size."""
    recipe = plan.preset.recipe
    small, (least, most) = shrunk_size(plan.preset.crop or size, FACTOR), recipe.scales
    preset = dataclasses.replace(plan.preset, crop=small, recipe=dataclasses.replace(
        recipe, scales=(least / FACTOR, most / FACTOR)))
    return Plan(plan.network, plan.training, preset, small)


def dense_cost(plan: Plan, classes: int, size: Tuple[int, int], factor: int = FACTOR) -> Dict[str, int]:
    """Return the dense network's multiply-adds for an image of `size`: in the paper's convention, and true."""
    padded = round_up(shrunk_size(size, factor), plan.multiple)
    shape = (1, 3, *padded)
    counts = cost.count(cost.trace(plan.build(classes, padded), shape), shape)
    return {"paper": cost.paper(counts), "true": cost.true(counts)}


def _spread(values: Sequence[float]) -> Dict[str, float]:
    """Return the mean, standard deviation, smallest and largest over the images."""
    return {"mean": float(np.mean(values)), "spread": float(np.std(values)), "least": float(min(values)),
            "most": float(max(values))}


def evaluate_refined(refined: Refined, batches: Iterable, names: Sequence[str], width: float) -> Dict[str, Any]:
    """Return a test set's accuracies, dense and refined, on every labelled pixel, and what was selected of its images.

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
    there = {name: confusions[f"{name}_there"].accuracies()["pixel_acc"] for name in ("dense", "refined")}
    return {**{name: {**confusions[name].accuracies(), "class_iou": by_class(names, confusions[name].class_iou())}
               for name in ("dense", "refined")},
            "selected_pixel_acc": {name: None if np.isnan(value) else value for name, value in there.items()},
            **{name: _spread(values) for name, values in found.items()}, "images": len(found["density"])}


def measure_refined(plan: Plan, arrays: Dict, dataset: Dataset, size: Tuple[int, int], refining: Refining, ctx, report,
                    progress: Callable, run: Run, keep: Callable[[Dict], None]) -> Dict[str, Any]:
    """Train a refiner over a trained network and measure both: plain values for a record.

    plan, arrays  of the dense network, which sees images of `size` shrunk.
    report, run   as train_refiner's. progress: wraps the batches of the test, whose number it is given too.
    keep          called with the refiner's values by name before they are measured.
    """
    classes, recipe = len(dataset.classes), refining.recipe
    multiple = plan.multiple * recipe.factor
    crop = round_up(size, multiple)
    batches = Batches(dataset.train, dataset.classes, refining.batch, crop, refining.seed,
                      scales=refining.scales, stride=1)  # not the plan's, which may be those of halved images
    networks = network_factory(plan, arrays, classes, "whole", ctx)
    dense = dense_scores(lambda *size: scores_by(networks(*size), ctx), recipe.factor)
    refiner, trained = train_refiner(dense, batches.iterate, refining.steps, classes, refining.width, recipe,
                                     refining.seed, ctx, report, run)
    keep(refiner)
    network = refiner_of(refiner, classes, refining.width, ctx)
    refined = Refined(dense, fused_by(network, ctx), recipe.threshold, recipe.factor, multiple)
    samples = dataset.measured[:refining.images]
    found = evaluate_refined(refined, progress(evaluation_batches(samples, dataset.classes, 1, (multiple, multiple)),
                                               len(samples)), dataset.classes.names, refining.width)
    return {
        "size": "{}x{}".format(*size), **found, "dense_multiply_adds": dense_cost(plan, classes, size),
        "parameters": {"dense": learned(arrays), "refiner": learned(refiner)},
        "train": {"loss_first": round(trained.loss_first, 4), "loss_last": round(trained.loss_last, 4),
                  "density": round(float(np.mean([density for _, density in trained.history])), 4),
                  "empty": len(trained.history) - len(trained.losses),
                  "seconds": round(trained.seconds, 1)}}
