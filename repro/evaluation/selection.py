"""What the computed regions hold: whether small objects are in them (Section 4.8), against chance and a fixed map."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

import numpy as np

# those of Section 4.8's "small objects" by the names that data sets give them
SMALL = ("pole", "traffic light", "traffic sign", "sign/symbol", "person", "pedestrian", "rider", "bicyclist", "car",
         "motorcycle", "bicycle")


class Selection:
    """Counts pixels of each class by region over a set of images."""

    def __init__(self, names: Sequence[str]):
        self.names = tuple(names)
        self.masks: List[np.ndarray] = []
        self._pixels: List[np.ndarray] = []
        self._counts: List[np.ndarray] = []

    def add(self, mask: np.ndarray, label: np.ndarray, region: int) -> None:
        """Count an image: its mask (Y, X) of 0 and 1, its label (H, W) not padded, and a region's side in pixels."""
        height, width = label.shape
        at = (np.arange(height) // region)[:, None] * mask.shape[1] + np.arange(width) // region
        classes, valid = len(self.names), label < len(self.names)
        counts = np.bincount(at[valid] * classes + label[valid], minlength=mask.size * classes)
        self.masks.append(mask.reshape(-1) > 0)
        self._pixels.append(np.bincount(at.reshape(-1), minlength=mask.size))
        self._counts.append(counts.reshape(mask.size, classes))

    def shares(self) -> Dict[str, Any]:
        """Return what computed regions hold, in percent: of the area ("area", what chance would hold), of each class's
        pixels ("classes"), of small objects ("objects"), and of those what the regions computed most often would hold,
        as many of them, alike in all images ("fixed"). None where there are none."""
        small = np.array([name in SMALL for name in self.names])
        total = sum(counts.sum(axis=0) for counts in self._counts)
        held = sum(counts[mask].sum(axis=0) for counts, mask in zip(self._counts, self.masks))
        area = sum(pixels[mask].sum() for pixels, mask in zip(self._pixels, self.masks))
        fixed = None
        if len({mask.size for mask in self.masks}) == 1:  # images of one size
            times = np.sum(self.masks, axis=0)
            often = np.argsort(-times, kind="stable")[:round(float(times.sum()) / len(self.masks))]
            fixed = _percent(sum(counts[often][:, small].sum() for counts in self._counts), total[small].sum())
        return {
            "area": _percent(area, sum(pixels.sum() for pixels in self._pixels)),
            "objects": _percent(held[small].sum(), total[small].sum()),
            "fixed": fixed,
            "classes": {name: _percent(*pair) for name, *pair in zip(self.names, held, total)},
        }


def _percent(part, whole):
    return round(100 * float(part) / float(whole), 4) if whole > 0 else None
