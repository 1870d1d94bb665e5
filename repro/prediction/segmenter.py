"""Photos of any size to labels, and to what the network computed and where: alike around every engine."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, Optional, Tuple, Union

import cv2
import numpy as np

from repro.config.presets import round_up
from repro.data.images import size_of
from repro.data.loader import STRIDE
from repro.errors import UserError, choice
from repro.labels.labelmap import labels_of
from repro.labels.prepare import Mapper, Maps, maps_of
from repro.prediction.weights import Known, Weights

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


def segmentation(labels: np.ndarray, maps: Maps, stride: int, region: Optional[int], learned: bool,
                 scores: bool) -> Segmentation:
    """Return what was found in an image whose labels are (H, W): the image's part of an engine's maps (C, y, x).

    stride, region, learned  as Segmentation has them; scores: whether it is to have them.
    """
    height, width = (-(-side // stride) for side in labels.shape)
    found: Dict[str, Any] = {} if region is None else {
        "region": region, "active": maps["mask"][0] > 0, "s": maps["s"][0]}
    if "z2" in maps:
        found["z2"] = maps["z2"][0, :height, :width]
    if scores:
        found["scores"] = maps["scores"][:, :height, :width]
    return Segmentation(labels, stride, learned=learned, **found)


class Shrinking:
    """What segmenters share: `weights`, what is known of them, and how many times images are shrunk.

    shrink  images are shrunk so many times along each side (1, 2, 4 or 8), and labels made at their own size; None:
            such that they come nearest to the size of those in training, the size at which things are known.
    """

    def __init__(self, weights: Union[Weights, Known], shrink: Optional[int]):
        self.images_of, self.shrink = weights.images_of, None if shrink is None else choice(shrink, SHRINK, "SHRINK")

    def shrunk(self, size: Size) -> int:
        """How many times an image (H, W) is shrunk along each side."""
        if self.shrink is not None:
            return self.shrink
        times = math.sqrt(math.prod(size) / math.prod(self.images_of))
        return SHRINK[min(max(0, round(math.log2(times))), len(SHRINK) - 1)]


class Segmenter(Shrinking):
    """Segments images one after the other; threads may share it, and take turns.

    weights  what is known of the network.
    k        regions computed of an image, or all if it has fewer; None: as trained, p times their number rounded down,
             at least one.
    make     (padded size, k) -> the engine for images up to that size; k is None without selection.
    shrink   as Shrinking's.
    largest  pixels: a larger image, once shrunk, is computed in parts, each as an image of its own.

    The engines used last are kept, one per padded size, at most `ENGINES` and `largest` pixels of them.
    """

    def __init__(self, weights: Weights, k: Optional[int], make: Callable[[Size, Optional[int]], Mapper],
                 shrink: Optional[int] = None, largest: int = LARGEST):
        if k is not None and not weights.network.sparse:
            raise UserError(f"K: {k}: these weights are of fusion {weights.network.fusion}, which selects no regions")
        if k is not None and k < 0:
            raise UserError(f"K: {k} is negative; it is the number of regions to compute, 0 or more")
        super().__init__(weights, shrink)
        self.weights, self.k, self.largest, self._multiple = weights, k, largest, weights.multiple
        self._make, self._lock = make, threading.Lock()
        self._kept: OrderedDict[Tuple[Size, Optional[int]], Mapper] = OrderedDict()

    def padded(self, size: Size) -> Size:
        """(H, W) padded to whole regions."""
        return round_up(size, self._multiple)

    def segment(self, image: np.ndarray, scores: bool = False) -> Segmentation:
        """uint8 RGB (H, W, 3), of any size -> what is found in it, with its score maps if asked for.

        UserError for an array that is no such image.
        """
        image = photo_of(image)
        size, times = size_of(image), self.shrunk(size_of(image))
        image = shrunk(image, times)
        maps: Maps = {}
        for part in self._parts((0, 0), size_of(image)):
            own = size_of(image[part])
            found = maps_of(self._engine(own, size_of(image)), image[part])
            if times == 1:
                found["labels"] = labels_of(found["scores"], own, STRIDE)[None]
            for name, values in found.items():
                if name != "scores" or scores or times > 1:
                    self._place(maps, name, values, part, size_of(image))
        labels = maps["labels"][0] if times == 1 else labels_of(maps["scores"], size, times * STRIDE)
        side = self.weights.region
        return segmentation(labels, maps, times * STRIDE, None if side is None else times * side,
                            self.weights.network.selector != "entropy", scores)

    def _place(self, maps: Maps, name: str, values: np.ndarray, part: Tuple[slice, slice], size: Size) -> None:
        """Put a part's map (C, y, x) into that of the image, made if need be."""
        side = self.weights.region or STRIDE
        cell = {"labels": 1, "scores": STRIDE, "z2": STRIDE}.get(name, side)
        rows, columns = (-(-length // cell) for length in (self.padded(size) if cell == side else size))
        if (part[0].stop, part[1].stop) == size and name not in maps:  # the image has no other part
            maps[name] = values[:, :rows, :columns]
            return
        whole = maps.setdefault(name, np.zeros((len(values), rows, columns), values.dtype))
        target = whole[:, part[0].start // cell:, part[1].start // cell:][:, :values.shape[1], :values.shape[2]]
        target[:] = values[:, :target.shape[1], :target.shape[2]]

    def _parts(self, corner: Size, size: Size) -> Iterator[Tuple[slice, slice]]:
        """Yield the image in parts that are not too large, all but the last of a row or column of whole regions."""
        padded, multiple = self.padded(size), self._multiple
        axis = 0 if padded[0] > padded[1] else 1
        if padded[0] * padded[1] <= self.largest or padded[axis] == multiple:
            yield slice(corner[0], corner[0] + size[0]), slice(corner[1], corner[1] + size[1])
            return
        half = -(-size[axis] // (2 * multiple)) * multiple
        for start, side in ((0, half), (half, size[axis] - half)):
            begin, extent = list(corner), list(size)
            begin[axis], extent[axis] = corner[axis] + start, side
            yield from self._parts((begin[0], begin[1]), (extent[0], extent[1]))

    def _regions(self, part: Size, image: Size) -> Optional[int]:
        """Regions to compute in a part of an image."""
        side = self.weights.region
        if side is None:
            return None
        own, all_ = (math.prod(self.padded(size)) // side ** 2 for size in (part, image))
        if self.k is None:
            return self.weights.training.k(own) or 1
        return min(own, self.k * own // all_)

    def _engine(self, part: Size, image: Size) -> Mapper:
        """Return the engine for a part of an image, made unless it is kept; those not used for longest are given up
        first."""
        key = self.padded(part), self._regions(part, image)
        with self._lock:
            if key not in self._kept:
                room = self.largest - math.prod(key[0])
                while self._kept and (sum(math.prod(size) for size, _ in self._kept) > room
                                      or len(self._kept) >= ENGINES):
                    self._kept.popitem(last=False)
                self._kept[key] = self._make(*key)
            self._kept.move_to_end(key)
            return self._kept[key]


def photo_of(image) -> np.ndarray:
    """Return a photo, contiguous; UserError for what is no uint8 RGB (H, W, 3)."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape[2:] != (3,) or not image.size:
        what = f"{image.shape} of {image.dtype}" if isinstance(image, np.ndarray) else type(image).__name__
        raise UserError(f"image: {what}; it must be a uint8 array (H, W, 3), RGB, with a pixel at least")
    return np.ascontiguousarray(image)


def shrunk(image: np.ndarray, times: int) -> np.ndarray:
    """Return the averages of blocks of pixels, the last ones filled by repeating the edge."""
    if times == 1:
        return image
    height, width = (-(-side // times) for side in image.shape[:2])
    image = cv2.copyMakeBorder(image, 0, height * times - image.shape[0], 0, width * times - image.shape[1],
                               cv2.BORDER_REPLICATE)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
