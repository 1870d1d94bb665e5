"""The pictures show what the outputs say; bars come from the published records alone."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from made_up import made_up
from speed_records import assert_drawn

from experiments import figures
from experiments.lib import paths, tables
from repro.config.presets import load_preset
from repro.data import CITYSCAPES, IGNORE
from repro.data.minicity import write_minicity
from repro.errors import UserError
from repro.export.carry import random_arrays
from repro.figures import borders, classes, panels
from repro.figures.outputs import Outputs
from repro.models.build import Plan
from repro.models.parameters import save_arrays
from repro.records import record_path, write_record


def scores_of(labels):
    """Score maps at 1/4 that give labels (h, w), one per position."""
    return (np.arange(19)[:, None, None] == labels).astype(np.float32)


def outputs(mask=((1, 0), (0, 1)), labels=2, truth=2, s=None, size=(64, 64), region=32):
    mask = np.float32(mask)[None]
    h, w = size[0] // 4, size[1] // 4
    maps = scores_of(np.full((h, w), labels) if np.ndim(labels) == 0 else labels)
    s = np.zeros_like(mask) if s is None else np.float32(s)[None]
    image = np.random.RandomState(0).randint(0, 256, (*size, 3)).astype(np.uint8)
    return Outputs(image, np.full(size, truth, np.uint8), {
        "scores": maps, "half": maps, "full": maps, "z2": np.full((1, h, w), 0.5, np.float32), "s": s, "mask": mask},
        region)


def test_outputs_over_pixels():
    found = outputs(s=((2, -1), (-1, 0)))
    assert found.computed[:32, :32].all() and found.computed[32:, 32:].all() and found.computed.sum() == 2 * 32 ** 2
    assert found.weight[0, 0] == pytest.approx(0.5 / (1 + np.exp(-2))) and found.weight[40, 40] == pytest.approx(0.25)
    assert found.weight[0, 40] == 0 and found.z2.shape == (64, 64)
    assert (found.labels() == 2).all() and not found.wrong().any()
    wrong = replace(found, truth=np.where(np.arange(64) < 16, IGNORE, 3).astype(np.uint8)[None].repeat(64, 0))
    assert wrong.wrong().sum() == 64 * 48  # what is ignored is not wrong


def test_an_image_that_ends_within_a_region():
    found = outputs(mask=((1, 0, 1), (0, 1, 0)), size=(64, 96))
    cut = replace(found, image=found.image[:50, :70], truth=found.truth[:50, :70])
    for values in (cut.computed, cut.z2, cut.weight, cut.labels(), cut.wrong()):
        assert values.shape == (50, 70)
    assert cut.computed[0, 65] and not cut.computed[0, 40]


def test_errors_by_distance():
    far = borders.distances((64, 64), 32)
    assert far.max() == 15 and (far[0] == 0).all() and (far[31] == 0).all() and (far[32] == 0).all()
    assert far[16, 15] == 15 and far[5, 10] == 5
    truth = np.where(far < 4, 1, 2).astype(np.uint8)
    wrong, counted = borders.by_distance(replace(outputs(), truth=truth))
    assert counted.sum() == 2 * 32 ** 2 and counted[0] == 2 * (32 ** 2 - 30 ** 2)
    np.testing.assert_array_equal(wrong, np.where(np.arange(16) < 4, counted, 0))


def test_the_window_with_most_more_errors():
    worse = outputs(labels=np.where(np.logical_and.outer(np.arange(16) >= 12, np.arange(16) >= 12), 5, 2))
    better = outputs()
    (top, left), excess = borders.window(worse, better, (16, 16))
    assert (top, left) == (48, 48) and 200 < excess <= 256
    assert borders.window(better, worse, (16, 16))[1] == 0
    elsewhere = replace(worse, named={**worse.named, "mask": 1 - worse.named["mask"]})
    assert borders.window(elsewhere, better, (8, 8))[1] == 0  # not where both were computed


def test_what_was_skipped_is_white_or_dark():
    found = outputs()
    cut = panels.cut_out(found.image, found, 2)
    assert (cut[2:30, 2:30] == found.image[2:30, 2:30]).all() and (cut[:, 32:34] == 255).all()
    assert (cut[:32, 32:] == 255).all() and (cut[:, 30:32] == 255).all()
    dark = panels.dimmed(found.image, found)
    assert (dark[:32, :32] == found.image[:32, :32]).all()
    assert dark[:32, 32:].max() <= 102 < found.image[:32, 32:].max()


def drawings(path, one, other):
    """Each picture of panels, of two networks' outputs."""
    panels.draw_pipeline(one, CITYSCAPES, path / "pipeline.png")
    panels.draw_comparison(one, other, one, (8, 8), (24, 24), ("one", "other", "small"), CITYSCAPES,
                           path / "comparison.png")
    panels.draw_weights((one, other), (one.mask * 0.5, other.mask * 1.0), ("one", "other"), 7, path / "weights.png")
    panels.draw_borders({"one": borders.by_distance(one), "other": borders.by_distance(other)}, 7,
                        path / "borders.png")
    return {file.name: cv2.imread(str(file)) for file in path.iterdir()}


def test_pictures_are_readable_the_same_each_time_and_show_the_outputs(tmp_path):
    """1000 pixels wide or so, and other outputs are another picture."""
    found = []
    for index, one in enumerate((outputs(), outputs(), outputs(((1, 1), (0, 0)), s=((1, 2), (0, 0)), truth=3))):
        (tmp_path / str(index)).mkdir()
        found.append(drawings(tmp_path / str(index), one, outputs(labels=4)))
    first, again, other = found
    assert set(first) == {"pipeline.png", "comparison.png", "weights.png", "borders.png"}
    for name, picture in first.items():
        assert 700 <= picture.shape[1] <= 1200 and picture.shape[0] >= 300, name
        np.testing.assert_array_equal(picture, again[name])
        assert picture.shape != other[name].shape or (picture != other[name]).mean() > 1e-3, name
    colour = np.array(CITYSCAPES.colours[2][::-1])
    assert (first["pipeline.png"] == colour).all(axis=2).mean() > 0.1


def test_bars_come_from_the_published_records_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "CACHE", tmp_path / "none")
    assert figures.main(["--render", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip().endswith("class-iou.png")
    assert [path.name for path in tmp_path.iterdir()] == ["class-iou.png"]
    picture = cv2.imread(str(tmp_path / "class-iou.png"))
    assert picture.shape[1] == 1100 and picture.std() > 20


def test_bars_are_means_over_seeds():
    row, = tables.chosen_rows("3", figures.ISCTF)
    seeds = [made_up(row, mean, seed=seed) for seed, mean in enumerate((40.0, 44.0))]
    seeds[1].evaluations["fast"]["class_iou"] = {"road": 95.5, "train": None}
    assert classes.spread(seeds, "fast") == {"road": (93.5, 91.5, 95.5), "train": None, "mean": (42.0, 40.0, 44.0)}


def test_bars_move_with_the_records(tmp_path):
    row, = tables.chosen_rows("3", figures.ISCTF)
    assert_drawn(lambda one, path: classes.draw_classes([("ISCTF", [one])], path), made_up(row), made_up(row, 70.0),
                 tmp_path)
    with pytest.raises(UserError, match="records of camvid-lite-full and minicity-lite-full"):
        classes.draw_classes([("x", [made_up(row), made_up(row, data="camvid")])], tmp_path / "none.png")


def test_all_pictures_from_trained_networks(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    write_minicity(tmp_path / "city", size=(128, 256), train=1, val=2, coarse=0, progress=False)
    arguments = ["--data", str(tmp_path / "city"), "--out", str(tmp_path / "out"), "--image", "1"]
    assert figures.main(arguments) == 2
    assert f"`make table3 DATA=minicity ROW={figures.SCTF} PRESET=lite BUDGET=full" in capsys.readouterr().err
    preset = load_preset(paths.HERE / "presets" / "lite.yaml", "lite")
    for seed, row_id in enumerate(figures.NAMES):
        row, = tables.chosen_rows("3", row_id)
        record = made_up(row)
        write_record(tmp_path / "cache" / "results", record)
        save_arrays(record_path(tmp_path / "cache" / "results", record).with_suffix(".params"),
                    random_arrays(Plan(row.network, row.training, preset, (128, 256)), 19, seed))
    assert figures.main(arguments) == 0
    names = [line.rsplit("/", 1)[1] for line in capsys.readouterr().out.split()]
    assert names == ["pipeline.png", "comparison.png", "borders.png", "weights.png", "class-iou.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    assert figures.main([*arguments, "--image", "2"]) == 2
    assert "--image: 2 is not between 0 and 1" in capsys.readouterr().err
