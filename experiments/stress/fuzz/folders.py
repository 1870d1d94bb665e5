"""Folders: data sets of a wrong layout, and what INPUT may name."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import Callable, Dict, Iterator

import cv2
import numpy as np
import yaml

from experiments.stress.fuzz.case import LINE, RESULT, Case
from experiments.stress.fuzz.damage import NO_FILES
from repro.data import CAMVID, open_dataset
from repro.data.check import check_files
from repro.prediction.photos import sources

PICTURE = cv2.imencode(".png", np.zeros((4, 6, 3), np.uint8))[1].tobytes()
LABEL = cv2.imencode(".png", np.zeros((4, 6), np.uint8))[1].tobytes()
LAYOUTS: Dict[str, Dict[str, bytes]] = {
    "camvid": {f"{split}{kind}/{number}.png": PICTURE if not kind else LABEL for split in ("train", "val", "test")
               for kind in ("", "annot") for number in (1, 2)},
    "cityscapes": {**{f"leftImg8bit/{split}/a/a_{number}_leftImg8bit.png": PICTURE for split in ("train", "val")
                      for number in (1, 2)},
                   **{f"gtFine/{split}/a/a_{number}_gtFine_labelIds.png": LABEL for split in ("train", "val")
                      for number in (1, 2)}},
    "own": {"classes.yaml": yaml.safe_dump({"name": "yard", "classes": [
        {"name": "a", "id": 0, "colour": [0, 0, 0]}, {"name": "b", "id": 1, "colour": [1, 0, 0]}]}).encode(),
        **{f"{kind}/{split}/{number}.png": PICTURE if kind == "images" else LABEL for kind in ("images", "labels")
           for split in ("train", "val") for number in (1, 2)}},
}


def _write(folder: Path, files: Dict[str, bytes]) -> Path:
    root = folder / "data ü"
    root.mkdir()
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def _open(root):
    """Open and check a data set; return how many samples it has."""
    data = open_dataset(root)
    samples = (*data.train, *data.val, *data.test)
    check_files(samples, data.classes, None, 1, lambda results, total, what: results)
    return len(samples)


def _swap(root: Path, name: str, make: Callable[[Path], object]) -> None:
    path = root / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    make(path)


def datasets(seed: int) -> Iterator[Case]:
    """repro.data.open_dataset and repro.data.check.check_files."""
    draw = random.Random(seed)
    for layout, files in LAYOUTS.items():
        count = sum(content == PICTURE for content in files.values())

        def whole(folder: Path, files=files):
            return _open(_write(folder, files))
        yield Case("as it should be", layout, whole, lambda value, count=count: value == count, (RESULT,))

        def hidden(folder: Path, files=files):
            root = _write(folder, files)
            for path in [*root.rglob("*.png"), *root.rglob("*.yaml")]:
                path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")
            return _open(root)
        yield Case("as it should be", f"{layout} with hidden files", hidden, lambda value, count=count: value == count,
                   (RESULT,))
        folders = sorted({str(above) for name in files for above in list(Path(name).parents)[:-1]})
        makes = {**{what: NO_FILES[what] for what in NO_FILES if "link" in what or what in ("a pipe", "a folder")},
                 "missing": lambda path: None, "loop above": lambda path: path.symlink_to(path.parent),
                 "empty": lambda path: path.write_bytes(b""), "text": lambda path: path.write_bytes(b"hello"),
                 "binary": lambda path: path.write_bytes(b"\xff\0" * 50)}
        for name in [*files, *folders]:
            for what in draw.sample(sorted(makes), 4):
                def wrong(folder: Path, files=files, name=name, make=makes[what]):
                    root = _write(folder, files)
                    _swap(root, name, make)
                    return _open(root)
                yield Case("missing or wrong files", f"{layout}: {name}: {what}", wrong,
                           lambda value, count=count: 0 < value < count)  # what is optional may be missing
        for what in NO_FILES:
            def none(folder: Path, make=NO_FILES[what]):
                return _open(make(folder / "a") or folder / "a")
            yield Case("no folder", f"{layout}: {what}", none, lambda value: False, (LINE,))
    for number in range(12, 256, 4):
        def ids(folder: Path, number=number):
            label = cv2.imencode(".png", np.full((4, 6), number, np.uint8))[1].tobytes()
            return _open(_write(folder, {**LAYOUTS["camvid"], "trainannot/1.png": label}))
        yield Case("wrong value", f"id {number} of {CAMVID.name}", ids, lambda value: False, (LINE,))


def inputs(seed: int) -> Iterator[Case]:
    """repro.prediction.photos.sources: what INPUT names; then each of them is read."""
    def read(given):
        return [frame.shape for source in sources(str(given)) for frame in source.frames()]

    def case(family, name, make, right=lambda value: False, allowed=(LINE,)):
        return Case(family, name, lambda folder: read(make(folder)), right, allowed)
    for what, make in NO_FILES.items():
        yield case("no file", what, lambda folder, make=make: make(folder / "a.png") or folder / "a.png")
    for name in ("with space.png", "Straße 東京.png", "-.png", "a\nb.png", "\udcff.png", "[x].png", "*.png", "?.png",
                 "~.png", "..png", "a.PNG", "%s.png"):
        def named(folder: Path, name=name):
            (folder / name).write_bytes(PICTURE)
            return folder / name
        yield case("odd names", repr(name), named, lambda value: value == [(4, 6, 3)], (RESULT,))
        yield case("odd names", f"the folder of {name!r}", lambda folder, name=name: named(folder, name).parent,
                   lambda value: value == [(4, 6, 3)], (RESULT, LINE))
        yield case("odd names", f"a folder called {name!r}", lambda folder, name=name: _write_in(folder / name),
                   lambda value: value == [(4, 6, 3)] * 2, (RESULT,))
    for pattern in ("*", "**", "**/*", "[", "[!",
                    "***", "a[b-]c*", "{a,b}*", "*\0", "?" * 300, "*" * 50, "~x*", "", ".",
                    "..", "/dev/null", "/dev/zero", "/proc/self/mem", "/proc/self/environ", "/dev/stdin", "http://127.0.0.1:9/a",
                    "file:///etc/passwd", "rtsp://127.0.0.1:9/", "0", "-1", "image%03d.png", "~root-of-none/a", "\0"):
        yield case("odd patterns", repr(pattern[:30]), lambda folder, pattern=pattern: f"{folder}/none/{pattern}" if not
                   pattern.startswith(("/", "~", "http", "file", "rtsp", "0", "-", "\0", "image")) else pattern)

    def looped(folder: Path):
        root = _write_in(folder / "a")
        (root / "loop").symlink_to(root)
        (root / "other.png").symlink_to(root / "other.png")
        (root / "nothing.png").symlink_to(root / "none.png")
        (root / "folder.png").mkdir()
        os.mkfifo(root / "pipe.png")
        return root
    yield case("links", "a folder with loops, dead links, pipes", looped, lambda value: value == [(4, 6, 3)] * 2,
               (RESULT,))
    yield case("links", "a pattern over loops", lambda folder: f"{looped(folder)}/**/*.png",
               lambda value: set(value) == {(4, 6, 3)}, (RESULT,))


def _write_in(folder: Path) -> Path:
    folder.mkdir()
    for name in ("1.png", "2.png"):
        (folder / name).write_bytes(PICTURE)
    return folder
