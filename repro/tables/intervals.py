"""Intervals (90%) of a difference between rows: Student's t of paired seeds, and a bootstrap over test images."""

from __future__ import annotations

import math
from typing import Any, Callable, Mapping, Optional, Sequence, Tuple

import numpy as np

from repro.evaluation.metrics import mean_iou

Interval = Tuple[float, float]
DRAWS = 2000
T_95 = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812)  # for 1 to 10 degrees of freedom


def t_95(freedom: int) -> float:
    """Return Student's t that 5% lie above, to 0.001."""
    return T_95[freedom - 1] if freedom <= len(T_95) else 1.645 + 1.524 / freedom + 1.42 / freedom ** 2


def t_interval(mean: float, pairs: int, deviation: float, freedom: int) -> Interval:
    """Return the interval of a mean over so many pairs of seeds, from a pooled deviation."""
    half = t_95(freedom) * deviation / math.sqrt(pairs)
    return mean - half, mean + half


def pooled(spreads: Sequence[Mapping[int, float]]) -> Optional[float]:
    """Return the standard deviation of differences by seed, each about its own mean; None where none has two."""
    several = [np.array(list(one.values())) for one in spreads if len(one) > 1]
    freedom = sum(len(one) - 1 for one in several)
    return math.sqrt(sum(((one - one.mean()) ** 2).sum() for one in several) / freedom) if several else None


def sequences(names: Sequence[str]) -> Sequence:
    """Return the sequence of each image, the part of its name before "_"; single images where all are of one."""
    found = [name.split("_")[0] for name in names]
    return found if len(set(found)) > 1 else [*range(len(names))]


def bootstrap(terms: Sequence[Tuple[float, np.ndarray]], groups: Sequence,
              figure: Callable[[np.ndarray], np.ndarray] = mean_iou) -> Tuple[Any, Any]:
    """Return the interval of sum(weight * figure) over draws of whole groups of images with replacement.

    terms   (weight, confusion matrices (images, K, K)) of each row and seed.
    groups  of each image, such as its sequence.
    figure  of confusion matrices (N, K, K): (N,); or several, (N, M), of which lists of both ends are returned.
    """
    _, at = np.unique(groups, return_inverse=True)
    number = at.max() + 1
    members = np.eye(number)[:, at]  # (groups, images): counts are whole numbers, so that these sums are exact
    draws = np.random.RandomState(0).multinomial(number, np.full(number, 1 / number), DRAWS)
    total = sum(weight * figure(np.tensordot(draws, np.tensordot(members, matrices, 1), 1))
                for weight, matrices in terms)
    low, high = np.percentile(total, (5, 95), axis=0).tolist()
    return low, high
