"""Segmenting photos and videos into files: what `make predict` writes, and `make soak` again and again."""

from __future__ import annotations

import errno
import sys
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from repro.errors import UserError
from repro.files import replacing, utf8, write_bytes
from repro.prediction.overlay import overlay
from repro.prediction.photos import Source
from repro.prediction.pipeline import pipeline

JPEG_SIDE = 65000  # the format ends at 65535
MOST = 1000  # times that a picture is repeated in a video
SEGMENTING = 2  # frames at once: one's labels are made while the network runs for the next


def image_file(path: Path, image: np.ndarray, *settings: int) -> None:
    """Write an image, grey or RGB, in the format of its suffix."""
    _, data = cv2.imencode(path.suffix, image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)
    write_bytes(path, data.tobytes())


@contextmanager
def film(path: Path, rate: float):
    """Yield a function that adds an RGB picture, and the second at which it is shown, to a video; what was added before
    an unreadable frame is kept.

    Its rate is constant: where the next picture comes later, the one before is repeated, MOST times at most.
    """
    writers, failed, added, last, before = [], None, 0, 0.0, None
    with replacing(path) as temporary:
        def add(picture: np.ndarray, second: float) -> None:
            nonlocal added, last, before
            if not writers:
                size = picture.shape[1], picture.shape[0]
                writers.append(cv2.VideoWriter(utf8(temporary), cv2.VideoWriter_fourcc(*"mp4v"), rate, size))
                if not writers[0].isOpened():
                    raise OSError(0, "OpenCV cannot write such a video")
            bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
            for one in [before] * min(MOST, round(second * rate) - added if added else 0) + [bgr]:
                writers[0].write(one)
                added += 1
            before, last = bgr, second
        try:
            yield add
        except UserError as error:
            if not writers:
                raise
            failed = error
        finally:
            for writer in writers:
                writer.release()
        if writers and Source(temporary, "").count() < added:  # OpenCV does not say that a disk was full
            raise OSError(errno.EIO, "cannot be written whole; is the disk full?", str(path))
    if last and abs(added / rate - last - 1 / rate) > max(1 / rate, 0.05 * last):
        tqdm.write(f"{path}: plays {added / rate:.1f} s; its video, whose rate varies, {last + 1 / rate:.1f} s",
                   file=sys.stderr)
    if failed:
        raise failed


def segment(source: Source, segmenter, out: Path, scores: bool):
    """Segment every frame of a source and write what was found; yields ((H, W), seconds) after each.

    Frames are read, segmented and written at once, in a pipeline.
    """
    classes = segmenter.weights.classes
    ids = np.array(classes.ids, np.uint8)

    def segmented(timed):
        began = time.perf_counter()
        return (*timed, segmenter.segment(timed[1], scores), time.perf_counter() - began)
    with film(out / f"{source.name}_overlay.mp4", source.rate()) if source.video else nullcontext() as add:
        def written(numbered):
            number, (second, image, found, spent) = numbered
            base = f"{source.name}/{number:06d}" if source.video else source.name
            image_file(out / f"{base}_labelIds.png", ids[found.labels])
            if scores:
                with replacing(out / f"{base}_scores.npy") as temporary:
                    np.save(temporary, found.scores)
            picture = overlay(image, found, classes)
            if add:
                add(picture, second)
            else:
                image_file(out / f"{base}_overlay{'.jpg' if max(picture.shape) < JPEG_SIDE else '.png'}", picture)
            return image.shape[:2], spent
        made = enumerate(pipeline(source.timed(), (segmented, SEGMENTING)))
        yield from map(written, made)
