"""Training a network: SGD on batches read ahead, on one device or several, in one process or a team of them.

PAPER gives none of the recipe (assumed; see experiments/presets/). However a batch is divided among devices and
processes, a step is that of the whole batch: the losses are means over its pixels and the gradient their sum. (With
frozen batch norm. Where it learns, each device normalises its own share, and the first one's statistics are kept.)
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Callable, Collection, List, Optional, Sequence, Tuple

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

from repro import checkpoints
from repro.data.loader import Stream
from repro.errors import UserError
from repro.inference import named_outputs
from repro.logs import Log
from repro.parameters import AVERAGES, parameters_of, structural
from repro.presets import Recipe
from repro.team import Summed, Team

INITIAL = mx.init.Xavier(rnd_type="gaussian", factor_type="in", magnitude=2)


@dataclass(frozen=True)
class Trained:
    """What a run was like: mean fused losses of its first and last tenth, and what it took."""

    loss_first: float
    loss_last: float
    seconds: float


def first_and_last(losses: Sequence[float]) -> Tuple[float, float]:
    """The mean losses of a run's first and last tenth."""
    tenth = max(1, len(losses) // 10)
    return float(np.mean(losses[:tenth])), float(np.mean(losses[-tenth:]))


@dataclass(frozen=True)
class Step:
    """What one step was like; a line of the log."""

    step: int                # from 1
    loss: float              # of the fused scores
    total: float             # with the columns' own
    rate: float              # learning rate
    q: Optional[float]       # mean moving average of the active probability (Eq. 2); None without sparsity term
    active: Optional[float]  # regions computed per image; None without selection


@dataclass(frozen=True)
class Run:
    """Where a run keeps itself, and with whom it trains.

    folder    of checkpoint.params and log.jsonl; None: nothing is kept. A run that finds them goes on from there.
    identity  what the run is of; a checkpoint of another is refused.
    every     steps between checkpoints.
    readers   processes that read batches ahead; 0: one thread.
    """

    folder: Optional[Path] = None
    identity: str = ""
    every: int = 200
    readers: int = 0
    team: Team = field(default_factory=Team)

    @property
    def checkpoint(self) -> Optional[Path]:
        """The checkpoint's file; the first process of a team writes it."""
        return self.folder / "checkpoint.params" if self.folder else None


def set_rates(network, recipe: Recipe, new: Collection[str] = ()) -> None:
    """Give biases and batch norm's shifts their own rate and no decay, and the parameters named in `new` theirs."""
    for name, parameter in structural(network).items():
        shift = name.endswith(("bias", "beta"))
        parameter.lr_mult = (recipe.bias_rate if shift else 1.0) * (recipe.new_rate if name in new else 1.0)
        parameter.wd_mult = 0.0 if shift else 1.0


def start_precision(recipe: Recipe, ctx) -> None:
    """Prepare this process, before a network is built, to compute in the recipe's precision.

    float16 is MXNet's own mixed precision (amp): it changes its operators for the whole process. UserError on a CPU.
    """
    if recipe.precision == "float16":
        if any(device.device_type == "cpu" for device in ctx):
            raise UserError("precision float16: for GPUs alone (GPU=0); a CPU computes in float32")
        from mxnet.contrib import amp

        amp.init()


class Averages:
    """The sparsity term's moving averages q of all devices and processes, as one array; empty without the term."""

    def __init__(self, network, ctx, team: Team):
        parameters = structural(network)
        self._q, self._ctx, self._team = parameters.get(AVERAGES), ctx, team

    def get(self) -> np.ndarray:
        if self._q is None:
            return np.zeros(0, np.float32)
        mx.nd.waitall()  # the operator writes q in its backward pass, of which MXNet's engine is not told
        return self._team.gathered(np.concatenate([self._q.data(device).asnumpy() for device in self._ctx]))

    def set(self, values: np.ndarray) -> None:
        if self._q is None:
            return
        size = self._q.shape[0]
        if len(values) != size * len(self._ctx) * self._team.size:
            raise UserError(f"checkpoint: {len(values)} moving averages do not divide among {len(self._ctx)} devices "
                            f"and {self._team.size} processes of {size} each")
        first = self._team.rank * len(self._ctx)
        for number, device in enumerate(self._ctx, first):
            self._q.data(device)[:] = mx.nd.array(values[number * size:(number + 1) * size], ctx=device)

    def mean(self) -> Optional[float]:
        """Of this process's first device: enough for the log, and without a word to the others."""
        if self._q is None:
            return None
        mx.nd.waitall()
        return float(self._q.data(self._ctx[0]).mean().asscalar())


def _ranked(hardest, keep: int, parts, team: Team) -> np.ndarray:
    """The keep-th smallest probability of each term in the whole batch: (T,). parts: (labels, outputs) of each."""
    with autograd.pause():
        own = np.concatenate([hardest(y, *(o[name] for name in hardest.inputs)).asnumpy() for y, o in parts], axis=1)
    everyone = team.gathered(np.ascontiguousarray(own.T))  # (parts * those each has, T)
    return np.sort(everyone, axis=0)[min(keep, len(everyone)) - 1]


def _weights(results, team: Team) -> Tuple[List[np.ndarray], np.ndarray]:
    """Of each part's (terms, kept): the weights that make its terms sum to the whole batch's, and those terms."""
    terms = [t.asnumpy() for t, _ in results]
    kept = [k.asnumpy() for _, k in results]
    summed = team.total(np.stack([sum(kept), sum(t * k for t, k in zip(terms, kept))]).astype(np.float32))
    counted = np.maximum(summed[0], 1)
    return [k / counted for k in kept], summed[1] / counted


def train(network, loss, batches: Callable[[int], Stream], steps: int,
          recipe: Recipe, ctx,
          report: Callable[[int, float], None] = lambda step, value: None, run: Optional[Run] = None,
          hardest=None, files_of: Callable[[int], str] = lambda step: "unnamed") -> Trained:
    """Train an initialised `network` for `steps` batches, those that a checkpoint of `run` has behind it included.

    network   images (n, 3, H, W) -> outputs, on every device of the list `ctx`.
    loss      repro.losses.TrainingLoss; `hardest`, its HardestPixels, where a batch in parts is bootstrapped.
    batches   (step) -> iterator from that step on, of float32 (N, 3, H, W) and (N, H/4, W/4), this process's
              share of the batch; N is divided evenly among the devices.
    report    called after each step with its number and fused loss.
    files_of  what to say of a step's batch.
    Raises UserError when the loss is no longer finite, naming the step and the batch; the last checkpoint stays.
    """
    run = run or Run()
    team, scale = run.team, recipe.loss_scale
    together = len(ctx) * team.size > 1
    optimizer = mx.optimizer.SGD(learning_rate=recipe.learning_rate, momentum=recipe.momentum,
                                 wd=recipe.weight_decay)
    trained = [p for p in network.collect_params().values() if p.grad_req != "null"]
    trainer = gluon.Trainer(trained, optimizer, kvstore=None)
    summed = Summed(trained, team)
    parameters, averages = parameters_of(network), Averages(network, ctx, team)
    found = checkpoints.restore(run.checkpoint, run.identity, parameters, trainer, ctx) if run.folder else None
    start, values, spent = (found["step"], found["losses"], found["seconds"]) if found else (0, [], 0.0)
    began = time.monotonic() - spent
    if found:
        averages.set(found["averages"])
    log = Log(run.folder / "log.jsonl" if run.folder and team.rank == 0 else None, start)
    stream = batches(start)
    try:
        for step in range(start, steps):
            images, labels = next(stream)
            images = gluon.utils.split_and_load(mx.nd.array(images), ctx)
            labels = gluon.utils.split_and_load(mx.nd.array(labels), ctx)
            with autograd.record():
                parts = [(y, named_outputs(network, x)) for x, y in zip(images, labels)]
                ranked = (mx.nd.array(_ranked(hardest, recipe.keep, parts, team)),) if together and hardest else ()
                results = [loss(y, *(o[name] for name in loss.inputs), *(r.as_in_context(y.context) for r in ranked))
                           for y, o in parts]
            weights, terms = _weights(results, team) if together else ([np.ones(results[0][0].shape)], None)
            autograd.backward([t for t, _ in results],
                              [mx.nd.array(w * scale, ctx=t.context) for w, (t, _) in zip(weights, results)])
            rate = recipe.rate(step, steps)
            trainer.set_learning_rate(rate)
            summed.sum()
            if recipe.clip is not None:
                for device in ctx:  # the sum over devices is each one's
                    gluon.utils.clip_global_norm([p.grad(device) for p in trained], recipe.clip * scale, False)
            if recipe.precision == "float32" or _finite(trained, ctx):  # else a float16 overflow: the step is left out
                trainer.update(scale)
            terms = results[0][0].asnumpy() if terms is None else terms
            value = float(terms[0])
            if not math.isfinite(value):
                raise UserError(f"training: the loss is {value} at step {step + 1} of {steps}, whose batch is "
                                f"{files_of(step)}; a learning_rate below {recipe.learning_rate} may help")
            values.append(value)
            mask = parts[0][1].get("mask")
            log.add(asdict(Step(step + 1, value, float(terms.sum()), rate, averages.mean(),
                                None if mask is None else float(mask.sum().asscalar()) / len(mask))))
            if run.folder and ((step + 1) % run.every == 0 or step + 1 == steps):
                every = averages.get()  # all processes take part in this
                if team.rank == 0:
                    checkpoints.save(run.checkpoint, step + 1, run.identity, parameters, trainer, every, values,
                                     time.monotonic() - began)
            report(step, value)
    finally:
        stream.close()
        log.close()
    return Trained(*first_and_last(values), time.monotonic() - began)


def _finite(parameters, ctx) -> bool:
    gradients = [p.grad(ctx[0]) for p in parameters]
    return bool(mx.nd.multi_all_finite(*gradients, num_arrays=len(gradients)).asscalar())
