"""What tests/test_determinism.py runs in processes of its own: data, cost, a training and inference, as one file.

    python tests/repeated.py DATA READERS OUT.npz
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from pathlib import Path

import mxnet as mx
import numpy as np
from model_a import BACKBONE, EXPERIMENTS, MODEL_A

from repro.config.presets import Budget, load_preset
from repro.config.rows import Training, load_rows
from repro.data import open_dataset, read_image
from repro.data.minicity import scene
from repro.models import parameters
from repro.models.cost import row_figures
from repro.prediction.load import load
from repro.training.loop import Run
from repro.training.run import measure

STEPS = 4


def main(data: str, readers: int, out: str) -> None:
    """Model A trained for STEPS steps from the backbone and evaluated; the shipped weights on the same images."""
    dataset = open_dataset(Path(data))
    lite = load_preset(EXPERIMENTS / "presets" / "lite.yaml", "lite")
    preset = dataclasses.replace(lite, recipe=dataclasses.replace(lite.recipe, warmup=2, learning_rate=0.02))
    training = Training("sparse", 0.25, 0.001, bootstrapping=True, coarse=False, pretrained=True)
    result, arrays, _ = measure(MODEL_A, training, dataset, preset, Budget(STEPS, STEPS, None), 0, [mx.cpu()],
                                     parameters.load(BACKBONE), run=Run(readers=readers))
    shipped = load(EXPERIMENTS / "pretrained" / "minicity-isctf.params")
    found = [shipped.segment(read_image(sample.image), scores=True) for sample in dataset.val]
    pixels = b"".join(array.tobytes() for array in scene(1, "train", 2, (64, 128)))
    same = {"majority": result["majority"], "scene": hashlib.sha256(pixels).hexdigest(),
            "cost": [row_figures(row) for row in load_rows(EXPERIMENTS / "table5.yaml") if row.id == "model-a"]}
    np.savez(out, same=json.dumps(same), evaluations=json.dumps(result["evaluations"]),
             **{name: np.stack([getattr(one, name) for one in found]) for name in ("labels", "active", "scores")},
             **{f"trained.{name}": array.asnumpy() for name, array in arrays.items()})


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
