"""The Cityscapes folder layout, which minicity also has.

leftImg8bit/<split>/<city>/<city>_<sequence>_<frame>_leftImg8bit.png with labels at
gtFine/<split>/<city>/<city>_<sequence>_<frame>_gtFine_labelIds.png, or _labelTrainIds.png where that is
absent; gtCoarse likewise.
"""

from __future__ import annotations

from pathlib import Path

from repro.data.classes import CITYSCAPES
from repro.data.dataset import Dataset, Sample, check_labelled, sample_of
from repro.errors import UserError
from repro.files import walk

LAYOUT = "Cityscapes (leftImg8bit/ and gtFine/)"
MARKER = "minicity.json"
_IMAGE = "_leftImg8bit.png"


def recognises(root: Path) -> bool:
    """Whether `root` has this layout, judged by the folder of images."""
    return (root / "leftImg8bit").is_dir()


def load(root: Path) -> Dataset:
    """List the data set at `root`: named minicity if its marker file is there, else cityscapes.

    Test images may lack labels. `coarse` is gtCoarse's train_extra (Cityscapes: 19,998 images, none of them
    in train); gtCoarse's train is not used, it labels the images of train a second time, less well.
    Raises UserError for an empty train or val, and for an image of train, val or train_extra without label.
    """
    return Dataset(
        name="minicity" if (root / MARKER).is_file() else "cityscapes",
        classes=CITYSCAPES,
        train=_labelled(root, "train", "gtFine"),
        val=_labelled(root, "val", "gtFine"),
        test=tuple(_samples(root, "test", "gtFine")),
        coarse=_labelled(root, "train_extra", "gtCoarse", required=False),
        measured_split="val",
        images=tuple(root / "leftImg8bit" / split for split in ("train", "val", "test", "train_extra")),
        pattern=f"leftImg8bit/SPLIT/CITY/*{_IMAGE}",
    )


def _labelled(root: Path, split: str, annotation: str, required: bool = True) -> tuple[Sample, ...]:
    samples = _samples(root, split, annotation)
    if required and not samples:
        raise UserError(f"{root / 'leftImg8bit' / split}: no images (<city>/*{_IMAGE})")
    return check_labelled(samples, split, f"expected {annotation}/{split}/<city>/*_{annotation}_labelIds.png "
                                          "or _labelTrainIds.png")


def _samples(root: Path, split: str, annotation: str) -> list[Sample]:
    folder = root / "leftImg8bit" / split
    found = []
    for image in walk(folder, lambda city: city.parent == folder):
        if image.name.endswith(_IMAGE) and image.parent != folder:
            beginning = root / annotation / split / image.parent.name / image.name[: -len(_IMAGE)]
            labels = (Path(f"{beginning}_{annotation}_{kind}.png") for kind in ("labelIds", "labelTrainIds"))
            found.append(sample_of(image, *labels))
    return found
