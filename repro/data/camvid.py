"""CamVid as the SegNet tutorial lays it out: train/, val/, test/; labels of equal names in trainannot/, …"""

from __future__ import annotations

from pathlib import Path

from repro.data.classes import CAMVID
from repro.data.dataset import Dataset, Sample, check_labelled, sample_of
from repro.errors import UserError
from repro.files import walk

LAYOUT = "CamVid of the SegNet tutorial (train/, trainannot/, val/, valannot/, test/, testannot/)"


def recognises(root: Path) -> bool:
    """Whether `root` has this layout, judged by the training images and labels."""
    return (root / "train").is_dir() and (root / "trainannot").is_dir()


def load(root: Path) -> Dataset:
    """List the data set at `root`; val may be absent, train and test (the measured split) not.

    Raises UserError for an empty train or test and for an image without label.
    """
    return Dataset(
        name="camvid",
        classes=CAMVID,
        train=_split(root, "train", required=True),
        val=_split(root, "val", required=False),
        test=_split(root, "test", required=True),
        coarse=(),
        measured_split="test",
        images=tuple(root / split for split in ("train", "val", "test")),
        pattern="SPLIT/*.png",
    )


def _split(root: Path, split: str, required: bool) -> tuple[Sample, ...]:
    images = [path for path in walk(root / split, lambda below: False) if path.suffix == ".png"]
    if required and not images:
        raise UserError(f"{root / split}: no images (*.png)")
    samples = [sample_of(image, root / f"{split}annot" / image.name) for image in images]
    return check_labelled(samples, split, f"{split}annot/ has no file of that name")
