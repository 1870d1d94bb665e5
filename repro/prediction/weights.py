"""Weights that describe themselves: a JSON beside a .params file says which network they are of and what they know.

Made from the record of a training, so that nothing in it is typed by hand; read and checked before they are used.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

from repro.config import parsing
from repro.config.networks import AnyNetwork, network_dict, parse_network
from repro.config.presets import Preset
from repro.config.presets import width as width_of_channels
from repro.config.rows import Training, parse_training, training_dict
from repro.data import classes as class_sets
from repro.data.classes import ClassSet
from repro.errors import UserError, shown
from repro.files import given, write_text
from repro.models import params_format
from repro.records import Record, parse_provenance

FORMAT = 1
LARGEST = 4096  # pixels of a region's side
OPTIONAL = ("stem", "decoder_width")
FOUND = 10  # percent of IoU from which a class is said to be found


@dataclass(frozen=True)
class Known:
    """What is known of other weights, an exported file or SparseRefine's folder.

    path       of the file or folder.
    classes    that they label.
    images_of  (H, W) of the images in training, or that the file takes.
    words      on their training and what it gave.
    """

    path: Path
    classes: ClassSet
    images_of: Tuple[int, int]
    words: str

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Weights:
    """A .params file and what is known of it.

    classes   that it labels, and with which ids.
    width     multiplier of every channel count but those that `stem` and `decoder_width` give.
    stem, decoder_width  of the columns' first convolution, its channels; of what is behind the columns, a multiplier.
    region    side of a region in pixels of an image; None without selection.
    data      name of the data set that it was trained on.
    size      HxW of the images in training, before crops of them were taken.
    preset, budget, seed, steps  of the training.
    mean_iou, class_iou, images  percent, measured on so many images of that data set that it was not trained on.
    sha256    of the file.
    """

    path: Path
    network: AnyNetwork
    training: Training
    classes: ClassSet
    width: float
    region: Optional[int]
    data: str
    size: str
    preset: str
    budget: str
    seed: int
    steps: int
    images: int
    mean_iou: float
    class_iou: Dict[str, Optional[float]]
    provenance: Dict[str, Any]
    sha256: str
    stem: Optional[int] = None
    decoder_width: Optional[float] = None

    @property
    def multiple(self) -> int:
        """Images are padded to multiples of this: whole regions, and whole positions of the coarsest column."""
        return self.network.multiple(self.region)

    @property
    def images_of(self) -> Tuple[int, int]:
        """`size` as (H, W)."""
        height, width = map(int, self.size.split("x"))
        return height, width

    def __str__(self) -> str:
        known = [name for name, iou in self.class_iou.items() if iou and iou >= FOUND]
        return (f"trained on {self.data} at {self.size}, width {self.width:g}, commit {self.provenance['commit'][:7]}: "
                f"mean IoU {self.mean_iou:.1f}% on {self.images} other images of it; "
                f"of the {len(self.classes)} classes of {self.classes.name} it finds {', '.join(known) or 'none'} "
                f"(IoU of {FOUND}% or more)")


def description_of(path) -> Path:
    """Return where the description of a .params file lies."""
    return Path(path).with_suffix(".json")


def digest(path) -> str:
    """Return the SHA-256 of a .params file; UserError when it cannot be read."""
    return hashlib.sha256(given(path, f"weights {path}")).hexdigest()


def of_record(path, record: Record, preset: Preset) -> Weights:
    """Describe the .params file of a measured training.

    preset  that `record` names; UserError if it has another width by now.
    """
    width = record.network.width(preset.width)
    if record.width != f"{width:g}":
        raise UserError(f"weights {path}: trained at width {record.width}, but preset {preset.name} has {width:g} now")
    found = record.evaluations.get("fast") or record.evaluations.get("whole")
    if not found:
        raise UserError(f"weights {path}: their record has no evaluation of fast inference or of the whole network")
    classes = class_sets.of_names(found["class_iou"], record.classes, f"weights {path}")
    size = record.recipe.get("size") or ("{}x{}".format(*preset.size) if preset.crop else record.scale)
    return Weights(
        path=Path(path), network=record.network, training=record.training, classes=classes, width=width,
        region=preset.region(record.network.region) if record.network.region else None, data=record.data,
        size=_size(size, f"weights {path}: size"),
        preset=record.preset, budget=record.budget, seed=record.seed, steps=record.steps, images=found["images"],
        mean_iou=found["mean_iou"], class_iou=found["class_iou"], provenance=record.provenance, sha256=digest(path),
        stem=record.stem, decoder_width=record.decoder_width)


def write(weights: Weights) -> Path:
    """Write the description beside the .params file; the path."""
    values = {item.name: getattr(weights, item.name) for item in fields(weights) if item.name != "path"}
    values = {name: value for name, value in values.items() if value is not None or name not in OPTIONAL}
    values.update(network=network_dict(weights.network), training=training_dict(weights.training),
                  classes=class_sets.plain(weights.classes))
    values, path = {"format": FORMAT, **values}, description_of(weights.path)
    _checked(values, weights.path, str(path))
    write_text(path, json.dumps(values, indent=1, allow_nan=False) + "\n")
    return path


def read(path) -> Weights:
    """Return the description of the .params file `path`, which must be the one described.

    UserError, in one line, for a missing file, an exported one, a description that is damaged, of something else or
    does not fit itself, another file.
    """
    path = Path(os.path.expanduser(path))
    if not os.path.isfile(path):  # pathlib's raises for a name that is too long
        raise UserError(f"weights {path}: {'not a file' if os.path.exists(path) else 'no such file'}")
    if path.suffix.lower() == ".onnx":
        raise UserError(f"weights {path}: an exported file; give the .params that it was made from, "
                        "or run it by ENGINE=onnx or openvino")
    place = description_of(path)
    if not place.exists():
        params_format.read(path)  # which says what else it is
        raise UserError(f"{place}: no such file; it is to say which network {path.name} is of")
    made = _checked(parsing.read_json(place, "description of weights"), path, str(place))
    if digest(path) != made.sha256:
        raise UserError(f"weights {path}: not the file that {place} describes (its SHA-256 is another); "
                        "damaged, or from elsewhere")
    return made


def _size(value, place) -> str:
    if not re.fullmatch("[1-9][0-9]{0,5}x[1-9][0-9]{0,5}", parsing.text(value, place)):
        raise UserError(f"{place}: {shown(value)} is not HxW, such as 256x512")
    return value


_POSITIVE = parsing.positive(parsing.integer)
_CHECKS = {
    "format": parsing.natural, "network": parse_network, "training": parse_training, "classes": class_sets.parse,
    "width": width_of_channels, "region": parsing.optional(_POSITIVE), "data": parsing.text, "size": _size,
    "preset": parsing.text, "budget": parsing.text, "seed": parsing.natural, "steps": _POSITIVE, "images": _POSITIVE,
    "mean_iou": parsing.number, "class_iou": parsing.mapping_of(parsing.optional(parsing.number)),
    "provenance": parse_provenance, "sha256": parsing.text, "stem": _POSITIVE, "decoder_width": width_of_channels,
}


def _checked(values, path: Path, place: str) -> Weights:
    if isinstance(values, dict) and "format" not in values:  # such as the record of a backbone
        raise UserError(f"{place}: not a description of a trained network (it has no 'format') but of something else, "
                        "such as a backbone")
    parsing.of_format(values, FORMAT, place)
    found = parsing.fields(values, place, _CHECKS, optional=OPTIONAL)
    del found["format"]
    made = Weights(path=path, **found)
    if (made.region is None) == made.network.sparse or made.region and (made.region % 32 or made.region > LARGEST):
        needed = f"a multiple of 32 up to {LARGEST}" if made.network.sparse else "null"
        raise UserError(f"{place}: region: {made.region!r} does not suit fusion {made.network.fusion}, "
                        f"which needs {needed}")
    if tuple(made.class_iou) != made.classes.names:
        raise UserError(f"{place}: class_iou: its keys are not the classes of {made.classes.name} in their order")
    return made
