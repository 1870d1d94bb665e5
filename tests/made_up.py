"""Made-up records and costs for the tests of records and tables."""

from __future__ import annotations

from repro.records import Record

PROVENANCE = {
    "commit": "0123456789abcdef",
    "dirty": False,
    "versions": {"python": "3.11.7", "mxnet": "1.9.1", "numpy": "1.23.5", "opencv": "4.11.0.86"},
    "machine": "Some CPU, 2 threads",
    "date": "2026-01-02",
    "command": "make table3 BUDGET=full",
}


def made_up(row, mean_iou: float = 50.0, training=None, inferences=None, **changes) -> Record:
    """A record of `row` (of its `training` if given), every evaluation with the same mean IoU."""
    regions = row.network.regions
    figures = {
        "pixel_acc": 90.0, "mean_acc": 60.0, "mean_iou": mean_iou, "k": row.k(regions) if regions else None,
        "regions": regions, "class_iou": {"road": 91.5, "train": None}, "images": 100,
        "active_mean": 9.3 if regions else None, "z2_mean": 0.41 if regions else None}
    values = dict(
        network=row.network, training=training or row.training, data="minicity", preset="lite", budget="full", seed=0,
        steps=200, scale="256x512", width="1/4",
        evaluations={name: dict(figures) for name in inferences or (("classic", "fast") if regions else ("whole",))},
        majority={"pixel_acc": 60.0, "mean_acc": 20.0, "mean_iou": 12.34},
        train={"loss_first": 3.0, "loss_last": 0.5, "seconds": 100.0, "core_seconds": 200.0}, provenance=PROVENANCE)
    return Record(**{**values, **changes})
