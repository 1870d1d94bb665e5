"""Batches for training and evaluation as NumPy arrays, and the majority map."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from typing import Generator, Tuple

import cv2
import numpy as np
from tqdm import tqdm

from repro.data.augment import draw, normalise, place_image, place_label
from repro.data.classes import ClassSet
from repro.data.dataset import Sample
from repro.data.images import read_label, read_labelled, read_sample, size_of
from repro.errors import UserError
from repro.pipeline import pipeline

Stream = Generator[Tuple[np.ndarray, np.ndarray], None, None]  # of batches, x and y; to be closed
STRIDE = 4  # the network's scores and training labels are at 1/4 of the input
AHEAD = 2  # batches that reading is ahead of use, or one for each thread
CACHE = 1 << 30  # bytes of decoded images and labels that are kept in memory


class Batches:
    """Training batches, an endless sequence in which step and seed determine each batch wholly.

    The samples are shuffled anew in every epoch and the epochs laid end to end; step n takes the samples
    n * batch … (n + 1) * batch - 1 of that sequence, so every batch is full, nothing is dropped, and a run
    resumed at a step continues as if it had not stopped.

    samples, classes: what to read. batch: samples per step. crop: (H, W) in px, multiples of 4 (the networks
    need multiples of their region), placed at random (see `augment.draw`) with a scale from `scales`.
    seed: 0 … 2**32 - 1. part: (rank, parts) of a batch that several processes train on: this one reads its
    consecutive share of batch / parts samples, and all shares in order are the batch. stride: labels are at every so
    many pixels, as the scores that they are compared with.

    Raises UserError for no samples, a batch, part or crop that cannot be; reading a batch raises UserError for a file
    that cannot be used, and for a sample without label (see `images.read_labelled`).
    """

    def __init__(self, samples: Sequence[Sample], classes: ClassSet, batch: int, crop: tuple[int, int],
                 seed: int, scales: tuple[float, float] = (0.7, 1.3), part: tuple[int, int] = (0, 1),
                 stride: int = STRIDE):
        if not samples:
            raise UserError("training: no samples")
        if batch < 1:
            raise UserError(f"batch: {batch} is less than 1")
        rank, parts = part
        if not 0 <= rank < parts or batch % parts:
            raise UserError(f"batch: {batch} has no equal part {rank} (of 0 … {parts - 1}) among {parts} processes")
        if min(crop) < stride or any(side % stride for side in crop):
            raise UserError(f"crop: {crop[0]}x{crop[1]} is not a multiple of {stride} px")
        self._samples, self._classes = tuple(samples), classes
        self._batch, self._crop, self._seed = batch, (crop[0], crop[1]), seed
        self._scales, self._stride = scales, stride
        self._part, self._share = rank, batch // parts
        self._cache: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._cache_left, self._lock = CACHE, threading.Lock()
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, int))  # an epoch and its samples

    def batch_at(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the batch of a step, counted from 0, or this process's part of it, in new arrays.

        x: float32 (N, 3, H, W), normalised RGB. y: float32 (N, H / 4, W / 4), the train ids at rows and
        columns 2, 6, 10, … of the crop (stride 4), 255 where ignored.
        """
        height, width = self._crop
        x = np.empty((self._share, 3, height, width), np.float32)
        y = np.empty((self._share, height // self._stride, width // self._stride), np.float32)
        first = step * self._batch + self._part * self._share
        sampled = slice(self._stride // 2, None, self._stride)
        for slot, position in enumerate(range(first, first + self._share)):
            image, label = self._read(self.index_at(position))
            random = np.random.RandomState([self._seed, 1, position])
            placement = draw(random, size_of(label), self._crop, self._scales)
            normalise(place_image(image, placement, self._crop), x[slot])
            y[slot] = place_label(label, placement, self._crop)[sampled, sampled]
        return x, y

    def iterate(self, start: int = 0, readers: int = 0) -> Stream:
        """Yield the batches of steps start, start + 1, … for ever, read ahead of use, the same ones whoever reads them.

        readers: threads, 0 is one; reading, decoding and scaling do not hold Python's lock, but JPEGs are decoded one
        at a time. An error is raised here, at the step it belongs to. Closing the iterator ends the threads.
        """
        return pipeline(itertools.count(start), self.batch_at, max(1, readers), max(AHEAD, readers))

    def files_at(self, step: int) -> tuple[Sample, ...]:
        """Return the samples of a step's batch in order, those of all parts."""
        positions = range(step * self._batch, (step + 1) * self._batch)
        return tuple(self._samples[self.index_at(position)] for position in positions)

    def index_at(self, position: int) -> int:
        """Return the sample at a position of the sequence, as its index in `samples`."""
        epoch, index = divmod(position, len(self._samples))
        known, order = self._order  # one tuple, so that threads never see an epoch with another's order
        if known != epoch:
            order = np.random.RandomState([self._seed, 0, epoch]).permutation(len(self._samples))
            self._order = (epoch, order)
        return int(order[index])

    def _read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        pair = self._cache.get(index)
        if pair is None:
            pair = read_labelled(self._samples[index], self._classes)
            size = pair[0].nbytes + pair[1].nbytes
            with self._lock:
                if index not in self._cache and size <= self._cache_left:
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
    """Return the most frequent class of each pixel over the labels of `samples`: uint8 (H, W), the trivial baseline.

    Labels are resized to `size` (H, W) by the nearest pixel; 255 does not count; ties, and pixels that no
    sample labels, get the lowest id.
    """
    counts = np.zeros((len(classes),) + tuple(size), np.int32)
    for sample in tqdm(samples, desc="majority map", leave=False, disable=None):
        label = read_label(sample.label, classes)
        if label.shape != tuple(size):
            label = cv2.resize(label, (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT)
        for id in range(len(classes)):
            counts[id] += label == id
    return counts.argmax(axis=0).astype(np.uint8)
