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

from repro.data.decoding import rgb
from repro.data.headers import JPEG, LARGEST, PNG, check_size
from repro.data.images import check_png, ends
from repro.errors import UserError
from repro.files import contents, utf8

PHOTOS = (".bmp", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
VIDEOS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # what is wrong with a video is said here, in one line
SHOWN = 8  # other kinds of files that are named
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


def _within(path: Path, folder) -> bool:
    """Whether a file is in a folder or one of its folders; in None nothing is."""
    return folder is not None and Path(folder).absolute() in path.absolute().parents


def sources(given: str, but=None) -> Tuple[Source, ...]:
    """The photos and videos that `given` names, sorted.

    given  a file; a folder, of which all files in it and its folders are taken that end as photos and videos do; or a
           pattern with *, ? or [...], where ** is any folders.
    but    a folder that is left out, with all in it.

    UserError where there is none. The files are listed, not read.
    """
    path = Path(os.path.expanduser(given))  # os.path's, here and below: pathlib's raise for names too long or unknown
    if os.path.isdir(path):
        root, found = path, [one for one in path.rglob("*") if one.suffix.lower() in PHOTOS + VIDEOS]
        found = [one for one in found if not one.name.startswith(".") and os.path.isfile(one)]
        kinds = f"; known are files that end in {' '.join(PHOTOS + VIDEOS)}"
    elif os.path.exists(path):
        root, found, kinds = path.parent, [path], ""
    elif glob.has_magic(given):
        found = [Path(one) for one in glob.glob(str(path), recursive=True) if os.path.isfile(one)]
        root, kinds = Path(os.path.commonpath([one.parent for one in found])) if found else path, ""
    else:
        raise UserError(f"INPUT: {given}: no such file or folder")
    found = [one for one in found if not _within(one, but)]
    if not found:
        where = "in it" if os.path.isdir(path) else "is called so"
        raise UserError(f"INPUT: {given}: no photo or video {where}{kinds}")
    names = Counter(str(one.relative_to(root).with_suffix("")) for one in found)
    return tuple(Source(one, name if names[name] == 1 else str(one.relative_to(root)))
                 for one in sorted(found) for name in [str(one.relative_to(root).with_suffix(""))])


def passed_over(given: str, but=None) -> str:
    """A line on the files that `sources` leaves in a folder because of how they end; "" where there are none.

    given, but  as `sources` takes them; of a file or a pattern nothing is left. Hidden files and folders do not count.
    """
    root = Path(os.path.expanduser(given))
    if not os.path.isdir(root):
        return ""
    kinds = []
    for one in root.rglob("*"):
        hidden = any(part.startswith(".") for part in one.relative_to(root).parts)
        if not hidden and one.suffix.lower() not in PHOTOS + VIDEOS and os.path.isfile(one) \
                and not _within(one, but):
            kinds.append(one.suffix.lower() or "no suffix")
    if not kinds:
        return ""
    shown = sorted(set(kinds))
    listed = ", ".join(shown[:SHOWN]) + (", ..." if len(shown) > SHOWN else "")
    files = "1 file of another kind" if len(kinds) == 1 else f"{len(kinds)} files of other kinds"
    return str(UserError(f"passed over: {files} ({listed}); known are {' '.join(PHOTOS + VIDEOS)}"))  # surely one line


def read_photo(path) -> np.ndarray:
    """A photo as uint8 (H, W, 3), RGB, upright: grey becomes so, alpha is left out, values are scaled from what the
    header says is white, of 16 bits the upper 8 are taken.

    UserError for a file that is missing, empty, truncated (PNG and JPEG are looked through for it), no image, of too
    many pixels, which its header says before it is decoded, or of values that nothing says the range of.
    """
    try:
        data = contents(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    if not data:
        raise UserError(f"{path}: the file is empty")
    size = check_size(path, data)
    if data.startswith(PNG):
        check_png(path, data)
    elif data.startswith(JPEG) and not ends(data):
        raise UserError(f"{path}: the JPEG file is truncated")
    image = rgb(path, data) if size else None
    if image is None:
        raise UserError(f"{path}: not an image that OpenCV reads, or damaged")
    return image


def _is_video(begin: bytes) -> bool:
    """Whether a file begins as AVI, MP4 or QuickTime, Matroska or WebM, or MPEG: what else FFmpeg knows, lists of other
    files and addresses among it, is not opened, whatever it is called."""
    return (begin[:4] == b"RIFF" and begin[8:] == b"AVI " or begin[:4] == b"\x1a\x45\xdf\xa3"
            or begin[:4] in (b"\0\0\1\xba", b"\0\0\1\xb3")
            or begin[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"))


class _Video:
    """An open video file; UserError where OpenCV cannot open it."""

    def __init__(self, path: Path):
        if not os.path.isfile(path):
            raise UserError(f"{path}: {'not a file' if os.path.exists(path) else 'no such file'}")
        if not os.path.getsize(path):
            raise UserError(f"{path}: the file is empty")
        try:
            with open(path, "rb") as file:
                known = _is_video(file.read(12))
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from None
        self._capture = cv2.VideoCapture(utf8(path), cv2.CAP_FFMPEG) if known else cv2.VideoCapture()
        if not self._capture.isOpened():
            raise UserError(f"{path}: not a video that OpenCV reads, or damaged")
        count, rate, width, height = (self._property(name) for name in ("COUNT", "FPS", "WIDTH", "HEIGHT"))
        self.count, self.rate = int(count), rate if 0 < rate <= 1000 else 25.0
        if width * height > LARGEST:
            self.close()
            raise UserError(f"{path}: its header says {height:.0f}x{width:.0f} pixels (height x width); "
                            f"up to {LARGEST} are read")

    def _property(self, name: str) -> float:
        """What the file says, or 0."""
        value = self._capture.get(getattr(cv2, f"CAP_PROP_{'' if name == 'FPS' else 'FRAME_'}{name}"))
        return value if 0 <= value < 1e15 else 0.0

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
