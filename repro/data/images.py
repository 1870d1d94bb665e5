"""Reading images (PNG, JPEG) and labels (PNG), with one clear line for each way a file can be wrong."""

from __future__ import annotations

import zlib
from functools import lru_cache

import cv2
import numpy as np

from repro.data.classes import IGNORE, ClassSet
from repro.data.dataset import Sample
from repro.data.decoding import decode, rgb, upright
from repro.data.headers import END, JPEG, PNG, check_size, orientation, segments
from repro.errors import UserError
from repro.files import contents

cv2.setLogLevel(0)  # what is wrong with a file is said by whoever reads it, in one line
_BAD = 254  # in an id table: not an id of the set


def read_image(path) -> np.ndarray:
    """Read a PNG or JPEG as uint8 (H, W, 3), RGB, upright.

    Raises UserError for a missing, damaged or other file, and for 16-bit values of a smaller range.
    """
    data = read_picture(path)
    check_whole(path, data)
    return _decoded(path, data, rgb(path, data, silent=False))


def size_of(array: np.ndarray) -> tuple[int, int]:
    """(H, W) of an image (H, W, 3) or of labels (H, W)."""
    height, width = array.shape[:2]
    return height, width


def image_size(path) -> tuple[int, int]:
    """(H, W), upright, of a PNG whose chunks are whole; a JPEG, which has no checksums, and a PNG of 16 bits, whose
    values may be of a smaller range, are decoded. Raises UserError as `read_image` does."""
    data = read_picture(path)
    if data.startswith(JPEG) or data[24:25] == b"\x10":
        return size_of(read_image(path))
    check_png(path, data)
    height, width = int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big")
    return (width, height) if orientation(data) > 4 else (height, width)


def read_label(path, classes: ClassSet) -> np.ndarray:
    """Read a PNG of ids as uint8 (H, W) of train ids, 255 where ignored, upright as its image is.

    Files named *_labelTrainIds.png hold train ids already; all others hold the ids of `classes`.
    Raises UserError for a missing or damaged file, one that is not 8-bit single-channel, and ids outside the
    set.
    """
    data = read_picture(path)
    check_png(path, data)
    depth, colour_type = data[24], data[25]  # IHDR; decoders would expand palettes and scale small depths
    if (depth, colour_type) != (8, 0):
        kinds = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}
        raise UserError(f"{path}: a label must be a single-channel 8-bit PNG of ids; this one is "
                        f"{depth}-bit {kinds.get(colour_type, colour_type)}")
    ids = _decoded(path, data, decode(path, data, cv2.IMREAD_UNCHANGED, silent=False))
    label = cv2.LUT(ids, _table(classes, str(path).endswith("_labelTrainIds.png")))
    bad = np.equal(label, _BAD)
    if bad.any():
        raise UserError(f"{path}: label id {ids[bad].min()} is not one of the {classes.name} ids")
    return upright(label, orientation(data))


def read_sample(sample: Sample, classes: ClassSet) -> tuple[np.ndarray, np.ndarray | None]:
    """Read image uint8 (H, W, 3) and label uint8 (H, W) (None where there is no label file).

    Raises UserError as `read_image` and `read_label` do, and for a label of another size than its image.
    """
    image = read_image(sample.image)
    if sample.label is None:
        return image, None
    label = read_label(sample.label, classes)
    check_sizes(sample, size_of(image), size_of(label))
    return image, label


def read_labelled(sample: Sample, classes: ClassSet) -> tuple[np.ndarray, np.ndarray]:
    """Image and label as `read_sample` does; UserError where there is no label file."""
    image, label = read_sample(sample, classes)
    if label is None:
        raise UserError(f"{sample.image}: no label")
    return image, label


def check_sizes(sample: Sample, image: tuple[int, int], label: tuple[int, int]) -> None:
    """Raise UserError if an image and its label have not the same (H, W)."""
    if label != image:
        turned = ", turned as its EXIF orientation says; a label must be upright too" if label == image[::-1] and (
            orientation(read_picture(sample.image)) > 4) else ""
        raise UserError(f"{sample.label}: the label is {label[0]}x{label[1]}, "
                        f"its image {image[0]}x{image[1]} (height x width{turned}): {sample.image}")


@lru_cache(maxsize=None)
def _table(classes: ClassSet, train_ids: bool) -> np.ndarray:
    table = np.full(256, _BAD, np.uint8)
    table[list((IGNORE,) if train_ids else classes.void)] = IGNORE
    table[list(range(len(classes)) if train_ids else classes.ids)] = range(len(classes))
    return table


def read_picture(path) -> bytes:
    """Return the bytes of a file; UserError where it cannot be read, or is a picture too large to be decoded."""
    try:
        data = contents(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    check_size(path, data)
    return data


def check_whole(path, data: bytes) -> None:
    """Raise UserError unless `data` are a JPEG with its end, or a PNG whose chunks are all whole.

    Checked here because decoders return the readable part of a truncated file as if it were an image.
    """
    if not data.startswith(JPEG):
        check_png(path, data)
    elif END not in (marker for marker, _ in segments(data)):
        raise UserError(f"{path}: the JPEG file is truncated")


def check_png(path, data: bytes) -> None:
    """Raise UserError unless `data` are a PNG whose chunks are all whole."""
    if not data.startswith(PNG) or data[12:16] != b"IHDR":
        raise UserError(f"{path}: not a PNG file")
    at, view = len(PNG), memoryview(data)
    while True:
        end = at + 12 + int.from_bytes(view[at:at + 4], "big")  # length, type, content, checksum
        if at + 12 > len(data) or end > len(data):
            raise UserError(f"{path}: the PNG file is truncated")
        if zlib.crc32(view[at + 4:end - 4]) != int.from_bytes(view[end - 4:end], "big"):
            raise UserError(f"{path}: the PNG file is damaged (checksum at byte {at})")
        if view[at + 4:at + 8] == b"IEND":
            return
        at = end


def _decoded(path, data: bytes, image: np.ndarray | None) -> np.ndarray:
    """Return what `data` were decoded to; UserError where that is nothing."""
    if image is None:
        raise UserError(f"{path}: the {'JPEG' if data.startswith(JPEG) else 'PNG'} file cannot be decoded")
    return image
