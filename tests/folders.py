"""Small data-set folders for tests, written with random content in the layouts the readers recognise; what is wrong
with one is one line; a full disk."""

from __future__ import annotations

import contextlib
import resource

import cv2
import numpy as np
import pytest

from repro.data import CAMVID, CITYSCAPES, ClassSet
from repro.errors import UserError


def refused(call, *parts) -> str:
    """Return the message of the UserError that `call` raises: one line that holds all of `parts`."""
    with pytest.raises(UserError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message and all(str(part) in message for part in parts), message
    return message


@contextlib.contextmanager
def full_disk(left: int):
    """Stand in for a full disk, which takes rights to make: no file may grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (left, hard))  # Python ignores the signal; write() fails with EFBIG
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write_png(path, array) -> None:
    """Write a uint8 (H, W) or RGB (H, W, 3) array, creating its folder; as a JPEG where it is called so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), array if array.ndim == 2 else array[:, :, ::-1])


def write_camvid(root, train=5, val=2, test=3, size=(24, 32), seed=0):
    """A CamVid folder of random images and random ids, void included; returns `root`."""
    random = np.random.RandomState(seed)
    for split, count in (("train", train), ("val", val), ("test", test)):
        for number in range(count):
            name = f"0001TP_{number:06d}.png"
            write_png(root / split / name, random.randint(0, 256, size + (3,)).astype(np.uint8))
            ids = random.randint(0, len(CAMVID) + 1, size).astype(np.uint8)
            write_png(root / (split + "annot") / name, ids)
    return root


def write_cityscapes(root, splits=(("train", 3), ("val", 2)), size=(16, 32), annotation="gtFine",
                     kind="labelIds", seed=0):
    """A Cityscapes folder of random images in two cities and random ids of all 34; returns `root`."""
    random = np.random.RandomState(seed)
    for split, count in splits:
        for number in range(count):
            city = ("aachen", "zurich")[number % 2]
            frame = f"{city}_{number:06d}_000019"
            image = random.randint(0, 256, size + (3,)).astype(np.uint8)
            ids = random.randint(0, 34 if kind == "labelIds" else len(CITYSCAPES), size).astype(np.uint8)
            write_png(root / "leftImg8bit" / split / city / f"{frame}_leftImg8bit.png", image)
            write_png(root / annotation / split / city / f"{frame}_{annotation}_{kind}.png", ids)
    return root


CLASSES = """\
name: yard
void: [0, 255]
classes:
- {name: path, id: 7, colour: [128, 64, 128]}
- {name: lawn, id: 3, colour: [0, 160, 0]}
- {name: garden gnome, id: 200, colour: [255, 0, 0]}
"""
YARD = ClassSet("yard", ("path", "lawn", "garden gnome"), ((128, 64, 128), (0, 160, 0), (255, 0, 0)), (7, 3, 200),
                (0, 255))


def write_own(root, train=4, val=2, test=1, size=(24, 32), classes=CLASSES, seed=0):
    """A folder that names its classes, of random photos, every second one a JPEG, and random ids, none for test;
    returns `root`."""
    random = np.random.RandomState(seed)
    root.mkdir(parents=True, exist_ok=True)
    (root / "classes.yaml").write_text(classes)
    for split, count in (("train", train), ("val", val), ("test", test)):
        for number in range(count):
            image = random.randint(0, 256, size + (3,)).astype(np.uint8)
            write_png(root / "images" / split / f"{number}.{('jpg', 'png')[number % 2]}", image)
            if split != "test":
                ids = random.choice([0, 3, 7, 200, 255], size).astype(np.uint8)
                write_png(root / "labels" / split / f"{number}.png", ids)
    return root
