"""The page on SparseRefine, of changed copies of the published records; as they are, test_measurement.py renders it."""

from __future__ import annotations

import json

from speed_records import assert_drawn, lines_of

from experiments.lib import paths
from experiments.speed import density
from repro.tables.refine import DENSITY, PICTURE, draw, page, read_density, read_refined, record_files

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
    assert_drawn(draw, CURVE, {**CURVE, "cases": CURVE["cases"][:1] * 2}, tmp_path, PICTURE)


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
