"""The published records: complete, with their provenance, and of networks that learned."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.records import find, load_records
from repro.rows import load_table, training_name

ROOT = Path(__file__).resolve().parent.parent
RECORDS = load_records(ROOT / "tables" / "results")
MAIN = ("minicity", "lite", "full")
TRAININGS = {training_name(row.network, training): (row.network, training)
             for number in range(1, 6) for row in load_table(ROOT / "experiments" / f"table{number}.yaml")
             for _, training in row.trainings}
SCTF = next(pair for name, pair in TRAININGS.items() if name.startswith("sctf"))


def test_there_are_43_trainings():
    assert len(TRAININGS) == 43


@pytest.mark.parametrize("name", sorted(TRAININGS))
def test_every_training_is_published_and_has_learned(name):
    """At least 10 points of mean IoU above the per-pixel majority map of the training set."""
    network, training = TRAININGS[name]
    found = find(RECORDS, network, training, MAIN)
    assert found and found[0].seed == 0
    for record in found:
        for inference, result in record.evaluations.items():
            assert result["images"] == 100
            assert result["mean_iou"] >= record.majority["mean_iou"] + 10, inference


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: f"{r.data}-{training_name(r.network, r.training)}-{r.seed}")
def test_every_record_says_where_it_comes_from(record):
    provenance = record.provenance
    assert len(provenance["commit"]) == 40 and not provenance["dirty"]
    assert provenance["command"].startswith("make table") and f"BUDGET={record.budget}" in provenance["command"]


@pytest.mark.parametrize("record", [r for r in RECORDS if r.network.fusion == "isctf"],
                         ids=lambda r: f"{r.data}-{training_name(r.network, r.training)}")
def test_isctf_gives_the_same_accuracy_fast_and_classic(record):
    classic, fast = record.evaluations["classic"], record.evaluations["fast"]
    for key in ("pixel_acc", "mean_acc", "mean_iou"):
        # exactly where batch norm was frozen; float error where it learned statistics, with variances near zero
        assert fast[key] == pytest.approx(classic[key], abs=0 if record.training.pretrained else 0.05)


def test_sctf_loses_more_in_fast_inference_than_its_spread_over_three_seeds():
    found = find(RECORDS, *SCTF, MAIN)
    assert [record.seed for record in found] == [0, 1, 2]
    classic, fast = ([record.evaluations[how]["mean_iou"] for record in found] for how in ("classic", "fast"))
    spread = max(max(values) - min(values) for values in (classic, fast))
    assert min(one - other for one, other in zip(classic, fast)) > 0
    assert sum(classic) / 3 - sum(fast) / 3 > spread


def test_table_3_s_quarter_row_is_measured_on_camvid():
    row = next(row for row in load_table(ROOT / "experiments" / "table3.yaml")
               if row.id == "isctf-sparse-p0.25-l0.001-r256")
    record, = find(RECORDS, row.network, row.training, ("camvid", "lite", "full"))
    result = record.evaluations["fast"]
    assert (result["images"], result["k"], result["regions"]) == (233, 12, 48)
    assert result["mean_iou"] > record.majority["mean_iou"] + 10
