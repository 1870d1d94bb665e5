"""What is written of photos and videos: labels, overlays, scores."""

from __future__ import annotations

import errno
import os
import sys
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Iterator, Tuple

import cv2
import numpy as np
from tqdm import tqdm

from repro.errors import UserError
from repro.files import replacing, utf8, write_bytes
from repro.pipeline import pipeline
from repro.prediction.overlay import overlay
from repro.prediction.photos import Source

LABELS, LONGEST = "_labelIds.png", 255  # how the longest name ends; bytes that file systems allow one
JPEG_SIDE = 65000  # the format ends at 65535
MOST = 1000  # times that a picture is repeated in a video
SEGMENTING = 2  # frames at once: one's labels are made while the network runs for the next


def image_file(path: Path, image: np.ndarray) -> None:
    """Write an image, grey or RGB, in the format of its suffix."""
    _, data = cv2.imencode(path.suffix, image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    write_bytes(path, data.tobytes())


class Film:
    """A video of constant rate, which RGB pictures are added to: where the next one comes later, the one before is
    repeated, MOST times at most."""

    def __init__(self, path: Path, rate: float):
        self.rate, self.count, self.last = rate, 0, 0.0
        self._path, self.writer = path, cv2.VideoWriter()
        self._before: np.ndarray = np.empty(0)

    def add(self, picture: np.ndarray, second: float) -> None:
        """Add a picture that is shown at a second."""
        if not self.count and not self.writer.open(utf8(self._path), cv2.VideoWriter.fourcc(*"mp4v"), self.rate,
                                                   picture.shape[1::-1]):
            raise OSError(0, "OpenCV cannot write such a video")
        bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        for one in [self._before] * min(MOST, round(second * self.rate) - self.count if self.count else 0) + [bgr]:
            self.writer.write(one)
            self.count += 1
        self._before, self.last = bgr, second


@contextmanager
def film(path: Path, rate: float) -> Iterator[Film]:
    """Yield the Film that `path` will be; what was added before an unreadable frame is kept. OSError where it cannot be
    written whole."""
    failed = None
    with replacing(path) as temporary:
        made = Film(temporary, rate)
        try:
            yield made
        except UserError as error:
            if not made.count:
                raise
            failed = error
        made.writer.release()
        if made.count and Source(temporary, "").count() < made.count:  # which OpenCV does not report
            raise OSError(errno.EIO, "cannot be written whole; is the disk full?")
    plays, lasts = made.count / rate, made.last + 1 / rate
    if made.last and abs(plays - lasts) > max(1 / rate, 0.05 * made.last):
        tqdm.write(f"{path}: plays {plays:.1f} s; its video, whose rate varies, {lasts:.1f} s", file=sys.stderr)
    if failed:
        raise failed


def segment(source: Source, segmenter, out: Path, scores: bool) -> Iterator[Tuple[Tuple[int, int], float]]:
    """Segment every frame of a source and write what was found; yield ((H, W), seconds) after each.

    Frames are read, segmented and written at once, in a pipeline. UserError for what cannot be used.
    """
    if len(os.fsencode(Path(source.name).name + LABELS)) > LONGEST:
        raise UserError(f"{source.path}: its name is too long for those of its results")
    classes = segmenter.weights.classes
    ids = np.array(classes.ids, np.uint8)

    def found_in(timed):
        began = time.perf_counter()
        try:
            found = segmenter.segment(timed[1], scores)
        except UserError as error:  # such as of an image that is too large for an exported file
            raise UserError(f"{source.path}: {error}") from None
        return (*timed, found, time.perf_counter() - began)

    with film(out / f"{source.name}_overlay.mp4", source.rate()) if source.video else nullcontext() as video:
        for number, (second, image, found, spent) in enumerate(pipeline(source.timed(), found_in, SEGMENTING)):
            base = f"{source.name}/{number:06d}" if source.video else source.name
            image_file(out / (base + LABELS), ids[found.labels])
            if scores:
                with replacing(out / f"{base}_scores.npy") as temporary:
                    np.save(temporary, found.scores)
            picture = overlay(image, found, classes)
            if video:
                video.add(picture, second)
            else:
                image_file(out / f"{base}_overlay{'.jpg' if max(picture.shape) < JPEG_SIDE else '.png'}", picture)
            yield image.shape[:2], spent
