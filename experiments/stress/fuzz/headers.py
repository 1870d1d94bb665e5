"""Pictures written byte by byte, of which a header says how they lie or which value is white; and as cases."""

from __future__ import annotations

import struct
import zlib
from typing import Iterator

import cv2
import numpy as np

from experiments.stress.fuzz.case import LINE, RESULT, Case
from experiments.stress.fuzz.damage import files
from repro.data import images
from repro.prediction.photos import read_photo


def exif(turned: int, order: str = "<") -> bytes:
    """EXIF data that say orientation alone."""
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IHHHIHHI", 8, 1, 274, 3, 1, turned, 0, 0)


def with_exif(kind: str, picture: np.ndarray, data: bytes) -> bytes:
    """Return A picture's file with EXIF data: JPEG's APP1, PNG's eXIf, WebP's EXIF chunk."""
    if kind == ".webp":
        return webp_with_exif(picture, data)
    file = cv2.imencode(kind, picture)[1].tobytes()
    if kind == ".jpg":
        return file[:2] + b"\xff\xe1" + struct.pack(">H", len(data) + 8) + b"Exif\0\0" + data + file[2:]
    chunk = b"eXIf" + data
    return file[:33] + struct.pack(">I", len(data)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + file[33:]


def webp_with_exif(picture: np.ndarray, data: bytes) -> bytes:
    """Return a WebP with EXIF data."""
    height, width = picture.shape[:2]
    extended = struct.pack("<4sIB3x", b"VP8X", 10, 8) + b"".join((side - 1).to_bytes(3, "little")
                                                                for side in (width, height))
    body = b"WEBP" + extended + cv2.imencode(".webp", picture)[1].tobytes()[12:] + b"EXIF" + struct.pack(
        "<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff(picture: np.ndarray, *tags) -> bytes:
    """Return an uncompressed TIFF of any type of values, with further tags (number, struct's letter, value)."""
    height, width, channels = picture.shape
    sort = {"u": 1, "i": 2, "f": 3}[picture.dtype.kind]
    places = 8 + 2 + 12 * (10 + len(tags)) + 4  # of what has no room in a tag, 64 bytes; then the picture
    entries, after = [], b""
    for number, letter, *values in sorted([
            (256, "I", width), (257, "I", height), (258, "H", *[8 * picture.itemsize] * channels), (259, "H", 1),
            (262, "H", channels // 2 + 1), (273, "I", places + 64), (277, "H", channels), (278, "I", height),
            (279, "I", picture.nbytes), (339, "H", *[sort] * channels), *tags]):
        content = struct.pack(f"<{len(values)}{letter}", *values)
        if len(content) > 4:
            after, content = after + content.ljust(8, b"\0"), struct.pack("<I", places + len(after))
        entries.append(struct.pack("<HHI", number, {"H": 3, "I": 4, "f": 11, "d": 12}[letter], len(values))
                       + content.ljust(4, b"\0"))
    return (b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(entries) + bytes(4) + after.ljust(64, b"\0")
            + picture.tobytes())


LEVELS = np.linspace(0, 1, 32 * 48).reshape(32, 48, 1).repeat(3, axis=2)  # black to white


def pnm(form: bytes, most: int) -> bytes:
    """Return a PGM or PPM of values up to `most`."""
    values = np.round(LEVELS * most).astype(">u2" if most > 255 else np.uint8)
    values = values if form in b"P3P6" else values[..., :1]
    numbers = " ".join(map(str, values.ravel())).encode() if form in b"P2P3" else values.tobytes()
    return form + b" 48 32 %d\n" % most + numbers + b"\n"


def jp2(bits: int, most: int) -> bytes:
    """Return A JPEG 2000 file of up to 16 bits that says it has `bits`; its values go up to `most`."""
    shift = (1 << 15) - (1 << bits - 1)  # values are stored about the middle of what the file says
    values = (np.round(LEVELS * most) + shift).astype(np.uint16)
    data = bytearray(cv2.imencode(".jp2", values)[1].tobytes())
    at = data.index(b"\xff\x4f\xff\x51") + 42
    data[at:at + 9:3] = bytes([bits - 1]) * 3
    data[data.index(b"ihdr") + 14] = bits - 1
    return bytes(data)


def deep(most: float, kind=np.uint16, *tags) -> bytes:
    """Return a TIFF of values up to `most`."""
    values = LEVELS * most
    return tiff(np.round(values).astype(kind) if np.dtype(kind).kind in "iu" else values.astype(kind), *tags)


RANGES = {  # what the header says, or the type
    "12 bits of PPM": pnm(b"P6", 4095), "10 bits of PGM": pnm(b"P5", 1023), "PPM to 100": pnm(b"P6", 100),
    "PGM to 15": pnm(b"P5", 15), "text to 15": pnm(b"P2", 15), "text to 1023": pnm(b"P3", 1023),
    "16 bits of PPM": pnm(b"P6", 65535), "12 bits of JPEG 2000": jp2(12, 4095), "10 bits of JPEG 2000": jp2(10, 1023),
    "TIFF that says 4095": deep(4095, np.uint16, (281, "H", 4095)), "floats to 1": deep(1, np.float32),
    "doubles to 1": deep(1, np.float64), "floats that say 255": deep(255, np.float32, (341, "f", 255., 255., 255.)),
    "floats that say 1000": deep(1000, np.float32, (341, "d", 1000., 1000., 1000.)), "16 bits": deep(65535),
    "int16 that says 4095": deep(4095, np.int16, (341, "H", 4095, 4095, 4095)),
    "grey floats": tiff(LEVELS[..., :1].astype(np.float32)),
}
UNKNOWN = {  # by what is said of them
    "12 bits in 16 of TIFF": (deep(4095), "uint16) lie between 0 and 4095, which"),
    "10 bits in 16 of PNG": (cv2.imencode(".png", np.round(LEVELS * 1023).astype(np.uint16))[1].tobytes(),
                             "uint16) lie between 0 and 1023, which"),
    "12 bits in 16 of JPEG 2000": (jp2(16, 4000), "uint16) lie between 0 and 4000, which"),
    "PGM of 16 bits that has 12": (pnm(b"P5", 4095).replace(b" 4095", b" 65535"), "uint16) lie between 0 and 4095, wh"),
    "int16": (deep(4095, np.int16), "int16) lie between 0 and 4095, and the header does not"),
    "int16 below 0": (tiff((LEVELS * 900 - 90).astype(np.int16)), "int16) lie between -90 and 810"),
    "floats to 255": (deep(255, np.float32), "float32) lie between 0 and 255, and floats are"),
    "no numbers": (tiff(np.full((32, 48, 3), np.nan, np.float32)), "float32) lie between nan and nan"),
}


def lying(picture: np.ndarray, turned: int) -> np.ndarray:
    """Return A picture laid as an EXIF orientation says, so that it is upright once turned back."""
    return np.ascontiguousarray({
        1: lambda one: one, 2: lambda one: one[:, ::-1], 3: lambda one: one[::-1, ::-1], 4: lambda one: one[::-1],
        5: lambda one: one.transpose(1, 0, 2), 6: np.rot90, 7: lambda one: np.rot90(one.transpose(1, 0, 2), 2),
        8: lambda one: np.rot90(one, -1)}[turned](picture))


SEEN = np.zeros((16, 24, 3), np.uint8)
SEEN[:8, :8], SEEN[8:, 16:] = 250, 120


def orientations(seed: int) -> Iterator[Case]:
    """photos.read_photo, data.images.read_image and image_size of pictures that are to be turned."""
    def both(path):
        read = read_photo(path)
        if path.suffix in (".jpg", ".png"):
            assert (images.read_image(path) == read).all() and images.image_size(path) == read.shape[:2]
        return read

    def upright(value, _):
        return value.shape == SEEN.shape and abs(value.astype(int) - SEEN).max() < 12
    for kind in (".jpg", ".png", ".webp", ".tif"):
        for turned in range(1, 9):
            for order in "<>" if kind != ".tif" else "<":
                lies = lying(SEEN, turned)
                data = with_exif(kind, lies, exif(turned, order)) if kind != ".tif" else tiff(lies, (274, "H", turned))
                yield from files(f"a{kind}", [("orientation", f"{turned} {order}", data)], both, upright, (RESULT,))
    for kind in (".jpg", ".png", ".webp"):
        for number, wrong in enumerate((exif(9), exif(0), exif(6)[:-8], b"", exif(6)[:10], b"II*\0\xff\xff\xff\xff",
                                        exif(6)[:18] + b"\xff" * 8, exif(6)[:14] + bytes(12))):
            yield from files(f"a{kind}", [("orientation", f"damaged, {number}", with_exif(kind, SEEN, wrong))], both,
                             upright, (RESULT,))
        yield from files(f"a{kind}", [("truncated", kind, with_exif(kind, SEEN, exif(6))[:60])], both, upright, (LINE,))


def ranges(seed: int) -> Iterator[Case]:
    """repro.prediction.photos.read_photo of values of other ranges than 0 to 255."""
    def scaled(value, content):
        return value.dtype == np.uint8 and abs(value - LEVELS * 255).max() < (18 if b" 15\n" in content else 2)
    for name, data in RANGES.items():
        yield from files("a.png", [("value range", name, data)], read_photo, scaled, (RESULT,))
    for name, (data, _) in UNKNOWN.items():
        yield from files("a.png", [("value range", name, data)], read_photo, lambda value, _: False, (LINE,))
    for bits in range(9, 16):
        most = (1 << bits) - 1
        said = {"PNM": pnm(b"P6", most), "grey PNM": pnm(b"P5", most), "JPEG 2000": jp2(bits, most),
                "TIFF": deep(most, np.uint16, (281, "H", most))}
        for kind, data in said.items():
            yield from files("a.png", [("value range", f"{bits} bits of {kind}", data)], read_photo, scaled, (RESULT,))
        if bits < 13:
            yield from files("a.png", [("value range", f"{bits} bits in 16 of TIFF", deep(most))], read_photo,
                             lambda value, _: False, (LINE,))
