"""Whether an exported network is the one it was made from: both run on the same images, and compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Dict, Iterable, Mapping, Optional

import numpy as np

from repro.labels.labelmap import labels_of

ALIKE = 1e-4  # of the largest value
LABELS = 1e-5  # of the pixels
Run = Callable[[np.ndarray], Mapping[str, np.ndarray]]  # images (N, 3, H, W) -> the outputs by name


@dataclass(frozen=True)
class Agreement:
    """How far one engine's outputs are from another's.

    images  of which `ties` had the same s, to 1e-4 of the largest, in a region that was computed and one that was not,
            and other regions computed; `others` had other regions without that. Both are not compared further.
    pixels  compared, of which `labels` were labelled differently.
    apart   the largest difference, as a share of the output's largest value, by output; of s, of all images.
    """

    images: int
    ties: int
    others: int
    pixels: int
    labels: int
    apart: Dict[str, float]

    def problem(self) -> Optional[str]:
        """Return why they are not alike, in a line; None where they are."""
        if self.others:
            return f"other regions are computed in {self.others} of {self.images} images"
        if not self.pixels:
            return f"none of {self.images} images could be compared, {self.ties} with ties in the selection"
        for name, apart in self.apart.items():
            if not apart <= ALIKE:
                return f"{name} is {apart:.1e} of its largest value apart"
        if self.labels >= LABELS * self.pixels:
            return f"{self.labels} of {self.pixels} pixels are labelled differently"
        return None

    def broken(self) -> Optional[str]:
        """Why what was computed cannot be right even roughly, as in another precision, in a line; None where it can."""
        return next((f"{name} is not finite" for name, apart in self.apart.items() if not np.isfinite(apart)), None)


def agreement(one: Run, other: Run, images: Iterable[np.ndarray], everywhere: bool = False) -> Agreement:
    """Compare two engines on batches of normalised images, float32 (N, 3, H, W); "scores" is among the outputs.

    everywhere  labels are compared where other regions were computed, too: what an image loses of it.
    """
    counts = {"images": 0, "ties": 0, "others": 0, "pixels": 0, "labels": 0}
    apart: Dict[str, float] = {}
    for batch in images:
        wanted, found = one(batch), other(batch)
        for index in range(len(batch)):
            counts["images"] += 1
            first, second = ({name: made[name][index] for name in wanted} for made in (wanted, found))
            if "s" in first:
                apart["s"] = max(apart.get("s", 0.0), difference(first["s"], second["s"]))
            if "mask" in first and (first["mask"] != second["mask"]).any():
                counts["ties" if tied(first["s"], first["mask"], second["mask"]) else "others"] += 1
                if not everywhere:
                    continue
            else:
                for name in first.keys() - {"s", "mask"}:
                    apart[name] = max(apart.get(name, 0.0), difference(first[name], second[name]))
            height, width = batch.shape[2:]
            if difference(first["scores"], second["scores"]) == np.inf:  # which have no labels
                apart["scores"] = np.inf
                counts["pixels"] += height * width
                counts["labels"] += height * width
                continue
            stride = height // first["scores"].shape[1]
            labels = [labels_of(np.ascontiguousarray(made["scores"]), (height, width), stride)
                      for made in (first, second)]
            counts["pixels"] += labels[0].size
            counts["labels"] += int((labels[0] != labels[1]).sum())
    return Agreement(apart=dict(sorted(apart.items())), **counts)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return the largest, as a share of the largest value of `one`; infinite where a value is not a number."""
    apart, largest = float(abs(one - other).max()), float(abs(one).max())
    return 0.0 if apart == 0 else apart / largest if apart < np.inf and largest else np.inf


def tied(s: np.ndarray, mask: np.ndarray, other: np.ndarray) -> bool:
    """Return True if two selections of the same number differ in regions alone whose s are the same, to ALIKE."""
    values = s[mask != other]
    return bool(mask.sum() == other.sum() and values.max() - values.min() <= ALIKE * abs(s).max())
