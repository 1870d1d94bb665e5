"""Batches for training and evaluation as NumPy arrays, and the majority map."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from tqdm import tqdm

from repro.data.augment import Placement, draw, normalise, place_image, place_label
from repro.data.classes import ClassSet
from repro.data.dataset import Sample
from repro.data.images import read_label, read_sample
from repro.errors import UserError

STRIDE = 4  # the network's scores and training labels are at 1/4 of the input


class Batches:
    """Training batches, an endless sequence in which step and seed determine each batch wholly.

    The samples are shuffled anew in every epoch and the epochs laid end to end; step n takes the samples
    n * batch … (n + 1) * batch - 1 of that sequence, so every batch is full, nothing is dropped, and a run
    resumed at a step continues as if it had not stopped.

    samples, classes: what to read. batch: samples per step. crop: (H, W) in px, multiples of 4 (the networks
    need multiples of their region). seed: 0 … 2**32 - 1. augment: random placement (see `augment.draw`) with
    scales from `scales`; otherwise the top-left crop, unscaled. cache_bytes: decoded images and labels are
    kept in memory up to this many bytes (0: none).

    Raises UserError for no samples, a sample without label, a batch or crop that cannot be; reading a batch
    raises UserError for a file that cannot be used (see `images.read_sample`).
    """

    def __init__(self, samples: Sequence[Sample], classes: ClassSet, batch: int, crop: tuple[int, int],
                 seed: int, augment: bool = True, scales: tuple[float, float] = (0.7, 1.3),
                 cache_bytes: int = 1 << 30):
        if not samples:
            raise UserError("training: no samples")
        for sample in samples:
            if sample.label is None:
                raise UserError(f"{sample.image}: no label to train on")
        if batch < 1:
            raise UserError(f"batch: {batch} is less than 1")
        if min(crop) < STRIDE or any(side % STRIDE for side in crop):
            raise UserError(f"crop: {crop[0]}x{crop[1]} is not a multiple of {STRIDE} px")
        self._samples, self._classes = tuple(samples), classes
        self._batch, self._crop, self._seed = batch, tuple(crop), seed
        self._augment, self._scales = augment, scales
        self._cache: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._cache_left = cache_bytes
        self._order: tuple[int, np.ndarray | None] = (-1, None)

    def batch_at(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """The batch of a step, counted from 0, in new arrays.

        x: float32 (N, 3, H, W), normalised RGB. y: float32 (N, H / 4, W / 4), the train ids at rows and
        columns 2, 6, 10, … of the crop, 255 where ignored.
        """
        height, width = self._crop
        x = np.empty((self._batch, 3, height, width), np.float32)
        y = np.empty((self._batch, height // STRIDE, width // STRIDE), np.float32)
        for slot in range(self._batch):
            position = step * self._batch + slot
            image, label = self._read(self._sample_at(position))
            placement = Placement()
            if self._augment:
                random = np.random.RandomState([self._seed, 1, position])
                placement = draw(random, label.shape, self._crop, self._scales)
            normalise(place_image(image, placement, self._crop), x[slot])
            y[slot] = place_label(label, placement, self._crop)[STRIDE // 2::STRIDE, STRIDE // 2::STRIDE]
        return x, y

    def iterate(self, start: int = 0, ahead: int = 2) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the batches of steps start, start + 1, … for ever, read `ahead` of use in one thread.

        An error in the thread is raised here, at the step it belongs to. Closing the iterator ends it.
        """
        pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")
        pending = deque(pool.submit(self.batch_at, start + step) for step in range(ahead))
        step = start + ahead
        try:
            while True:
                pending.append(pool.submit(self.batch_at, step))
                step += 1
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
            pool.shutdown()

    __iter__ = iterate

    def _sample_at(self, position: int) -> int:
        epoch, index = divmod(position, len(self._samples))
        known, order = self._order  # one tuple, so that threads never see an epoch with another's order
        if known != epoch:
            order = np.random.RandomState([self._seed, 0, epoch]).permutation(len(self._samples))
            self._order = (epoch, order)
        return int(order[index])

    def _read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        pair = self._cache.get(index)
        if pair is None:
            pair = read_sample(self._samples[index], self._classes)
            size = pair[0].nbytes + pair[1].nbytes
            if size <= self._cache_left:
                self._cache_left -= size
                self._cache[index] = pair
        return pair


def evaluation_batches(samples: Sequence[Sample], classes: ClassSet, batch: int,
                       multiple: tuple[int, int] = (1, 1),
                       ) -> Iterator[tuple[np.ndarray, list[np.ndarray | None], list[tuple[int, int]]]]:
    """Yield (x, labels, sizes) for up to `batch` consecutive samples of one size, in the order of `samples`.

    x: float32 (n, 3, H', W'), normalised RGB; H' and W' are the image's H and W rounded up to multiples of
    `multiple` (h, w), padded at the bottom and the right with zeros after normalisation (the mean colour).
    labels: uint8 (H, W) train ids, not padded, None for a sample without label file. sizes: (H, W) of each.
    n is smaller than `batch` before a change of size and at the end. Raises UserError as `read_sample` does.
    """
    group: list[tuple[np.ndarray, np.ndarray | None]] = []
    for sample in samples:
        pair = read_sample(sample, classes)
        if group and (len(group) == batch or pair[0].shape != group[0][0].shape):
            yield _padded(group, multiple)
            group = []
        group.append(pair)
    if group:
        yield _padded(group, multiple)


def _padded(group, multiple):
    height, width = size = group[0][0].shape[:2]
    padded = tuple(-(-side // step) * step for side, step in zip(size, multiple))
    x = np.zeros((len(group), 3) + padded, np.float32)
    for slot, (image, _) in enumerate(group):
        normalise(image, x[slot, :, :height, :width])
    return x, [label for _, label in group], [size] * len(group)


def majority_map(samples: Sequence[Sample], classes: ClassSet, size: tuple[int, int]) -> np.ndarray:
    """The most frequent class of each pixel over the labels of `samples`: uint8 (H, W), the trivial baseline.

    Labels are resized to `size` (H, W) by the nearest pixel; 255 does not count; ties, and pixels that no
    sample labels, get the lowest id.
    """
    counts = np.zeros((len(classes),) + tuple(size), np.int32)
    for sample in tqdm(samples, desc="majority map", leave=False):
        label = read_label(sample.label, classes)
        if label.shape != tuple(size):
            label = cv2.resize(label, (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT)
        for id in range(len(classes)):
            counts[id] += label == id
    return counts.argmax(axis=0).astype(np.uint8)
