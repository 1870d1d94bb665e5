"""A picture's size is known from its header, and one too large is refused before it is decoded."""

from __future__ import annotations

import os
import struct
import zlib

import cv2
import numpy as np
import pytest

from repro.data import CITYSCAPES, images
from repro.data.decoding import _silence, decode
from repro.data.headers import LARGEST, PNG, picture_size
from repro.errors import UserError
from repro.photos import Source, read_photo, sources

PICTURE = np.random.RandomState(0).randint(0, 256, (37, 53, 3)).astype(np.uint8)
KINDS = {**{kind: (kind, PICTURE, ()) for kind in (".png", ".jpg", ".bmp", ".tif", ".webp", ".jp2", ".ppm")},
         "progressive": (".jpg", PICTURE, (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)), "grey": (".pgm", PICTURE[..., 0], ()),
         "lossy": (".webp", PICTURE, (cv2.IMWRITE_WEBP_QUALITY, 50)), "bits": (".pbm", PICTURE[..., 0], ()),
         "alpha": (".webp", np.dstack([PICTURE, PICTURE[..., 0]]), (cv2.IMWRITE_WEBP_QUALITY, 50))}


def encoded(kind: str) -> bytes:
    suffix, picture, settings = KINDS[kind]
    return cv2.imencode(suffix, picture, settings)[1].tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_is_the_decoded_ones_and_every_beginning_of_a_file_is_read_without_error(kind):
    data = encoded(kind)
    assert picture_size(data) == cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape[:2] == (37, 53)
    assert {picture_size(data[:length]) for length in range(0, min(len(data), 900))} <= {None, (37, 53)}


def test_what_is_no_picture_known_here_has_no_size():
    for data in (b"", b"hello", b"GIF89a\1\0\1\0", b"PF\n3 3\n", b"#?RADIANCE\n", b"\x59\xa6\x6a\x95" + b"\0" * 40):
        assert picture_size(data) is None


def png(height: int, width: int, depth: int = 8, colour: int = 2) -> bytes:
    """A whole PNG, each chunk with its checksum, that says it has so many pixels, and holds none."""
    chunks = (b"IHDR" + struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0),
              b"IDAT" + zlib.compress(bytes(100)), b"IEND")
    return PNG + b"".join(struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in chunks)


BOMBS = {
    "png": png(1 << 15, 1 << 15), "jpeg": encoded(".jpg")[:2] + b"\xff\xc0\0\x11\x08\xff\xff\xff\xff\3" + b"\0" * 90
    + b"\xff\xd9", "bmp": b"BM" + b"\0" * 12 + struct.pack("<Iii", 40, 1 << 20, -(1 << 20)) + b"\0" * 90,
    "ppm": b"P6 100000 100000 255 " + b"x" * 90, "none": png(0, 4),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_before_it_is_decoded(bomb, tmp_path, monkeypatch):
    def decode(*_):
        raise AssertionError("decoded")
    monkeypatch.setattr(cv2, "imdecode", decode)
    path = tmp_path / "a.png"
    path.write_bytes(BOMBS[bomb])
    with pytest.raises(UserError, match=f"its header says .* pixels .*; 1 to {LARGEST} are read"):
        read_photo(path)
    if bomb in ("png", "jpeg"):
        for read in (images.read_image, images.image_size, lambda one: images.read_label(one, CITYSCAPES)):
            with pytest.raises(UserError, match="its header says"):
                read(path)


def test_a_pipe_is_no_photo_and_names_that_cannot_be_are_lines(tmp_path):
    os.mkfifo(tmp_path / "a.png")  # which would be waited for, for ever
    with pytest.raises(UserError, match="not a file but a device or pipe"):
        read_photo(tmp_path / "a.png")
    for given in ("~no-such-user/a.png", "x" * 5000, f"{tmp_path}/" + "y" * 300 + ".png"):
        with pytest.raises(UserError, match="no such file or folder"):
            sources(given)
    with pytest.raises(UserError) as caught:
        read_photo(tmp_path / "two\nlines\x1b.png")
    assert "two\\nlines\\x1b.png: cannot be read" in str(caught.value)


def test_a_list_of_videos_is_no_video(tmp_path):
    """FFmpeg would follow it to other files, or over a network."""
    path = tmp_path / "a.mp4"
    for text in ("#EXTM3U\nhttp://localhost/a.ts\n", "ffconcat version 1.0\nfile /etc/passwd\n", "v=0\r\no=- 0 0\r\n"):
        path.write_text(text)
        with pytest.raises(UserError, match="not a video that OpenCV reads"):
            list(Source(path, "a").frames())


def damaged_jpeg() -> bytes:
    """A JPEG with its markers where they belong, and a part of its picture's data left out."""
    data = encoded(".jpg")
    scan = data.index(b"\xff\xda") + 14
    return data[:scan + 40] + data[scan + 2040:]


def test_a_jpeg_that_is_damaged_within_is_refused_and_libraries_say_nothing(tmp_path, capfd):
    """libjpeg would give the rest as if it were the picture, and tell stderr alone."""
    path = tmp_path / "a.jpg"
    path.write_bytes(damaged_jpeg())
    for read in (read_photo, images.read_image, images.image_size):
        with pytest.raises(UserError, match=r"a.jpg: the JPEG file is damaged \((premature end|bad Huffman)"):
            read(path)
    data = encoded(".jpg")
    path.write_bytes(data[:-2] + b"\0\0\0" + data[-2:])  # bytes between segments, as some cameras leave them
    assert read_photo(path).shape == (37, 53, 3)
    path.write_bytes(encoded(".jp2")[:-100])
    with pytest.raises(UserError):
        read_photo(path)
    assert capfd.readouterr().err == ""


def test_what_others_say_meanwhile_is_said(capfd):
    said = []
    with _silence(said):
        os.write(2, b"Corrupt JPEG data: bad Huffman code\nsteps 3 of 9\n")
    assert said == ["Corrupt JPEG data: bad Huffman code\n"] and capfd.readouterr().err == "steps 3 of 9\n"
    kept = os.dup(2)
    os.close(2)
    try:
        assert decode("a", encoded(".jpg"), cv2.IMREAD_COLOR).shape == (37, 53, 3)  # a process without stderr
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def exif(turned: int, order: str = "<") -> bytes:
    """EXIF data that say orientation alone."""
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IHHHIHHI", 8, 1, 274, 3, 1, turned, 0, 0)


def with_exif(kind: str, picture: np.ndarray, data: bytes) -> bytes:
    """A picture's file with EXIF data: JPEG's APP1, PNG's eXIf, WebP's EXIF chunk."""
    if kind == ".webp":
        return webp_with_exif(picture, data)
    file = cv2.imencode(kind, picture)[1].tobytes()
    if kind == ".jpg":
        return file[:2] + b"\xff\xe1" + struct.pack(">H", len(data) + 8) + b"Exif\0\0" + data + file[2:]
    chunk = b"eXIf" + data
    return file[:33] + struct.pack(">I", len(data)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + file[33:]


def webp_with_exif(picture: np.ndarray, data: bytes) -> bytes:
    height, width = picture.shape[:2]
    extended = struct.pack("<4sIB3x", b"VP8X", 10, 8) + b"".join((side - 1).to_bytes(3, "little")
                                                                for side in (width, height))
    body = b"WEBP" + extended + cv2.imencode(".webp", picture)[1].tobytes()[12:] + b"EXIF" + struct.pack(
        "<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_every_orientation_of_every_format_is_upright(tmp_path):
    """The picture as it should be seen, laid as each orientation says, is read as it should be seen."""
    seen = np.zeros((16, 24, 3), np.uint8)
    seen[:8, :8], seen[8:, 16:] = 250, 120
    lies = {1: seen, 2: seen[:, ::-1], 3: seen[::-1, ::-1], 4: seen[::-1], 5: seen.transpose(1, 0, 2),
            6: np.rot90(seen), 7: np.rot90(seen.transpose(1, 0, 2), 2), 8: np.rot90(seen, -1)}
    for kind in (".jpg", ".png", ".webp", ".tif"):
        for turned, picture in lies.items():
            picture, path = np.ascontiguousarray(picture), tmp_path / f"{turned}{kind}"
            for order in "<>":
                if kind == ".tif":
                    path.write_bytes(tiff(picture, (274, "H", turned)))
                else:
                    path.write_bytes(with_exif(kind, picture, exif(turned, order)))
                read = read_photo(path)
                assert read.shape == seen.shape and abs(read.astype(int) - seen).max() < 12, (kind, turned, order)
                if kind in (".jpg", ".png"):
                    assert (images.read_image(path) == read).all() and images.image_size(path) == (16, 24)
    for wrong in (exif(9), exif(0), exif(6)[:-8], b"", b"II*\0\xff\xff\xff\xff", exif(6)[:18] + b"\xff" * 8):
        for kind in (".jpg", ".png", ".webp"):
            path.write_bytes(with_exif(kind, seen, wrong))
            assert read_photo(path).shape == seen.shape


def tiff(picture: np.ndarray, *tags) -> bytes:
    """An uncompressed TIFF of any type of values, with further tags (number, struct's letter, value)."""
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
    values = np.round(LEVELS * most).astype(">u2" if most > 255 else np.uint8)
    values = values if form in b"P3P6" else values[..., :1]
    numbers = " ".join(map(str, values.ravel())).encode() if form in b"P2P3" else values.tobytes()
    return form + b" 48 32 %d\n" % most + numbers + b"\n"


def jp2(bits: int, most: int) -> bytes:
    """A JPEG 2000 file of up to 16 bits that says it has `bits`; its values go up to `most`."""
    shift = (1 << 15) - (1 << bits - 1)  # values are stored about the middle of what the file says
    values = (np.round(LEVELS * most) + shift).astype(np.uint16)
    data = bytearray(cv2.imencode(".jp2", values)[1].tobytes())
    at = data.index(b"\xff\x4f\xff\x51") + 42
    data[at:at + 9:3] = bytes([bits - 1]) * 3
    data[data.index(b"ihdr") + 14] = bits - 1
    return bytes(data)


def deep(most: float, kind=np.uint16, *tags) -> bytes:
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


def test_values_are_scaled_by_what_the_header_says_or_their_range_is_named(tmp_path):
    path = tmp_path / "a.png"
    for name, data in RANGES.items():
        path.write_bytes(data)
        found = read_photo(path)
        assert found.dtype == np.uint8 and abs(found - LEVELS * 255).max() < (18 if "15" in name else 2), name
    for name, (data, words) in UNKNOWN.items():
        path.write_bytes(data)
        with pytest.raises(UserError) as caught:
            read_photo(path)
        assert words in str(caught.value), name
        if data.startswith(PNG):  # a data set's
            for read in (images.read_image, images.image_size):
                with pytest.raises(UserError, match="lie between 0 and 1023"):
                    read(path)
    path.write_bytes(cv2.imencode(".png", np.zeros((4, 4), np.uint16))[1].tobytes())
    assert not read_photo(path).any()  # black is black in any range
