"""Measuring SparseRefine over one of the rows' networks: its refiner trained on a data set, then the test set."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Tuple

from repro import cost
from repro.data import Dataset
from repro.data.loader import Batches, evaluation_batches
from repro.measure import Plan, network_factory
from repro.parameters import learned
from repro.presets import round_up
from repro.refine_training import Recipe, train_refiner
from repro.refined import FACTOR, Refined, dense_scores, evaluate_refined, refiner_of


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


def halved(plan: Plan, size: Tuple[int, int], factor: int = FACTOR) -> Plan:
    """The plan of the same row on images of `size` shrunk by `factor`, as published dense models are trained at the
    resolution that they are used at: what is augmented to be of half the size."""
    recipe = plan.preset.recipe
    small, (least, most) = shrunk_size(plan.preset.crop or size, factor), recipe.scales
    preset = dataclasses.replace(plan.preset, crop=small, recipe=dataclasses.replace(
        recipe, scales=(least / factor, most / factor)))
    return Plan(plan.network, plan.training, preset, small)


def dense_cost(plan: Plan, classes: int, size: Tuple[int, int], factor: int = FACTOR, **settings) -> Dict[str, int]:
    """Multiply-adds of the dense network for an image of `size`: in the paper's convention, and true."""
    padded = round_up(shrunk_size(size, factor), plan.multiple)
    shape = (1, 3, *padded)
    counts = cost.count(cost.trace(plan.build(classes, padded, **settings), shape), shape)
    return {"paper": cost.paper(counts), "true": cost.true(counts)}


def measure_refined(plan: Plan, arrays: Dict, dataset: Dataset, inference: str, size: Tuple[int, int],
                    refining: Refining, ctx, report=lambda step, value: None,
                    progress: Callable = lambda batches, total: batches, checkpoint: Optional[Path] = None,
                    identity: str = "", every: int = 200) -> Tuple[Dict[str, Any], Dict]:
    """Train a refiner over a trained network and measure both: (plain values for a record, the refiner's by name).

    plan, arrays  of the dense network, which sees images of `size` shrunk. inference: how its row is run.
    checkpoint, identity, every  as train_refiner's.
    """
    classes, recipe = len(dataset.classes), refining.recipe
    multiple = plan.multiple * recipe.factor
    crop = round_up(size, multiple)
    batches = Batches(dataset.train, dataset.classes, refining.batch, crop, refining.seed,
                      scales=refining.scales, stride=1)  # not the plan's, which may be those of halved images
    dense = dense_scores(network_factory(plan, arrays, classes, inference, ctx), ctx, recipe.factor)
    refiner, trained = train_refiner(dense, batches.iterate, refining.steps, classes, refining.width, recipe,
                                     refining.seed, ctx, report, checkpoint, identity, every)
    refined = Refined(dense, refiner_of(refiner, classes, refining.width, ctx), ctx, recipe.threshold, recipe.factor,
                      multiple)
    samples = dataset.measured[:refining.images]
    found = evaluate_refined(refined, progress(evaluation_batches(samples, dataset.classes, 1, (multiple, multiple)),
                                               len(samples)), dataset.classes.names, refining.width)
    fast = {"fast": True} if inference == "fast" else {}
    return {
        "size": "{}x{}".format(*size), **found, "dense_multiply_adds": dense_cost(plan, classes, size, **fast),
        "parameters": {"dense": learned(arrays), "refiner": learned(refiner)},
        "train": {"loss_first": round(trained.loss_first, 4), "loss_last": round(trained.loss_last, 4),
                  "density": round(trained.density, 4), "empty": trained.empty,
                  "seconds": round(trained.seconds, 1)}}, refiner
