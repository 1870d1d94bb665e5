"""Anyone's own photos and classes: a folder with a file that names the classes, and labels of the photos' names."""

from __future__ import annotations

import re
from pathlib import Path

from repro.config import parsing
from repro.data.classes import KNOWN, ClassSet, byte, checked, colour
from repro.data.dataset import Dataset, Sample, check_labelled, sample_of
from repro.errors import UserError, shown
from repro.files import walk

FILE = "classes.yaml"
LAYOUT = f"your own ({FILE}, images/train/, labels/train/, images/val/, labels/val/)"
IMAGES = (".jpeg", ".jpg", ".png")
TAKEN = (*KNOWN, "minicity")


def recognises(root: Path) -> bool:
    """Whether `root` has this layout: whether it names its classes."""
    return (root / FILE).is_file()


def load(root: Path) -> Dataset:
    """List the data set at `root`; the measured split is val, test may be absent or without labels.

    An image images/SPLIT/NAME.jpg, or .png, has its label at labels/SPLIT/NAME.png, with the ids of classes.yaml.
    Raises UserError for a wrong classes.yaml, an empty train or val, and an image of these without label.
    """
    classes = read_classes(root / FILE)
    return Dataset(
        name=classes.name,
        classes=classes,
        train=_split(root, "train"),
        val=_split(root, "val"),
        test=_split(root, "test", required=False),
        coarse=(),
        measured_split="val",
        images=tuple(root / "images" / split for split in ("train", "val", "test")),
        pattern=f"images/SPLIT/*{', *'.join(IMAGES)}",
    )


def read_classes(path: Path) -> ClassSet:
    """Return the classes that a file names, in its order; a UserError names the file and the key.

        name: yard                                     of the data, in records and names of files
        void: [0, 255]                                 further ids of label files: neither trained on nor measured
        classes:
        - {name: path, id: 10, colour: [128, 64, 128]}
    """
    place = str(path)
    found = parsing.fields(parsing.read_yaml(path), place, {
        "name": _name, "void": parsing.sequence(byte), "classes": parsing.sequence(_class)}, optional=("void",))
    names, ids, colours = (tuple(one[key] for one in found["classes"]) for key in ("name", "id", "colour"))
    return checked(ClassSet(found["name"], names, colours, ids, found.get("void", ())), f"{place}: classes")


def _class(value, place):
    return parsing.fields(value, place, {"name": parsing.text, "id": byte, "colour": colour})


def _name(value, place) -> str:
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_.-]*", parsing.text(value, place)):
        raise UserError(f"{place}: {shown(value)} is not letters, digits, '_', '.' and '-' alone, which name files")
    if value in TAKEN:
        raise UserError(f"{place}: {shown(value)} is that of a data set known here; name yours otherwise")
    return value


def _split(root: Path, split: str, required: bool = True) -> tuple[Sample, ...]:
    folder = root / "images" / split
    images = [path for path in walk(folder, lambda below: False) if path.suffix.lower() in IMAGES]
    if required and not images:
        raise UserError(f"{folder}: no images ({', '.join('*' + suffix for suffix in IMAGES)})")
    by_stem: dict[str, Path] = {}
    for image in images:
        other = by_stem.setdefault(image.stem, image)
        if other is not image:
            raise UserError(f"{image}: {other.name} would have the same label, labels/{split}/{image.stem}.png")
    samples = [sample_of(image, root / "labels" / split / f"{image.stem}.png") for image in images]
    return check_labelled(samples, split, f"expected labels/{split}/NAME.png") if required else tuple(samples)
