"""Given weights of a row on a data set's measured images: its figures, and which regions were computed."""

from __future__ import annotations

from typing import Any, List, Optional, Tuple

import numpy as np

from experiments.lib.command import contexts
from experiments.lib.lookup import chosen, data_folder, preset_of, trained_plan


class _Watched:
    """A network that keeps the masks (Y, X) of what it is run on, in `masks`."""

    def __init__(self, network, masks: List[np.ndarray]):
        self.network, self.outputs, self.masks = network, network.outputs, masks

    def __call__(self, x):
        outputs = self.network(x)
        if "mask" in self.outputs:
            self.masks.extend(outputs[self.outputs.index("mask")].asnumpy()[:, 0])
        return outputs


def evaluate_weights(given) -> Tuple[Any, Optional[np.ndarray]]:
    """Return (the figures in the row's inference, the share of images in which each region is computed).

    given  options that name a row, its data and WEIGHTS; UserError for weights that are not the row's.
    """
    preset, ctx, (row, _) = preset_of(given.preset), contexts(given.gpu)[0], chosen(given)
    from tqdm import tqdm

    from repro.data import open_dataset
    from repro.data.images import image_size
    from repro.data.loader import evaluation_batches
    from repro.evaluation.inference import evaluate
    from repro.training.run import EVALUATION_BATCH, network_factory

    dataset = open_dataset(data_folder(given.data, preset)[0])
    samples = dataset.measured[:preset.budget(given.budget).images]
    plan, arrays = trained_plan(given, dataset, image_size(samples[0].image))
    made = network_factory(plan, arrays, len(dataset.classes), row.inference, ctx)
    batches = evaluation_batches(samples, dataset.classes, EVALUATION_BATCH, (plan.multiple, plan.multiple))
    batches = tqdm(batches, row.inference, -(-len(samples) // EVALUATION_BATCH), leave=False, disable=None)
    masks: List[np.ndarray] = []
    found, _ = evaluate(lambda *size: _Watched(made(*size), masks), batches, dataset.classes.names, ctx)
    return found, np.mean(masks, axis=0) if masks and len({mask.shape for mask in masks}) == 1 else None
