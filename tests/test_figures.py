"""The pictures show what the outputs say."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from claiming import ROWS
from made_up import made_up

from experiments import figures
from experiments.lib import paths
from repro.data import CITYSCAPES, IGNORE
from repro.data.minicity import write_minicity
from repro.export.carry import random_arrays
from repro.figures import panels
from repro.figures.outputs import Outputs, window
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


def test_the_window_with_most_more_errors():
    worse = outputs(labels=np.where(np.logical_and.outer(np.arange(16) >= 12, np.arange(16) >= 12), 5, 2))
    better = outputs()
    (top, left), excess = window(worse, better, (16, 16))
    assert (top, left) == (48, 48) and 200 < excess <= 256
    assert window(better, worse, (16, 16))[1] == 0
    elsewhere = replace(worse, named={**worse.named, "mask": 1 - worse.named["mask"]})
    assert window(elsewhere, better, (8, 8))[1] == 0  # not where both were computed


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
    return {file.name: cv2.imread(str(file)) for file in path.iterdir()}


def test_pictures_are_readable_and_show_the_outputs(tmp_path):
    """1000 pixels wide or so, and other outputs are another picture."""
    found = []
    for index, one in enumerate((outputs(), outputs(((1, 1), (0, 0)), s=((1, 2), (0, 0)), truth=3))):
        (tmp_path / str(index)).mkdir()
        found.append(drawings(tmp_path / str(index), one, outputs(labels=4)))
    first, other = found
    assert set(first) == {"pipeline.png", "comparison.png", "weights.png"}
    for name, picture in first.items():
        assert 700 <= picture.shape[1] <= 1200 and picture.shape[0] >= 300, name
        assert picture.shape != other[name].shape or (picture != other[name]).mean() > 1e-3, name
    colour = np.array(CITYSCAPES.colours[2][::-1])
    assert (first["pipeline.png"] == colour).all(axis=2).mean() > 0.1


def test_all_pictures_from_trained_networks(lite, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    write_minicity(tmp_path / "city", size=(128, 256), train=1, val=1, coarse=0, progress=False)
    arguments = ["--data", str(tmp_path / "city"), "--out", str(tmp_path / "out")]
    assert figures.main(arguments) == 2
    assert f"`make table3 DATA=minicity ROW={figures.SCTF} PRESET=lite BUDGET=full" in capsys.readouterr().err
    for seed, row_id in enumerate((*figures.NAMES, figures.FEW)):
        row = ROWS["table3", row_id]
        record = made_up(row)
        write_record(tmp_path / "cache" / "results", record)
        save_arrays(record_path(tmp_path / "cache" / "results", record).with_suffix(".params"),
                    random_arrays(Plan(row.network, row.training, lite, (128, 256)), 19, seed))
    assert figures.main(arguments) == 0
    names = [line.rsplit("/", 1)[1] for line in capsys.readouterr().out.split()]
    assert names == ["pipeline.png", "comparison.png", "weights.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
