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
from typing import Any, Callable, Collection, Dict, List, Optional, Sequence, Tuple

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

from repro.config.presets import Recipe
from repro.data.loader import Stream
from repro.errors import UserError
from repro.evaluation.inference import named_outputs
from repro.models.parameters import AVERAGES, load_typed, parameters_of, save_arrays, structural
from repro.training import checkpoints
from repro.training.logs import Log
from repro.training.team import Summed, Team

SATURATED = 3  # |s|, from where sigmoid's slope is below a fifth of its largest
SPARSE_HEAD = "sparse_head."  # how the names of its parameters begin
INITIAL = mx.init.Xavier(rnd_type="gaussian", factor_type="in", magnitude=2)


@dataclass(frozen=True)
class Trained:
    """What a run was like: mean fused losses of its first and last tenth, and what it took."""

    loss_first: float
    loss_last: float
    seconds: float
    core_seconds: float


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
    gradient: float          # norm of all gradients, before any clip
    q: Optional[float]       # mean moving average of the active probability (Eq. 2); None without sparsity term
    active: Optional[float]  # regions computed per image; this and the next three: None without selection
    saturated: Optional[float]  # share of regions where sigmoid(s) hardly changes, |s| > 3
    none: Optional[float]    # share of images in which no region has s > 0
    all: Optional[float]     # share of images in which every region has


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


def train(phases: Sequence[Tuple[int, Any]], loss, batches: Callable[[int], Stream], recipe: Recipe, ctx,
          report: Callable[[int, float], None] = lambda step, value: None, run: Optional[Run] = None,
          hardest=None, files_of: Callable[[int], str] = lambda step: "unnamed") -> Trained:
    """Train on one batch a step, the steps that a checkpoint of `run` has behind it included.

    phases    (until, network): initialised networks of the same parameters, each trained up to step `until`, from
              where the one before it was left; images (n, 3, H, W) -> outputs, on every device of the list `ctx`.
    loss      repro.training.losses.TrainingLoss; `hardest`, its HardestPixels, where a batch in parts is bootstrapped.
    batches   (step) -> iterator from that step on, of float32 (N, 3, H, W) and (N, H/4, W/4), this process's
              share of the batch; N is divided evenly among the devices.
    report    called after each step with its number and fused loss.
    files_of  what to say of a step's batch.
    Raises UserError when the loss is no longer finite, naming the step and the batch; the last checkpoint stays.
    """
    run = run or Run()
    kept = load_typed(run.checkpoint) if run.checkpoint and run.checkpoint.exists() else None
    start = checkpoints.step_of(kept, run.checkpoint) if kept else 0
    log = Log(run.folder / "log.jsonl" if run.folder and run.team.rank == 0 else None, start)
    stream = batches(start)
    try:
        for index, (until, network) in enumerate(phases):
            if start < until or index + 1 == len(phases):
                phase = Phase(network, loss, hardest, recipe, ctx, run, phases[-1][0])
                phase.restore(kept)
                for step in range(start, until):
                    value = phase.step(step, *next(stream), log, files_of)
                    if run.folder and ((step + 1) % run.every == 0 or step + 1 == phases[-1][0]):
                        phase.save()
                    report(step, value)
                start, kept = until, phase.state() if index + 1 < len(phases) else None
    finally:
        stream.close()
        log.close()
    return Trained(*first_and_last(phase.losses), *phase.spent())


class Phase:
    """A network in training: its optimiser, and what its run has been so far."""

    def __init__(self, network, loss, hardest, recipe: Recipe, ctx, run: Run, steps: int):
        self.network, self.loss, self.hardest = network, loss, hardest
        self.recipe, self.ctx, self.run, self.steps = recipe, ctx, run, steps
        self.trained = [p for p in network.collect_params().values() if p.grad_req != "null"]
        self.trainer = gluon.Trainer(self.trained, mx.optimizer.SGD(
            learning_rate=recipe.learning_rate, momentum=recipe.momentum, wd=recipe.weight_decay), kvstore=None)
        self.parameters, self.averages = parameters_of(network), Averages(network, ctx, run.team)
        self.summed = Summed(self.trained, run.team)
        self.losses: List[float] = []
        self._began, self._cores = time.monotonic(), time.process_time()

    def restore(self, kept: Optional[Dict[str, mx.nd.NDArray]]) -> None:
        """Go on from a checkpoint's state, if there is one."""
        if kept:
            found = checkpoints.set_state(kept, self.run.checkpoint, self.run.identity, self.parameters, self.trainer,
                                          self.ctx)
            self.averages.set(found["averages"])
            self.losses = found["losses"]
            self._began -= found["seconds"]
            self._cores -= found["core_seconds"]

    def state(self) -> Dict[str, mx.nd.NDArray]:
        """Return what the next phase goes on from; all processes of a team take part."""
        return checkpoints.state(len(self.losses), self.run.identity, self.parameters, self.trainer,
                                 self.averages.get(), self.losses, *self.spent())

    def save(self) -> None:
        """Write the checkpoint; the first process of a team does."""
        state = self.state()
        if self.run.team.rank == 0:
            save_arrays(self.run.checkpoint, state)

    def spent(self) -> Tuple[float, float]:
        """Return the seconds and core-seconds of all steps so far."""
        return time.monotonic() - self._began, time.process_time() - self._cores

    def step(self, step: int, images, labels, log: Log, files_of: Callable[[int], str]) -> float:
        """Forward, backward and update on one batch; return the fused loss."""
        team, recipe, together = self.run.team, self.recipe, len(self.ctx) * self.run.team.size > 1
        images = gluon.utils.split_and_load(mx.nd.array(images), self.ctx)
        labels = gluon.utils.split_and_load(mx.nd.array(labels), self.ctx)
        with autograd.record():
            parts = [(y, named_outputs(self.network, x)) for x, y in zip(images, labels)]
            ranked = (() if not (together and self.hardest) else
                      (mx.nd.array(_ranked(self.hardest, recipe.keep, parts, team)),))
            results = [self.loss(y, *(o[name] for name in self.loss.inputs),
                                 *(r.as_in_context(y.context) for r in ranked)) for y, o in parts]
        weights, terms = _weights(results, team) if together else ([np.ones(results[0][0].shape)], None)
        autograd.backward([t for t, _ in results],
                          [mx.nd.array(w, ctx=t.context) for w, (t, _) in zip(weights, results)])
        rate = recipe.rate(step, self.steps)
        self.trainer.set_learning_rate(rate)
        self.summed.sum()
        for device in self.ctx:  # the sum over devices is each one's
            norm = gluon.utils.clip_global_norm([p.grad(device) for p in self.trained], recipe.clip or math.inf, False)
        self.trainer.update(1)
        terms = results[0][0].asnumpy() if terms is None else terms
        value = float(terms[0])
        if not math.isfinite(value):
            raise UserError(f"training: the loss is {value} at step {step + 1} of {self.steps}, whose batch is "
                            f"{files_of(step)}; a learning_rate below {recipe.learning_rate} may help")
        self.losses.append(value)
        log.add(asdict(Step(step + 1, value, float(terms.sum()), rate, float(norm.asscalar()), self.averages.mean(),
                            **selected(parts[0][1]))))
        return value


def selected(outputs: Dict[str, mx.nd.NDArray]) -> Dict[str, Optional[float]]:
    """Return what a batch's outputs tell of the selection, as `Step` has it."""
    if "mask" not in outputs:
        return dict.fromkeys(("active", "saturated", "none", "all"))
    mask, s = (outputs[name].asnumpy().reshape(len(outputs[name]), -1) for name in ("mask", "s"))
    positive = (s > 0).sum(axis=1)
    return {"active": float(mask.sum(axis=1).mean()), "saturated": float((np.abs(s) > SATURATED).mean()),
            "none": float((positive == 0).mean()), "all": float((positive == s.shape[1]).mean())}
