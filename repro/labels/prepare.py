"""From an image to what an engine takes: normalised and padded, in memory that is used again."""

from __future__ import annotations

import threading
from typing import Dict, Optional, Protocol, Sequence, Tuple

import cv2
import numpy as np

from repro.data.augment import MEAN, STD, normalise

Maps = Dict[str, np.ndarray]


class Input:
    """What an engine takes of an image, and the memory that `prepare` writes it into.

    shape      (N, 3, H, W) of the engine; images are prepared one at a time, N = 1.
    mean, std  of each channel, by which images are normalised.
    raw        the engine normalises and pads by itself: it takes an image as it is, uint8 (1, h, w, 3).
    lock       held from `prepare` until the engine has read what was prepared: the next image overwrites it.
    """

    def __init__(self, shape: Tuple[int, ...], mean: Sequence[float] = MEAN, std: Sequence[float] = STD,
                 raw: bool = False):
        self.shape, self.mean, self.std, self.raw = tuple(shape), mean, std, raw
        self.lock = threading.Lock()
        self.memory: Optional[np.ndarray] = None  # made for the first image: 25 MB for 1024x2048
        self.filled = (0, 0)
        self.levels = np.empty((3, 1, 256), np.float32)  # of each channel, what each of the 256 values becomes
        normalise(np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2), self.levels, mean, std)


class Mapper(Protocol):
    """An engine at one size: given what `prepare` makes, it returns maps float32 (C, h, w) by name, the caller's."""

    input: Input

    def __call__(self, x: np.ndarray) -> Maps:
        ...


def prepare(image: np.ndarray, given: Input) -> np.ndarray:
    """uint8 RGB (H, W, 3), up to the engine's size -> float32 (1, 3, H', W'), normalised, and padded with the mean
    colour, zero, at the bottom and the right; where the input is raw, uint8 (1, H, W, 3).

    ValueError for another array.
    """
    height, width = image.shape[:2]
    if given.shape[0] != 1 or height > given.shape[2] or width > given.shape[3] or image.shape[2:] != (3,) \
            or image.dtype != np.uint8 or not image.size:
        raise ValueError(f"image {image.shape} of {image.dtype}: this engine is for {given.shape[0]} of up to "
                         f"{given.shape[2]}x{given.shape[3]} pixels, uint8 RGB")
    if given.raw:
        return np.ascontiguousarray(image)[None]
    if given.memory is None:
        given.memory = np.zeros(given.shape, np.float32)
    elif given.filled[0] > height or given.filled[1] > width:
        given.memory[:] = 0
    for channel, plane in enumerate(cv2.split(image)):
        target = given.memory[0, channel, :height, :width]
        made = cv2.LUT(plane, given.levels[channel], dst=target)
        if made is not target and made.ctypes.data != target.ctypes.data:
            target[:] = made
    given.filled = height, width
    return given.memory.view()  # MXNet forbids to write to an array whose memory it shares


def maps_of(engine: Mapper, image: np.ndarray) -> Maps:
    """Return an engine's maps of an image; threads may share the engine, and take turns."""
    with engine.input.lock:
        return engine(prepare(image, engine.input))
