"""The page on SparseRefine, rendered from made-up records and from those that the script writes."""

from __future__ import annotations

import copy
import json

import pytest
from made_up import PROVENANCE
from speed_records import assert_drawn, lines_of, refused

from experiments.lib import paths
from experiments.speed import density
from repro.tables.refine import DENSITY, draw, page, read_density, read_refined, record_files

ACCURACIES = {"pixel_acc": 90.0, "mean_acc": 60.0, "class_iou": {"road": 91.5, "train": None}}
RECORD = {
    "table": "1", "row": "stride32", "dense_network": "halved", "data": "minicity", "preset": "lite", "budget": "full",
    "seed": 1, "dense_steps": 640,
    "width": 0.25, "batch": 2, "scales": [0.7, 1.3], "steps": 1280, "images": 100, "size": "256x512",
    "recipe": {"rate": 0.01, "decay": 0.05, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "threshold": 0.3,
               "factor": 2},
    "dense": {**ACCURACIES, "mean_iou": 40.125}, "refined": {**ACCURACIES, "mean_iou": 43.5},
    "selected_pixel_acc": {"dense": 61.25, "refined": None},
    "density": {"mean": 0.2512, "spread": 0.0449, "least": 0.1, "most": 0.4},
    "multiply_adds": {"mean": 1.915e9, "spread": 2.5e8, "least": 1e9, "most": 3e9},
    "multiplied": {"mean": 2.5e9, "spread": 0.0, "least": 1e9, "most": 3e9},
    "dense_multiply_adds": {"paper": 650_000_000, "true": 703_000_000},
    "parameters": {"dense": 1_660_000, "refiner": 4_970_000},
    "train": {"loss_first": 5.0, "loss_last": 2.0, "density": 0.3, "empty": 0, "seconds": 900.0},
    "provenance": PROVENANCE}
CURVE = {
    "size": "512x1024", "width": 1.0, "classes": 19, "select": [0.02, 0.021, 0.025],
    "cases": [{"density": d, "pixels": int(d * 524288), "positions": [int(d * 524288), int(512 * positions)],
               "multiply_adds": int(d * 3e11), "multiplied": int(d * 4e11), "seconds": [2 * d, 2.2 * d, 2.1 * d],
               "places": [d / 50]} for d, positions in ((0.01, 0.5), (1.0, 1))],
    "provenance": PROVENANCE}


def written(path, value):
    path.write_text(json.dumps(value))
    return path


def test_the_page_has_every_record_and_the_curve(tmp_path):
    record = read_refined(written(tmp_path / "refine-minicity.json", RECORD))
    curve = read_density(written(tmp_path / DENSITY, CURVE))
    assert record_files(tmp_path) == [tmp_path / "refine-minicity.json"]
    text = page([record], curve)
    assert lines_of(text, "minicity, seed 1") == [[
        "minicity, seed 1", "stride32, trained on halved images", "640 + 1280", "40.12", "43.50", "25.1 ± 4.5", "61.25",
        "-", "0.703g", "1.92g ± 0.250g", "2.50g ± 0g", "1.66 M + 4.97 M"]]
    assert "100 images measured, 256x512" in text and "threshold 0.3, rate 0.01, batch 2" in text
    assert "512x1024" in text and "takes 21.0 ms" in text
    cells = [[one.strip() for one in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    assert cells[-2:] == [["1", "50", "3.00g", "4.00g", "21.0", "0.2", "1.00", "7.0", "3"],
                          ["100", "100", "300g", "400g", "2100", "20.0", "100.00", "7.0", "3"]]
    assert "Time against density" not in page([record], None) and "## Accuracy" not in page([], curve)


def test_the_picture_is_drawn(tmp_path):
    assert_drawn(draw, CURVE, {**CURVE, "cases": CURVE["cases"][:1] * 2}, tmp_path)


def test_the_density_curve_is_measured_by_a_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "OWN", tmp_path)
    given = ["--rounds", "1", "--width", "0.0625"]
    assert density.main([*given, "--size", "64x128"]) == 0
    record = read_density(tmp_path / DENSITY)
    assert record["size"] == "64x128" and record["cases"][-1]["pixels"] == 64 * 128
    assert all(len(case["seconds"]) == 1 for case in record["cases"])
    assert "64x128" in (tmp_path / "sparserefine.md").read_text() and (tmp_path / "sparserefine.png").is_file()
    for wrong, words in (([*given, "--size", "60x100"], "60x100: its sides are not multiples of 64"),
                         (["--width", "0.3"], "width 0.3 does not divide")):
        capsys.readouterr()
        assert density.main(wrong) == 2 and words in capsys.readouterr().err


@pytest.mark.parametrize("read, record, change, words", [
    (read_refined, RECORD, lambda r: r.pop("density"), "key 'density' is missing"),
    (read_refined, RECORD, lambda r: r["dense"].update(mean_iou="x"), "dense: mean_iou: 'x' is not a number"),
    (read_refined, RECORD, lambda r: r.update(dense_network="x"),
     "dense_network: 'x' is not known; choose from halved, trained"),
    (read_refined, RECORD, lambda r: r.update(extra=1), "extra: 1 is not text"),
    (read_refined, RECORD, lambda r: r["recipe"].pop("factor"), "recipe: key 'factor' is missing"),
    (read_density, CURVE, lambda c: c.update(cases=[]), "cases: the list is empty"),
    (read_density, CURVE, lambda c: c["cases"][1].update(positions=[]), "cases[1]: positions: the list is empty"),
    (read_density, CURVE, lambda c: c["cases"][1].update(positions=[0]), "positions[0]: 0 is not above 0"),
    (read_density, CURVE, lambda c: c["cases"][0].update(multiply_adds=0), "cases[0]: multiply_adds: 0 is not above"),
])
def test_a_damaged_record_is_named(read, record, change, words, tmp_path):
    record = copy.deepcopy(record)
    change(record)
    assert words in refused(read, record, tmp_path / "refine-x.json")
