"""Photos of any size to labels, and to what the network computed and where: alike around every engine."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Callable, Iterator, Optional, Sequence, Tuple

import cv2
import numpy as np

from repro.config.presets import round_up
from repro.data.images import size_of
from repro.data.loader import STRIDE
from repro.errors import UserError, choice
from repro.labels.labeller import Labeller, Outputs
from repro.labels.labelmap import labels_of
from repro.prediction.weights import Weights

OUTPUTS = ("scores", "z2", "s", "mask")  # of a network's, those that are used, where it has them
SHRINK = (1, 2, 4, 8)
LARGEST, ENGINES = 1 << 24, 8  # pixels computed at once, and in all engines that are kept; so many of these at most
Size = Tuple[int, int]


@dataclass(frozen=True)
class Segmentation:
    """What was found in an image (H, W); maps are (h, w), H / stride and W / stride rounded up.

    labels  uint8 (H, W), the class of every pixel, as its place in `Weights.classes`.
    stride  pixels per position of the maps: 4, times as often as the image was shrunk.
    region  side of a region in pixels. None, as the next three, without selection of regions.
    active  bool (Y, X), regions that the full column computed, of the image padded to whole ones.
    s       float32 (Y, X), what they were chosen by: those with the largest s.
    z2      float32 (h, w), between 0 and 1: the full column's weight before regions were chosen.
    scores  float32 (K, h, w), if asked for.
    learned whether s is the sparse head's, whose sigmoid weighs too; entropy only chooses.
    refined bool (H, W), the pixels that SparseRefine computed anew; None of other networks.
    """

    labels: np.ndarray
    stride: int = STRIDE
    region: Optional[int] = None
    active: Optional[np.ndarray] = None
    s: Optional[np.ndarray] = None
    z2: Optional[np.ndarray] = None
    scores: Optional[np.ndarray] = None
    learned: bool = True
    refined: Optional[np.ndarray] = None

    @property
    def weights(self) -> Optional[np.ndarray]:
        """The sparse weights z2 * sigmoid(s), zero in skipped regions: float32 (h, w), the full column's in the sum.
        (Where s is an entropy: z2 alone.)"""
        if self.z2 is None or self.active is None or self.s is None or self.region is None:
            return self.z2
        side = self.region // self.stride
        activity = self.active * sigmoid(self.s) if self.learned else self.active
        chosen = np.kron(activity, np.ones((side, side), np.float32))
        return (self.z2 * chosen[:self.z2.shape[0], :self.z2.shape[1]]).astype(np.float32)


def sigmoid(s: np.ndarray) -> np.ndarray:
    """Without overflow, however small s is."""
    return (1 + np.tanh(s / 2)) / 2


class Runner:
    """One engine for one size: `engine.outputs` of a photo, and its labels, in one run.

    engine  has `shape`, (1, 3, H, W), and `outputs(images)`, arrays in the order of `names`, "scores" among them; or
            `photo(image)`, the same of a photo as it is.
    """

    def __init__(self, engine, names: Sequence[str]):
        photo = getattr(engine, "photo", None)
        self._outputs, self._names = photo or engine.outputs, tuple(names)
        self._labeller = Labeller(engine.shape, self._run, raw=photo is not None)

    def __call__(self, image: np.ndarray) -> Tuple[np.ndarray, Outputs]:
        """uint8 RGB (H, W, 3), not larger than the engine -> (labels, outputs by name without the batch)."""
        return self._labeller(image)

    def _run(self, pixels: np.ndarray) -> Outputs:
        return {name: (one if isinstance(one, np.ndarray) else one.asnumpy())[0]
                for name, one in zip(self._names, self._outputs(pixels))}


class Segmenter:
    """Segments images one after the other; threads take turns.

    weights  what is known of the network.
    k        regions computed of an image, or all if it has fewer; None: as trained, p times their number rounded down,
             at least one.
    make     (padded size, k) -> the Runner for images up to that size; k is None without selection.
    shrink   images are shrunk so many times along each side (1, 2, 4 or 8), and labels interpolated at their own size;
             None: such that they come nearest to the size of those in training, the size at which things are known.
    largest  pixels: a larger image, once shrunk, is computed in parts, each as an image of its own.

    The engines used last are kept, one per padded size, at most `ENGINES` and `largest` pixels of them.
    """

    def __init__(self, weights: Weights, k: Optional[int], make: Callable[[Size, Optional[int]], Runner],
                 shrink: Optional[int] = None, largest: int = LARGEST):
        if k is not None and not weights.network.sparse:
            raise UserError(f"K: {k}: these weights are of fusion {weights.network.fusion}, which selects no regions")
        if k is not None and k < 0:
            raise UserError(f"K: {k} is negative; it is the number of regions to compute, 0 or more")
        if shrink is not None:
            choice(shrink, SHRINK, "SHRINK")
        self.weights, self.k, self.shrink, self.largest = weights, k, shrink, largest
        self._make, self._lock = make, threading.Lock()
        self._kept: OrderedDict[Tuple[Size, Optional[int]], Runner] = OrderedDict()

    def padded(self, size: Size) -> Size:
        """(H, W) padded to whole regions."""
        return round_up(size, self.weights.multiple)

    def grid(self, size: Size) -> Size:
        """Rows and columns of regions of an image (H, W)."""
        side, (height, width) = self.weights.region, self.padded(size)
        if side is None:
            raise ValueError(f"fusion {self.weights.network.fusion}: selects no regions")
        return height // side, width // side

    def shrunk(self, size: Size) -> int:
        """How many times an image (H, W) is shrunk along each side."""
        return nearest_shrink(size, self.weights.images_of) if self.shrink is None else self.shrink

    def segment(self, image: np.ndarray, scores: bool = False) -> Segmentation:
        """uint8 RGB (H, W, 3), of any size -> what is found in it, with its score maps if asked for.

        UserError for an array that is no such image.
        """
        image = photo_of(image)
        size = size_of(image)
        times = self.shrunk(size)
        labels, maps = self._computed(shrunk(image, times), scores or times > 1)
        if times > 1:
            labels = labels_of(maps["scores"], size, times * STRIDE)
        maps = {name: values if name == "scores" else values[0] for name, values in maps.items()}
        active, side = maps.pop("mask", None), self.weights.region
        region = None if active is None or side is None else times * side
        return Segmentation(labels, times * STRIDE, region, None if active is None else active > 0,
                            maps.get("s"), maps.get("z2"), maps["scores"] if scores else None,
                            self.weights.network.selector != "entropy")

    def _computed(self, image: np.ndarray, scores: bool) -> Tuple[np.ndarray, Outputs]:
        """Labels and maps (C, y, x) of an image as it is, of its parts put together."""
        size = size_of(image)
        maps: Outputs = {}
        labels = np.empty(size, np.uint8)
        for part in self._parts((0, 0), size):
            with self._lock:
                runner = self._runner(self._size(part), size)
            labels[part], found = runner(image[part])
            for name, values in found.items():
                if name != "scores" or scores:
                    self._place(maps, name, values, part, size)
        return labels, maps

    def _place(self, maps: Outputs, name: str, values: np.ndarray, part: Tuple[slice, slice], size: Size) -> None:
        """Put a part's map (C, y, x) into that of the image, made if need be."""
        cell = (None if name in ("scores", "z2") else self.weights.region) or STRIDE
        whole = size if cell == STRIDE else self.padded(size)
        if name not in maps:
            maps[name] = np.zeros((len(values), *(-(-side // cell) for side in whole)), np.float32)
        target = maps[name][:, part[0].start // cell:, part[1].start // cell:]
        target = target[:, :values.shape[1], :values.shape[2]]
        target[:] = values[:, :target.shape[1], :target.shape[2]]

    def _parts(self, corner: Size, size: Size) -> Iterator[Tuple[slice, slice]]:
        """The image in parts that are not too large, all but the last of a row or column of whole regions."""
        padded, multiple = self.padded(size), self.weights.multiple
        axis = 0 if padded[0] > padded[1] else 1
        if padded[0] * padded[1] <= self.largest or padded[axis] == multiple:
            yield slice(corner[0], corner[0] + size[0]), slice(corner[1], corner[1] + size[1])
            return
        half = -(-size[axis] // (2 * multiple)) * multiple
        for start, side in ((0, half), (half, size[axis] - half)):
            begin, extent = list(corner), list(size)
            begin[axis], extent[axis] = corner[axis] + start, side
            yield from self._parts((begin[0], begin[1]), (extent[0], extent[1]))

    @staticmethod
    def _size(part: Tuple[slice, slice]) -> Size:
        rows, columns = part
        return rows.stop - rows.start, columns.stop - columns.start

    def _regions(self, part: Size, image: Size) -> Optional[int]:
        """Regions to compute in a part of an image."""
        if not self.weights.network.sparse:
            return None
        own, all_ = (math.prod(self.grid(size)) for size in (part, image))
        if self.k is None:
            return self.weights.training.k(own) or 1
        return min(own, self.k * own // all_)

    def _runner(self, part: Size, image: Size) -> Runner:
        """The engine for a part of an image, made unless it is kept; those not used for longest are given up first."""
        key = self.padded(part), self._regions(part, image)
        if key not in self._kept:
            room = self.largest - math.prod(key[0])
            while self._kept and (sum(math.prod(size) for size, _ in self._kept) > room or len(self._kept) >= ENGINES):
                self._kept.popitem(last=False)
            self._kept[key] = self._make(*key)
        self._kept.move_to_end(key)
        return self._kept[key]


def photo_of(image) -> np.ndarray:
    """A photo, contiguous; UserError for what is no uint8 RGB (H, W, 3)."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape[2:] != (3,) or not image.size:
        what = f"{image.shape} of {image.dtype}" if isinstance(image, np.ndarray) else type(image).__name__
        raise UserError(f"image: {what}; it must be a uint8 array (H, W, 3), RGB, with a pixel at least")
    return np.ascontiguousarray(image)


def nearest_shrink(size: Size, images_of: Size) -> int:
    """Of SHRINK, how many times an image (H, W) is shrunk to come nearest to the size of those in training."""
    times = math.sqrt(math.prod(size) / math.prod(images_of))
    return SHRINK[min(max(0, round(math.log2(times))), len(SHRINK) - 1)]


def shrunk(image: np.ndarray, times: int) -> np.ndarray:
    """The averages of blocks of pixels, the last ones filled by repeating the edge."""
    if times == 1:
        return image
    height, width = (-(-side // times) for side in image.shape[:2])
    image = cv2.copyMakeBorder(image, 0, height * times - image.shape[0], 0, width * times - image.shape[1],
                               cv2.BORDER_REPLICATE)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
