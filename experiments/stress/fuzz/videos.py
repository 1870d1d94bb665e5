"""Videos: containers and streams cut and changed, and what is no video but would be followed elsewhere."""

from __future__ import annotations

import random
import struct
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Iterator

import cv2
import numpy as np

from experiments.stress.fuzz.case import BOTH, LINE, RESULT, Case
from experiments.stress.fuzz.damage import cut, files, flipped, paths
from repro.prediction.photos import CUT, Source

FRAMES, SIZE = 8, (48, 64)
KINDS = {".avi": "MJPG", ".mp4": "mp4v", ".mkv": "MJPG"}
LISTS = {
    "m3u8": b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n", "concat": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "sdp": b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=video 9 RTP/AVP 33\r\n", "dash": b"<?xml version='1.0'?><MPD></MPD>",
    "xspf": b"<?xml version='1.0'?><playlist></playlist>", "pattern": b"image%03d.png", "address": b"http://127.0.0.1:9/a.mp4",
    "pipeline": b"videotestsrc ! appsink", "script": b"#!/bin/sh\necho\n", "metadata": b";FFMETADATA1\ntitle=x\n",
}


def video(suffix: str) -> bytes:
    """Return A video of FRAMES grey pictures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*KINDS[suffix]), 10, SIZE[::-1])
        for number in range(FRAMES):
            writer.write(np.full((*SIZE, 3), 20 * number, np.uint8))
        writer.release()
        return path.read_bytes()


def _read(path: Path):
    source = Source(path, "a")
    count, frames = source.count(), []
    for frame in source.frames():
        frames.append(frame)
        if len(frames) > 10 * FRAMES:
            raise AssertionError("a video without end")
    return count, source.rate(), frames


def _pictures(value, _) -> bool:
    count, rate, frames = value
    return 0 < rate <= 1000 and count >= 0 and len(frames) and all(
        frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3 for frame in frames)


def _whole(value) -> bool:
    count, rate, frames = value
    return count == len(frames) == FRAMES and rate == 10 and all(
        frame.shape == (*SIZE, 3) and abs(frame.astype(int) - 20 * number).max() <= 8
        for number, frame in enumerate(frames))


def videos(seed: int) -> Iterator[Case]:
    """repro.prediction.photos.Source of a video."""
    draw = random.Random(seed)
    for suffix in KINDS:
        data = video(suffix)
        yield from files(f"a{suffix}", [("as it should be", "as it is", data)], _read, lambda value, _: _whole(value),
                         (RESULT,))
        yield from files(f"a{suffix}", cut(data, draw, 30), _read, lambda value, _: len(value[2]) >= CUT * FRAMES)
        yield from files(f"a{suffix}", flipped(data, draw, 50), _read, _pictures)
        yield from files(f"a{suffix}", (("other files", name, content) for name, content in LISTS.items()), _read,
                         lambda value, _: False, (LINE,))
    sides = struct.pack("<II", *SIZE[::-1])
    for side in (0, 1 << 15, 1 << 16, (1 << 31) - 1, (1 << 32) - 1):
        content = video(".avi").replace(sides, struct.pack("<II", side, side))
        yield from files("a.avi", [("huge dimensions", f"{side}x{side}", content)], _read, _pictures)
    for case in paths(video(".avi"), ".avi", _read, _whole):  # OpenCV takes no other names than UTF-8
        yield replace(case, allowed=BOTH) if case.name == repr("\udcff") else case
