"""Measuring one distinct training of the tables: build, initialise, train, evaluate in each way it can be run."""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Collection, Dict, Optional, Sequence, Tuple

import mxnet as mx
import numpy as np

from repro.config.networks import AnyNetwork
from repro.config.presets import Budget, Preset, Recipe
from repro.config.rows import Training
from repro.data import Dataset, read_image
from repro.data.images import read_labelled, size_of
from repro.data.loader import Batches, evaluation_batches, majority_map
from repro.errors import UserError
from repro.evaluation.inference import evaluate
from repro.evaluation.metrics import Confusion
from repro.models.build import Plan
from repro.models.parameters import arrays_of, assign, assign_backbones, parameters_of, structural
from repro.training import checkpoints
from repro.training.loop import INITIAL, Run, train
from repro.training.losses import TrainingLoss
from repro.training.step import forward_backward

EVALUATION_BATCH = 4
SPARSE_HEAD = "sparse_head."  # how the names of its parameters begin


def set_rates(network, recipe: Recipe, new: Collection[str] = ()) -> None:
    """Give biases and batch norm's shifts their own rate and no decay, the parameters named in `new` and the sparse
    head theirs."""
    for name, parameter in structural(network).items():
        shift, rate = name.endswith(("bias", "beta")), recipe.new_rate if name in new else 1.0
        if name.startswith(SPARSE_HEAD) and recipe.head_rate is not None:
            rate = recipe.head_rate
        parameter.lr_mult = (recipe.bias_rate if shift else 1.0) * rate
        parameter.wd_mult = 0.0 if shift else 1.0


def scale_head(network, recipe: Recipe) -> None:
    """Multiply the sparse head's first values by the recipe's `head_scale`, so that s begins where sigmoid has a slope.

    Its fan-in counts the positions of a whole region, whose values are much alike.
    """
    for name, parameter in structural(network).items():
        if name.startswith(SPARSE_HEAD):
            parameter.set_data(parameter.data() * recipe.head_scale)


def train_network(plan: Plan, dataset: Dataset, steps: int, seed: int, ctx, backbone: Optional[Dict] = None,
                  report=lambda step, value: None, run: Optional[Run] = None):
    """Build and train; returns (parameters by name, repro.training.loop.Trained).

    backbone  a pre-trained column's values, for a row that is to start from them.
    run       where to keep checkpoints and the log, and with whom to train.
    """
    recipe, training = plan.preset.recipe, plan.training
    run = run or Run()
    parts = len(ctx) * run.team.size
    if recipe.batch % parts:
        raise UserError(f"batch {recipe.batch} does not divide among {parts} devices")
    if training.pretrained and backbone is None:
        raise UserError("training from a pre-trained backbone: no weights given")
    if training.coarse and not dataset.coarse:
        raise UserError(f"{dataset.name} has no coarsely labelled images, which this row trains on")
    mx.random.seed(seed)
    np.random.seed(seed)

    # networks: with a dense phase two of the same parameters, each trained up to a step
    # statistics of nothing cannot be frozen
    settings: Dict[str, Any] = {"frozen": training.pretrained, "stops": recipe.stops}
    if training.lam is not None:  # selection sparse
        settings.update(k=None, sparsity=(training.p, training.lam * recipe.lambda_scale, recipe.batch // parts,
                                          training.equation))
    dense = round(steps * recipe.dense_share) if plan.region else 0
    # winner-take-all's gradients on the k crops are those on all, masked, if batch norm is frozen: 1.5 times as quick
    crops = plan.network.fusion == "isctf" and training.selection == "wta" and training.pretrained
    phases = []
    for until, more in ((dense, {"k": plan.regions(plan.crop)}), (steps, {"fast": True} if crops else {})):
        if not until:
            continue
        network = plan.build(len(dataset.classes), plan.crop, **{**settings, **more})
        network.initialize(INITIAL, ctx=ctx)
        network.hybridize(static_alloc=True, static_shape=True)
        network(mx.nd.zeros((recipe.batch // parts, 3, *plan.crop), ctx=ctx[0]))  # settles the deferred shapes
        new = set(parameters_of(network))
        if backbone and training.pretrained:
            new -= set(assign_backbones(network, backbone, "the pre-trained backbone"))
        scale_head(network, recipe)
        set_rates(network, recipe, new)
        phases.append((until, network))

    # losses: of every labelled pixel, or of the hard ones
    columns = [name for name in network.outputs if name in ("quarter", "half", "full", "double")]
    spread = plan.region // 4 if plan.region and plan.network.fusion == "isctf" else None
    positions = recipe.batch * plan.crop[0] * plan.crop[1] // 16  # scores are at 1/4
    hard = (recipe.threshold, min(recipe.keep, positions)) if training.bootstrapping else ()
    loss = TrainingLoss(columns, spread, *hard)
    loss.hybridize(static_alloc=True, static_shape=True)

    # batches
    samples = dataset.train + (dataset.coarse if training.coarse else ())
    batches = Batches(samples, dataset.classes, recipe.batch, plan.crop, seed, scales=recipe.scales,
                      part=(run.team.rank, run.team.size))

    state = checkpoints.read(run.checkpoint)
    for until, network in phases:
        def backward(step, images, labels, network=network):
            return forward_backward(network, loss, images, labels, ctx, run.team)
        trained = train(
            network, backward, mx.optimizer.SGD(momentum=recipe.momentum, wd=recipe.weight_decay), recipe.rate,
            lambda start: batches.iterate(start, run.readers), steps, ctx, recipe.clip, until, run, state,
            report=report, files_of=lambda step: ", ".join(str(s.image) for s in batches.files_at(step)))
        state = trained.state
    return arrays_of(network), trained


def network_factory(plan: Plan, arrays: Dict, classes: int, inference: str, ctx) -> Callable[[int, int], object]:
    """(H, W) of padded images -> the trained network for them, built once per size.

    inference  whole, classic or fast; active: classic on all regions with s > 0, however many an image has.
    """
    made = {}
    settings = {"fast": inference == "fast", **({"k": None} if inference == "active" else {})}

    def network_for(height: int, width: int):
        if (height, width) not in made:
            network = plan.build(classes, (height, width), **settings)
            assign(network, arrays, "the trained network", ctx)
            network.hybridize(static_alloc=True, static_shape=True)
            made[height, width] = network
        return made[height, width]
    return network_for


def inferences(network: AnyNetwork, training: Training) -> Tuple[str, ...]:
    """How a trained network is measured; "active" where training made the number of s > 0 mean something."""
    if not network.sparse:
        return ("whole",)
    return ("classic", "fast") + (("active",) if network.fusion == "isctf" and training.selection == "sparse" else ())


def measure(network: AnyNetwork, training: Training, dataset: Dataset, preset: Preset, budget: Budget, seed: int, ctx,
            backbone: Optional[Dict] = None, report=lambda step, value: None,
            progress=lambda batches, total, what: batches, run: Optional[Run] = None,
            keep: Callable[[Dict], None] = lambda arrays: None) -> Tuple[Dict, Dict, Dict]:
    """Train and evaluate: (the measured part of a result record as plain values, the parameters by name, the confusion
    matrices of the images by inference).

    report    called after each training step with its number and loss.
    progress  wraps the `total` batches of an evaluation, to show how far it is.
    run       as train_network's.
    keep      called with the parameters before they are measured.
    """
    classes = len(dataset.classes)
    plan = Plan(network, training, preset, size_of(read_image(dataset.train[0].image)))
    steps = budget.steps_of(network)
    arrays, trained = train_network(plan, dataset, steps, seed, ctx, backbone, report, run)
    keep(arrays)
    samples = dataset.measured[:budget.images]
    evaluations, matrices = {}, {}
    for inference in inferences(network, training):
        networks = network_factory(plan, arrays, classes, inference, ctx[0])
        batches = evaluation_batches(samples, dataset.classes, EVALUATION_BATCH, (plan.multiple, plan.multiple))
        batches = progress(batches, -(-len(samples) // EVALUATION_BATCH), f"testing, {inference}")
        found, matrices[inference] = evaluate(networks, batches, dataset.classes.names, ctx[0], plan.region)
        evaluations[inference] = _plain(found, dataset.classes.names)
    return {
        "steps": steps, "evaluations": evaluations, "majority": majority(dataset, samples),
        "scale": "x".join(map(str, plan.crop)), "width": f"{plan.width:g}",
        "train": {"loss_first": round(trained.loss_first, 4), "loss_last": round(trained.loss_last, 4),
                  "seconds": round(trained.seconds, 1), "core_seconds": round(trained.core_seconds, 1)},
        **{name: value for name in ("stem", "decoder_width") for value in [getattr(plan, name)] if value is not None},
    }, arrays, matrices


def majority(dataset: Dataset, samples) -> Dict:
    """Accuracies of the per-pixel most frequent class of the training set: what knowing no image gives."""
    confusion, guess = Confusion(len(dataset.classes)), np.empty((0, 0), np.uint8)
    for sample in samples:
        _, label = read_labelled(sample, dataset.classes)
        if guess.shape != label.shape:
            guess = majority_map(dataset.train, dataset.classes, size_of(label))
        confusion.add(label, guess)
    return confusion.accuracies()


def by_class(names: Sequence[str], class_iou: Sequence[Optional[float]]) -> Dict[str, Optional[float]]:
    """IoU of each class by its name, as records keep it."""
    return {name: None if iou is None else round(iou, 4) for name, iou in zip(names, class_iou)}


def _plain(evaluation, names) -> Dict:
    values = {**dataclasses.asdict(evaluation), "class_iou": by_class(names, evaluation.class_iou)}
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in values.items()
            if value is not None or key not in ("selection", "z2_computed")}
