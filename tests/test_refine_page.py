"""The page on SparseRefine, of changed copies of the published records; as they are, test_measurement.py renders it."""

from __future__ import annotations

import copy
import json

import pytest
from speed_records import assert_drawn, lines_of, refused

from experiments.lib import paths
from experiments.speed import density
from repro.tables.refine import DENSITY, draw, page, read_density, read_refined, record_files

RECORD, CURVE = (json.loads((paths.RESULTS / name).read_text(encoding="utf-8"))
                 for name in ("refine-minicity.json", DENSITY))


def test_the_page_shows_a_seed_and_what_there_is_none_of(tmp_path):
    changed = {**RECORD, "seed": 1, "selected_pixel_acc": {"dense": 61.25, "refined": None}}
    for name, values in (("refine-minicity-seed1.json", changed), (DENSITY, CURVE)):
        (tmp_path / name).write_text(json.dumps(values))
    path, = record_files(tmp_path)
    text = page([read_refined(path)], None)
    (first, *cells), = lines_of(text, "minicity, seed 1")
    assert first == "minicity, seed 1" and cells[5:7] == ["61.25", "-"]
    assert "Time against density" not in text and "## Accuracy" not in page([], read_density(tmp_path / DENSITY))


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
