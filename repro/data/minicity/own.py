"""Scenes as somebody's own photos: a folder that names its classes, to try such folders with."""

from __future__ import annotations

import cv2
import numpy as np

from repro.data.minicity import labels as of
from repro.data.minicity.scene import scene
from repro.data.minicity.write import checked, draw, whole, write_image
from repro.errors import UserError

# name, id in label files, colour, the labels that become it; all else becomes void, 0.
MERGED = (
    ("ground", 10, (128, 64, 128), (of.ROAD, of.SIDEWALK, of.TERRAIN)),
    ("built", 20, (70, 70, 70), (of.BUILDING, of.WALL, of.FENCE, of.POLE, of.LIGHT, of.SIGN)),
    ("plants", 30, (107, 142, 35), (of.VEGETATION,)),
    ("sky", 40, (70, 130, 180), (of.SKY,)),
    ("traffic", 50, (0, 0, 142), (of.PERSON, of.RIDER, of.CAR, of.TRUCK, of.BUS, of.TRAIN, of.MOTORCYCLE, of.BICYCLE)),
)
QUALITY = 95  # of JPEG


def write_own(root, seed: int = 0, size=(256, 512), train: int = 40, val: int = 10, test: int = 4,
              progress: bool = True) -> None:
    """Write scenes under `root`, which must be absent or empty: classes.yaml, photos as images/SPLIT/NAME.jpg and, but
    for test, ids as labels/SPLIT/NAME.png.

    `size` is (H, W) in pixels. The scenes are minicity's of this seed. Raises UserError for what cannot be drawn and
    for another root. `root` is either complete in the end or as it was.
    """
    root, size, counts = checked(root, seed, size, {"train": train, "val": val, "test": test})
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UserError(f"minicity: {root} is {'not empty' if root.is_dir() else 'a file'}; choose another folder")
    table = np.zeros(256, np.uint8)
    for _, id, _, merged in MERGED:
        table[list(merged)] = id

    def write(job) -> None:
        split, index = job
        image, ids = scene(seed, split, index, size)
        photo = folder / "images" / split / f"{index:04d}.jpg"
        write_image(photo, image[..., ::-1], cv2.IMWRITE_JPEG_QUALITY, QUALITY)
        if split != "test":
            write_image(folder / "labels" / split / f"{index:04d}.png", table[ids])
    with whole(root) as folder:
        draw(write, counts, size, progress)
        lines = ["name: street", "void: [0]", "classes:"]
        lines += [f"- {{name: {name}, id: {id}, colour: {list(colour)}}}" for name, id, colour, _ in MERGED]
        (folder / "classes.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
