"""What is to be segmented: photos and videos, named one by one, by a folder or by a pattern; each read when it is due.

A file that cannot be used is one line, a UserError, and never a part of an image taken for a whole one.
"""

from __future__ import annotations

import glob
import os
import re
import subprocess
import sys
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Iterator, List, Sequence, Tuple

import cv2
import numpy as np

from repro.data.decoding import rgb, upright
from repro.data.headers import JP2, JPEG, LARGEST, PNG, picture_size
from repro.data.images import check_whole, read_picture
from repro.errors import UserError
from repro.files import utf8, walk

PHOTOS = (".bmp", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
QUICKTIME = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")  # what an MP4 or QuickTime file may begin with
VIDEOS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # what is wrong with a video is said here, in one line
SHOWN = 8  # other kinds of files that are named
CUT = 0.95  # a video that gives less than this share of the frames that it says it has may be damaged
RESULT = re.compile(r"_(labelIds\.png|overlay\.(jpg|png|mp4)|scores\.npy)$")  # names of results
TURNED = {90: 6, 180: 3, 270: 8}  # a video's degrees clockwise, as EXIF orientations
# in a process of its own, as OpenCV reads what FFmpeg is to report once
REPORT = "import sys, cv2\nvideo = cv2.VideoCapture(sys.argv[1], cv2.CAP_FFMPEG)\nwhile video.grab(): pass"


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
        return (frame for _, frame in self.timed())

    def timed(self) -> Iterator[Tuple[float, np.ndarray]]:
        """`frames`, each with the seconds at which it is shown."""
        return _video(self.path) if self.video else iter([(0.0, read_photo(self.path))])

    def count(self) -> int:
        """Return the number of frames, as a video says or its length and rate make likely; 0 where nothing does."""
        if not self.video:
            return 1
        try:
            with closing(_Video(self.path)) as video:
                return video.count
        except UserError:
            return 0

    def rate(self) -> float:
        """Return a video's frames a second."""
        with closing(_Video(self.path)) as video:
            return video.rate


def _inputs(found: Sequence[Path], root: Path, out) -> List[Path]:
    """Files found below root but for results of before: all in the folder `out` where that lies below root, and what is
    called as results are in it where root lies in it. Links do not matter."""
    if out is None:
        return [*found]
    place = Path(os.path.realpath(out))
    below = Path(os.path.realpath(root)) in place.parents
    return [one for one in found if place not in (Path(os.path.realpath(one.parent)) / one.name).parents
            or not (below or RESULT.search(one.name))]


def _matches(parts: Tuple[str, ...], pattern: Tuple[str, ...], begins: bool = False) -> bool:
    """Whether a path is of a pattern, or if asked may begin one, both by their parts; ** is any number of folders."""
    if not pattern or not parts:
        return not parts and (begins or all(one == "**" for one in pattern))
    if pattern[0] == "**" and (_matches(parts, pattern[1:], begins) or _matches(parts[1:], pattern, begins)):
        return True
    return fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:], begins)


def _of_pattern(path: Path) -> List[Path]:
    """Return the files that a pattern names. What is there as it is written is no pattern: a folder may be called
    [1]."""
    parts, base, first = path.parts, Path(), 0
    while first < len(parts) and (not glob.has_magic(parts[first]) or os.path.isdir(base / parts[first])):
        base, first = base / parts[first], first + 1

    def right(one: Path, begins: bool = False) -> bool:
        return _matches(one.relative_to(base).parts, parts[first:], begins)
    return [one for one in walk(base, lambda folder: right(folder, True)) if right(one)]


def sources(given: str, but=None) -> Tuple[Source, ...]:
    """Return the photos and videos that `given` names, sorted.

    given  a file; a folder, of which all files in it and its folders are taken that end as photos and videos do; or a
           pattern with *, ? or [...], where ** is any folders. Of both, hidden files and folders are left out, and
           links are followed as `repro.files.walk` does.
    but    the folder for results: what it has of before is left out.

    UserError where there is none. The files are listed, not read.
    """
    path = Path(os.path.expanduser(given))  # os.path's, here and below: pathlib's raise for names too long or unknown
    if os.path.isdir(path):
        root = path
        found = [one for one in _inputs(walk(path), root, but) if one.suffix.lower() in PHOTOS + VIDEOS]
        hint = f" in it; known are files that end in {' '.join(PHOTOS + VIDEOS)}"
    elif os.path.exists(path):
        root, found, hint = path.parent, [path], ""
    elif glob.has_magic(given):
        found = _of_pattern(path)
        root = Path(os.path.commonpath([one.parent for one in found])) if found else path
        found, hint = _inputs(found, root, but), " is called so"
        hint += "; [...] is read as one of the characters in it, a bracket is written [[]" if "[" in given else ""
    else:
        raise UserError(f"INPUT: {given}: no such file or folder")
    found = [one for one in found if os.path.isfile(one) or not os.path.exists(one)]  # links to nothing too
    if not found:
        raise UserError(f"INPUT: {given}: no photo or video{hint}")
    places = [one.relative_to(root) for one in sorted(found)]
    alike = Counter(place.with_suffix("") for place in places)
    files, folders = {*places}, {folder for place in places for folder in place.parents}

    def name(place: Path) -> str:  # a video's results are in a folder of that name
        short, video = place.with_suffix(""), place.suffix.lower() in VIDEOS
        return str(place if alike[short] > 1 or short in files or video and short in folders else short)
    return tuple(Source(root / place, name(place)) for place in places)


def passed_over(given: str, but=None) -> str:
    """Return a line on the files that `sources` leaves in a folder because of how they end; "" where there are none.

    given, but  as `sources` takes them; of a file or a pattern nothing is left. Hidden files and folders do not count.
    """
    root = Path(os.path.expanduser(given))
    found = _inputs(walk(root), root, but) if os.path.isdir(root) else []
    kinds = [one.suffix.lower() or "no suffix" for one in found
             if one.suffix.lower() not in PHOTOS + VIDEOS and os.path.isfile(one)]
    if not kinds:
        return ""
    shown = sorted(set(kinds))
    listed = ", ".join(shown[:SHOWN]) + (", ..." if len(shown) > SHOWN else "")
    files = "1 file of another kind" if len(kinds) == 1 else f"{len(kinds)} files of other kinds"
    return str(UserError(f"passed over: {files} ({listed}); known are {' '.join(PHOTOS + VIDEOS)}"))  # surely one line


def read_photo(path) -> np.ndarray:
    """Return a photo as uint8 (H, W, 3), RGB, upright: grey becomes so, alpha is left out, values are scaled from what
    the header says is white, of 16 bits the upper 8 are taken.

    UserError for a file that is missing, empty, truncated (PNG, JPEG and JPEG 2000 are looked through for it), no
    image, of too many pixels, which its header says before it is decoded, or of values that nothing says the range of.
    """
    data = read_picture(path)
    if not data:
        raise UserError(f"{path}: the file is empty")
    if data.startswith((PNG, JPEG)):
        check_whole(path, data)
    elif data.startswith(JP2) and not 0 < data.find(b"\xff\x93") < data.rfind(b"\xff\xd9"):  # its data and their end
        raise UserError(f"{path}: the JPEG 2000 file is truncated")  # of some, decoding would end the process
    image = rgb(path, data) if picture_size(data) else None
    if image is None:
        raise UserError(f"{path}: not an image that OpenCV reads, or damaged")
    return image


def _is_video(begin: bytes) -> bool:
    """Whether a file begins as AVI, MP4 or QuickTime, Matroska or WebM, or MPEG: what else FFmpeg knows, lists of other
    files and addresses among it, is not opened, whatever it is called."""
    return (begin[:4] == b"RIFF" and begin[8:] == b"AVI " or begin[:4] == b"\x1a\x45\xdf\xa3"
            or begin[:4] in (b"\0\0\1\xba", b"\0\0\1\xb3") or begin[4:8] in QUICKTIME)


class _Video:
    """An open video file; UserError where OpenCV cannot open it."""

    def __init__(self, path: Path):
        if not os.path.isfile(path):
            raise UserError(f"{path}: {'not a file' if os.path.exists(path) else 'no such file'}")
        if not os.path.getsize(path):
            raise UserError(f"{path}: the file is empty")
        try:
            with open(path, "rb") as file:
                begin = file.read(12)
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from None
        self._capture = cv2.VideoCapture(utf8(path), cv2.CAP_FFMPEG) if _is_video(begin) else cv2.VideoCapture()
        if not self._capture.isOpened():
            raise UserError(f"{path}: not a video that OpenCV reads, or damaged")
        count, rate, width, height = (self._property(name) for name in ("COUNT", "FPS", "WIDTH", "HEIGHT"))
        self.count, self.rate, self._path = int(count), rate if 0 < rate <= 1000 else 25.0, path
        riff, size = begin[:4] == b"RIFF", int.from_bytes(begin[4:8], "little")  # of AVI, of all ones where not known
        self._stored = riff or begin[4:8] in QUICKTIME  # their headers have the count
        self._cut = riff and size < 0xFFFFFFFF and size + 8 > os.path.getsize(path)
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        self._turned = TURNED.get(round(self._capture.get(cv2.CAP_PROP_ORIENTATION_META)) % 360, 1)
        if width * height > LARGEST:
            self.close()
            raise UserError(f"{path}: its header says {height:.0f}x{width:.0f} pixels (height x width); "
                            f"up to {LARGEST} are read")

    def _property(self, name: str) -> float:
        """Return what the file says, or 0."""
        value = self._capture.get(getattr(cv2, f"CAP_PROP_{'' if name in ('FPS', 'POS_MSEC') else 'FRAME_'}{name}"))
        return value if 0 <= value < 1e15 else 0.0

    def read(self):
        """(seconds, the next frame, RGB, upright); None at the end of the stream."""
        done, frame = self._capture.read()
        return (self._property("POS_MSEC") / 1000, upright(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), self._turned)
                ) if done else None

    def check(self, number: int, last: float) -> None:
        """Raise UserError if a video is damaged of which `number` frames came, the last at `last` seconds.

        The end of the stream is the truth: a count may be an estimate, length times rate, of which sound is a part, or
        have frames that were dropped, or cut off by an edit list. Damaged is what gave nothing, lacks a part of its
        file, or half of what its header counts; and what FFmpeg reports errors of.
        """
        if number >= max(1, CUT * self.count):
            return
        reached = max(number, round(last * self.rate) + 1)
        if not number or self._cut or self._stored and reached < self.count / 2:
            raise UserError(f"{self._path}: only {number} of its {self.count} frames can be decoded; the video is "
                            "damaged")
        reported = _reported(self._path)
        if reported:
            raise UserError(f"{self._path}: only {number} frames can be decoded; the video is damaged ({reported})")

    def close(self) -> None:
        self._capture.release()


def _video(path: Path) -> Iterator[Tuple[float, np.ndarray]]:
    number, last = 0, 0.0
    with closing(_Video(path)) as video:
        found = video.read()
        while found is not None:
            yield found
            number, last, found = number + 1, found[0], video.read()
    video.check(number, last)


def _reported(path: Path) -> str:
    """Return the first error that FFmpeg reports as it decodes a video; "" where there is none."""
    with suppress(OSError, subprocess.SubprocessError):
        ended = subprocess.run([sys.executable, "-c", REPORT, utf8(path)], stdout=subprocess.PIPE, timeout=600,
                               stderr=subprocess.STDOUT, env={**os.environ, "OPENCV_FFMPEG_LOGLEVEL": "16"})
        found = re.search(rb"^\[OPENCV:FFMPEG:\d+\] (.+)", ended.stdout, re.MULTILINE)
        return found.group(1).decode("utf-8", "replace") if found else ""
    return ""
