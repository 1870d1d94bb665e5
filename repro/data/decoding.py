"""Decoding pictures into 8 bits, upright; and what decoders say beside: libjpeg fills what it cannot read with grey,
gives the rest as if it were the picture, and tells the process's stderr alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
from typing import Iterator

import cv2
import numpy as np

from repro.data.headers import JPEG, orientation, white
from repro.errors import UserError

# that bytes stand between segments is said of many a camera's file; all else is damage
_DAMAGED = re.compile(r"^(?:Corrupt JPEG data: (?!\d+ extraneous bytes)|Premature end of JPEG).*$", re.MULTILINE)
_LIBRARIES = ("Corrupt JPEG", "Premature end of JPEG", "libpng ", "[ WARN:", "[ERROR:", "TIFF", "Warning: unknown JFIF")
_DEEP = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
_DARK = 1 << 12  # 16-bit values all below are those of 10 or 12 bits; as 16 bits they would be nearly black
_LOCK = threading.Lock()  # there is one stderr


def decode(path, data: bytes, flags: int, silent: bool = True) -> np.ndarray | None:
    """Return a picture's bytes as OpenCV decodes them, None where it cannot; if `silent`, nothing of it is written to
    stderr, and threads take turns.

    Raises UserError for a JPEG file that is damaged within.
    """
    said: list[str] = []
    try:
        with _silence(said) if silent or data.startswith(JPEG) else contextlib.nullcontext():
            image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    found = _DAMAGED.search("".join(said)) if data.startswith(JPEG) else None
    if found:
        raise UserError(f"{path}: the JPEG file is damaged ({found.group().rpartition(': ')[2]})")
    return image


def rgb(path, data: bytes, silent: bool = True) -> np.ndarray | None:
    """Return a picture's bytes as uint8 RGB (H, W, 3), upright, 0 black and 255 white; None where they are no picture.

    `silent` as `decode` takes it. UserError as `decode` raises it, and for values of which neither the header nor the
    type says what is white.
    """
    image = decode(path, data, _DEEP, silent)
    if image is None:  # such as grey floats, which OpenCV does not make colours of
        image = decode(path, data, cv2.IMREAD_UNCHANGED, silent)
    if image is None:
        return None
    image = _eight_bits(path, image, white(data))
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    return upright(cv2.cvtColor(image, cv2.COLOR_BGRA2RGB if image.shape[2] == 4 else cv2.COLOR_BGR2RGB),
                   orientation(data))


def upright(image: np.ndarray, turned: int) -> np.ndarray:
    """Return an image (H, W) or (H, W, C) turned as EXIF orientation `turned`, 1 to 8, says it lies."""
    if turned in (5, 6, 7, 8):
        image = cv2.transpose(image)
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(turned)
    return image if flip is None else cv2.flip(image, flip)


def _eight_bits(path, image: np.ndarray, most: float | None) -> np.ndarray:
    """uint8 values, of which 255 is `most`, what the header says is white; UserError where it must, and does not."""
    if image.dtype == np.uint8 and most in (None, 255):
        return image
    low, high = image.min(), image.max()
    if most in (None, 65535) and image.dtype == np.uint16:  # which the header may say of values that fill fewer bits
        if 0 < high < _DARK:
            raise _range(path, image, "which as 16 bits are nearly black; multiply those of 12 bits by 16, of 10 by 64")
        return (image >> 8).astype(np.uint8)
    if most is None and image.dtype.kind == "f":
        if not -0.05 <= low <= high <= 1.05:  # not for NaN; resampling overshoots, and floats are packed inexactly
            raise _range(path, image, "and floats are read from 0, black, to 1, white")
        most = 1.0
    if most is None:
        raise _range(path, image, "and the header does not say which is white; write 8 bits, or 16 without sign")
    return np.round(np.clip(image * np.float32(255 / most), 0, 255)).astype(np.uint8)


def _range(path, image: np.ndarray, why: str) -> UserError:
    return UserError(f"{path}: its values ({image.dtype}) lie between {image.min():g} and {image.max():g}, {why}")


@contextlib.contextmanager
def _silence(said: list[str]) -> Iterator[None]:
    """Take what is written to stderr meanwhile, in C too; what other threads write is written after all."""
    with _LOCK, tempfile.TemporaryFile() as file, contextlib.ExitStack() as back:
        try:
            kept = os.dup(2)
        except OSError:  # a process without stderr, where nothing is lost
            yield
            return
        back.callback(os.close, kept)
        back.callback(os.dup2, kept, 2)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            back.pop_all().close()
            file.seek(0)
            lines = file.read().decode("utf-8", "replace").splitlines(keepends=True)
            said += [line for line in lines if line.startswith(_LIBRARIES)]
            others = "".join(line for line in lines if not line.startswith(_LIBRARIES) and line.strip())
            if others:
                with contextlib.suppress(OSError):
                    os.write(2, others.encode())
