"""Checkpoints of a training run: one file, written atomically, from which it goes on as if it had not stopped.

What a run is at a step: the parameters (batch norm's statistics and the sparsity term's moving averages q among them),
the optimiser's momenta, and the step. The schedule and every batch, with its augmentation, follow from seed and step
alone, so that the step is the random state too; nothing else in training is random once the network is initialised.
"""

from __future__ import annotations

import json
import os
from typing import Dict, List, Optional, Sequence

import mxnet as mx
import numpy as np

from repro.config.parsing import json_value, natural, number
from repro.errors import UserError, shown
from repro.models.parameters import load_typed, save_arrays

FORMAT = 2  # 1 numbered the momenta among all parameters, not the trained ones
META, PARAMETER, MOMENTUM, AVERAGES, LOSSES = "meta", "parameter:", "momentum:", "q", "losses"


def momenta_of(trainer) -> Dict[int, mx.nd.NDArray]:
    """The first device's momenta by parameter index.

    Trainer's own save_states pickles them; a checkpoint is to be read without running what is in it.
    """
    return {index: value for index, value in trainer._updaters[0].states.items() if value is not None}


def packed(values: Dict) -> mx.nd.NDArray:
    """Plain values as an array, to be kept beside others."""
    return mx.nd.array(np.frombuffer(json.dumps(values).encode(), np.uint8), dtype="uint8")


def unpacked(array: mx.nd.NDArray):
    """The values in an array that `packed` made; ValueError where it is none."""
    return json_value(array.asnumpy().tobytes().decode("utf-8"))


def state(step: int, identity: str, parameters: Dict, trainer, averages: np.ndarray, losses: Sequence[float],
          seconds: float, core_seconds: float = 0.0) -> Dict[str, mx.nd.NDArray]:
    """Return the state after `step` steps as named arrays.

    parameters  by structural name (parameters.parameters_of). averages: q of all devices and processes (may be
                empty). losses: one per step so far; seconds, core_seconds: what they took. identity: of which run.
    Raises UserError when a parameter is no longer finite.
    """
    arrays = {f"{PARAMETER}{name}": p.data(p.list_ctx()[0]) for name, p in parameters.items()}
    bad = [name for name, value in arrays.items() if not bool(mx.nd.contrib.isfinite(value).min().asscalar())]
    if bad:
        raise UserError(f"training: {bad[0].partition(':')[2]} is no longer finite after step {step}")
    arrays.update({f"{MOMENTUM}{index}": value for index, value in momenta_of(trainer).items()})
    arrays[META] = packed({"format": FORMAT, "step": step, "identity": identity, "seconds": seconds,
                           "core_seconds": core_seconds})
    arrays[LOSSES] = mx.nd.array(np.asarray(losses, np.float64), dtype="float64")
    if averages.size:
        arrays[AVERAGES] = mx.nd.array(averages)
    return arrays


def save(path, *values) -> None:
    """Write the `state` of these values to a file; UserError, and the file as it was, where that raises one."""
    save_arrays(path, state(*values))


def restore(path, identity: str, parameters: Dict, trainer, ctx) -> Optional[Dict]:
    """Set the state in the file `path`, as `set_state` does; None without a file."""
    return set_state(load_typed(path), path, identity, parameters, trainer, ctx) if os.path.exists(path) else None


def step_of(arrays: Dict[str, mx.nd.NDArray], path) -> int:
    """Return the step of a checkpoint's arrays; UserError for a damaged one."""
    try:
        return natural(unpacked(arrays[META])["step"], "step")
    except (KeyError, TypeError, ValueError):
        raise UserError(f"checkpoint {path}: not a checkpoint, or damaged; remove it to begin again") from None


def set_state(arrays: Dict[str, mx.nd.NDArray], path, identity: str, parameters: Dict, trainer, ctx) -> Dict:
    """Set a `state`, from the file `path`: {"step", "seconds", "core_seconds", "averages", "losses"}.

    Raises UserError for a damaged one and for one of another run.
    """
    arrays = dict(arrays)
    try:
        meta = unpacked(arrays.pop(META))
        step, found = natural(meta["step"], "step"), str(meta["identity"])
        seconds, core_seconds = (number(meta.get(name, 0.0), name) for name in ("seconds", "core_seconds"))
        losses: List[float] = arrays.pop(LOSSES).asnumpy().tolist()
    except (KeyError, TypeError, ValueError):
        raise UserError(f"checkpoint {path}: not a checkpoint, or damaged; remove it to begin again") from None
    if meta.get("format") != FORMAT or found != identity:
        raise UserError(f"checkpoint {path}: of another run ({found[:12]}, not {identity[:12]}); "
                        "remove it to begin again")
    averages = arrays.pop(AVERAGES).asnumpy() if AVERAGES in arrays else np.zeros(0, np.float32)
    momenta = _checked(path, arrays, parameters, trainer, len(losses) == step and averages.ndim == 1)
    for name, parameter in parameters.items():
        parameter.set_data(arrays[f"{PARAMETER}{name}"])
    for index, value in momenta.items():
        for updater, device in zip(trainer._updaters, ctx):
            updater.states[index] = value.copyto(device)
            updater.states_synced[index] = True
    return {"step": step, "seconds": seconds, "core_seconds": core_seconds, "averages": averages, "losses": losses}


def _checked(path, arrays, parameters: Dict, trainer, fits: bool) -> Dict[int, mx.nd.NDArray]:
    """The momenta by parameter index; UserError unless the names, shapes and types are those of this run's state, so
    that nothing is set of a file that is not whole."""
    wanted = {f"{PARAMETER}{name}": parameter for name, parameter in parameters.items()}
    places = {f"{MOMENTUM}{index}": index for index in range(len(trainer._params))}
    for name in arrays:
        if name not in wanted and name not in places:
            raise UserError(f"checkpoint {path}: of another network: it has {shown(name)}; remove it to begin again")
    if not fits:
        raise UserError(f"checkpoint {path}: its losses or averages are not of its step; remove it to begin again")
    for name, parameter in [*wanted.items(), *((name, trainer._params[index]) for name, index in places.items())]:
        value = arrays.get(name)
        if value is None and name in places:
            continue
        if value is None or value.shape != parameter.shape or np.dtype(value.dtype) != np.dtype(parameter.dtype):
            raise UserError(f"checkpoint {path}: of another network: {name.partition(':')[2]}; "
                            "remove it to begin again")
    return {index: arrays[name] for name, index in places.items() if name in arrays}
