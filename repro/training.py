"""Training a network: SGD on batches from an iterator, on one device or several (PAPER: none of it given; assumed)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable, Iterator, Sequence, Tuple

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

from repro.errors import UserError
from repro.inference import named_outputs
from repro.presets import Recipe

INITIAL = mx.init.Xavier(rnd_type="gaussian", factor_type="in", magnitude=2)


@dataclass(frozen=True)
class Trained:
    """What a run was like: mean fused losses of its first and last tenth."""

    loss_first: float
    loss_last: float


def set_rates(network, recipe: Recipe, new: Sequence[str] = ()) -> None:
    """Give biases and batch norm's shifts their own rate and no decay, and the parameters named in `new` theirs."""
    for name, parameter in network._collect_params_with_prefix().items():
        shift = name.endswith(("bias", "beta"))
        parameter.lr_mult = (recipe.bias_rate if shift else 1.0) * (recipe.new_rate if name in new else 1.0)
        parameter.wd_mult = 0.0 if shift else 1.0


def train(network, loss, batches: Iterator[Tuple[np.ndarray, np.ndarray]], steps: int, recipe: Recipe, ctx,
          report: Callable[[int, float], None] = lambda step, value: None) -> Trained:
    """Train an initialised `network` for `steps` batches.

    network  images (n, 3, H, W) -> outputs, on every device of the list `ctx`.
    loss     (labels, *the outputs named in loss.inputs) -> (total, fused).
    batches  yields float32 (N, 3, H, W) and (N, H/4, W/4); N is divided evenly among the devices.
    report   called after each step with its number and fused loss.
    Raises UserError when the loss is no longer finite, naming the step.
    """
    optimizer = mx.optimizer.SGD(learning_rate=recipe.learning_rate, momentum=recipe.momentum,
                                 wd=recipe.weight_decay)
    trainer = gluon.Trainer(network.collect_params(), optimizer, kvstore="device" if len(ctx) > 1 else None,
                            update_on_kvstore=False)
    trained = [p for p in network.collect_params().values() if p.grad_req != "null"]
    values = []
    for step in range(steps):
        images, labels = next(batches)
        images = gluon.utils.split_and_load(mx.nd.array(images), ctx)
        labels = gluon.utils.split_and_load(mx.nd.array(labels), ctx)
        with autograd.record():
            named = [named_outputs(network, x) for x in images]
            losses = [loss(y, *(o[name] for name in loss.inputs)) for y, o in zip(labels, named)]
        autograd.backward([total for total, _ in losses])
        trainer.set_learning_rate(recipe.rate(step, steps))
        trainer.allreduce_grads()
        if recipe.clip is not None:
            for device in ctx:  # the sum over devices is each one's
                gluon.utils.clip_global_norm([p.grad(device) for p in trained], recipe.clip * len(ctx), False)
        trainer.update(len(ctx))  # a mean over devices: each one's loss is a mean already
        value = float(np.mean([fused.asscalar() for _, fused in losses]))
        if not math.isfinite(value):
            raise UserError(f"training: the loss is {value} at step {step + 1} of {steps}; a lower learning_rate than "
                            f"{recipe.learning_rate} may help")
        values.append(value)
        report(step, value)
    tenth = max(1, steps // 10)
    return Trained(float(np.mean(values[:tenth])), float(np.mean(values[-tenth:])))
