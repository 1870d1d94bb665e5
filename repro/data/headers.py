"""What a picture's header says, found without decoding it: its size (a few bytes can ask for all memory), how it is to
be turned, and which value is white.

PNG, JPEG, BMP, WebP, TIFF, JPEG 2000 and PBM, PGM, PPM, by how the file begins, whatever it is called: what OpenCV
reads beside these is taken for no picture here.
"""

from __future__ import annotations

import itertools
import re
import struct
from typing import Iterator

from repro.errors import UserError

LARGEST = 1 << 28  # pixels of a picture: 16384x16384, 0.8 GB once decoded
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_BMP, _TIFF = b"BM", {b"II*\0": "<", b"MM\0*": ">"}
JP2, _SIZ = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"), b"\xff\x4f\xff\x51"
_SCAN, END = 0xDA, 0xD9  # markers of a JPEG's segments
_GAP = rb"(?:\s|#[^\n]*\n)+"
_PNM = re.compile(rb"P[1-6]" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})\s")
_MAXVAL = re.compile(rb"P([2356])" + 3 * (_GAP + rb"(\d{1,9})"))
_SIDES, _ORIENTATION, _WHITES = (257, 256), 274, (281, 341)  # TIFF's tags; Max- and SMaxSampleValue
_KINDS = {3: "H", 4: "I", 8: "h", 9: "i", 11: "f", 12: "d"}  # of a TIFF's numbers


def picture_size(data: bytes) -> tuple[int, int] | None:
    """(H, W) of a picture's bytes; None where they are no picture known here, or end before it is said."""
    try:
        return _size(data)
    except (struct.error, IndexError):
        return None


def check_size(path, data: bytes) -> None:
    """Raise UserError for a picture of more pixels than LARGEST, and for one of none."""
    size = picture_size(data)
    if size and not 0 < size[0] * size[1] <= LARGEST:
        raise UserError(f"{path}: its header says {size[0]}x{size[1]} pixels (height x width); 1 to {LARGEST} are read")


def orientation(data: bytes) -> int:
    """Return the EXIF orientation, 1 to 8, by which a decoded JPEG, PNG or WebP is still to be turned; else 1.

    OpenCV turns a TIFF as it decodes it, whatever it is asked.
    """
    try:
        exif = _exif(data)
        start = 6 if exif.startswith(b"Exif\0\0") else 0
        found = _tags(exif[start:]).get(_ORIENTATION, 1)
    except (struct.error, IndexError):
        return 1
    return int(found) if found in range(1, 9) else 1


def white(data: bytes) -> float | None:
    """Return the value that a picture's header says is white, as OpenCV decodes it; None where it does not say.

    PNM's maxval (up to 255 OpenCV scales the text kinds itself), JPEG 2000's precision, TIFF's largest sample value.
    """
    try:
        found = _MAXVAL.match(data[:4096])
        if found:
            most = int(found.group(4))
            return None if most <= 255 and found.group(1) in b"23" else most or None
        if data.startswith(JP2):
            depth = (data[data.index(_SIZ) + 42] & 0x7F) + 1
            return (1 << min(16, depth)) - 1
        tags = _tags(data) if data[:4] in _TIFF else {}
    except (struct.error, IndexError, ValueError):
        return None
    return next((tags[tag] for tag in _WHITES if tags.get(tag, 0) > 0), None)


def _exif(data: bytes) -> bytes:
    """Return the EXIF data of a JPEG, PNG or WebP, a small TIFF; b"" where there are none."""
    if data.startswith(JPEG):
        for marker, at in _before_the_scan(data):
            if marker == 0xE1 and data[at + 4:at + 10] == b"Exif\0\0":
                return data[at + 4:at + 2 + int.from_bytes(data[at + 2:at + 4], "big")]
        return b""
    png = data.startswith(PNG)
    if not png and not (data[:4] == b"RIFF" and data[8:12] == b"WEBP"):
        return b""
    at = 8 if png else 12  # chunks: length, type, content, checksum; or type, length, content, made even
    while at + 8 <= len(data):
        kind, length = (data[at + 4:at + 8], struct.unpack_from(">I", data, at)[0]) if png else (
            data[at:at + 4], struct.unpack_from("<I", data, at + 4)[0])
        if kind in (b"eXIf", b"EXIF"):
            return data[at + 8:at + 8 + length]
        at += 12 + length if png else 8 + length + length % 2
    return b""


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
        return _tiff(data)
    if data.startswith(JP2):
        return _jpeg_2000(data)
    found = _PNM.match(data[:4096])
    return (int(found.group(2)), int(found.group(1))) if found else None


def segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield (marker, where it stands) of a JPEG's segments up to its end, where each leads to the next: a thumbnail has
    an end of its own."""
    at = 2
    while 0 <= at < len(data) - 1 and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker == 1 or 0xD0 <= marker <= 0xD7:  # filling; a marker without a segment
            at += 1 if marker == 0xFF else 2
            continue
        yield marker, at
        if marker == END:
            return
        at += 2 + int.from_bytes(data[at + 2:at + 4], "big")
        if marker == _SCAN:  # it ends at the next marker that is no restart and no stuffing
            at = data.find(b"\xff", at)
            while 0 <= at < len(data) - 1 and (data[at + 1] == 0 or 0xD0 <= data[at + 1] <= 0xD7):
                at = data.find(b"\xff", at + 2)


def _before_the_scan(data: bytes) -> Iterator[tuple[int, int]]:
    return itertools.takewhile(lambda segment: segment[0] != _SCAN, segments(data))


def _jpeg(data: bytes) -> tuple[int, int] | None:
    return next((struct.unpack_from(">HH", data, at + 5) for marker, at in _before_the_scan(data)
                 if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)), None)  # the frame's header


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


def _tags(data: bytes) -> dict[int, float]:
    """Return the numbers in the first directory of a TIFF, the one that is decoded, by their tags; of several the
    first."""
    order = _TIFF.get(data[:4], "")
    if not order:
        return {}
    at, = struct.unpack_from(f"{order}I", data, 4)
    count, = struct.unpack_from(f"{order}H", data, at)
    found: dict[int, float] = {}
    for place in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(f"{order}HHI", data, place)
        if tag in (*_SIDES, _ORIENTATION, *_WHITES) and kind in _KINDS and values:
            form = order + _KINDS[kind]
            inside = values * struct.calcsize(form) <= 4
            found[tag], = struct.unpack_from(form, data, place + 8 if inside else struct.unpack_from(
                f"{order}I", data, place + 8)[0])
    return found


def _tiff(data: bytes) -> tuple[int, int] | None:
    height, width = (_tags(data).get(side) for side in _SIDES)
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def _jpeg_2000(data: bytes) -> tuple[int, int] | None:
    """Return the largest that any place says which may be the codestream's; it may have four components at most."""
    sizes, at = [], data.find(_SIZ)
    while at >= 0:
        right, bottom, left, top = struct.unpack_from(">IIII", data, at + 8)
        components, = struct.unpack_from(">H", data, at + 40)
        sizes.append((max(0, bottom - top), max(0, right - left)) if components <= 4 else (1 << 32, 1 << 32))
        at = data.find(_SIZ, at + 1)
    return max(sizes, key=lambda size: size[0] * size[1]) if sizes else None
