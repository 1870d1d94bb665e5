"""The published records: complete, with their provenance, and of networks that learned."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.config.rows import load_rows, training_name
from repro.records import find, load_records

ROOT = Path(__file__).resolve().parent.parent
RECORDS = load_records(ROOT / "tables" / "results")
MAIN, CAMVID = ("minicity", "lite", "full"), ("camvid", "lite", "full")
TRAININGS = {training_name(row.network, training): (row.network, training)
             for number in range(1, 6) for row in load_rows(ROOT / "experiments" / f"table{number}.yaml")
             for _, training in row.trainings}


def row_of(table, name):
    row, = (row for row in load_rows(ROOT / "experiments" / f"{table}.yaml") if row.id == name)
    return row


def seeds(row, group):
    return [record.seed for record in find(RECORDS, row.network, row.training, group)]


@pytest.mark.parametrize("group, images, above", [(MAIN, 100, 10), (CAMVID, 233, 8)], ids=("minicity", "camvid"))
def test_every_training_is_published_and_has_learned(group, images, above):
    """So many points of mean IoU above the per-pixel majority map of the training set; CamVid has no coarse set."""
    assert len(TRAININGS) == 43
    for name, (network, training) in TRAININGS.items():
        found = find(RECORDS, network, training, group)
        assert found and found[0].seed == 0 or (group == CAMVID and training.coarse), name
        for record in found:
            for inference, result in record.evaluations.items():
                assert result["images"] == images, (name, inference)
                assert result["mean_iou"] >= record.majority["mean_iou"] + above, (name, inference)


def test_images_of_camvid_are_padded_to_whole_regions():
    """Images of 360x480: to regions of 64 px in a 6x8 grid, or to whole positions of the coarsest column."""
    for record in (one for pair in TRAININGS.values() for one in find(RECORDS, *pair, CAMVID)):
        network, name = record.network, training_name(record.network, record.training)
        assert record.scale in (("384x512",) if network.sparse else ("384x512", "384x480")), name
        for inference, result in record.evaluations.items() if network.sparse else ():
            assert result["regions"] == {256: 48, 128: 192}[network.region], name
            assert inference == "active" or result["k"] == record.training.k(result["regions"]), name


def test_every_record_says_where_it_comes_from():
    for record in RECORDS:
        provenance, name = record.provenance, f"{record.data}-{training_name(record.network, record.training)}"
        assert len(provenance["commit"]) == 40 and not provenance["dirty"], name
        assert provenance["command"].startswith(("make table", "make ablations", "make neighbours")), name
        # the budget of one row is full by default
        assert record.budget == "full", name
        assert "BUDGET=full" in provenance["command"] or "ROW=" in provenance["command"], name


def test_isctf_gives_the_same_accuracy_fast_and_classic():
    """Exactly where batch norm was frozen; float error where it learned statistics, with variances near zero."""
    for record in RECORDS:
        if record.network.fusion == "isctf":
            name = f"{record.data}-{training_name(record.network, record.training)}-{record.seed}"
            classic, fast = record.evaluations["classic"], record.evaluations["fast"]
            for key in ("pixel_acc", "mean_acc", "mean_iou"):
                assert fast[key] == pytest.approx(
                    classic[key], abs=0 if record.training.pretrained else 0.05), (name, key)


def test_sctf_loses_more_in_fast_inference_than_its_spread_over_three_seeds():
    row = row_of("table3", SEEDED[0])
    assert seeds(row, MAIN) == [0, 1, 2]
    found = find(RECORDS, row.network, row.training, MAIN)
    classic, fast = ([record.evaluations[how]["mean_iou"] for record in found] for how in ("classic", "fast"))
    spread = max(max(values) - min(values) for values in (classic, fast))
    assert min(one - other for one, other in zip(classic, fast)) > 0
    assert sum(classic) / 3 - sum(fast) / 3 > spread


SEEDED = ("sctf-sparse-p0.5-l0.001-r256", "isctf-sparse-p0.25-l0.001-r256", "isctf-sparse-p0.5-l0.001-r256",
          "isctf-wta-p0.25-r256", "isctf-wta-p0.5-r256", "isctf-sparse-p0.5-l0.001-r128")


@pytest.mark.parametrize("group", (MAIN, CAMVID), ids="-".join)
def test_what_decides_a_claim_is_measured_with_three_seeds(group):
    for name in SEEDED:
        row = row_of("table3", name)
        assert seeds(row, group) == [0, 1, 2], name
        if row.training.selection == "sparse" and row.network.fusion == "isctf" and row.network.region == 256:
            assert all(sum(record.evaluations["active"]["active_counts"].values()) ==
                       record.evaluations["active"]["images"]
                       for record in find(RECORDS, row.network, row.training, group)), name


def test_ablations_are_measured():
    """Eq. 3 beside Eq. 4; what entropy and the gate give Model A; and Model A for long at half width on CamVid."""
    rows = [row for row in load_rows(ROOT / "experiments" / "ablations.yaml") if row.training.equation == 3]
    assert len(rows) == 2 and all(seeds(row, group) for row in rows for group in (MAIN, CAMVID))
    for name in ("model-a-head", "model-a-entropy", "model-a-entropy-gate"):
        row = row_of("ablations", name)
        assert (seeds(row, MAIN), seeds(row, CAMVID)) == ([0, 1, 2], [0]), name
    row = row_of("ablations", "model-a-scratch")
    record, = find(RECORDS, row.network, row.training, ("camvid", "long", "full"))
    assert record.width == "0.5" and record.evaluations["fast"]["images"] == 233
    assert record.evaluations["fast"]["mean_iou"] > record.majority["mean_iou"] + 20
