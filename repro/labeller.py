"""From a photo to labels of its size: what every engine does alike around its network."""

from __future__ import annotations

import threading
from typing import Callable, Sequence, Tuple

import cv2
import numpy as np

from repro import labelmap
from repro.data.augment import MEAN, STD, normalise


class Labeller:
    """Labels of photos, one after the other, through a network that runs at one size. Threads take turns.

    shape     of the network's input, (1, 3, H, W).
    scores    runs the network on `pixels`: score maps float32 (K, H / stride, W / stride).
    mixed     only mixed cells of the label map are interpolated; False: every pixel.
    mean, std of each channel, by which photos are normalised.

    `pixels` is the one memory, of `shape`, that photos are written into.
    """

    def __init__(self, shape: Tuple[int, ...], scores: Callable[[], np.ndarray], mixed: bool = True,
                 mean: Sequence[float] = MEAN, std: Sequence[float] = STD):
        self.shape, self._scores = tuple(shape), scores
        self._method = labelmap.labels_of if mixed else labelmap.labels_everywhere
        self._lock = threading.Lock()
        self.pixels = np.zeros(self.shape, np.float32)
        self._written = self.pixels[:]  # MXNet forbids to write to the array itself, once it shares its memory
        self._filled = (0, 0)
        levels = np.empty((3, 1, 256), np.float32)
        normalise(np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2), levels, mean, std)
        self._levels = levels  # of each channel, what each of the 256 values is normalised to

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """uint8 (H, W, 3) RGB, up to the network's size -> labels uint8 (H, W).

        The image is normalised and padded with the mean colour, at the bottom and the right. UserError where the scores
        are not finite.
        """
        height, width = image.shape[:2]
        if self.shape[0] != 1 or height > self.shape[2] or width > self.shape[3] or image.shape[2:] != (3,) \
                or image.dtype != np.uint8 or not image.size:
            raise ValueError(f"image {image.shape} of {image.dtype}: this engine is for {self.shape[0]} of up to "
                             f"{self.shape[2]}x{self.shape[3]} pixels, uint8 RGB")
        with self._lock:
            self._fill(image)
            scores = self._scores()
        return self._method(scores, (height, width), self.shape[2] // scores.shape[1])

    def _fill(self, image: np.ndarray) -> None:
        """Write a normalised image into the input's memory, which nothing reads between two calls."""
        height, width = image.shape[:2]
        if self._filled[0] > height or self._filled[1] > width:
            self._written[:] = 0
        for channel, plane in enumerate(cv2.split(image)):
            target = self._written[0, channel, :height, :width]
            made = cv2.LUT(plane, self._levels[channel], dst=target)
            if made is not target and made.ctypes.data != target.ctypes.data:
                target[:] = made
        self._filled = height, width
