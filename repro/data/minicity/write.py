"""Writing scenes as a Cityscapes folder."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Callable

import cv2
import numpy as np
from tqdm import tqdm

from repro.data.cityscapes import MARKER
from repro.data.minicity.labels import coarsen
from repro.data.minicity.scene import city_of, scene, sides
from repro.errors import UserError
from repro.files import no_file

VERSION = 1  # raised whenever a scene's pixels change


def write_minicity(root, seed: int = 0, size=(256, 512), train: int = 400, val: int = 100, coarse: int = 400,
                   progress: bool = True) -> None:
    """Write `train`, `val` and `coarse` (split train_extra, coarsely labelled) scenes under `root`.

    The layout and the label ids are those of Cityscapes; the train images have both fine and coarse labels.
    `size` is (H, W) in pixels. A root that already holds exactly this data is left as it is. Raises UserError
    on a root that holds anything else, or on a size or count that cannot be drawn. Everything is written
    beside `root` and renamed at the end, so that `root` is either complete or absent.
    """
    root, size, counts = checked(root, seed, size, {"train": train, "val": val, "train_extra": coarse})
    marker = {"generator": VERSION, "seed": int(seed), "size": size, "counts": counts}
    if _holds(root, marker):
        return
    try:
        with whole(root) as temporary:
            draw(lambda job: _write_scene(temporary, seed, *job, size), counts, size, progress)
            (temporary / MARKER).write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")
    except OSError:
        if not _holds(root, marker):  # which another process may have written by now
            raise


def checked(root, seed: int, size, counts: dict):
    """Return (root, size, counts) as they are used; UserError on a size or count that cannot be drawn."""
    root, counts = Path(root).absolute(), {split: int(count) for split, count in counts.items()}
    if min(counts.values()) < 0:
        raise UserError(f"minicity counts: {counts} must not be negative")
    if seed < 0:
        raise UserError(f"minicity seed: {seed} must not be negative")
    return root, list(sides(size)), counts


@contextmanager
def whole(root: Path):
    """Yield a folder beside `root` that takes its place at the end; on an error nothing is left of it."""
    root.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=root.parent, prefix=f".writing-{root.name}-"))
    try:
        yield temporary
        os.chmod(temporary, 0o755)
        if root.exists():
            root.rmdir()
        os.replace(temporary, root)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def draw(write: Callable[[tuple[str, int]], None], counts: dict, size, progress: bool) -> None:
    """Call write((split, index)) for so many scenes of each split."""
    jobs = [(split, index) for split, count in counts.items() for index in range(count)]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:  # NumPy and OpenCV release the lock
        done = pool.map(write, jobs)
        for _ in tqdm(done, f"minicity {size[0]}x{size[1]}", len(jobs), unit="scene",
                      disable=None if progress else True):
            pass


def _holds(root: Path, marker: dict) -> bool:
    """Whether `root` holds the data described by `marker`; UserError if it holds anything else."""
    if not root.exists():
        return False
    no_file(root, "minicity")
    if not any(root.iterdir()):
        return False
    try:
        found = json.loads((root / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UserError(f"minicity: {root} is not empty and is not a minicity folder; choose another or empty it"
                        ) from None
    if found != marker:
        raise UserError(f"minicity: {root} holds {json.dumps(found)}, wanted {json.dumps(marker)}; "
                        "choose another folder or delete it")
    return True


def _write_scene(root: Path, seed: int, split: str, index: int, size) -> None:
    image, labels = scene(seed, split, index, size)
    city = city_of(split, index)
    files = {"leftImg8bit": image[..., ::-1]}
    if split != "train_extra":
        files["gtFine_labelIds"] = labels
    if split != "val":
        files["gtCoarse_labelIds"] = coarsen(labels)
    for name, pixels in files.items():
        path = root / name.partition("_")[0] / split / city / f"{city}_{index:06d}_000019_{name}.png"
        write_image(path, pixels, cv2.IMWRITE_PNG_COMPRESSION, 2)


def write_image(path: Path, pixels: np.ndarray, *settings: int) -> None:
    """Write ids or B, G, R as an image, its folder made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), np.ascontiguousarray(pixels), settings):
        raise OSError(f"cannot write {path}")
