"""What a stranger checks: records are sound, the index has what they have, and pages cannot say otherwise."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from claiming import ROWS, SCTF, WTA, matrices, ours, record_of, seeds

from experiments import render
from experiments.lib.paths import RESULTS, ROOT
from repro.errors import UserError
from repro.records import read_record, record_files
from repro.tables import band, pairs
from repro.tables.claims import SPARSE
from repro.tables.reproducibility import with_block

RECORDS = {str(path.relative_to(RESULTS)): read_record(path) for path in record_files(RESULTS)}
GROUPS = {("minicity", "lite"): (100, 8), ("camvid", "street"): (233, 15)}  # measured images; points above chance


@pytest.fixture(scope="module")
def lines():
    with open(ROOT / "tables" / "results.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_what_make_tables_writes_is_what_is_committed():
    for path, text in render.beside().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run make tables"


def test_every_record_is_in_the_index_as_its_file_has_it(lines):
    """By the files themselves, not by what the index is made with."""
    found = {(line["record"], line["inference"]): line for line in lines}
    for path in RESULTS.glob("*/*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        for inference, figures in record["evaluations"].items():
            line = found.pop((f"{path.parent.name}/{path.name}", inference))
            assert [float(line[key]) for key in ("mean_iou", "pixel_acc", "mean_acc", "steps", "seed", "images")] == [
                *(figures[key] for key in ("mean_iou", "pixel_acc", "mean_acc")), record["steps"], record["seed"],
                figures["images"]]
            assert (line["commit"], line["command"], line["sha256"]) == (
                record["provenance"]["commit"], record["provenance"]["command"], record.get("sha256") or "")
            for key in ("mean_iou", "pixel_acc", "mean_acc"):
                assert float(line[f"{key}_low"]) <= figures[key] <= float(line[f"{key}_high"])
    assert not found


def test_the_docs_example_reads_columns_that_are_there(lines):
    text = (ROOT / "docs" / "reproducibility.md").read_text(encoding="utf-8")
    example = text.partition("```python\n")[2].partition("```")[0]
    names = {*re.findall(r"results\.(\w+) ==", example), *re.findall(r'groupby\(\[(.*?)\]', example)[0].replace(
        '"', "").split(", "), *re.findall(r"\)\.(\w+)\.agg", example)}
    assert names == {"own", "data", "preset", "table", "row", "training", "mean_iou"} <= set(lines[0])
    assert any((line["own"], line["data"], line["preset"]) == ("1", "camvid", "street") for line in lines)


def test_every_network_has_learned():
    """So many points of mean IoU above the per-pixel majority map of the training set."""
    for name, record in RECORDS.items():
        images, above = GROUPS[record.group[:2]]
        for inference, result in record.evaluations.items():
            assert result["images"] == images, (name, inference)
            assert result["mean_iou"] >= record.majority["mean_iou"] + above, (name, inference)


def test_images_of_camvid_are_padded_to_whole_regions():
    """Images of 360x480: to regions of 128 px in a 3x4 grid, or to whole positions of the coarsest column."""
    for name, record in RECORDS.items():
        if record.data == "camvid":
            network = record.network
            assert record.scale in (("384x512",) if network.region else ("384x512", "384x480")), name
            for inference, result in record.evaluations.items() if network.region else ():
                assert result["regions"] == {256: 12, 128: 48}[network.region], name
                assert inference == "active" or result["k"] == record.training.k(result["regions"]), name


def test_every_record_says_where_it_comes_from_and_has_its_log_and_each_image_beside_it():
    for name, record in RECORDS.items():
        provenance, command = record.provenance, record.provenance["command"]
        assert len(provenance["commit"]) == 40 and not provenance["dirty"] and provenance["cpu"]["vendor"], name
        assert command.startswith(("make table", "make ablations", "make neighbours")), name
        assert record.budget.startswith("full") and ("BUDGET=full" in command or "ROW=" in command), name
        assert len(record.sha256) == 64 and record.train["core_seconds"] > 0, name
        for suffix in (".npz", ".jsonl.gz"):
            assert (RESULTS / name).with_suffix(suffix).is_file(), name


def test_isctf_gives_the_same_accuracy_fast_and_classic():
    """Exactly where batch norm was frozen; float error where it learned statistics, with variances near zero."""
    for name, record in RECORDS.items():
        if record.network.fusion == "isctf":
            classic, fast = record.evaluations["classic"], record.evaluations["fast"]
            for key in ("pixel_acc", "mean_acc", "mean_iou"):
                assert fast[key] == pytest.approx(
                    classic[key], abs=0 if record.training.pretrained else 0.05), (name, key)


def test_records_with_all_beside_them_are_at_most_40_mb():
    assert sum(path.stat().st_size for path in RESULTS.rglob("*") if path.is_file()) <= 40e6


def test_the_band_of_several_seeds_and_of_one():
    """30, 31, 32 deviate by 1; t of 2 degrees is 2.92, of 4 degrees 2.132."""
    several, other = seeds(WTA, 30.0, 31.0, 32.0), seeds(SCTF, 40.0, 42.0, 44.0)
    found = band.accuracy(several, several, "fast")
    half = 2.92 * (1 + 1 / 3) ** 0.5
    assert (found.low, found.high) == pytest.approx((31 - half, 31 + half)) and "3 seeds" in found.why
    assert found.holds(34.3) and not found.holds(34.4)
    one = [record_of(SPARSE["0.5"], 50.0)]
    pooled = (2 * 1 + 2 * 4) / 4
    found = band.accuracy(one, [*several, *other, *one], "fast")
    assert found.high == pytest.approx(50 + 2.132 * (2 * pooled) ** 0.5) and "same data, preset and budget" in found.why
    elsewhere = [replace(record, data="roads", preset="street") for record in several]
    assert "of all data" in band.accuracy(one, [*elsewhere, *one], "fast").why
    mine = [replace(one[0], data="roads")]
    assert "of roads" in band.accuracy(mine, [*elsewhere, *other, *mine], "fast").why
    assert band.accuracy(one, one, "fast") is None and band.accuracy(several, several, "whole") is None


def test_the_bands_of_cost_and_speed():
    records = [record_of(WTA, 30.0, seed) for seed in (0, 1)]
    records[1] = replace(records[1], train={**records[1].train, "core_seconds": 90.0})
    assert (band.cost(records).low, band.cost(records).high) == (45.0, 400.0)
    table6 = {"rows": [{"row": row, "precision": "float32", "seconds": seconds} for row, seconds in
                       (("icnet", [3.0, 3.3, 9.0]), ("model-a", [1.0, 1.1, 1.2]))]}
    engines = {"rows": [{"row": row, "precision": "float32", "engine": engine, "labels": [seconds]}
                        for row, engine, seconds in (("icnet", "mxnet", 4.0), ("model-a", "mxnet", 1.0),
                                                     ("icnet", "openvino", 9.0), ("model-a", "openvino", 1.0))]}
    found = band.speed([table6, engines], "icnet", "model-a")
    assert (found.low, found.high) == pytest.approx((3 / 1.25, 4 * 1.25))
    with pytest.raises(UserError, match="'unet'.*choose from icnet, model-a"):
        band.speed([table6], "unet", "model-a")


def test_two_rows_by_seed_class_and_image():
    kept = {WTA.row: matrices(50, 60, 70), SCTF.row: matrices(60, 80, 60)}
    names = dict.fromkeys(kept, ["b_1", "b_2", "b_3"])
    records = [record for figure in (WTA, SCTF) for record in seeds(figure, *((30.0, 31.0) if figure == WTA else
                                                                              (32.0, 34.0)))]
    def images(record):
        row = WTA.row if record.training == ROWS["table3", WTA.row].training else SCTF.row
        return {"fast": kept[row], "images": np.array(names[row])}
    for record in records:
        for one in record.evaluations.values():
            one["class_iou"] = {"road": one["mean_iou"], "train": 1.0}
    text = pairs.compare(ours(*records, images=images), WTA, SCTF)
    assert "+2.00" in text and "+3.00" in text and "+2.50 points" in text
    assert re.search(r"road +\| +30.50 \| +33.00 \| +\+2.50 \| -?\+?\d+\.\d\d to \+\d+", text)
    assert "B above A in 2 of 3, below in 1" in text
    ahead = text.partition("Where A")[2]
    assert "b_3" in ahead.partition("Where B")[0] and ahead.partition("Where B")[2].index("b_2") < ahead.partition(
        "Where B")[2].index("b_1")
    names[SCTF.row] = ["b_1", "b_2", "b_4"]
    assert "A and B were measured on different images" in pairs.compare(ours(*records, images=images), WTA, SCTF)
    assert pairs.compare(ours(*records[:1], *seeds(SCTF, 1.0, 2.0)[1:]), WTA, SCTF) == "no seed is published of both"


def test_a_block_wants_its_markers():
    text = "a\n<!-- x: written by `make tables` -->\nold\n<!-- end of x -->\nb\n"
    assert with_block(text, "x", "new", "p") == text.replace("old\n", "\nnew\n\n")
    assert with_block(with_block(text, "x", "newer", "p"), "x", "new", "p") == with_block(text, "x", "new", "p")
    with pytest.raises(UserError, match="p: the markers .*x.* are not there"):
        with_block("a", "x", "new", "p")


def test_the_citation_is_of_the_paper_and_the_licence_of_the_file():
    import yaml

    found = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    paper = found["preferred-citation"]
    assert found["license"] == "Apache-2.0" and "1712.00213" in paper["url"] and paper["year"] == 2017
    assert [one["family-names"] for one in paper["authors"]] == ["Wu", "Shen", "van den Hengel"]
    assert f'version = "{found["version"]}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
