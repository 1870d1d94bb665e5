"""Data sets: folders recognised by their layout, their images and labels, augmentation and batches."""

from __future__ import annotations

import os
from pathlib import Path

from repro.data import camvid, cityscapes, own
from repro.data.classes import CAMVID, CITYSCAPES, IGNORE, ClassSet
from repro.data.dataset import Dataset, Sample
from repro.data.images import read_image, read_label, read_sample
from repro.errors import UserError

__all__ = ["CAMVID", "CITYSCAPES", "IGNORE", "ClassSet", "Dataset", "Sample", "open_dataset",
           "read_image", "read_label", "read_sample"]


def open_dataset(path) -> Dataset:
    """List the data set in the folder `path`, recognised by its layout: Cityscapes (also minicity), CamVid
    or one that names its classes itself.

    Raises UserError for a path that is no folder, an unknown layout, a needed split without images and
    images without label, and a wrong classes.yaml. Images and labels are listed, not read.
    """
    root = Path(os.path.expanduser(path))
    if not os.path.isdir(root):  # pathlib's raises for a name that is too long
        raise UserError(f"{path}: {'not a folder' if os.path.exists(root) else 'no such folder'}")
    for layout in (own, cityscapes, camvid):  # what is said in a file comes before what folders look like
        if layout.recognises(root):
            return layout.load(root)
    raise UserError(f"{path}: the folder's layout is not recognised; known are {cityscapes.LAYOUT}, "
                    f"{camvid.LAYOUT} and {own.LAYOUT}")
