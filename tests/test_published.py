"""The published records: each with all beside it, its provenance, and of a network that learned."""

from __future__ import annotations

import pytest

from experiments.lib.paths import RESULTS
from repro.config.rows import training_name
from repro.records import read_record, record_files

RECORDS = {str(path.relative_to(RESULTS)): read_record(path) for path in record_files(RESULTS)}
GROUPS = {("minicity", "lite"): (100, 8), ("camvid", "street"): (233, 15)}  # measured images; points above chance


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


def test_files_are_named_after_the_training():
    for name, record in RECORDS.items():
        seed = f"-seed{record.seed}" if record.seed else ""
        assert name == f"{'-'.join(record.group)}/{training_name(record.network, record.training)}{seed}.json"
