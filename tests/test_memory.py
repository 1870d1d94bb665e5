"""Training and prediction keep nothing of a step or image: what the C library has given out stays the same."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import re

import mxnet as mx
import numpy as np
import pytest
from model_a import MODEL_A

from repro.config.networks import Column, Network
from repro.config.rows import Training
from repro.data import open_dataset
from repro.models.build import Plan
from repro.prediction.load import load
from repro.training.run import train_network

UNITS = (3, 4, 6, 3)
COARSE_TO_FINE = Network("ctf", (Column(0.5, UNITS), Column(1.0, UNITS)), 32, "plain", None)
NONE = Training("none", None, None, bootstrapping=False, coarse=False, pretrained=True)
SPARSE = Training("sparse", 0.25, 0.001, bootstrapping=True, coarse=False, pretrained=True)
BEGIN, STEPS = 10, 25
ALLOWED = 4096  # bytes a step, for the losses, the log and what is rounded; concat's gradient kept 33 KiB of each


def given_out(folder) -> int:
    """Bytes that malloc has given out and not had back, whatever the system has lent it (glibc's malloc_info)."""
    library = ctypes.CDLL("libc.so.6")
    library.fopen.restype = ctypes.c_void_p
    library.fopen.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    library.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
    library.fclose.argtypes = [ctypes.c_void_p]
    path = folder / "malloc.xml"
    mx.nd.waitall()
    file = library.fopen(str(path).encode(), b"w")
    assert library.malloc_info(0, file) == 0
    library.fclose(file)
    total = path.read_text().rpartition("</heap>")[2]

    def size(what: str) -> int:
        return int(re.search(rf'<{what}[^>]* size="(\d+)"', total).group(1))
    return size('system type="current"') + size('total type="mmap"') - size('total type="fast"') - \
        size('total type="rest"')


@pytest.mark.parametrize("network, training", ((COARSE_TO_FINE, NONE), (MODEL_A, SPARSE)), ids=("ctf", "model-a"))
def test_memory_of_training_stays(network, training, city, lite, backbone, tmp_path):
    # a dense phase, whose end brings a second network, would lie between the two looks
    preset = dataclasses.replace(lite, recipe=dataclasses.replace(lite.recipe, batch=1, dense_share=0))
    plan = Plan(network, training, preset, (128, 256))
    held = {}

    def look(step: int, loss: float) -> None:
        if step in (BEGIN, BEGIN + STEPS):
            held[step] = given_out(tmp_path)
    train_network(plan, open_dataset(city), BEGIN + STEPS + 1, 0, [mx.cpu()], backbone, look)
    assert (held[BEGIN + STEPS] - held[BEGIN]) / STEPS < ALLOWED


@pytest.mark.parametrize("engine", ["mxnet", "onnx", "openvino"])
def test_a_thousand_frames_leave_nothing(engine, about, tmp_path):
    segmenter = load(about.path, engine=engine)
    frames = [np.random.RandomState(side).randint(0, 256, (64, side, 3)).astype(np.uint8) for side in (100, 128, 190)]
    held = []

    def look():
        held.append((given_out(tmp_path), len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))))
    for number in range(1000):
        if number == 30:  # every size's engine is made
            look()
        segmenter.segment(frames[number % len(frames)])
    look()
    (before, *open_before), (after, *open_after) = held
    assert (after - before) / 970 < 256  # bytes a frame, which has 19,200 and more
    assert open_after <= open_before
