"""Training SparseRefine's extractor and gate over a dense network that stays as it is.

As the authors' public code does (github.com/mit-han-lab/sparserefine): both are trained together, from random values,
by the cross entropy of the extractor's own scores plus that of the fused ones, each over the selected pixels
(configs/losses/xent.yaml); AdamW with decay 0.05 and a rate of 3e-4 that falls as a cosine (configs/experiment/
cityscapes_hrnet48.yaml: 500 epochs of batches of 4). They scale, crop and flip the dense network's stored scores with
the image; here the dense network sees the augmented image itself.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

import mxnet as mx
import numpy as np
from mxnet import autograd

from repro.data.classes import IGNORE
from repro.data.loader import Stream
from repro.errors import UserError
from repro.models.build import build_refiner
from repro.models.parameters import arrays_of, load_typed, parameters_of, save_arrays
from repro.sparserefine.networks import run_refiner
from repro.sparserefine.refined import FACTOR
from repro.sparserefine.refinement import THRESHOLD, select, selected
from repro.training.checkpoints import packed, unpacked
from repro.training.loop import INITIAL, first_and_last


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
        """The learning rate of step 0 ... steps - 1: half a cosine, from `rate` towards 0."""
        return self.rate * (1 + math.cos(math.pi * step / steps)) / 2


@dataclass(frozen=True)
class Trained:
    """What a run was like: mean losses of its first and last tenth, mean density, steps that selected nothing."""

    loss_first: float
    loss_last: float
    density: float
    empty: int
    seconds: float


class AdamW:
    """Adam with decoupled decay (Loshchilov and Hutter, arXiv 1711.05101) of all parameters, whose state is arrays."""

    def __init__(self, parameters: Dict, recipe: Recipe):
        self.parameters = {name: p for name, p in parameters.items() if p.grad_req != "null"}
        self.recipe = recipe
        self.state = {f"{kind}:{name}": mx.nd.zeros_like(p.data()) for name, p in self.parameters.items()
                      for kind in ("mean", "variance")}

    def step(self, rate: float, number: int) -> None:
        """Update, the `number`-th time, from 1."""
        r = self.recipe
        corrected = rate * math.sqrt(1 - r.beta2 ** number) / (1 - r.beta1 ** number)
        for name, parameter in self.parameters.items():
            value = parameter.data()
            value *= 1 - rate * r.decay
            mx.nd.adam_update(value, parameter.grad(), self.state[f"mean:{name}"], self.state[f"variance:{name}"],
                              lr=corrected, beta1=r.beta1, beta2=r.beta2, epsilon=r.epsilon, wd=0, out=value)


def cross_entropy(scores, labels):
    """Scores (M, K), labels (M,) -> the mean over the labelled pixels, (1,); 0 where there are none."""
    counted = labels != IGNORE
    losses = -mx.nd.pick(mx.nd.log_softmax(scores, axis=-1), labels * counted, axis=-1) * counted
    return losses.sum() / mx.nd.maximum(counted.sum(), 1)


def _save(path: Path, identity: str, parameters: Dict, optimizer: AdamW, values: np.ndarray, seconds: float) -> None:
    save_arrays(path, {**{f"parameter:{name}": p.data() for name, p in parameters.items()}, **optimizer.state,
                       "values": mx.nd.array(values, dtype="float64"),
                       "meta": packed({"identity": identity, "seconds": seconds})})


def _restore(path: Path, identity: str, parameters: Dict, optimizer: AdamW) -> Optional[Tuple[np.ndarray, float]]:
    """Set what `path` holds: (values of the steps so far, seconds they took), None without a file."""
    if not path.is_file():
        return None
    arrays = load_typed(path)
    try:
        meta = unpacked(arrays["meta"])
        found, seconds, values = meta["identity"], float(meta["seconds"]), arrays["values"].asnumpy()
        same = found == identity
        for name, parameter in parameters.items() if same else ():
            parameter.set_data(arrays[f"parameter:{name}"])
        for name, state in optimizer.state.items() if same else ():
            arrays[name].copyto(state)
    except (KeyError, TypeError, ValueError, mx.MXNetError):
        raise UserError(f"checkpoint {path}: not a refiner's, or damaged; remove it to begin again") from None
    if not same:
        raise UserError(f"checkpoint {path}: of another run ({found}, not {identity}); remove it to begin again")
    return values, seconds


def train_refiner(dense: Callable[[np.ndarray], np.ndarray],
                  batches: Callable[[int], Stream], steps: int, classes: int,
                  width: float, recipe: Recipe, seed: int, ctx,
                  report: Callable[[int, float], None] = lambda step, value: None,
                  checkpoint: Optional[Path] = None, identity: str = "", every: int = 200) -> Tuple[Dict, Trained]:
    """Train a refiner for `steps` batches: (its values by name, what the run was like).

    dense       images (N, 3, H, W) -> scores, of a trained network that is not changed (networks.dense_scores).
    batches     (step) -> iterator from that step on, of images (N, 3, H, W) and labels (N, H, W) of every pixel.
    report      called after each step with its number and loss.
    checkpoint  a file that is written every `every` steps, and from which a run of the same `identity` goes on.
    Raises UserError when the loss is no longer finite. A step that selects no pixel changes nothing.
    """
    mx.random.seed(seed)
    np.random.seed(seed)
    try:
        network = build_refiner(classes, width)
    except ValueError as error:
        raise UserError(f"refiner: {error}") from None
    network.initialize(INITIAL, ctx=ctx)
    network.hybridize()
    parameters = parameters_of(network)
    optimizer = AdamW(parameters, recipe)
    found = _restore(checkpoint, identity, parameters, optimizer) if checkpoint else None
    values: List[Tuple[float, float]] = [tuple(one) for one in found[0].reshape(-1, 2)] if found else []
    updates = sum(not math.isnan(loss) for loss, _ in values)  # steps that selected nothing are none
    began = time.monotonic() - (found[1] if found else 0)
    stream = batches(len(values))
    try:
        for step in range(len(values), steps):
            images, labels = next(stream)
            scores = dense(images)
            count, _, height, width = images.shape
            mask = select(scores, [(height, width)] * count, recipe.threshold, recipe.factor)
            given, loss = selected(images, scores, mask), float("nan")
            if given is not None:
                wanted = mx.nd.array(labels[mask], ctx=ctx)
                with autograd.record():
                    fused, own = run_refiner(network, given, ctx)
                    total = cross_entropy(fused, wanted) + cross_entropy(own, wanted)
                total.backward()
                updates += 1
                optimizer.step(recipe.rate_at(step, steps), updates)
                loss = float(total.asscalar())
                if not math.isfinite(loss):
                    raise UserError(f"training: the loss is {loss} at step {step + 1} of {steps}; a rate below "
                                    f"{recipe.rate:g} may help")
            values.append((loss, float(mask.mean())))
            report(step, loss)
            if checkpoint and ((step + 1) % every == 0 or step + 1 == steps):
                _save(checkpoint, identity, parameters, optimizer, np.array(values), time.monotonic() - began)
    finally:
        stream.close()
    losses = [loss for loss, _ in values if not math.isnan(loss)]
    if not losses:
        raise UserError(f"training: no pixel of any batch has an entropy above the threshold, {recipe.threshold:g}")
    return arrays_of(network), Trained(*first_and_last(losses), float(np.mean([d for _, d in values])),
                                       len(values) - len(losses), time.monotonic() - began)
