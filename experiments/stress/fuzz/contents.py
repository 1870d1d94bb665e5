"""What a data set's files hold: void labels, leaks, small images, what is left out, and which data they are."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Callable, Iterator, Tuple

import cv2
import numpy as np

from experiments.lib.command import HERE
from experiments.stress.fuzz.case import LINE, RESULT, Case
from experiments.stress.fuzz.folders import LAYOUTS, PICTURE
from repro.config.neighbours import load_rows
from repro.config.presets import load_preset
from repro.data import open_dataset
from repro.data.check import check_files
from repro.data.contents import PICTURES, check_apart, check_labelled_pixels, check_regions, content_of, left_out

ROW = "isctf-sparse-p0.25-l0.001-r256"
SIDE = 64  # of its regions in the preset lite
VOID = {"camvid": 11, "cityscapes": 255, "own": 9}


def _png(array: np.ndarray) -> bytes:
    return cv2.imencode(".png", array)[1].tobytes()


def _written(folder: Path, layout: str, draw: random.Random) -> Path:
    """A folder of this layout, every image another, labels of one class."""
    root = folder / f"data {layout}"
    for name, content in LAYOUTS[layout].items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        picture = np.array([draw.randrange(256) for _ in range(72)], np.uint8).reshape(4, 6, 3)
        label = np.full((4, 6), 7 if layout == "cityscapes" else 0, np.uint8)
        (root / name).write_bytes(content if name.endswith("yaml") else _png(picture if content == PICTURE else label))
    if layout == "own":
        (root / "classes.yaml").write_bytes(LAYOUTS[layout]["classes.yaml"] + b"void: [9]\n")
    return root


def _found(root: Path):
    data = open_dataset(root)
    samples = (*data.train, *data.measured)
    return data, check_files(samples, data.classes, None, 1, lambda results, total, what: results)


def _content(root: Path) -> str:
    data, found = _found(root)
    return content_of((*data.train, *data.measured), found, root, data.classes)


def contents(seed: int) -> Iterator[Case]:
    """repro.data.contents: what is said of a set before it is trained on."""
    draw = random.Random(seed)
    for layout, void in VOID.items():
        def labels(folder: Path, split: str, count: int, layout=layout, void=void):
            root = _written(folder, layout, random.Random(seed))
            data = open_dataset(root)
            samples = data.train if split == "train" else data.measured
            for sample in samples[:count]:
                sample.label.write_bytes(_png(np.full((4, 6), void, np.uint8)))
            data, found = _found(root)
            return check_labelled_pixels(samples, found, data.classes, split)
        for split in ("train", "measured"):
            for count, allowed in ((1, RESULT), (2, LINE)):
                yield Case("void labels", f"{layout}: {count} of 2 in {split}",
                           lambda folder, labels=labels, split=split, count=count: labels(folder, split, count),
                           lambda value: not value, (allowed,))

        def leak(folder: Path, copied: bool, allowed: bool, layout=layout):
            root = _written(folder, layout, random.Random(seed))
            data = open_dataset(root)
            if copied:
                shutil.copy(data.train[-1].image, data.measured[0].image)
            data, found = _found(root)
            return check_apart(data.train, data.measured, found, allowed)
        for copied, allowed in ((False, False), (True, False), (True, True)):
            yield Case("trained on and measured", f"{layout}: {copied}, allowed {allowed}",
                       lambda folder, leak=leak, copied=copied, allowed=allowed: leak(folder, copied, allowed),
                       lambda value, copied=copied: value.startswith("1 of 2") == copied,
                       (LINE,) if copied and not allowed else (RESULT,))

        def more(folder: Path, name: str, layout=layout):
            root = _written(folder, layout, random.Random(seed))
            place = open_dataset(root).images[0] / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(PICTURE)
            return left_out(open_dataset(root))
        for name, seen in [(f"deep er/x/3{ending}", True) for ending in PICTURES] + [
                ("3.TIFF", True), ("a/.b.png", False), (".a/b.png", False), ("a/b.txt", False)]:
            yield Case("left out", f"{layout}: {name}", lambda folder, more=more, name=name: more(folder, name),
                       lambda value, seen=seen: (": 1 picture is left out, such as " in value) == seen, (RESULT,))
        yield from _changes(layout, seed)
    yield from _sizes(draw)


def _changes(layout: str, seed: int) -> Iterator[Case]:
    """Which changes make a set another one."""
    def renamed(root: Path):
        for sample in open_dataset(root).train[-1:]:
            for path in (sample.image, sample.label):
                path.rename(path.with_name(path.name.replace("2", "3")))

    def relabelled(root: Path):
        label = np.full((4, 6), 8 if layout == "cityscapes" else 1, np.uint8)
        open_dataset(root).train[0].label.write_bytes(_png(label))
    changes: Tuple[Tuple[str, Callable[[Path], object], bool], ...] = (
        ("moved", lambda root: None, True), ("renamed", renamed, False), ("relabelled", relabelled, False),
        ("repainted", lambda root: open_dataset(root).measured[0].image.write_bytes(PICTURE), False))
    for what, change, same in changes:
        def case(folder: Path, change=change):
            one = _written(folder, layout, random.Random(seed))
            other = Path(shutil.copytree(one, folder / "other"))
            change(other)
            return _content(one), _content(one), _content(other)
        yield Case("another set", f"{layout}: {what}", case, lambda found, same=same: found[0] == found[1] and (
            found[0] == found[2]) == same, (RESULT,))


def _sizes(draw: random.Random) -> Iterator[Case]:
    """Images of a few regions, of which p keeps one at least or none."""
    row = next(one for one in load_rows(HERE / "table3.yaml") if one.id == ROW)
    preset = load_preset(HERE / "presets" / "lite.yaml", "lite")
    for _ in range(30):
        size = draw.randrange(1, 200), draw.randrange(1, 300)

        def case(folder: Path, size=size):
            root = _written(folder, "camvid", random.Random(0))
            sample = open_dataset(root).measured[0]
            sample.image.write_bytes(_png(np.zeros((*size, 3), np.uint8)))
            sample.label.write_bytes(_png(np.zeros(size, np.uint8)))
            data, found = _found(root)
            return check_regions(data.measured[:1], found, row.network, row.training, preset)
        enough = -(-size[0] // SIDE) * -(-size[1] // SIDE) * row.training.p >= 1
        yield Case("few regions", f"{size[0]}x{size[1]}", case, allowed=(RESULT if enough else LINE,))
