"""Decoding pictures, and what decoders say beside: libjpeg fills what it cannot read with grey, gives the rest as if it
were the picture, and tells the process's stderr alone.
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

from repro.data.headers import JPEG
from repro.errors import UserError

# that bytes stand between segments is said of many a camera's file; all else is damage
_DAMAGED = re.compile(r"^(?:Corrupt JPEG data: (?!\d+ extraneous bytes)|Premature end of JPEG).*$", re.MULTILINE)
_LIBRARIES = ("Corrupt JPEG", "Premature end of JPEG", "libpng ", "[ WARN:", "[ERROR:", "TIFF", "Warning: unknown JFIF")
_LOCK = threading.Lock()  # there is one stderr


def decode(path, data: bytes, flags: int) -> np.ndarray | None:
    """A picture's bytes as OpenCV decodes them, None where it cannot; nothing of it is written to stderr.

    Raises UserError for a JPEG file that is damaged within.
    """
    said: list[str] = []
    try:
        with _silence(said):
            image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    found = _DAMAGED.search("".join(said)) if data.startswith(JPEG) else None
    if found:
        raise UserError(f"{path}: the JPEG file is damaged ({found.group().rpartition(': ')[2]})")
    return image


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
