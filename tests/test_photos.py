"""Photos and videos as they are found: every kind read right, or one line that names the file."""

from __future__ import annotations

import clips
import cv2
import numpy as np
import pytest
from folders import refused, write_png

from repro.errors import UserError
from repro.prediction.photos import Source, passed_over, read_photo, sources

COLOUR = (200, 120, 40)  # red, green, blue


def picture(height=40, width=60, colour=COLOUR):
    return np.full((height, width, 3), colour, np.uint8)


def bgr(path, array, *settings):
    """Write what OpenCV is given: B, G, R (, alpha), or grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), array, settings)
    return path


def video(path, count=6, size=(48, 64)):
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, size[::-1])
    for number in range(count):
        writer.write(np.full((*size, 3), (20 * number, 60, 250), np.uint8))
    writer.release()
    return path


def test_every_kind_of_photo_becomes_what_it_shows(tmp_path):
    shown = picture()[..., ::-1]
    for suffix in (".png", ".jpg", ".bmp", ".tif", ".webp", ".ppm"):
        image = read_photo(bgr(tmp_path / f"a{suffix}", shown))
        assert image.shape == (40, 60, 3) and abs(image.astype(int) - COLOUR).max() <= 6  # JPEG and WebP: not exact
    deep = shown.astype(np.uint16) * 257
    for name, values, expected in (
            ("alpha.png", np.dstack([shown, np.zeros((40, 60), np.uint8)]), COLOUR), ("deep.png", deep, COLOUR),
            ("deep.tif", deep, COLOUR), ("grey.png", shown[..., 0], COLOUR[2]),
            ("grey16.png", deep[..., 0], COLOUR[2])):
        assert (read_photo(bgr(tmp_path / name, values)) == expected).all(), name
    assert read_photo(bgr(tmp_path / "one.png", shown[:1, :1])).shape == (1, 1, 3)


def noise(height=64, width=96):
    return np.random.RandomState(0).randint(0, 256, (height, width, 3)).astype(np.uint8)


def test_a_file_cut_anywhere_or_no_image_is_refused(tmp_path):
    """A JPEG with restart markers; other kinds of photos are cut in test_fuzz."""
    path = bgr(tmp_path / "restarts.jpg", noise(), cv2.IMWRITE_JPEG_RST_INTERVAL, 2)
    data = path.read_bytes()
    for length in (1, 3, 20, len(data) // 3, len(data) // 2, len(data) - 40, len(data) - 3):
        path.write_bytes(data[:length])
        refused(lambda: read_photo(path), f"{path}: ")
    for content, words in ((b"", "the file is empty"), (b"hello", "not an image that OpenCV reads, or damaged"),
                           (b"\xff\xd8\xff" + b"x" * 99, "the JPEG file is truncated")):
        path.write_bytes(content)
        refused(lambda: read_photo(path), words)
    for missing in (tmp_path / "b.png", tmp_path):
        refused(lambda: read_photo(missing), missing, "cannot be read")  # noqa: B023


def test_a_thumbnail_is_not_the_end_of_a_jpeg(tmp_path):
    """An APP1 segment that holds a whole JPEG, as cameras write it; and bytes after the end, as they do too."""
    small = bgr(tmp_path / "small.jpg", noise(8, 8)).read_bytes()
    large = bgr(tmp_path / "large.jpg", noise()).read_bytes()
    segment = b"\xff\xe1" + (len(small) + 2).to_bytes(2, "big") + small
    whole = large[:2] + segment + large[2:]
    (tmp_path / "large.jpg").write_bytes(whole + b"\0" * 100)
    assert read_photo(tmp_path / "large.jpg").shape == (64, 96, 3)
    (tmp_path / "large.jpg").write_bytes(whole[:len(segment) + len(large) // 2])
    refused(lambda: read_photo(tmp_path / "large.jpg"), "the JPEG file is truncated")


def test_files_folders_and_patterns(tmp_path):
    root = tmp_path / "street"
    for name in ("b/2.png", "b/1.JPG", "a.png", "a.jpg", ".hidden.png", "out/x.png"):
        bgr(root / name, picture(4, 4))
    (root / "notes.txt").write_text("no photo")
    video(root / "c.avi")

    def names(given, **settings):
        return [source.name for source in sources(str(given), **settings)]
    assert names(root) == ["a.jpg", "a.png", "b/1", "b/2", "c", "out/x"]
    assert names(root, but=root / "out") == ["a.jpg", "a.png", "b/1", "b/2", "c"]
    assert names(root / "a.png") == ["a"]
    assert names(root / "notes.txt") == ["notes"]  # asked for by name: what is wrong with it is said when it is read
    assert names(root / "*.png") == ["a"]
    assert names(root / "**" / "*.png") == ["a", "b/2", "out/x"]
    assert names(root / "?" / "[12].*") == ["1", "2"]
    assert [source.video for source in sources(str(root))] == [False] * 4 + [True, False]
    odd = bgr(root / "[1].png", picture(4, 4))
    assert [source.path for source in sources(str(odd))] == [odd]  # a file's own name, though it looks like a pattern


def test_files_of_other_kinds_in_a_folder_are_counted(tmp_path):
    root = tmp_path / "street"
    bgr(root / "a.png", picture(4, 4))
    assert passed_over(str(root)) == ""
    for name in ("b.HEIC", "deep/a.json", "deep/b.json", "notes", ".hidden.txt", ".git/config", "out/x.npy", "c.a\nb"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("")
    known = "; known are .bmp .jp2 .jpeg .jpg"
    assert passed_over(str(root), but=root / "out").startswith(
        f"passed over: 5 files of other kinds (.a\\nb, .heic, .json, no suffix){known}")
    assert passed_over(str(root / "out")).startswith(f"passed over: 1 file of another kind (.npy){known}")
    for number in range(9):
        (root / "out" / f"a.{number}").write_text("")
    assert "10 files of other kinds (.0, .1, .2, .3, .4, .5, .6, .7, ...); " in passed_over(str(root / "out"))
    for named in (root / "b.HEIC", root / "*", root / "none"):
        assert passed_over(str(named)) == ""


def test_a_video_is_its_frames_and_a_photo_one(tmp_path):
    write_png(tmp_path / "a.png", picture())
    source = Source(tmp_path / "a.png", "a")
    assert source.count() == 1 and [frame.shape for frame in source.frames()] == [(40, 60, 3)]
    source = Source(video(tmp_path / "a.avi"), "a")
    frames = list(source.frames())
    assert source.video and source.count() == len(frames) == 6 and source.rate() == 10
    for number, frame in enumerate(frames):
        assert frame.shape == (48, 64, 3) and abs(frame.astype(int) - (250, 60, 20 * number)).max() <= 8


def test_what_is_no_video_is_a_line(tmp_path):
    path = tmp_path / "a.avi"
    for content, words in ((b"", "the file is empty"), (b"x" * 999, "not a video that OpenCV reads, or damaged")):
        path.write_bytes(content)
        refused(lambda: list(Source(path, "a").frames()), words)
        assert Source(path, "a").count() == 0
    path.unlink()
    refused(Source(path, "a").rate, "no such file")


def test_the_end_of_a_stream_is_the_truth_and_no_estimate(tmp_path):
    for name, data in clips.GOOD.items():
        (tmp_path / name).write_bytes(data)
        frames = list(Source(tmp_path / name, "a").frames())
        expected = data.count(b"\xff\xd8\xff\xe0")
        assert len(frames) == expected or name == "two.mkv" and len(frames) >= 2, name
        assert all(abs(frame.astype(int) - clips.shade(number)).max() < 9
                   for number, frame in enumerate(frames[:2])), name
    for name, data in clips.DAMAGED.items():
        (tmp_path / name).write_bytes(data)
        frames, seen = Source(tmp_path / name, "a").frames(), []
        with pytest.raises(UserError, match="only [0-9]+ (of its [0-9]+ )?frames can be decoded; the video is damaged"):
            seen.extend(frames)
        assert seen, name


def test_a_turned_video_is_upright(tmp_path):
    for quarters in range(4):
        source = Source(clips.turned_mp4(tmp_path / f"{quarters}.mp4", quarters), "a")
        for number, frame in enumerate(source.frames()):
            assert abs(frame.astype(int) - np.rot90(clips.shade(number), -quarters)).max() < 60
        assert number == 5


def test_hidden_and_linked_files_are_one_matter_for_folders_and_patterns(tmp_path):
    root = tmp_path / "A"
    for name in ("a.png", "._a.png", ".hidden/h.png", "b/c.png", "../elsewhere/linked.png", "../elsewhere/deep/d.png"):
        bgr(root / name, picture(4, 4))
    for name, target in (("link", "../elsewhere"), ("loop", "."), ("again", "b"), ("b/up", ".."), ("none.png", "none"),
                         ("round.png", "round.png"), ("e.png", "../elsewhere/linked.png")):
        (root / name).symlink_to(target)
    expected = ["a", "b/c", "e", "link/deep/d", "link/linked", "none", "round"]
    for given in (root, root / "**", root / "**" / "*", root / "**" / "*.png", tmp_path / "[A]" / "**" / "*"):
        assert [source.name for source in sources(str(given))] == expected, given
    assert [source.name for source in sources(str(root / "*"))] == ["a", "e", "none", "round"]
    refused(lambda: read_photo(root / "none.png"), root / "none.png", "cannot be read (No such file")
    assert [source.name for source in sources(str(root / "*" / "*.png"))] == ["b/c", "link/linked"]
    for given in (root / ".hidden", root / ".hidden" / "*", root / ".hidden" / "h.png"):  # asked for by its name
        assert [source.name for source in sources(str(given))] == ["h"]
    refused(lambda: sources(str(root / "._*")), "no photo or video is called so")


def test_no_two_have_results_of_one_name(tmp_path):
    for name in ("same.jpg", "same.png", "same.jpg.png", "clip/000000.jpg", "clip.jpg.mp4", "clip.mp4", "a.jpg",
                 "a/b.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert sorted(source.name for source in sources(str(tmp_path))) == [
        "a", "a/b", "clip.jpg", "clip.mp4", "clip/000000", "same.jpg", "same.jpg.png", "same.png"]


def test_results_of_before_are_no_photos_and_inputs_are_not_hidden(tmp_path):
    root = tmp_path / "in"
    for name in ("a.png", "a_labelIds.png", "a_overlay.jpg", "deep/b.png", "deep/b_overlay.png", "out/scene.png"):
        bgr(root / name, picture(4, 4))
    (tmp_path / "link").symlink_to(root)
    every = ["a", "a_labelIds", "a_overlay", "deep/b", "deep/b_overlay", "out/scene"]
    for given in (root, root / "**", tmp_path / "link", tmp_path / "link" / "**"):
        def names(out, given=given):
            return [source.name for source in sources(str(given), but=out)]
        assert names(None) == names(tmp_path / "elsewhere") == every
        for out in (root, tmp_path, tmp_path / "link", root / "..", "/"):  # it is, or is above, where the photos are
            assert names(out) == ["a", "deep/b", "out/scene"]
        for out in (root / "out", tmp_path / "link" / "out", root / "deep" / ".." / "out"):  # it is below
            assert names(out) == every[:-1]
    for out in (root, tmp_path, "."):
        assert [source.name for source in sources(str(root / "a.png"), but=out)] == ["a"]
        assert [source.name for source in sources(str(root / "a_overlay.jpg"), but=out)] == ["a_overlay"]


def test_brackets_of_a_folder_are_its_name_and_else_explained_and_nothing_there_is_a_line(tmp_path):
    bgr(tmp_path / "day [1]" / "a.png", picture(4, 4))
    bgr(tmp_path / "day 1" / "b.png", picture(4, 4))
    assert [source.name for source in sources(f"{tmp_path}/day [1]/*.png")] == ["a"]
    assert [source.name for source in sources(f"{tmp_path}/day [0-9]/*.png")] == ["b"]
    for given in ("day [1]/b.png", "day [2]/a.png", "day [1]/[xy].png"):
        assert refused(lambda: sources(f"{tmp_path}/{given}")).endswith(  # noqa: B023
            " is called so; [...] is read as one of the characters in it, a bracket is written [[]")
    (tmp_path / "none").mkdir()
    for given, words in (("none.png", "none.png: no such file or folder"), ("*.png", "no photo or video is called so"),
                         ("none", "no photo or video in it; known are files that end in .bmp")):
        refused(lambda: sources(f"{tmp_path}/{given}"), words)  # noqa: B023
