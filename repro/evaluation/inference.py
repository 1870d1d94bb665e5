"""Whole-image inference: images of any size in, labels of that size out; and the evaluation of a test set."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

import mxnet as mx
import numpy as np

from repro.evaluation.metrics import FIGURES, Confusion
from repro.evaluation.selection import Selection
from repro.labels.labelmap import labels_everywhere


def named_outputs(network, x) -> Dict[str, mx.nd.NDArray]:
    """Run `network` on images (N, 3, H, W): its outputs by the names it gives them."""
    outputs = network(x)
    return dict(zip(network.outputs, outputs if isinstance(outputs, (list, tuple)) else (outputs,)))


@dataclass(frozen=True)
class Evaluation:
    """What a test set gave, percentages of pixels; means per image of what was selected, None without selection."""

    pixel_acc: float
    mean_acc: float
    mean_iou: float
    k: Optional[int]              # regions computed ...
    regions: Optional[int]        # ... of so many
    class_iou: List[Optional[float]]
    active_mean: Optional[float]  # regions with s > 0, "ideally" those computed (Section 4.4)
    z2_mean: Optional[float]      # the full column's weight before the mask, over all positions ...
    z2_computed: Optional[float]  # ... and over those in computed regions
    active_counts: Optional[Dict[str, int]]  # images by their number of regions with s > 0
    images: int
    selection: Optional[Dict[str, Any]]  # what computed regions hold (repro.evaluation.selection)


def evaluate(network_for: Callable[[int, int], object], batches: Iterable, names: Sequence[str], ctx,
             region: Optional[int] = None) -> Tuple[Evaluation, np.ndarray]:
    """Run a test set and count a confusion matrix of each image, and one over all pixels.

    network_for  (H, W) of padded images -> a hybridized network for them.
    batches      of `repro.data.loader.evaluation_batches`.
    names        of the classes.
    region       side of a region in pixels; None without selection.
    Returns the figures and the images' matrices, int64 (images, K, K): pixels of class t predicted as p at [t, p].
    """
    matrices: List[np.ndarray] = []
    selection = Selection(names)
    found: Dict[str, List[np.ndarray]] = {"s": [], "z2": [], "mask": []}
    for x, labels, sizes in batches:
        network = network_for(*x.shape[2:])
        named = named_outputs(network, mx.nd.array(x, ctx=ctx))
        scores = named["scores"].asnumpy()
        for values, label, size in zip(scores, labels, sizes):
            one = Confusion(len(names))
            one.add(label, labels_everywhere(values, size))
            matrices.append(one.matrix)
        if region:
            for mask, label in zip(named["mask"].asnumpy(), labels):
                selection.add(mask[0], label, region)
        for name in found.keys() & named.keys():
            found[name].extend(named[name].asnumpy())
    confusion, selects = Confusion(len(names)), bool(found["mask"])
    confusion.matrix += sum(matrices)
    return Evaluation(
        **{name: float(figure(confusion.matrix)) for name, figure in FIGURES.items()},
        class_iou=confusion.class_iou(), images=len(matrices),
        k=round(float(np.mean([m.sum() for m in found["mask"]]))) if selects else None,
        regions=int(found["mask"][0].size) if selects else None,
        active_mean=float(np.mean([(s > 0).sum() for s in found["s"]])) if selects else None,
        z2_mean=float(np.mean([z.mean() for z in found["z2"]])) if found["z2"] else None,
        z2_computed=_over_computed(found["z2"], found["mask"]),
        active_counts={str(n): c for n, c in sorted(Counter(int((s > 0).sum()) for s in found["s"]).items())}
        if selects else None,
        selection=selection.shares() if region else None), np.stack(matrices)


def _over_computed(values: Sequence[np.ndarray], masks: Sequence[np.ndarray]) -> Optional[float]:
    """Return the mean of maps (1, h, w) over the positions whose region has 1 in its mask (1, Y, X); None if none."""
    held = [value[np.kron(mask, np.ones([one // of for one, of in zip(value.shape, mask.shape)])) > 0]
            for value, mask in zip(values, masks)]
    return float(np.mean(np.concatenate(held))) if held and sum(map(len, held)) else None
