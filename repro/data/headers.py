"""The size of a picture as its header says, found without decoding it: a few bytes can ask for all memory.

PNG, JPEG, BMP, WebP, TIFF, JPEG 2000 and PBM, PGM, PPM, by how the file begins, whatever it is called: what OpenCV
reads beside these is taken for no picture here.
"""

from __future__ import annotations

import re
import struct

from repro.errors import UserError

LARGEST = 1 << 28  # pixels of a picture: 16384x16384, 0.8 GB once decoded
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_BMP, _TIFF = b"BM", {b"II*\0": "<", b"MM\0*": ">"}
_JP2, _SIZ = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"), b"\xff\x4f\xff\x51"
_PNM = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s")


def picture_size(data: bytes) -> tuple[int, int] | None:
    """(H, W) of a picture's bytes; None where they are no picture known here, or end before it is said."""
    try:
        return _size(data)
    except (struct.error, IndexError):
        return None


def check_size(path, data: bytes) -> tuple[int, int] | None:
    """`picture_size`; UserError for more pixels than LARGEST, and for none."""
    size = picture_size(data)
    if size and not 0 < size[0] * size[1] <= LARGEST:
        raise UserError(f"{path}: its header says {size[0]}x{size[1]} pixels (height x width); 1 to {LARGEST} are read")
    return size


def _size(data: bytes) -> tuple[int, int] | None:
    if data.startswith(PNG):
        width, height = struct.unpack_from(">II", data, 16)
        return height, width
    if data.startswith(JPEG):
        return _jpeg(data)
    if data.startswith(_BMP):
        kind, = struct.unpack_from("<I", data, 14)
        width, height = struct.unpack_from("<HH" if kind == 12 else "<ii", data, 18)
        return abs(height), abs(width)  # below 0: from the top to the bottom
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    if data[:4] in _TIFF:
        return _tiff(data, _TIFF[data[:4]])
    if data.startswith(_JP2):
        return _jpeg_2000(data)
    found = _PNM.match(data[:4096])
    return (int(found.group(2)), int(found.group(1))) if found else None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker == 1 or 0xD0 <= marker <= 0xD8:  # filling; markers without a segment
            at += 1 if marker == 0xFF else 2
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # the frame's header
            return struct.unpack_from(">HH", data, at + 5)
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2:at + 4], "big"))
    return None


def _webp(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:
        height, width = (int.from_bytes(data[at:at + 3], "little") + 1 for at in (27, 24))
        return height, width
    if kind == b"VP8L":
        bits, = struct.unpack_from("<I", data, 21)
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return height & 0x3FFF, width & 0x3FFF
    return None


def _tiff(data: bytes, order: str) -> tuple[int, int] | None:
    """Of the first directory, the one that is decoded."""
    at, = struct.unpack_from(f"{order}I", data, 4)
    count, = struct.unpack_from(f"{order}H", data, at)
    sides = {}
    for place in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, _ = struct.unpack_from(f"{order}HHI", data, place)
        if tag in (256, 257) and kind in (3, 4):
            sides[tag], = struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", data, place + 8)
    return (sides[257], sides[256]) if len(sides) == 2 else None


def _jpeg_2000(data: bytes) -> tuple[int, int] | None:
    """The largest that any place says which may be the codestream's; it may have four components at most."""
    sizes, at = [], data.find(_SIZ)
    while at >= 0:
        right, bottom, left, top = struct.unpack_from(">IIII", data, at + 8)
        components, = struct.unpack_from(">H", data, at + 40)
        sizes.append((max(0, bottom - top), max(0, right - left)) if components <= 4 else (1 << 32, 1 << 32))
        at = data.find(_SIZ, at + 1)
    return max(sizes, key=lambda size: size[0] * size[1]) if sizes else None
