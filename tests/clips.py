"""Small videos written byte by byte: what OpenCV's writer does not make, but cameras and recorders do."""

from __future__ import annotations

import struct

import cv2
import numpy as np

SIZE = 48, 64
RATE = 10


def shade(number: int) -> np.ndarray:
    """Frame `number` of all videos here: uint8 RGB (48, 64, 3), its left half brighter than its right one."""
    picture = np.full((*SIZE, 3), 8 * number, np.uint8)
    picture[:, :32] += 100
    return picture


def _jpeg(number: int) -> bytes:
    return cv2.imencode(".jpg", shade(number))[1].tobytes()


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def avi(slots, count=None) -> bytes:
    """Return an AVI of Motion JPEG: True a frame, False one that is dropped; its header counts `count` (default: as it
    is)."""
    count = len(slots) if count is None else count
    numbers = iter(range(len(slots)))
    frames = [_chunk(b"00dc", _jpeg(next(numbers)) if there else b"") for there in slots]
    places, at = [], 4
    for frame in frames:
        places.append(struct.pack("<4sIII", b"00dc", 16, at, len(frame) - 8))
        at += len(frame)
    main = struct.pack("<14I", 1000000 // RATE, 0, 0, 16, count, 0, 1, 0, SIZE[1], SIZE[0], 0, 0, 0, 0)
    stream = struct.pack("<4s4sIHHIIIIIIII4H", b"vids", b"MJPG", 0, 0, 0, 0, 1, RATE, 0, count, 0, 0, 0, 0, 0, SIZE[1],
                         SIZE[0])
    picture = struct.pack("<IiiHH4sIiiII", 40, SIZE[1], SIZE[0], 1, 24, b"MJPG", 0, 0, 0, 0, 0)
    described = _chunk(b"LIST", b"strl" + _chunk(b"strh", stream) + _chunk(b"strf", picture))
    return _chunk(b"RIFF", b"AVI " + _chunk(b"LIST", b"hdrl" + _chunk(b"avih", main) + described)
                  + _chunk(b"LIST", b"movi" + b"".join(frames)) + _chunk(b"idx1", b"".join(places)))


def _element(identity: str, content) -> bytes:
    if isinstance(content, int):
        content = content.to_bytes(4, "big")
    elif isinstance(content, float):
        content = struct.pack(">d", content)
    return bytes.fromhex(identity) + ((1 << 56) + len(content)).to_bytes(8, "big") + content


def mkv(times, length=None, kind: bytes = b"matroska") -> bytes:
    """Return a Matroska of Motion JPEG, its frames at these milliseconds; it says it is `length` of them long, as sound
    is."""
    length = float(times[-1] + 1000 // RATE if length is None else length)
    track = _element("d7", 1) + _element("73c5", 1) + _element("83", 1) + _element("86", b"V_MJPEG") + _element(
        "23e383", 10 ** 9 // RATE) + _element("e0", _element("b0", SIZE[1]) + _element("ba", SIZE[0]))
    clusters = b"".join(_element("1f43b675", _element("e7", time) + _element("a3", b"\x81\0\0\x80" + _jpeg(number)))
                        for number, time in enumerate(times))
    return _element("1a45dfa3", _element("4286", 1) + _element("42f7", 1) + _element("42f2", 4) + _element("42f3", 8)
                    + _element("4282", kind) + _element("4287", 4) + _element("4285", 2)) + _element(
        "18538067", _element("1549a966", _element("2ad7b1", 10 ** 6) + _element("4489", length))
        + _element("1654ae6b", _element("ae", track)) + clusters)


def turned_mp4(path, quarters: int, count: int = 6):
    """Write an MP4 whose display matrix turns it by so many quarters clockwise; returns its path."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), RATE, SIZE[::-1])
    for number in range(count):
        writer.write(shade(number))
    writer.release()
    data, one = bytearray(path.read_bytes()), 1 << 16
    a, b = ((one, 0), (0, one), (-one, 0), (0, -one))[quarters]
    struct.pack_into(">9i", data, data.index(b"tkhd") + 44, a, b, 0, -b, a, 0, 0, 0, 1 << 30)
    path.write_bytes(bytes(data))
    return path


GOOD = {  # videos of which every frame is there, whatever their headers estimate
    "one too many.avi": avi([True] * 10, 11), "dropped.avi": avi([True, False, False] * 5 + [True]),
    "constant.mkv": mkv(range(0, 1000, 100)), "variable.mkv": mkv([0, 100, 900, 2000, 4000]),
    "variable.webm": mkv([0, 100, 900, 2000, 4000], kind=b"webm"),
    "long sound.mkv": mkv(range(0, 900, 100), 9000),
    "late.mkv": mkv(range(5000, 6000, 100)), "short.mkv": mkv(range(0, 1000, 100), 300),
    "two.mkv": mkv([0, 100]) + mkv([0, 100]),
}
DAMAGED = {  # and those that are damaged
    "cut.mkv": mkv(range(0, 2000, 100))[:-9000], "cut.avi": avi([True] * 20)[:-9000],
    "last.avi": avi([True] * 8)[:-1100], "counts 30.avi": avi([True] * 10, 30),
    "zeros.mkv": (lambda data: data[:9000] + bytes(4000) + data[13000:])(mkv(range(0, 2000, 100))),
}
