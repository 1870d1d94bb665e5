"""The training loop: of the paper's rows and of SparseRefine's refiner alike, on one device or several, alone or in a
team of processes. What is trained, by what loss and optimiser, is passed in."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

import mxnet as mx
import numpy as np
from mxnet import gluon

from repro.data.loader import Stream
from repro.errors import UserError
from repro.models.parameters import parameters_of, save_arrays
from repro.training import checkpoints
from repro.training.logs import Log
from repro.training.team import Averages, Summed, Team

INITIAL = mx.init.Xavier(rnd_type="gaussian", factor_type="in", magnitude=2)


@dataclass(frozen=True)
class Run:
    """Where a run keeps itself, and with whom it trains.

    folder    of checkpoint.params and log.jsonl; None: nothing is kept. A run that finds them goes on from there.
    identity  what the run is of; a checkpoint of another is refused.
    every     steps between checkpoints.
    readers   threads that read batches ahead; 0: one.
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


@dataclass(frozen=True)
class Trained:
    """What a run was like: of each step the figures kept, what it took, and the state that it ended in."""

    history: List[List[Any]]
    seconds: float
    core_seconds: float
    state: Dict[str, mx.nd.NDArray]

    @property
    def losses(self) -> List[float]:
        """Of the steps that had anything to learn from."""
        return [loss for loss, *_ in self.history if loss is not None]

    @property
    def loss_first(self) -> float:
        """The mean loss of the first tenth."""
        return float(np.mean(self.losses[:max(1, len(self.losses) // 10)]))

    @property
    def loss_last(self) -> float:
        """The mean loss of the last tenth."""
        return float(np.mean(self.losses[-max(1, len(self.losses) // 10):]))


def train(network, backward: Callable[[int, Any, Any], Dict[str, Optional[float]]], optimiser,
          rate: Callable[[int, int], float], batches: Callable[[int], Stream], steps: int, ctx,
          clip: Optional[float] = None, until: Optional[int] = None, run: Optional[Run] = None,
          state: Optional[Dict[str, mx.nd.NDArray]] = None, kept: Sequence[str] = ("loss",),
          report: Callable[[int, float], None] = lambda step, value: None,
          files_of: Callable[[int], str] = lambda step: "unnamed") -> Trained:
    """Train a network on one batch a step, the steps behind `state` included.

    network    initialised on every device of the list `ctx`.
    backward   (step, images, labels) -> figures for the log, "loss" among them; leaves the gradients. A loss of None:
               there was nothing to learn from, and the step changes nothing.
    optimiser  of mx.optimizer. rate: (step, steps) -> its learning rate. clip: the gradient's norm is cut to this.
    batches    (step) -> iterator from that step on, of this process's share of images and labels.
    until      the step to stop at; None: `steps`, which the whole run has.
    state      that the run goes on from, as checkpoints.read or another network's Trained has it.
    kept       figures of each step that Trained has, "loss" first.
    report     called after each step with its number and loss.
    files_of   what to say of a step's batch.
    Raises UserError when the loss is no longer finite, naming the step and the batch; the last checkpoint stays.
    """
    run, until, began, cores = run or Run(), steps if until is None else until, time.monotonic(), time.process_time()
    parameters = parameters_of(network)
    trained = [p for p in network.collect_params().values() if p.grad_req != "null"]
    trainer = gluon.Trainer(trained, optimiser, kvstore=None)
    averages, summed = Averages(network, ctx, run.team), Summed(trained, run.team)
    history: List[List[Any]] = []
    if state:
        found = checkpoints.set_state(state, run.checkpoint, run.identity, parameters, trainer, ctx)
        averages.set(found["averages"])
        history, began, cores = found["history"], began - found["seconds"], cores - found["core_seconds"]
        optimiser.begin_num_update = sum(loss is not None for loss, *_ in history)  # Adam's correction counts updates

    def reached() -> Trained:
        spent = time.monotonic() - began, time.process_time() - cores
        return Trained(history, *spent, checkpoints.state(run.identity, parameters, trainer, averages.get(), history,
                                                          *spent))

    log = Log(run.folder / "log.jsonl" if run.folder and run.team.rank == 0 else None, len(history))
    stream = batches(len(history))
    try:
        for step in range(len(history), until):
            figures, norm = backward(step, *next(stream)), None
            loss, now = figures["loss"], rate(step, steps)
            if loss is not None:
                if not math.isfinite(loss):
                    raise UserError(f"training: the loss is {loss} at step {step + 1} of {steps}, whose batch is "
                                    f"{files_of(step)}; a learning rate below {now:g} may help")
                summed.sum()
                for device in ctx:  # the sum over devices is each one's
                    norm = gluon.utils.clip_global_norm([p.grad(device) for p in trained], clip or math.inf, False)
                trainer.set_learning_rate(now)
                trainer.update(1)
            history.append([figures[name] for name in kept])
            log.add({"step": step + 1, **figures, "rate": now, "q": averages.mean(),
                     "gradient": None if norm is None else float(norm.asscalar())})
            if run.folder and ((step + 1) % run.every == 0 or step + 1 == steps):
                values = reached().state  # all processes of a team take part
                if run.team.rank == 0:
                    save_arrays(run.checkpoint, values)
            report(step, math.nan if loss is None else loss)
    finally:
        stream.close()
        log.close()
    return reached()
