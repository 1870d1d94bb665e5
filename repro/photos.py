"""What is to be segmented: photos and videos, named one by one, by a folder or by a pattern; each read when it is due.

A file that cannot be used is one line, a UserError, and never a part of an image taken for a whole one.
"""

from __future__ import annotations

import glob
import os
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Tuple

import cv2
import numpy as np

from repro.data.images import JPEG, PNG, ends, image_size
from repro.errors import UserError

PHOTOS = (".bmp", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
VIDEOS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")
CUT = 0.95  # a video that gives less than this share of the frames that it says it has is truncated


@dataclass(frozen=True)
class Source:
    """A photo or a video, and the name of its results: its path from where the search began, without suffix."""

    path: Path
    name: str

    @property
    def video(self) -> bool:
        return self.path.suffix.lower() in VIDEOS

    def frames(self) -> Iterator[np.ndarray]:
        """uint8 RGB (H, W, 3), one after the other; a photo is one. UserError where one cannot be read."""
        return _video(self.path) if self.video else iter([read_photo(self.path)])

    def count(self) -> int:
        """The number of frames, as a video says; 0 where it does not, or cannot be read."""
        if not self.video:
            return 1
        try:
            with closing(_Video(self.path)) as video:
                return video.count
        except UserError:
            return 0

    def rate(self) -> float:
        """A video's frames a second."""
        with closing(_Video(self.path)) as video:
            return video.rate


def sources(given: str, but=None) -> Tuple[Source, ...]:
    """The photos and videos that `given` names, sorted.

    given  a file; a folder, of which all files in it and its folders are taken that end as photos and videos do; or a
           pattern with *, ? or [...], where ** is any folders.
    but    a folder that is left out, with all in it.

    UserError where there is none. The files are listed, not read.
    """
    path = Path(given).expanduser()
    if path.is_dir():
        root, found = path, [one for one in path.rglob("*") if one.suffix.lower() in PHOTOS + VIDEOS]
        found = [one for one in found if not one.name.startswith(".") and one.is_file()]
        kinds = f"; known are files that end in {' '.join(PHOTOS + VIDEOS)}"
    elif path.exists():
        root, found, kinds = path.parent, [path], ""
    elif glob.has_magic(given):
        found = [Path(one) for one in glob.glob(str(path), recursive=True) if os.path.isfile(one)]
        root, kinds = Path(os.path.commonpath([one.parent for one in found])) if found else path, ""
    else:
        raise UserError(f"INPUT: {given}: no such file or folder")
    if but is not None:
        left_out = Path(but).absolute()
        found = [one for one in found if left_out not in one.absolute().parents]
    if not found:
        raise UserError(f"INPUT: {given}: no photo or video{' in it' if path.is_dir() else ' is called so'}{kinds}")
    names = Counter(str(one.relative_to(root).with_suffix("")) for one in found)
    return tuple(Source(one, name if names[name] == 1 else str(one.relative_to(root)))
                 for one in sorted(found) for name in [str(one.relative_to(root).with_suffix(""))])


def read_photo(path) -> np.ndarray:
    """A photo as uint8 (H, W, 3), RGB: grey becomes so, alpha is left out, of 16 bits the upper 8 are taken; turned
    as its EXIF data say.

    UserError for a file that is missing, empty, truncated (PNG and JPEG are looked through for it), or no image.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    if not data:
        raise UserError(f"{path}: the file is empty")
    if data.startswith(PNG):
        image_size(path)
    elif data.startswith(JPEG) and not ends(data):
        raise UserError(f"{path}: the JPEG file is truncated")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise UserError(f"{path}: cannot be decoded ({' '.join(error.err.split())})") from None
    if image is None:
        raise UserError(f"{path}: not an image that OpenCV reads, or damaged")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


class _Video:
    """An open video file; UserError where OpenCV cannot open it."""

    def __init__(self, path: Path):
        if not path.is_file():
            raise UserError(f"{path}: no such file")
        if not path.stat().st_size:
            raise UserError(f"{path}: the file is empty")
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise UserError(f"{path}: not a video that OpenCV reads, or damaged")
        self.count = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self.rate = self._capture.get(cv2.CAP_PROP_FPS) or 25.0

    def read(self):
        """The next frame, BGR, or None."""
        done, frame = self._capture.read()
        return frame if done else None

    def close(self) -> None:
        self._capture.release()


def _video(path: Path) -> Iterator[np.ndarray]:
    with closing(_Video(path)) as video:
        number, frame = 0, video.read()
        while frame is not None:
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            number, frame = number + 1, video.read()
    if number < max(1, CUT * video.count):
        raise UserError(f"{path}: only {number} of its {video.count} frames can be decoded; the video is damaged")
