"""The page on SparseRefine: what refinement gives of a dense prediction."""

from __future__ import annotations

from functools import partial
from typing import Mapping, Optional, Sequence

from repro.data import classes as class_sets
from repro.tables.markdown import joined, table_of
from repro.tables.speed import Measured, calc, origin, reader

# a training that experiments.refine measured; classes: those of a data set that names its own, extra: the training of
# the row where it is not the row's own
read_refined = reader(
    "table", "row", "data", "preset", "budget", "size", "seed", "dense_steps", "batch", "steps", "images",
    "dense_network", "width", "scales", "recipe", "dense", "refined", "selected_pixel_acc", "density", "multiply_adds",
    "multiplied", "dense_multiply_adds", "parameters", "train", "provenance", optional=("classes", "extra"),
    classes=class_sets.parse_values)


def _around(values: Mapping[str, float], shown) -> str:
    return f"{shown(values['mean'])} ± {shown(values['spread'])}"


_work = partial(_around, shown=lambda value: calc(value) if value else "0g")


def _share(value: Optional[float]) -> str:
    return "-" if value is None else f"{value:.2f}"


def _accuracy(records: Sequence[Measured]) -> str:
    return table_of(
        records, 2, ("Data", lambda r: r["data"] + (f", seed {r['seed']}" if r["seed"] else "")),
        ("Dense network, at half resolution", lambda r: f"{r['row']}, trained on halved images"),
        ("Steps, dense + refiner", lambda r: f"{r['dense_steps']} + {r['steps']}"),
        ("Mean IoU, dense", lambda r: _share(r["dense"]["mean_iou"])),
        ("refined", lambda r: _share(r["refined"]["mean_iou"])),
        ("Pixels selected (%)", lambda r: _around(r["density"], lambda v: f"{100 * v:.1f}")),
        ("Of them right (%), dense", lambda r: _share(r["selected_pixel_acc"]["dense"])),
        ("refined", lambda r: _share(r["selected_pixel_acc"]["refined"])),
        ("Multiply-adds, dense", lambda r: calc(r["dense_multiply_adds"]["true"])),
        ("refiner", lambda r: _work(r["multiply_adds"])), ("refiner, as multiplied", lambda r: _work(r["multiplied"])),
        ("Parameters, dense + refiner", lambda r: " + ".join(
            f"{r['parameters'][name] / 1e6:.2f} M" for name in ("dense", "refiner"))))


_HEAD = """\
# SparseRefine over a network at half resolution

Liu et al., ECCV 2024 ([arXiv 2407.19014](https://arxiv.org/abs/2407.19014)): a dense network sees the image at half
resolution; pixels whose softmax entropy is above a threshold are computed again, from the image itself, by a sparse
U-Net, and a gate fuses both. Published: a speedup of 1.5 to 3.7 times when applied to HRNet-W48, SegFormer-B5,
Mask2Former-T/L and SegNeXt-L on Cityscapes, with negligible to no loss of accuracy (their abstract).

* **Multiply-adds** of the refiner are of pairs of an active input and an active output, an image: mean and standard
  deviation over the images measured. *As multiplied*: what this project's layers do, which multiply zeros where a
  neighbour is not active.
* **Trained** as the authors' public code does, but for the data and what is said below the table (theirs: a rate of
  3e-4, batches of 4, 500 epochs, planes at width 1)."""


def _source(record: Measured) -> str:
    """Return what a line of the table was measured on, and how."""
    recipe = record["recipe"]
    return (f"* **{record['data']}**: {record['images']} images measured, {record['size']}, preset {record['preset']}, "
            f"budget {record['budget']}, planes at width {record['width']:g}, threshold {recipe['threshold']:g}, rate "
            f"{recipe['rate']:g}, batch {record['batch']}. {origin(record['provenance'])}")


def page(records: Sequence[Measured]) -> str:
    """Return the page; `records` as read_refined gives them."""
    sources = "\n".join(map(_source, records))
    return joined([_HEAD, f"## Accuracy and cost\n\n{sources}\n\n{_accuracy(records)}"])
