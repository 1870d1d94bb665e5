"""From a photo to labels of its size: what every engine does alike around its network."""

from __future__ import annotations

import threading
from typing import Callable, Dict, Sequence, Tuple

import cv2
import numpy as np

from repro.data.augment import MEAN, STD, normalise
from repro.labels import labelmap

Outputs = Dict[str, np.ndarray]


class Labeller:
    """Labels of photos, one after the other, through a network that runs at one size. Threads take turns.

    shape     of the network's input, (1, 3, H, W).
    run       the network: given `pixels`, the one memory of `shape` that photos are written into, its outputs by name,
              without the batch's axis, "scores" (K, H / stride, W / stride) in float32 among them.
    mixed     only mixed cells of the label map are interpolated; False: every pixel.
    mean, std of each channel, by which photos are normalised.
    raw       the network normalises and pads by itself: `run` is given photos as they are.
    """

    def __init__(self, shape: Tuple[int, ...], run: Callable[[np.ndarray], Outputs], mixed: bool = True,
                 mean: Sequence[float] = MEAN, std: Sequence[float] = STD, raw: bool = False):
        self.shape, self._run, self._raw = tuple(shape), run, raw
        self._method = labelmap.labels_of if mixed else labelmap.labels_everywhere
        self._lock = threading.Lock()
        self.pixels = np.zeros(() if raw else self.shape, np.float32)
        self._written = self.pixels.view()  # MXNet forbids to write to the array itself, once it shares its memory
        self._filled = (0, 0)
        levels = np.empty((3, 1, 256), np.float32)
        normalise(np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2), levels, mean, std)
        self._levels = levels  # of each channel, what each of the 256 values is normalised to

    def __call__(self, image: np.ndarray) -> Tuple[np.ndarray, Outputs]:
        """uint8 (H, W, 3) RGB, up to the network's size -> labels uint8 (H, W), and the outputs that they are of.

        The image is normalised and padded with the mean colour, at the bottom and the right. UserError where the scores
        are not finite. A thread's labels are made while the network runs for another.
        """
        height, width = image.shape[:2]
        if self.shape[0] != 1 or height > self.shape[2] or width > self.shape[3] or image.shape[2:] != (3,) \
                or image.dtype != np.uint8 or not image.size:
            raise ValueError(f"image {image.shape} of {image.dtype}: this engine is for {self.shape[0]} of up to "
                             f"{self.shape[2]}x{self.shape[3]} pixels, uint8 RGB")
        with self._lock:
            if not self._raw:
                self._fill(image)
            found = self._run(image if self._raw else self.pixels)
        scores = found["scores"]
        return self._method(scores, (height, width), self.shape[2] // scores.shape[1]), found

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
