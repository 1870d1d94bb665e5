"""One step of a row's training: forward and backward on a batch that may be divided among devices and processes.

However it is divided, a step is that of the whole batch: the losses are means over its pixels and the gradient their
sum. (With frozen batch norm. Where it learns, each device normalises its own share, and the first one's statistics are
kept.)
"""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

from repro.evaluation.inference import named_outputs
from repro.training.losses import TrainingLoss
from repro.training.team import Team

SATURATED = 3  # |s|, from where sigmoid's slope is below a fifth of its largest


def forward_backward(network, loss: TrainingLoss, images, labels, ctx, team: Team) -> Dict[str, Optional[float]]:
    """Leave the gradients of one batch in the network's parameters; return figures of it, for the log.

    images, labels  float32 (n, 3, H, W) and (n, H/4, W/4), this process's share; n is divided among the devices.
    """
    images, labels = (gluon.utils.split_and_load(mx.nd.array(one), ctx) for one in (images, labels))
    together = len(ctx) * team.size > 1
    with autograd.record():
        parts = [(y, named_outputs(network, x)) for x, y in zip(images, labels)]
        ranked = (mx.nd.array(_ranked(loss, loss.keep, parts, team)),) if together and loss.keep else ()
        results = [loss(y, *(o[name] for name in loss.inputs), *(r.as_in_context(y.context) for r in ranked))
                   for y, o in parts]
    weights, terms = _weights(results, team) if together else ([np.ones(results[0][0].shape)], None)
    autograd.backward([t for t, _ in results], [mx.nd.array(w, ctx=t.context) for w, (t, _) in zip(weights, results)])
    terms = results[0][0].asnumpy() if terms is None else terms
    return {"loss": float(terms[0]), "total": float(terms.sum()), **selected(parts[0][1])}


def _ranked(loss: TrainingLoss, keep: int, parts, team: Team) -> np.ndarray:
    """Return the keep-th smallest probability of each term in the whole batch, (T,). parts: (labels, outputs)."""
    with autograd.pause():
        own = np.concatenate([loss.hardest(y, *(o[name] for name in loss.inputs)).asnumpy() for y, o in parts], axis=1)
    everyone = team.gathered(np.ascontiguousarray(own.T))  # (parts * those each has, T)
    return np.sort(everyone, axis=0)[min(keep, len(everyone)) - 1]


def _weights(results, team: Team) -> Tuple[List[np.ndarray], np.ndarray]:
    """Return, of each part's (terms, kept), the weights that make its terms sum to the whole batch's, and those."""
    terms = [t.asnumpy() for t, _ in results]
    kept = [k.asnumpy() for _, k in results]
    summed = team.total(np.stack([sum(kept), sum(t * k for t, k in zip(terms, kept))]).astype(np.float32))
    counted = np.maximum(summed[0], 1)
    return [k / counted for k in kept], summed[1] / counted


def selected(outputs: Dict[str, mx.nd.NDArray]) -> Dict[str, Optional[float]]:
    """Return what a batch's outputs show of the selection; each None of a network without.

    active     regions computed per image.
    saturated  share of regions where sigmoid(s) hardly changes, |s| > 3.
    none, all  shares of images in which no region has s > 0, and in which every one has.
    """
    if "mask" not in outputs:
        return dict.fromkeys(("active", "saturated", "none", "all"))
    mask, s = (outputs[name].asnumpy().reshape(len(outputs[name]), -1) for name in ("mask", "s"))
    positive = (s > 0).sum(axis=1)
    return {"active": float(mask.sum(axis=1).mean()), "saturated": float((np.abs(s) > SATURATED).mean()),
            "none": float((positive == 0).mean()), "all": float((positive == s.shape[1]).mean())}
