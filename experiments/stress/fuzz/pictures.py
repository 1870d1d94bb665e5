"""Images and labels of data sets, and photos: every kind cut, changed and lying about its size."""

from __future__ import annotations

import random
import struct
import zlib
from typing import Iterator, Optional

import cv2
import numpy as np

from experiments.stress.fuzz.case import LINE, RESULT, Case
from experiments.stress.fuzz.damage import Damaged, cut, files, flipped, paths
from repro.data import CITYSCAPES, IGNORE
from repro.data import images as readers
from repro.data.headers import PNG, picture_size
from repro.prediction.photos import read_photo

PICTURE = np.random.RandomState(0).randint(0, 256, (37, 53, 3)).astype(np.uint8)
IDS = np.random.RandomState(1).randint(0, 34, (37, 53)).astype(np.uint8)
# kinds of photos: suffix, what OpenCV is given, settings
KINDS = {
    "png": (".png", PICTURE, ()), "jpg": (".jpg", PICTURE, ()), "bmp": (".bmp", PICTURE, ()),
    "progressive": (".jpg", PICTURE, (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)), "tif": (".tif", PICTURE, ()),
    "webp": (".webp", PICTURE, (cv2.IMWRITE_WEBP_QUALITY, 50)), "jp2": (".jp2", PICTURE, ()),
    "lossless": (".webp", PICTURE, ()), "ppm": (".ppm", PICTURE, ()),
    "alpha": (".webp", np.dstack([PICTURE, PICTURE[..., 0]]), (cv2.IMWRITE_WEBP_QUALITY, 50)),
    "pgm": (".pgm", PICTURE[..., 0], ()), "pbm": (".pbm", PICTURE[..., 0], ()),
}


def encoded(kind: str) -> bytes:
    """Return A photo's file, one of KINDS."""
    suffix, picture, settings = KINDS[kind]
    return cv2.imencode(suffix, picture, settings)[1].tobytes()


def png(height: int, width: int, depth: int = 8, colour: int = 2, rest: bytes = b"\0\0\0",
        lines: Optional[bytes] = None, chunk: bytes = b"IDAT") -> bytes:
    """Return A PNG, each chunk with its checksum, that says it has so many pixels, and holds `lines` (none: 100
    zeros)."""
    chunks = (b"IHDR" + struct.pack(">IIBB", width, height, depth, colour) + rest,
              chunk + zlib.compress(bytes(100) if lines is None else lines), b"IEND")
    return PNG + b"".join(struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in chunks)


JPEG_FRAME = b"\xff\xc0\0\x11\x08\xff\xff\xff\xff\3" + bytes(90) + b"\xff\xd9"
BOMBS = {
    "png": png(1 << 15, 1 << 15), "grey png": png(1 << 16, 1 << 16, 8, 0), "wide png": png(1, (1 << 31) - 1),
    "png of no pixels": png(0, 4), "jpeg": b"\xff\xd8" + JPEG_FRAME,
    "jpeg behind a comment": b"\xff\xd8\xff\xfe\0\x08hello!" + JPEG_FRAME,
    "bmp": b"BM" + bytes(12) + struct.pack("<Iii", 40, 1 << 20, -(1 << 20)) + bytes(90),
    "ppm": b"P6 100000 100000 255 " + b"x" * 90, "pgm with a comment": b"P5 #x\n99999999 #y\n9 255 " + b"x" * 90,
    "tiff": b"II*\0\x08\0\0\0\2\0" + struct.pack("<HHII", 256, 4, 1, 1 << 20) + struct.pack("<HHII", 257, 4, 1, 1 << 20)
    + bytes(90), "webp": b"RIFF" + struct.pack("<I", 100) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0"
    + b"\xff" * 6 + bytes(90),
    "jp2": encoded("jp2").replace(struct.pack(">II", 53, 37), struct.pack(">II", 1 << 20, 1 << 20)),
}


def _bombs(names) -> Iterator[Damaged]:
    for name in names:
        yield "huge dimensions", name, BOMBS[name]


def _lying(colour: int, channels: int) -> Iterator[Damaged]:
    """Whole PNGs whose pixels are not what their header says."""
    lines = b"".join(b"\0" + bytes(8 * channels) for _ in range(8))
    for depth in (0, 1, 2, 3, 4, 8, 16, 255):
        for other in (0, 1, 2, 3, 4, 5, 6, 7, 255):
            if (depth, other) != (8, colour):
                yield "lying header", f"depth {depth}, colour {other}", png(8, 8, depth, other, lines=lines)
    for size in ((9, 8), (800, 8), (8, 9), (8, 800), (1 << 14, 1 << 14)):
        yield "wrong size", "{}x{} of 8x8 pixels".format(*size), png(*size, 8, colour, lines=lines)
    for rest in (b"\1\0\0", b"\0\1\0", b"\0\0\1", b"\0\0\7", b"\0\0", b"\0\0\0\0"):
        yield "lying header", f"methods {rest!r}", png(8, 8, 8, colour, rest, lines)
    yield "lying header", "no pixels", png(8, 8, 8, colour, lines=lines, chunk=b"tEXt")


def _picture(value, content: bytes) -> bool:
    """Whether it is a picture of the size that its header says, or turned."""
    size = picture_size(content)
    return value.dtype == np.uint8 and value.shape[2:] == (3,) and size and sorted(value.shape[:2]) == sorted(size)


def images(seed: int) -> Iterator[Case]:
    """repro.data.images.read_image and image_size."""
    draw = random.Random(seed)
    for kind in ("png", "jpg", "progressive"):
        data, name = encoded(kind), f"a.{'png' if kind == 'png' else 'jpg'}"
        whole = readers.read_image

        def same(value, content, exact=kind == "png"):
            return (value == PICTURE[..., ::-1]).all() if exact else _picture(value, content)
        yield from files(name, cut(data, draw, 40), whole, same, (LINE,))
        yield from files(name, flipped(data, draw, 40), whole, same)
        yield from files(name, cut(data, draw, 10), readers.image_size, lambda value, content: False, (LINE,))
    yield from files("a.png", _bombs(("png", "wide png", "jpeg", "jpeg behind a comment")), readers.read_image,
                     lambda value, content: False, (LINE,))
    yield from files("a.png", _lying(2, 3), readers.read_image, _picture)
    yield from paths(encoded("png"), ".png", readers.read_image, lambda value: (value == PICTURE[..., ::-1]).all())


def _label(ids: np.ndarray) -> np.ndarray:
    """Train ids as they should come out."""
    table = np.full(256, IGNORE, np.uint8)
    table[list(CITYSCAPES.ids)] = range(len(CITYSCAPES))
    return table[ids]


def labels(seed: int) -> Iterator[Case]:
    """repro.data.images.read_label."""
    draw = random.Random(seed)
    data = cv2.imencode(".png", IDS)[1].tobytes()

    def read(path):
        return readers.read_label(path, CITYSCAPES)

    def same(value, content) -> bool:
        return value.shape == IDS.shape and (value == _label(IDS)).all()
    yield from files("a_labelIds.png", cut(data, draw, 60), read, same, (LINE,))
    yield from files("a_labelIds.png", flipped(data, draw, 60), read, same)
    yield from files("a.png", _bombs(BOMBS), read, lambda value, content: False, (LINE,))
    yield from files("a.png", _lying(0, 1), read, lambda value, content: value.shape == picture_size(content))
    for number in range(34, 255):  # ids that Cityscapes has not
        content = cv2.imencode(".png", np.full((4, 4), number, np.uint8))[1].tobytes()
        yield from files("a.png", [("wrong value", f"id {number}", content)], read, lambda value, _: False, (LINE,))
    for kind in ("jpg", "png", "bmp"):
        yield from files("a.png", [("wrong type", f"a photo, {kind}", encoded(kind))], read, same, (LINE,))
    yield from paths(data, ".png", read, lambda value: (value == _label(IDS)).all())


def photos(seed: int) -> Iterator[Case]:
    """repro.prediction.photos.read_photo."""
    draw = random.Random(seed)
    for kind, (suffix, _, _) in KINDS.items():
        data = encoded(kind)
        expected = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

        def same(value, content, data=data, expected=expected):
            return (value == expected).all() if content == data else _picture(value, content)
        yield from files(f"a{suffix}", [("as it should be", kind, data)], read_photo, same, (RESULT,))
        yield from files(f"a{suffix}", cut(data, draw, 20), read_photo, lambda value, content, expected=expected:
                         value.shape == expected.shape and (value == expected).all())  # WebP's last bytes may be none
        yield from files(f"a{suffix}", flipped(data, draw, 24), read_photo, _picture)
    yield from files("a.jpg", _bombs(BOMBS), read_photo, lambda value, content: False, (LINE,))
    yield from files("a.png", _lying(2, 3), read_photo, _picture)
    yield from paths(encoded("png"), ".png", read_photo, lambda value: (value == PICTURE[..., ::-1]).all())


