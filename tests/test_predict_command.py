"""`make predict`: what it writes, and that one bad file neither ends it nor is passed over in silence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import clips
import cv2
import numpy as np
import pytest
from described import random_weights
from folders import refused, write_png
from test_photos import noise, video

from experiments import predict
from experiments.lib.paths import ROOT
from repro.data import CAMVID, CITYSCAPES
from repro.errors import UserError
from repro.prediction import results, weights
from repro.prediction.load import load
from repro.prediction.photos import Source, read_photo


@pytest.fixture()
def command(about, tmp_path, capsys):
    """Runs the command: (exit code, stdout, stderr, OUTPUT)."""
    def runs(*arguments, given=about.path):
        code = predict.main(["--weights", str(given), "--output", str(tmp_path / "out"), *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err, tmp_path / "out"
    return runs


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_photo_gives_labels_and_an_overlay(about, command, tmp_path):
    write_png(tmp_path / "a.png", noise())
    code, said, told, out = command("--input", tmp_path / "a.png")
    assert code == 0, told
    assert files(out) == ["a_labelIds.png", "a_overlay.jpg"]
    assert said.startswith(f"{out}: labels and overlays of 1 image\n") and "frames a second" in said
    assert "a.params: trained on minicity" in told
    written = cv2.imread(str(out / "a_labelIds.png"), cv2.IMREAD_UNCHANGED)
    found = load(about.path).segment(read_photo(tmp_path / "a.png"))
    np.testing.assert_array_equal(written, np.array(CITYSCAPES.ids, np.uint8)[found.labels])
    assert set(np.unique(written)) <= set(CITYSCAPES.ids)
    assert read_photo(out / "a_overlay.jpg").shape[0] > 2 * 64  # enlarged, over a legend
    assert command("--input", tmp_path / "a.png", "--engine", "onnx")[0] == 0
    assert (read_photo(out / "a_labelIds.png")[..., 0] != written).mean() < 1e-3


def test_without_input_a_scene_is_drawn(command):
    code, _, told, out = command()
    assert code == 0, told
    assert files(out) == ["scene.png", "scene_labelIds.png", "scene_overlay.jpg"]
    assert read_photo(out / "scene.png").shape == (128, 256, 3)  # as large as those trained on


def test_a_folder_with_damaged_files_is_done_but_for_those(command, tmp_path):
    folder = tmp_path / "photos"
    write_png(folder / "good.png", noise())
    write_png(folder / "deep" / "grey.png", noise()[..., 0])
    write_png(folder / "one.png", noise(1, 1))
    (folder / "empty.png").write_bytes(b"")
    (folder / "none.jpg").write_text("no image")
    (folder / "cut.png").write_bytes((folder / "good.png").read_bytes()[:-30])
    code, said, told, out = command("--input", folder, "--scores")
    assert code == 2
    assert files(out) == sorted(f"{name}_{kind}" for name in ("good", "deep/grey", "one")
                                for kind in ("labelIds.png", "overlay.jpg", "scores.npy"))
    skipped = sorted(line for line in told.splitlines() if line.startswith("skipped: "))
    assert skipped == [f"skipped: {folder / 'cut.png'}: the PNG file is truncated",
                       f"skipped: {folder / 'empty.png'}: the file is empty",
                       f"skipped: {folder / 'none.jpg'}: not an image that OpenCV reads, or damaged"]
    assert told.splitlines()[-1] == "error: 3 of 6 inputs could not be used, as said above; the rest is done"
    assert "labels and overlays of 3 images" in said
    scores = np.load(out / "good_scores.npy")
    assert scores.shape == (19, 16, 24) and scores.dtype == np.float32
    assert cv2.imread(str(out / "one_labelIds.png"), cv2.IMREAD_UNCHANGED).shape == (1, 1)
    code, said, told, out = command("--input", folder / "empty.png", "--output", tmp_path / "none")
    assert (code, said) == (2, "") and not (tmp_path / "none").exists()
    assert "error: 1 of 1 inputs could not be used" in told


def test_files_of_other_kinds_are_said_and_change_no_exit_code(command, tmp_path):
    folder = tmp_path / "photos"
    write_png(folder / "a.png", noise())
    for name in ("IMG.HEIC", "notes.txt", ".hidden"):
        (folder / name).write_text("")
    code, _, told, out = command("--input", folder, "--output", folder / "out")
    assert code == 0 and files(folder / "out") == ["a_labelIds.png", "a_overlay.jpg"]
    said = [one for one in told.splitlines() if one.startswith("passed over: ")]
    assert len(said) == 1 and said[0].startswith("passed over: 2 files of other kinds (.heic, .txt); known are .bmp ")
    code, _, told, _ = command("--input", folder / "*.png")
    assert code == 0 and "passed over" not in told


def test_a_video_gives_labels_of_frames_and_a_video(about, command, tmp_path):
    path = video(tmp_path / "drive.avi", 5, (70, 90))
    code, said, told, out = command("--input", path, "--k", 1)
    assert code == 0 and "of 5 images" in said, told
    assert files(out) == [f"drive/{i:06d}_labelIds.png" for i in range(5)] + ["drive_overlay.mp4"]
    frames = list(Source(out / "drive_overlay.mp4", "x").frames())
    assert len(frames) == 5 and frames[0].shape[0] > 70
    assert Source(out / "drive_overlay.mp4", "x").rate() == 10


def test_what_could_be_read_of_a_damaged_video_is_kept(command, tmp_path):
    (tmp_path / "drive.avi").write_bytes(clips.DAMAGED["cut.avi"])
    code, said, told, out = command("--input", tmp_path / "drive.avi")
    done = len(files(out)) - 1
    assert code == 2 and f"drive.avi: only {done} of its 20 frames can be decoded" in told
    assert 0 < done < 20 and f"of {done} images" in said
    assert len(list(Source(out / "drive_overlay.mp4", "x").frames())) == done


def test_the_overlay_of_a_video_is_as_long_as_it_or_says_so(command, tmp_path):
    for name, data, frames in (("variable", clips.mkv([0, 100, 900, 2000, 4000]), 41),
                               ("dropped", clips.avi([True, False, False] * 3), 7),
                               ("fast", clips.mkv(range(0, 200, 20)), 10)):
        path = tmp_path / f"{name}.{'avi' if name == 'dropped' else 'mkv'}"
        path.write_bytes(data)
        code, said, told, out = command("--input", path)
        assert code == 0, told
        film = Source(out / f"{name}_overlay.mp4", "x")
        times = [second for second, _ in Source(path, "x").timed()]
        assert f"of {len(times)} images" in said and film.count() == frames, name
        plays, length = frames / film.rate(), times[-1] + 1 / film.rate()
        assert abs(plays - length) < 0.2 or f"plays {plays:.1f} s; its video, whose rate varies, {length:.1f} s" in told
    assert "fast_overlay.mp4: plays 1.0 s; its video, whose rate varies, 0.3 s" in told


def test_other_classes_have_their_own_ids(command, tmp_path):
    made = random_weights(tmp_path / "camvid.params", classes=CAMVID)
    write_png(tmp_path / "a.png", noise())
    code, _, _, out = command("--input", tmp_path / "a.png", given=made.path)
    labels = cv2.imread(str(out / "a_labelIds.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(labels, load(made).segment(noise()).labels)  # CamVid's ids are its places


def test_a_trained_row_needs_no_other_description_than_its_record(about, command, tmp_path, monkeypatch):
    path = tmp_path / "trained.params"
    path.write_bytes(about.path.read_bytes())
    values = json.loads(weights.description_of(about.path).read_text())
    weights.description_of(path).write_text(json.dumps({**values, "evaluations": {}}))
    code, _, told, out = command(given=path)
    assert code == 2 and "trained.json: unknown key" in told and not out.exists()  # it is read as a record


def test_wrong_choices_and_weights_that_are_not_there_are_one_line(command, tmp_path):
    for arguments, words in ((("--input", "/no/such.png"), "INPUT: /no/such.png: no such file or folder"),
                             (("--k", "-2"), "K: -2 is negative"), (("--gpu", "first"), "GPU: 'first' is not a list")):
        code, said, told, out = command(*arguments)
        assert (code, said) == (2, "") and not out.exists()
        assert told.startswith(f"error: {words}") and told.count("\n") == 1, told
    code, _, told, _ = command(given=tmp_path / "b.params")
    assert code == 2 and told == f"error: weights {tmp_path}/b.params: no such file\n"


def test_where_results_cannot_be_written(command, tmp_path, monkeypatch):
    photos, file = tmp_path / "photos", tmp_path / "file"
    write_png(photos / "a.png", noise())
    (tmp_path / "link").symlink_to(photos)
    file.write_text("")
    for given, out, words in ((photos, photos, "is INPUT; name another folder"),
                              (tmp_path / "link" / ".", photos, "is INPUT; name another folder"),
                              (photos, file, "is a file, not a folder"),
                              (photos, file / "inside", f"{file} is a file, not a folder")):
        code, _, told, _ = command("--input", given, "--output", out)
        assert code == 2 and told.startswith("error: OUTPUT: ") and words in told and told.count("\n") == 1
    monkeypatch.setattr("os.access", lambda place, mode: place != tmp_path)
    code, _, told, _ = command("--input", photos, "--output", tmp_path / "new" / "out")
    assert code == 2 and told == f"error: OUTPUT: {tmp_path} may not be written to\n"


def test_an_image_that_cannot_be_segmented_is_named(tmp_path):
    write_png(tmp_path / "a.png", noise())

    def segment(image, scores):
        raise UserError("image of 64x64: too large")
    refusing = SimpleNamespace(segment=segment, weights=SimpleNamespace(classes=CITYSCAPES))
    refused(lambda: list(results.segment(Source(tmp_path / "a.png", "a"), refusing, tmp_path, False)),
            f"{tmp_path}/a.png: image of 64x64: too large")


def test_a_name_too_long_for_its_results_is_passed_over(command, tmp_path):
    long = "a" * 243 + ".png"  # with _labelIds a byte more than a name may have
    for name in (long, long[1:], "b.png"):
        write_png(tmp_path / "photos" / name, noise())
    code, said, told, out = command("--input", tmp_path / "photos")
    assert code == 2 and "of 2 images\n" in said and (out / f"{long[1:-4]}_labelIds.png").exists()
    assert f"skipped: {tmp_path}/photos/{long}: its name is too long for those of its results\n" in told


def test_results_in_the_folder_of_the_photos_are_not_taken_for_photos(command, tmp_path):
    write_png(tmp_path / "a.png", noise())
    for _ in range(2):
        code, said, _, out = command("--input", tmp_path)
        assert code == 0 and "of 1 image\n" in said and files(out) == ["a_labelIds.png", "a_overlay.jpg"]
    for given in ("a.png", "*.png"):  # beside the photo
        for _ in range(2):
            code, said, _, _ = command("--input", tmp_path / given, "--output", tmp_path)
            assert code == 0 and "of 1 image\n" in said and (tmp_path / "a_labelIds.png").exists()


def test_a_terminal_of_few_letters_takes_nothing_away(about, tmp_path):
    write_png(tmp_path / "in" / "Stra\N{LATIN SMALL LETTER SHARP S}e.png", noise())
    (tmp_path / "in" / "\N{BICYCLE}.png").write_bytes(b"no image")
    out = tmp_path / "\N{BICYCLE}"
    ended = subprocess.run([sys.executable, "-W", "ignore", "-m", "experiments.predict", "--weights", str(about.path),
                            "--input", str(tmp_path / "in"), "--output", str(out)], capture_output=True,
                           cwd=ROOT,
                           env={**os.environ, "PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"})
    assert ended.returncode == 2 and b"Traceback" not in ended.stderr, ended.stderr
    assert b"\\U0001f6b2: labels and overlays of 1 image" in ended.stdout and len(files(out)) == 2
    assert b"\\U0001f6b2.png: not an image" in ended.stderr
