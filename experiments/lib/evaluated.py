"""Given weights of a row on a data set's measured images: its figures, and which regions were computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List, Optional, Tuple

import numpy as np

from experiments.lib.command import HERE, contexts
from repro.config.rows import Row, Training
from repro.errors import UserError, choice


class _Watched:
    """A network that keeps the masks (Y, X) of what it is run on, in `masks`."""

    def __init__(self, network, masks: List[np.ndarray]):
        self.network, self.outputs, self.masks = network, network.outputs, masks

    def __call__(self, x):
        outputs = self.network(x)
        if "mask" in self.outputs:
            self.masks.extend(outputs[self.outputs.index("mask")].asnumpy()[:, 0])
        return outputs


def evaluate_weights(weights: str, row: Row, training: Training, data: str, preset_name: str, budget: str,
                     gpu: str = "") -> Tuple[Any, Optional[np.ndarray]]:
    """Return (the figures in the row's inference, the share of images in which each region is computed).

    UserError for weights that are not the row's at the preset's width.
    """
    ctx = contexts(gpu)[0]
    from tqdm import tqdm

    from repro.config.presets import load_preset
    from repro.data import open_dataset
    from repro.data.images import image_size
    from repro.data.loader import evaluation_batches
    from repro.evaluation.inference import evaluate
    from repro.models import parameters
    from repro.models.plan import Plan
    from repro.training.run import EVALUATION_BATCH, network_factory

    presets = sorted(path.stem for path in (HERE / "presets").glob("*.yaml") if path.stem != "pretrain")
    preset = load_preset(HERE / "presets" / f"{choice(preset_name, presets, 'PRESET')}.yaml", preset_name)
    dataset = open_dataset(folder_of(data, preset))
    samples = dataset.measured[:preset.budget(budget).images]
    plan = Plan(row.network, training, preset, image_size(samples[0].image))
    arrays, masks = parameters.load(weights), []  # type: ignore[var-annotated]
    made = network_factory(plan, arrays, len(dataset.classes), row.inference, ctx)
    batches = tqdm(evaluation_batches(samples, dataset.classes, EVALUATION_BATCH, (plan.multiple, plan.multiple)),
                   total=-(-len(samples) // EVALUATION_BATCH), desc=row.inference, unit="batch", leave=False)
    found, _ = evaluate(lambda *size: _Watched(made(*size), masks), batches, dataset.classes.names, ctx)
    alike = masks and len({mask.shape for mask in masks}) == 1
    return found, np.mean(masks, axis=0) if alike else None


def folder_of(data: str, preset) -> Path:
    """Return the folder DATA names, minicity written first if it is that."""
    if data != "minicity":
        folder = Path(data).expanduser()
        if not folder.is_dir():
            raise UserError(f"DATA: {data!r} is neither minicity nor a folder")
        return folder.absolute()
    from repro.data.minicity import write_minicity

    folder = HERE.parent / ".cache" / "data" / "minicity-{}x{}".format(*preset.size)
    write_minicity(folder, size=preset.size)
    return folder
