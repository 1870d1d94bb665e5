"""Checkpoints of a training run: one file, written atomically, from which it goes on as if it had not stopped.

What a run is at a step: the parameters (batch norm's statistics and the sparsity term's moving averages q among them),
the optimiser's momenta, and the step. The schedule and every batch, with its augmentation, follow from seed and step
alone, so that the step is the random state too; nothing else in training is random once the network is initialised.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Dict, List, Optional, Sequence

import mxnet as mx
import numpy as np

from repro.errors import UserError
from repro.files import replacing
from repro.parameters import load as load_arrays

FORMAT = 2  # 1 numbered the momenta among all parameters, not the trained ones
META, PARAMETER, MOMENTUM, AVERAGES, LOSSES = "meta", "parameter:", "momentum:", "q", "losses"


def momenta_of(trainer) -> Dict[int, mx.nd.NDArray]:
    """The first device's momenta by parameter index.

    Trainer's own save_states pickles them; a checkpoint is to be read without running what is in it.
    """
    return {index: value for index, value in trainer._updaters[0].states.items() if value is not None}


def save(path, step: int, identity: str, parameters: Dict, trainer, averages: np.ndarray,
         losses: Sequence[float], seconds: float) -> None:
    """Write the state after `step` steps.

    parameters  by structural name (repro.parameters.parameters_of). averages: q of all devices and processes (may be
                empty). losses: one per step so far, seconds: what they took. identity: what run this is of.
    Raises UserError, and leaves the file as it was, when a parameter is no longer finite.
    """
    arrays = {f"{PARAMETER}{name}": p.data(p.list_ctx()[0]) for name, p in parameters.items()}
    bad = [name for name, value in arrays.items() if not bool(mx.nd.contrib.isfinite(value).min().asscalar())]
    if bad:
        raise UserError(f"training: {bad[0].partition(':')[2]} is no longer finite after step {step}")
    arrays.update({f"{MOMENTUM}{index}": value for index, value in momenta_of(trainer).items()})
    meta = json.dumps({"format": FORMAT, "step": step, "identity": identity, "seconds": seconds}).encode()
    arrays[META] = mx.nd.array(np.frombuffer(meta, np.uint8), dtype="uint8")
    arrays[LOSSES] = mx.nd.array(np.asarray(losses, np.float64), dtype="float64")
    if averages.size:
        arrays[AVERAGES] = mx.nd.array(averages)
    with replacing(path) as temporary:
        mx.nd.save(str(temporary), {name: value.as_in_context(mx.cpu()) for name, value in arrays.items()})


def restore(path, identity: str, parameters: Dict, trainer, ctx) -> Optional[Dict]:
    """Set the state in the file `path`: {"step", "seconds", "averages", "losses"}; None without a file.

    Raises UserError for a damaged file and for one of another run.
    """
    if not Path(path).exists():
        return None
    arrays = load_arrays(path)
    try:
        meta = json.loads(arrays.pop(META).asnumpy().tobytes())
        step, found, seconds = int(meta["step"]), str(meta["identity"]), float(meta["seconds"])
    except (KeyError, TypeError, ValueError):
        raise UserError(f"checkpoint {path}: not a checkpoint, or damaged; remove it to begin again") from None
    if meta.get("format") != FORMAT or found != identity:
        raise UserError(f"checkpoint {path}: of another run ({found[:12]}, not {identity[:12]}); "
                        "remove it to begin again")
    losses: List[float] = arrays.pop(LOSSES).asnumpy().tolist()
    averages = arrays.pop(AVERAGES).asnumpy() if AVERAGES in arrays else np.zeros(0, np.float32)
    for name, parameter in parameters.items():
        value = arrays.get(f"{PARAMETER}{name}")
        if value is None or value.shape != parameter.shape:
            raise UserError(f"checkpoint {path}: of another network: {name}; remove it to begin again")
        parameter.set_data(value)
    for name, value in arrays.items():
        if name.startswith(MOMENTUM):
            for updater, device in zip(trainer._updaters, ctx):
                index = int(name[len(MOMENTUM):])
                updater.states[index] = value.copyto(device)
                updater.states_synced[index] = True
    return {"step": step, "seconds": seconds, "averages": averages, "losses": losses}
