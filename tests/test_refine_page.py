"""The page on SparseRefine, of changed copies of the published records; as they are, test_measurement.py renders it."""

from __future__ import annotations

import json

from speed_records import lines_of

from experiments.lib import paths
from repro.tables.refine import page, read_refined, record_files


def test_the_page_shows_a_seed_and_what_there_is_none_of(tmp_path):
    record = json.loads((paths.RESULTS / "refine-minicity.json").read_text(encoding="utf-8"))
    changed = {**record, "seed": 1, "selected_pixel_acc": {"dense": 61.25, "refined": None}}
    (tmp_path / "refine-minicity-seed1.json").write_text(json.dumps(changed))
    path, = record_files(tmp_path)
    (first, *cells), = lines_of(page([read_refined(path)]), "minicity, seed 1")
    assert first == "minicity, seed 1" and cells[5:7] == ["61.25", "-"]
