"""A picture's size is known from its header, and one too large is refused before it is decoded."""

from __future__ import annotations

import os

import cv2
import numpy as np
import pytest
from pictures import BOMBS, LEVELS, RANGES, UNKNOWN, exif, lying, tiff, with_exif
from readers import KINDS, encoded

from repro.data import CITYSCAPES, images
from repro.data.decoding import _silence, decode
from repro.data.headers import LARGEST, PNG, picture_size
from repro.errors import UserError
from repro.prediction.photos import read_photo


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_is_the_decoded_ones_and_every_beginning_of_a_file_is_read_without_error(kind):
    data = encoded(kind)
    assert picture_size(data) == cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape[:2] == (37, 53)
    assert {picture_size(data[:length]) for length in range(0, min(len(data), 900))} <= {None, (37, 53)}


def test_what_is_no_picture_known_here_has_no_size():
    for data in (b"", b"hello", b"GIF89a\1\0\1\0", b"PF\n3 3\n", b"#?RADIANCE\n", b"\x59\xa6\x6a\x95" + b"\0" * 40):
        assert picture_size(data) is None


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


def test_a_jpeg_that_is_damaged_within_is_refused_and_libraries_say_nothing(tmp_path, capfd):
    """libjpeg would give the rest as if it were the picture, and tell stderr alone."""
    path = tmp_path / "a.jpg"
    data = encoded("jpg")
    scan = data.index(b"\xff\xda") + 14
    path.write_bytes(data[:scan + 40] + data[scan + 2040:])  # its markers are where they belong
    for read in (read_photo, images.read_image, images.image_size):
        with pytest.raises(UserError, match=r"a.jpg: the JPEG file is damaged \((premature end|bad Huffman)"):
            read(path)
    path.write_bytes(data[:-2] + b"\0\0\0" + data[-2:])  # bytes between segments, as some cameras leave them
    assert read_photo(path).shape == (37, 53, 3)
    for length in (132, 1000, -100, -2):  # of the first, decoding would end the process
        path.write_bytes(encoded("jp2")[:length])
        with pytest.raises(UserError, match="a.jpg: the JPEG 2000 file is truncated"):
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
        assert decode("a", encoded("jpg"), cv2.IMREAD_COLOR).shape == (37, 53, 3)  # a process without stderr
    finally:
        os.dup2(kept, 2)
        os.close(kept)


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


def test_pictures_are_upright_as_their_headers_say(tmp_path):
    """Every EXIF orientation in both orders of bytes; damaged EXIF data say nothing."""
    seen = np.zeros((16, 24, 3), np.uint8)
    seen[:8, :8], seen[8:, 16:] = 250, 120
    damaged = (exif(9), exif(0), exif(6)[:-8], b"", exif(6)[:10], b"II*\0\xff\xff\xff\xff", exif(6)[:18] + b"\xff" * 8,
               exif(6)[:14] + bytes(12))
    given = [(".tif", tiff(lying(seen, turned), (274, "H", turned))) for turned in range(1, 9)]
    for kind in (".jpg", ".png", ".webp"):
        given += [(kind, with_exif(kind, lying(seen, turned), exif(turned, order)))
                  for turned in range(1, 9) for order in "<>"]
        given += [(kind, with_exif(kind, seen, wrong)) for wrong in damaged]
    for kind, data in given:
        path = tmp_path / f"a{kind}"
        path.write_bytes(data)
        found = read_photo(path)
        assert found.shape == seen.shape and abs(found.astype(int) - seen).max() < 12, (kind, data[:40])
        if kind in (".jpg", ".png"):
            assert (images.read_image(path) == found).all() and images.image_size(path) == found.shape[:2]
