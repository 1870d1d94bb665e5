"""The embedded data set: the same everywhere, every class, the Cityscapes layout, never half written."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from experiments.minicity import main
from repro.data import CITYSCAPES
from repro.data.minicity import MARKER, SPLITS, city_of, coarsen, scene, write_minicity
from repro.data.minicity.labels import LIGHT, PERSON, POLE, SKY
from repro.errors import UserError

ROOT = Path(__file__).resolve().parents[1]


def digest(seed, split, index, size):
    return hashlib.sha256(b"".join(a.tobytes() for a in scene(seed, split, index, size))).hexdigest()


@pytest.fixture(scope="module")
def scenes():
    return [scene(0, "val", i) for i in range(40)]


def test_seeds_splits_and_indices_give_different_scenes():
    size = (64, 128)
    cases = [(0, split, 0) for split in SPLITS] + [(1, "train", 0), (0, "train", 1), (0, "train", 6)]
    assert len({digest(*case, size) for case in cases}) == len(cases)


def test_every_class_is_present_and_none_is_too_rare(scenes):
    shown = np.array([[np.count_nonzero(labels == c) >= 20 for c in CITYSCAPES.ids] for _, labels in scenes])
    assert (shown.mean(0) >= 0.2).all(), dict(zip(CITYSCAPES.ids, shown.mean(0)))
    assert {int(v) for _, labels in scenes for v in np.unique(labels)} <= set(CITYSCAPES.ids) | {1, 4}


def test_small_things_exist_that_half_resolution_cannot_show_and_the_sky_is_above_the_road(scenes):
    for label in (PERSON, POLE, LIGHT):
        narrow = 0
        for _, labels in scenes:
            _, _, boxes, _ = cv2.connectedComponentsWithStats((labels == label).astype(np.uint8))
            narrow += int((boxes[1:, cv2.CC_STAT_WIDTH] <= 6).sum())
        assert narrow >= len(scenes) / 2
    for _, labels in scenes:
        assert not (labels[160:] == SKY).any() and not (labels[:80] == CITYSCAPES.ids[0]).any()


def test_colour_alone_does_not_name_the_class(scenes):
    means = {c: [] for c in CITYSCAPES.ids}
    for image, labels in scenes:
        for c in CITYSCAPES.ids:
            if np.count_nonzero(labels == c) >= 20:
                means[c].append(image[labels == c].mean(0))
    centres = np.array([np.mean(m, 0) for m in means.values()])
    samples = [(i, v) for i, m in enumerate(means.values()) for v in m]
    right = [np.abs(centres - v).sum(1).argmin() == i for i, v in samples]
    assert np.mean(right) < 0.4


def test_any_size_shows_the_same_scene():
    for size in ((256, 512), (100, 150), (96, 96), (128, 400)):
        image, labels = scene(0, "train", 0, size)
        assert image.shape == (*size, 3) and labels.shape == size, size
        assert image.dtype == labels.dtype == np.uint8 and image.std() > 10, size
    small, large = scene(0, "val", 2, (128, 256))[1], scene(0, "val", 2, (256, 512))[1]
    assert (large[::2, ::2] == small).mean() > 0.9


def test_coarse_labels_are_partial_and_agree(scenes):
    for _, fine in scenes[:8]:
        coarse = coarsen(fine)
        known = coarse > 0
        assert 0.5 < known.mean() < np.isin(fine, CITYSCAPES.ids).mean() - 0.05
        assert (coarse[known] == fine[known]).mean() > 0.97
    thin = [np.count_nonzero(coarsen(fine) == POLE) / np.count_nonzero(fine == POLE) for _, fine in scenes[:8]]
    assert np.mean(thin) < 0.5


def test_the_layout_is_that_of_cityscapes(tmp_path):
    root = tmp_path / "city"
    write_minicity(root, 5, (64, 128), train=3, val=2, coarse=1, progress=False)
    city = city_of("train", 0)
    base = f"{city}/{city}_000000_000019"
    image = cv2.imread(str(root / f"leftImg8bit/train/{base}_leftImg8bit.png"))[..., ::-1]
    fine = cv2.imread(str(root / f"gtFine/train/{base}_gtFine_labelIds.png"), cv2.IMREAD_UNCHANGED)
    expected = scene(5, "train", 0, (64, 128))
    assert np.array_equal(image, expected[0]) and np.array_equal(fine, expected[1])
    assert len(list(root.glob("leftImg8bit/*/*/*_leftImg8bit.png"))) == 6
    assert len(list(root.glob("gtFine/*/*/*_gtFine_labelIds.png"))) == 5
    assert len(list(root.glob("gtCoarse/train/*/*_gtCoarse_labelIds.png"))) == 3
    assert len(list(root.glob("gtCoarse/train_extra/*/*_gtCoarse_labelIds.png"))) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["city"]


def test_a_finished_folder_is_kept_and_another_is_refused(tmp_path):
    root = tmp_path / "city"
    write_minicity(root, 0, (32, 64), 1, 0, 0, progress=False)
    marker = root / MARKER
    before = marker.stat().st_mtime_ns
    write_minicity(root, 0, (32, 64), 1, 0, 0, progress=False)
    assert marker.stat().st_mtime_ns == before
    assert json.loads(marker.read_text())["counts"] == {"train": 1, "val": 0, "train_extra": 0}
    with pytest.raises(UserError, match="wanted"):
        write_minicity(root, 1, (32, 64), 1, 0, 0, progress=False)
    marker.unlink()
    with pytest.raises(UserError, match="not empty"):
        write_minicity(root, 0, (32, 64), 1, 0, 0, progress=False)


def test_an_interrupted_writing_leaves_nothing(tmp_path, monkeypatch):
    def stop(labels):
        raise KeyboardInterrupt

    monkeypatch.setattr("repro.data.minicity.write.coarsen", stop)
    with pytest.raises(KeyboardInterrupt):
        write_minicity(tmp_path / "city", 0, (32, 64), 2, 1, 1, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_bad_arguments_are_one_line_and_exit_code_2(tmp_path, capsys):
    for arguments, words in (
            (["--size", "256"], "--size: '256' is not a height and a width"), (["--seed", "-1"], "seed"),
            (["--size", "8x8"], "SIZE: 8x8 must be HxW with both sides at least 32 pixels"),
            (["--train", "-2"], "negative"), (["--own", "--coarse", "3"], "--coarse: 3")):
        assert main([str(tmp_path / "out"), *arguments]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and words in error and error.count("\n") == 1
    (tmp_path / "notes.txt").write_text("")
    assert main([str(tmp_path), "--own"]) == 2 and "is not empty" in capsys.readouterr().err
    with pytest.raises(UserError, match="winter"):
        scene(0, "winter", 0)
