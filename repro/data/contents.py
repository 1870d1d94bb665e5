"""What the files of a data set hold, as far as it decides a training before its first step, and which data they are."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Mapping

from repro.config.presets import round_up
from repro.data.check import Checked
from repro.data.classes import CITYSCAPES, ClassSet
from repro.data.dataset import Dataset, Sample
from repro.errors import UserError
from repro.files import walk

PICTURES = (".avif", ".bmp", ".gif", ".heic", ".heif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif",
            ".tiff", ".webp")
Found = Mapping[Sample, Checked]  # of repro.data.check.check_files
_MANY = 18  # train ids are 0 to 18; of official label ids hardly an image has none above


def content_of(samples: Sequence[Sample], found: Found, root, classes: ClassSet) -> str:
    """Return the SHA-256 of samples in their order: names below `root`, contents, and what ids mean."""
    files = [[os.path.relpath(sample.image, root), found[sample].image,
              sample.label and os.path.relpath(sample.label, root), found[sample].label] for sample in samples]
    return hashlib.sha256(json.dumps([asdict(classes), files], sort_keys=True).encode()).hexdigest()


def check_labelled_pixels(samples: Sequence[Sample], found: Found, classes: ClassSet, split: str) -> str:
    """Return a line where the labels of a split look like train ids under another name; "" else.

    Raises UserError, with the first file's name, where no label of it has a pixel of a class.
    """
    labelled = [sample for sample in samples if sample.label is not None]
    if not labelled:
        return ""
    first = labelled[0].label
    named = classes == CITYSCAPES and any(str(one.label).endswith("_labelIds.png") for one in labelled)
    ids = ", ".join(map(str, classes.ids[:8])) + ", ..." * (len(classes) > 8)
    hint = "train ids are read from *_labelTrainIds.png" if named else f"its classes have the ids {ids}"
    seen = {train_id for sample in labelled for train_id in found[sample].classes}
    if not seen:
        raise UserError(f"{first}: all its pixels are void, as are those of all {len(labelled)} labels of {split}; "
                        f"{hint}")
    void = sum(found[sample].void for sample in labelled) / len(labelled)
    if named and void > 0.5 and max(classes.ids[train_id] for train_id in seen) <= _MANY:
        return (f"{first}: {100 * void:.0f}% of the pixels of {split} are void, no class has an id above {_MANY}: are "
                f"these train ids? {hint}")
    return ""


def check_apart(train: Sequence[Sample], measured: Sequence[Sample], found: Found, allowed: bool = False) -> str:
    """Return a line on the measured images that are trained on too, where that is `allowed`; "" where none is.

    Raises UserError, with the names of the first two files, where it is not. Images are compared by content.
    """
    trained = {found[sample].image: sample.image for sample in train}
    both = [(sample.image, trained[found[sample].image]) for sample in measured if found[sample].image in trained]
    if both and not allowed:
        raise UserError(f"{both[0][0]}: on this image accuracy is to be measured, but it is trained on too, as "
                        f"{both[0][1]} ({len(both)} of {len(measured)} measured images are); LEAK=1 (--leak) allows it")
    return f"{len(both)} of {len(measured)} measured images are trained on too, as allowed" if both else ""


def check_regions(samples: Sequence[Sample], found: Found, network, training, preset) -> None:
    """Raise UserError, with its name, for an image of whose regions a training's p keeps none.

    network, training, preset  a row's network (AnyNetwork), its Training, a Preset.
    """
    if not network.region or training.p is None:
        return
    side = preset.region(network.region)
    for sample in samples:
        height, width = found[sample].size
        padded = round_up((height, width), network.multiple(side))
        regions = padded[0] // side * (padded[1] // side)
        if not training.k(regions):
            raise UserError(f"{sample.image}: {height}x{width} pixels (height x width) are {regions} of the {side} px "
                            f"regions, of which p {training.p} keeps none; {math.ceil(1 / training.p)} are needed")


def turned(found: Found) -> str:
    """Return a line on images that are turned as their EXIF orientation says; "" where none is."""
    names = [sample.image for sample, one in found.items() if one.orientation != 1]
    return (f"{names[0]}: turned as its EXIF orientation says; so are {len(names)} of the {len(found)} images, whose "
            "labels must be upright too") if names else ""


def left_out(dataset: Dataset) -> str:
    """Return a line on the pictures beside and below a data set's images that are none of them; "" where none is.

    Hidden files and folders do not count.
    """
    splits = (dataset.train, dataset.val, dataset.test, dataset.coarse)
    listed = {sample.image for split in splits for sample in split}
    others = sorted(path for folder in dataset.images for path in walk(folder)
                    if path.suffix.lower() in PICTURES and path not in listed)
    if not others:
        return ""
    files = "1 picture is" if len(others) == 1 else f"{len(others)} pictures are"
    return str(UserError(f"{dataset.name}: {files} left out, such as {others[0]}; images are {dataset.pattern}"))
