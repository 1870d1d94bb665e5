"""The published records: complete, with their provenance, and of networks that learned."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.config.rows import load_rows, training_name
from repro.records import find, load_records

ROOT = Path(__file__).resolve().parent.parent
RECORDS = load_records(ROOT / "tables" / "results")
MAIN = ("minicity", "lite", "full")
TRAININGS = {training_name(row.network, training): (row.network, training)
             for number in range(1, 6) for row in load_rows(ROOT / "experiments" / f"table{number}.yaml")
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
    assert provenance["command"].startswith(("make table", "make ablations", "make neighbours"))
    # the budget of one row is full by default
    assert record.budget == "full" and ("BUDGET=full" in provenance["command"] or "ROW=" in provenance["command"])


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


CAMVID = ("camvid", "lite", "full")
SEEDED = ("sctf-sparse-p0.5-l0.001-r256", "isctf-sparse-p0.25-l0.001-r256", "isctf-sparse-p0.5-l0.001-r256",
          "isctf-wta-p0.25-r256", "isctf-wta-p0.5-r256", "isctf-sparse-p0.5-l0.001-r128")


@pytest.mark.parametrize("name", sorted(name for name, (_, training) in TRAININGS.items() if not training.coarse))
def test_every_training_is_measured_on_camvid(name):
    """233 images at label resolution, 8 points above the majority map; CamVid has no coarse set.

    Images of 360x480 are padded to whole regions, of 64 px in a 6x8 grid, or to whole positions of the coarsest column.
    """
    network, training = TRAININGS[name]
    for record in find(RECORDS, network, training, CAMVID):
        assert record.scale == "384x512" if network.sparse else record.scale in ("384x512", "384x480")
        for inference, result in record.evaluations.items():
            assert result["images"] == 233
            assert result["mean_iou"] >= record.majority["mean_iou"] + 8, inference
            if network.sparse:
                assert result["regions"] == {256: 48, 128: 192}[network.region]
                assert inference == "active" or result["k"] == training.k(result["regions"])
    assert find(RECORDS, network, training, CAMVID)


@pytest.mark.parametrize("group", (MAIN, CAMVID), ids="-".join)
@pytest.mark.parametrize("row", SEEDED)
def test_what_decides_a_claim_is_measured_with_three_seeds(row, group):
    chosen = next(one for one in load_rows(ROOT / "experiments" / "table3.yaml") if one.id == row)
    found = find(RECORDS, chosen.network, chosen.training, group)
    assert [record.seed for record in found] == [0, 1, 2]
    if chosen.training.selection == "sparse" and chosen.network.fusion == "isctf" and chosen.network.region == 256:
        assert all(sum(record.evaluations["active"]["active_counts"].values()) ==
                   record.evaluations["active"]["images"] for record in found)


@pytest.mark.parametrize("group", (MAIN, CAMVID), ids="-".join)
def test_eq_3_is_measured_beside_eq_4(group):
    rows = [row for row in load_rows(ROOT / "experiments" / "ablations.yaml") if row.training.equation == 3]
    assert len(rows) == 2 and all(find(RECORDS, row.network, row.training, group) for row in rows)


@pytest.mark.parametrize("group, seeds", [(MAIN, [0, 1, 2]), (CAMVID, [0])], ids=("minicity", "camvid"))
@pytest.mark.parametrize("row", ("model-a-head", "model-a-entropy", "model-a-entropy-gate"))
def test_what_entropy_and_the_gate_give_model_a_is_measured(row, group, seeds):
    chosen, = (one for one in load_rows(ROOT / "experiments" / "ablations.yaml") if one.id == row)
    assert [record.seed for record in find(RECORDS, chosen.network, chosen.training, group)] == seeds


def test_model_a_was_trained_for_long_at_half_width_on_camvid():
    row, = (row for row in load_rows(ROOT / "experiments" / "ablations.yaml") if row.id == "model-a-scratch")
    record, = find(RECORDS, row.network, row.training, ("camvid", "long", "full"))
    assert record.width == "0.5" and record.evaluations["fast"]["images"] == 233
    assert record.evaluations["fast"]["mean_iou"] > record.majority["mean_iou"] + 20
