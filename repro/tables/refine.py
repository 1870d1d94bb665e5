"""The page on SparseRefine: what refinement gives of a dense prediction, and what the sparse part takes by density."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

from repro.data import classes as class_sets
from repro.plot import figure, save
from repro.tables.markdown import joined, table_of
from repro.tables.speed import Measured, calc, milliseconds, origin, reader
from repro.timing.clock import median

PICTURE = "sparserefine.png"
DENSITY = "refine-density.json"
DENSE = {"halved": "trained on halved images", "trained": "trained on whole images"}

# a training that experiments.refine measured; classes: those of a data set that names its own, extra: the training of
# the row where it is not the row's own
read_refined = reader(
    "table", "row", "data", "preset", "budget", "size", "seed", "dense_steps", "batch", "steps", "images",
    "dense_network", "width", "scales", "recipe", "dense", "refined", "selected_pixel_acc", "density", "multiply_adds",
    "multiplied", "dense_multiply_adds", "parameters", "train", "provenance", optional=("classes", "extra"),
    classes=class_sets.parse_values)
read_density = reader("size", "width", "classes", "select", "cases", "provenance")  # of experiments.speed.density


def record_files(folder) -> Sequence[Path]:
    """Return the records of trainings in a folder, sorted."""
    return sorted(path for path in Path(folder).glob("refine-*.json") if path.name != DENSITY)


def _around(values: Mapping[str, float], shown) -> str:
    return f"{shown(values['mean'])} ± {shown(values['spread'])}"


_work = partial(_around, shown=lambda value: calc(value) if value else "0g")


def _share(value: Optional[float]) -> str:
    return "-" if value is None else f"{value:.2f}"


def _accuracy(records: Sequence[Measured]) -> str:
    return table_of(
        records, 2, ("Data", lambda r: r["data"] + (f", seed {r['seed']}" if r["seed"] else "")),
        ("Dense network, at half resolution", lambda r: f"{r['row']}, {DENSE[r['dense_network']]}"),
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


def _curve(cases: Sequence[Measured]) -> str:
    first, last = cases[0], cases[-1]
    return table_of(
        cases, 0, ("Pixels selected (%)", lambda c: f"{100 * c['density']:g}"),
        ("Of the coarsest level (%)", lambda c: f"{100 * c['positions'][-1] / last['positions'][-1]:.0f}"),
        ("Multiply-adds", lambda c: calc(c["multiply_adds"])), ("as multiplied", lambda c: calc(c["multiplied"])),
        ("Time (ms)", lambda c: milliseconds(median(c["seconds"]))),
        ("of it places (ms)", lambda c: milliseconds(median(c["places"]))),
        ("/ first", lambda c: f"{median(c['seconds']) / median(first['seconds']):.2f}"),
        ("ms / 10^9 multiply-adds", lambda c: f"{median(c['seconds']) / c['multiply_adds'] * 1e12:.1f}"),
        ("Runs", lambda c: len(c["seconds"])))


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
_CURVE_HEAD = """\
## Time against density

The sparse part alone, from selection to scores, on an image of {size} with random weights at width {width:g}, all
densities in turns; medians. Selected are bands of pixels, as lie along borders. A strided layer keeps every position
that its kernels reach, so that coarser levels fill sooner: what the smallest selections cost. *Places*: looking up, in
NumPy, which pixel lies where. The selector itself takes {select} ms at any density."""


def _source(record: Measured) -> str:
    """Return what a line of the table was measured on, and how."""
    recipe = record["recipe"]
    return (f"* **{record['data']}**: {record['images']} images measured, {record['size']}, preset {record['preset']}, "
            f"budget {record['budget']}, planes at width {record['width']:g}, threshold {recipe['threshold']:g}, rate "
            f"{recipe['rate']:g}, batch {record['batch']}. {origin(record['provenance'])}")


def page(records: Sequence[Measured], curve: Optional[Measured]) -> str:
    """Return the page; `records` as read_refined gives them, `curve` as read_density (None: not measured)."""
    parts = [_HEAD]
    if records:
        sources = "\n".join(map(_source, records))
        parts.append(f"## Accuracy and cost\n\n{sources}\n\n{_accuracy(records)}")
    if curve:
        head = _CURVE_HEAD.format(**{**curve, "select": milliseconds(median(curve["select"]))})
        parts += [head, _curve(curve["cases"]), f"* {origin(curve['provenance'])}\n\n![Its curve]({PICTURE})"]
    return joined(parts)


def draw(curve: Mapping[str, Any], folder) -> None:
    """Draw the density-time curve; dashed: time if it were as multiply-adds, from the whole image's."""
    cases, last = curve["cases"], curve["cases"][-1]
    made = figure(5.5, 3.6)
    axes = made.subplots()
    x, whole = [100 * case["density"] for case in cases], median(last["seconds"])
    axes.plot(x, [median(case["seconds"]) * 1e3 for case in cases], marker="o", markersize=3, label="measured")
    axes.plot(x, [whole * case["multiply_adds"] / last["multiply_adds"] * 1e3 for case in cases],
              linestyle="--", color="0.6", linewidth=0.9, label="as the last one's multiply-adds")
    axes.plot(x, [median(case["places"]) * 1e3 for case in cases], marker="o", markersize=2, color="tab:red",
              label="of it places")
    axes.set(xlabel="% of the pixels selected", ylabel="ms", ylim=(0, None), xlim=(0, None),
             title=f"sparse part, {curve['size']}, width {curve['width']:g}")
    axes.legend(fontsize=8)
    save(made, folder / PICTURE)
