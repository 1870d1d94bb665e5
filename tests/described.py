"""Weights with random values and a description, for the tests of prediction."""

from __future__ import annotations

import mxnet as mx
from made_up import PROVENANCE
from model_a import MODEL_A

from repro.config.networks import Column, Network
from repro.config.rows import Training
from repro.data import CITYSCAPES
from repro.models.build import build
from repro.models.parameters import arrays_of, save_arrays
from repro.prediction import weights

TRAINING = Training("sparse", 0.25, 0.001, bootstrapping=True, coarse=False, pretrained=False)
SINGLE = Network("single", (Column(1.0, (1, 1, 1, 1)),), 32, "plain", None)
WIDTH, REGION = 0.125, 64


def random_weights(path, network=MODEL_A, training=TRAINING, classes=CITYSCAPES) -> weights.Weights:
    """Write a .params file, such that it predicts many classes, and its description; returns that."""
    mx.random.seed(6)
    settings = {"grid": (1, 2), "region": REGION, "k": 1} if network.sparse else {}
    made = build(network, len(classes), WIDTH, **settings)
    made.initialize(mx.init.Xavier(magnitude=4))
    made(mx.nd.zeros((1, 3, REGION, 2 * REGION)))
    save_arrays(path, arrays_of(made))
    about = weights.Weights(
        path=path, network=network, training=training, classes=classes, width=WIDTH,
        region=REGION if network.sparse else None, data="minicity", size="128x256", preset="lite", budget="full",
        seed=0, steps=3, images=2, mean_iou=3.5,
        class_iou={name: {"road": 60.0, "train": None}.get(name, 0.5) for name in classes.names},
        provenance=PROVENANCE, sha256=weights.digest(path))
    weights.write(about)
    return about
