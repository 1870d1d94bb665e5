"""Pictures written byte by byte: of which a header says how they lie, which value is white, or what is not so."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
from PIL import Image
from readers import encoded

from repro.data.headers import PNG


def exif(turned: int, order: str = "<") -> bytes:
    """EXIF data that say orientation alone."""
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IHHHIHHI", 8, 1, 274, 3, 1, turned, 0, 0)


def with_exif(kind: str, picture: np.ndarray, data: bytes) -> bytes:
    """Return a picture's file with EXIF data: JPEG's APP1, PNG's eXIf, WebP's EXIF chunk."""
    file, rgb = io.BytesIO(), np.ascontiguousarray(picture[..., ::-1]) if picture.ndim == 3 else picture
    kinds = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
    Image.fromarray(rgb).save(file, kinds[kind], exif=b"Exif\0\0" + data, quality=95, lossless=True)
    return file.getvalue()


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
    """Return a JPEG 2000 file of up to 16 bits that says it has `bits`; its values go up to `most`."""
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
    """Return a picture laid as an EXIF orientation says, so that it is upright once turned back."""
    return np.ascontiguousarray({
        1: lambda one: one, 2: lambda one: one[:, ::-1], 3: lambda one: one[::-1, ::-1], 4: lambda one: one[::-1],
        5: lambda one: one.transpose(1, 0, 2), 6: np.rot90, 7: lambda one: np.rot90(one.transpose(1, 0, 2), 2),
        8: lambda one: np.rot90(one, -1)}[turned](picture))


def png(height: int, width: int, colour: int = 2) -> bytes:
    """Return a PNG, each chunk with its checksum, that says it has so many pixels, and holds 100 zeros."""
    chunks = (b"IHDR" + struct.pack(">IIBB", width, height, 8, colour) + bytes(3), b"IDAT" + zlib.compress(bytes(100)),
              b"IEND")
    return PNG + b"".join(struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in chunks)


JPEG_FRAME = b"\xff\xc0\0\x11\x08\xff\xff\xff\xff\3" + bytes(90) + b"\xff\xd9"
BOMBS = {
    "png": png(1 << 15, 1 << 15), "grey png": png(1 << 16, 1 << 16, 0), "wide png": png(1, (1 << 31) - 1),
    "png of no pixels": png(0, 4), "jpeg": b"\xff\xd8" + JPEG_FRAME,
    "jpeg behind a comment": b"\xff\xd8\xff\xfe\0\x08hello!" + JPEG_FRAME,
    "bmp": b"BM" + bytes(12) + struct.pack("<Iii", 40, 1 << 20, -(1 << 20)) + bytes(90),
    "ppm": b"P6 100000 100000 255 " + b"x" * 90, "pgm with a comment": b"P5 #x\n99999999 #y\n9 255 " + b"x" * 90,
    "tiff": b"II*\0\x08\0\0\0\2\0" + struct.pack("<HHII", 256, 4, 1, 1 << 20) + struct.pack("<HHII", 257, 4, 1, 1 << 20)
    + bytes(90), "webp": b"RIFF" + struct.pack("<I", 100) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0"
    + b"\xff" * 6 + bytes(90),
    "jp2": encoded("jp2").replace(struct.pack(">II", 53, 37), struct.pack(">II", 1 << 20, 1 << 20)),
}
