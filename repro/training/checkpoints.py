"""Checkpoints of a training run: one file, written whole or not at all, from which it goes on as if it had not stopped.

What a run is at a step: the parameters (batch norm's statistics and the sparsity term's moving averages q among them),
the optimiser's states, and what the steps so far gave. The schedule and every batch, with its augmentation, follow from
seed and step alone, so that the step is the random state too; nothing else in training is random once the network is
initialised.
"""

from __future__ import annotations

import json
import sys
from typing import Dict, List, Optional

import mxnet as mx
import numpy as np

from repro.config.parsing import of_format
from repro.errors import UserError, shown
from repro.models.parameters import load_typed

FORMAT = 3
META, PARAMETER, STATE, AVERAGES = "meta", "parameter:", "state:", "q"


def _states(trainer) -> Dict[str, mx.nd.NDArray]:
    """Return the optimiser's states on the first device by name: of SGD a momentum, of Adam two moments a parameter.

    Trainer's own save_states pickles them; a checkpoint is to be read without running what is in it.
    """
    return {f"{STATE}{index}.{part}": value for index, state in trainer._updaters[0].states.items() if state is not None
            for part, value in enumerate(state if isinstance(state, tuple) else (state,))}


def state(identity: str, parameters: Dict, trainer, averages: np.ndarray, history: List, seconds: float,
          core_seconds: float = 0.0) -> Dict[str, mx.nd.NDArray]:
    """Return the state after len(history) steps as named arrays.

    identity    of the run. parameters: by structural name (parameters.parameters_of).
    averages    q of all devices and processes (may be empty).
    history     of each step a list of figures, its loss first. seconds, core_seconds: what they took.
    Raises UserError when a parameter is no longer finite.
    """
    arrays = {f"{PARAMETER}{name}": p.data(p.list_ctx()[0]) for name, p in parameters.items()}
    bad = [name for name, value in arrays.items() if not bool(mx.nd.contrib.isfinite(value).min().asscalar())]
    if bad:
        raise UserError(f"training: {bad[0].partition(':')[2]} is no longer finite after step {len(history)}")
    arrays.update(_states(trainer))
    meta = {"format": FORMAT, "step": len(history), "identity": identity, "seconds": seconds,
            "core_seconds": core_seconds, "history": history}
    arrays[META] = mx.nd.array(np.frombuffer(json.dumps(meta).encode(), np.uint8), dtype="uint8")
    if averages.size:
        arrays[AVERAGES] = mx.nd.array(averages)
    return arrays


def _meta(arrays: Dict[str, mx.nd.NDArray], path) -> Dict:
    """Return what the arrays of a file are a state of; UserError where they are none."""
    try:
        return json.loads(arrays[META].asnumpy().tobytes())
    except (KeyError, ValueError):
        raise UserError(f"checkpoint {path}: not a checkpoint, or damaged; remove it to begin again") from None


def read(path) -> Optional[Dict[str, mx.nd.NDArray]]:
    """Return the `state` in a file; None without a file and, with a line on stderr, for one of an earlier program."""
    if path is None or not path.exists():
        return None
    arrays = load_typed(path)
    if _meta(arrays, path)["format"] >= FORMAT:
        return arrays
    print(f"checkpoint {path}: written by an earlier version of this program; the run begins anew", file=sys.stderr)
    return None


def set_state(arrays: Dict[str, mx.nd.NDArray], path, identity: str, parameters: Dict, trainer, ctx) -> Dict:
    """Set a `state`, from the file `path`, whole or not at all; return its history, averages, seconds, core_seconds.

    Raises UserError for a damaged one and for one of another run or network.
    """
    meta = _meta(arrays, path)
    of_format(meta, FORMAT, f"checkpoint {path}")
    if meta["identity"] != identity:
        raise UserError(f"checkpoint {path}: of another run ({meta['identity'][:12]}, not {identity[:12]}); "
                        "remove it to begin again")
    averages = arrays[AVERAGES].asnumpy() if AVERAGES in arrays else np.zeros(0, np.float32)
    wanted = {f"{PARAMETER}{name}": parameter for name, parameter in parameters.items()}
    known = {**{f"{STATE}{index}.{part}": p for index, p in enumerate(trainer._params) for part in (0, 1)}, **wanted}
    for name in (*wanted, *sorted(arrays.keys() - {META, AVERAGES})):
        parameter, value = known.get(name), arrays.get(name)
        if value is None or parameter is None or value.shape != parameter.shape or \
                np.dtype(value.dtype) != np.dtype(parameter.dtype):
            raise UserError(f"checkpoint {path}: of another network: {shown(name)}; remove it to begin again")
    for name, parameter in wanted.items():
        parameter.set_data(arrays[name])
    for index in range(len(trainer._params)):
        own = [arrays[name] for name in (f"{STATE}{index}.0", f"{STATE}{index}.1") if name in arrays]
        for updater, device in zip(trainer._updaters, ctx) if own else ():
            copies = tuple(one.copyto(device) for one in own)
            updater.states[index] = copies if len(copies) > 1 else copies[0]
            updater.states_synced[index] = True
    return {"history": meta["history"], "averages": averages, "seconds": float(meta["seconds"]),
            "core_seconds": float(meta["core_seconds"])}
