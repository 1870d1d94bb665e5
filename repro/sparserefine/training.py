"""Training SparseRefine's extractor and gate over a dense network that stays as it is.

As the authors' public code does (github.com/mit-han-lab/sparserefine): both are trained together, from random values,
by the cross entropy of the extractor's own scores plus that of the fused ones, each over the selected pixels
(configs/losses/xent.yaml); AdamW with decay 0.05 and a rate of 3e-4 that falls as a cosine (configs/experiment/
cityscapes_hrnet48.yaml: 500 epochs of batches of 4). They scale, crop and flip the dense network's stored scores with
the image; here the dense network sees the augmented image itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable, Dict, Optional, Tuple

import mxnet as mx
import numpy as np
from mxnet import autograd

from repro.data.classes import IGNORE
from repro.data.loader import Stream
from repro.errors import UserError
from repro.models.parameters import arrays_of
from repro.sparserefine.networks import new_refiner, run_refiner
from repro.sparserefine.refined import FACTOR
from repro.sparserefine.refinement import THRESHOLD, select, selected
from repro.training import checkpoints
from repro.training.loop import INITIAL, Run, Trained, train


@dataclass(frozen=True)
class Recipe:
    """How a refiner is trained: the public code's values but for the rate at few steps, which the caller gives."""

    rate: float = 3e-4
    decay: float = 0.05
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    threshold: float = THRESHOLD
    factor: int = FACTOR

    def rate_at(self, step: int, steps: int) -> float:
        """Return the learning rate of step 0 ... steps - 1: half a cosine, from `rate` towards 0."""
        return self.rate * (1 + math.cos(math.pi * step / steps)) / 2


class AdamW(mx.optimizer.Adam):
    """Adam with decoupled decay (Loshchilov and Hutter, arXiv 1711.05101)."""

    def __init__(self, decay: float, **settings):
        super().__init__(**settings)
        self.decay = decay

    def update(self, index, weight, grad, state):
        """Update one parameter."""
        weight *= 1 - self._get_lr(index) * self.decay
        super().update(index, weight, grad, state)


def cross_entropy(scores, labels):
    """Scores (M, K), labels (M,) -> the mean over the labelled pixels, (1,); 0 where there are none."""
    counted = labels != IGNORE
    losses = -mx.nd.pick(mx.nd.log_softmax(scores, axis=-1), labels * counted, axis=-1) * counted
    return losses.sum() / mx.nd.maximum(counted.sum(), 1)


def train_refiner(dense: Callable[[np.ndarray], np.ndarray], batches: Callable[[int], Stream], steps: int, classes: int,
                  width: float, recipe: Recipe, seed: int, ctx,
                  report: Callable[[int, float], None] = lambda step, value: None, run: Optional[Run] = None
                  ) -> Tuple[Dict, Trained]:
    """Train a refiner for `steps` batches: (its values by name, what the run was like: losses and densities).

    dense    images (N, 3, H, W) -> scores, of a trained network that is not changed (refined.dense_scores).
    batches  (step) -> iterator from that step on, of images (N, 3, H, W) and labels (N, H, W) of every pixel.
    report   called after each step with its number and loss. run: where to keep checkpoints and the log.
    Raises UserError when the loss is no longer finite. A step that selects no pixel changes nothing.
    """
    mx.random.seed(seed)
    np.random.seed(seed)
    network = new_refiner(classes, width)
    network.initialize(INITIAL, ctx=ctx)
    network.hybridize()

    def backward(step, images, labels):
        scores = dense(images)
        count, _, height, width = images.shape
        mask = select(scores, [(height, width)] * count, recipe.threshold, recipe.factor)
        given, loss = selected(images, scores, mask), None
        if given is not None:
            wanted = mx.nd.array(labels[mask], ctx=ctx)
            with autograd.record():
                fused, own = run_refiner(network, given, ctx)
                total = cross_entropy(fused, wanted) + cross_entropy(own, wanted)
            total.backward()
            loss = float(total.asscalar())
        return {"loss": loss, "density": float(mask.mean())}

    run = run or Run()
    optimiser = AdamW(recipe.decay, beta1=recipe.beta1, beta2=recipe.beta2, epsilon=recipe.epsilon)
    trained = train(network, backward, optimiser, recipe.rate_at, batches, steps, [ctx], run=run,
                    state=checkpoints.read(run.checkpoint), kept=("loss", "density"), report=report)
    if not trained.losses:
        raise UserError(f"training: no pixel of any batch has an entropy above the threshold, {recipe.threshold:g}")
    return arrays_of(network), trained
