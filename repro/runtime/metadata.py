"""What an exported network must be given and what it gives: a record inside its file, and beside it as JSON.

Read here without MXNet, so that a file can be used where that is not.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Dict, Optional, Tuple

from repro.config import parsing
from repro.data.augment import MEAN, STD
from repro.data.classes import ClassSet, parse_values
from repro.errors import UserError, shown

KEY = "spatial-sparsity"  # of the ONNX file's own metadata
FORMAT = 1
INPUT = "data"
PRECISIONS = ("float32", "float16", "int8")
IMAGES = {"name": INPUT, "layout": "NCHW", "order": "RGB", "type": "float32",
          "normalisation": "(value / 255 - mean) / std",
          "padding": "at the bottom and the right, with zeros after normalisation"}
LABELS = "scores up-sampled bilinearly by the stride (half-pixel centres), then the first largest"


@dataclass(frozen=True)
class Check:
    """How far the exported file was from MXNet on images, before it was put in its place.

    images  run, of which `ties` had regions with equal s, to 1e-4 of the largest, where one was computed and one not,
            and other ones computed here; those are not compared further.
    pixels  compared, of which `labels` were labelled differently.
    apart   the largest difference of any output, as a share of that output's largest value.
    others  images of which other regions were computed without such a tie: 0 but in a file of another precision.

    A file of another precision than float32 is compared with the same network's float32 file, which was alike, and its
    labels in all images.
    """

    images: int
    ties: int
    pixels: int
    labels: int
    apart: float
    versions: Dict[str, str]
    others: int = 0


@dataclass(frozen=True)
class Metadata:
    """All that using an exported network takes.

    row, training  what it is: a row's id, and the name of its network and training.
    weights        where the values come from, in words.
    shape          of the input: (N, 3, H, W), as IMAGES says; smaller images are padded, normalised by mean and std.
    multiple       H and W are multiples of it.
    outputs        their names, in order; the first, "scores", has a position every `stride` pixels.
    region, grid   side of a region in pixels; rows and columns of them; None without regions, as k, those computed.
    selector       what regions are chosen by: head, whose sigmoid of s weighs too, or entropy.
    classes        a label is a number among them; `ids` are those of label files.
    commit         of this project, with "+" behind it where files were changed.
    precision      of PRECISIONS, that it computes in; inputs and outputs are float32.
    """

    row: str
    training: str
    weights: str
    shape: Tuple[int, int, int, int]
    multiple: int
    outputs: Tuple[str, ...]
    stride: int
    region: Optional[int]
    grid: Optional[Tuple[int, int]]
    k: Optional[int]
    classes: ClassSet
    commit: str
    check: Optional[Check] = None
    mean: Tuple[float, float, float] = MEAN
    std: Tuple[float, float, float] = STD
    precision: str = "float32"
    selector: str = "head"

    def to_text(self) -> str:
        """JSON; what `parse` reads."""
        regions = {"side": self.region, "grid": self.grid, "k": self.k, "selector": self.selector}
        return json.dumps({
            "format": FORMAT, "row": self.row, "training": self.training, "weights": self.weights,
            "commit": self.commit, "precision": self.precision,
            "input": {**IMAGES, "shape": self.shape, "mean": self.mean, "std": self.std, "multiple": self.multiple},
            "outputs": {"names": self.outputs, "stride": self.stride, "labels": LABELS},
            "regions": regions if self.region else None,
            "classes": asdict(self.classes),
            "check": asdict(self.check) if self.check else None,
        }, indent=1) + "\n"


def parse(text: str, place: str) -> Metadata:
    """Return the inverse of to_text; a UserError begins with `place` and names the key."""
    value = parsing.json_text(text, place)
    parsing.of_format(value, FORMAT, place)
    found = _RECORD(value, place)
    given, made, regions = found["input"], found["outputs"], found["regions"] or {}
    return Metadata(
        row=found["row"], training=found["training"], weights=found["weights"], shape=given["shape"],
        multiple=given["multiple"], outputs=made["names"], stride=made["stride"], region=regions.get("side"),
        grid=regions.get("grid"), k=regions.get("k"), classes=found["classes"], commit=found["commit"],
        check=found["check"], mean=given["mean"], std=given["std"], precision=found["precision"],
        selector=regions.get("selector", "head"))


def _several(check: parsing.Check, count: int) -> parsing.Check:
    def checked(value, place):
        found = parsing.sequence(check)(value, place)
        if len(found) != count:
            raise UserError(f"{place}: {shown(value)} are not {count}")
        return found
    return checked


_COUNT = parsing.positive(parsing.integer)
_RECORD = parsing.mapping({
    "format": parsing.integer, "row": parsing.text, "training": parsing.text, "weights": parsing.text,
    "commit": parsing.text, "precision": parsing.text, "classes": parse_values,
    "input": parsing.mapping({
        **dict.fromkeys(IMAGES, parsing.text), "shape": _several(_COUNT, 4), "mean": _several(parsing.number, 3),
        "std": _several(parsing.positive(parsing.number), 3), "multiple": _COUNT}),
    "outputs": parsing.mapping({
        "names": parsing.sequence(parsing.text), "stride": _COUNT, "labels": parsing.text}),
    "regions": parsing.optional(parsing.mapping({
        "side": _COUNT, "grid": _several(_COUNT, 2), "k": parsing.natural, "selector": parsing.text})),
    "check": parsing.optional(parsing.object_of(Check, {
        "images": _COUNT, "ties": parsing.natural, "pixels": _COUNT, "labels": parsing.natural,
        "apart": parsing.number, "versions": parsing.mapping_of(parsing.text), "others": parsing.natural}))})
