"""The page on SparseRefine: what refinement gives of a dense prediction, and what the sparse part takes by density."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from repro.config import parsing
from repro.data import classes as class_sets
from repro.errors import choice
from repro.records import parse_provenance
from repro.tables.columns import giga
from repro.tables.markdown import markdown_table
from repro.tables.speed import figure, median, milliseconds, origin, positive, read_json, save, seconds
from repro.timing.clock import Timing

PICTURE = "sparserefine.png"
DENSITY = "refine-density.json"
DENSE = {"halved": "trained on halved images", "trained": "trained on whole images"}


def _fields(**checks):
    return parsing.mapping(checks)


def _class_iou(value, place: str) -> Dict[str, Optional[float]]:
    names = value if isinstance(value, dict) else {}
    return parsing.fields(value, place, dict.fromkeys(names, parsing.optional(parsing.number)))


_ACCURACIES = _fields(pixel_acc=parsing.number, mean_acc=parsing.number, mean_iou=parsing.number, class_iou=_class_iou)
_SPREAD = _fields(mean=parsing.number, spread=parsing.number, least=parsing.number, most=parsing.number)
_RECORD = {
    "table": parsing.text, "row": parsing.text, "data": parsing.text,
    "dense_network": lambda value, place: choice(value, tuple(DENSE), place),
    "extra": parsing.text, "preset": parsing.text, "budget": parsing.text, "seed": parsing.natural,
    "dense_steps": parsing.natural, "width": positive, "batch": parsing.natural, "scales": parsing.filled(positive),
    "steps": parsing.natural, "images": parsing.natural, "size": parsing.text,
    "recipe": _fields(rate=positive, decay=parsing.number, beta1=parsing.number, beta2=parsing.number,
                      epsilon=positive, threshold=parsing.number, factor=parsing.natural),
    "dense": _ACCURACIES, "refined": _ACCURACIES,
    "selected_pixel_acc": _fields(dense=parsing.optional(parsing.number), refined=parsing.optional(parsing.number)),
    "density": _SPREAD, "multiply_adds": _SPREAD, "multiplied": _SPREAD,
    "dense_multiply_adds": _fields(paper=parsing.natural, true=parsing.natural),
    "parameters": _fields(dense=parsing.natural, refiner=parsing.natural),
    "train": _fields(loss_first=parsing.number, loss_last=parsing.number, density=parsing.number,
                     empty=parsing.natural, seconds=parsing.number),
    "classes": class_sets.parse_values, "provenance": parse_provenance,
}
_COUNT = parsing.positive(parsing.integer)
_CASE = _fields(density=positive, pixels=parsing.natural, positions=parsing.filled(_COUNT),
                multiply_adds=_COUNT, multiplied=parsing.natural, seconds=seconds, places=seconds)
_CURVE = {"size": parsing.text, "width": positive, "classes": parsing.natural, "select": seconds,
          "cases": parsing.filled(_CASE), "provenance": parse_provenance}


def read_refined(path) -> Dict[str, Any]:
    """A training that `experiments.refine` measured, checked; a UserError names file and key.

    "classes"  are those of a data set that names its own; there are none of others.
    "extra"    is the training of the row where it is not the row's own.
    """
    return read_json(path, _RECORD, optional=("classes", "extra"))


def read_density(path) -> Dict[str, Any]:
    """The curve that `experiments.refine --density` measured, checked."""
    return read_json(path, _CURVE)


def record_files(folder) -> Sequence[Path]:
    """The records of trainings in a folder, sorted."""
    return sorted(path for path in Path(folder).glob("refine-*.json") if path.name != DENSITY)


def _around(values: Mapping[str, float], shown) -> str:
    return f"{shown(values['mean'])} ± {shown(values['spread'])}"


def _percent(value: Optional[float]) -> str:
    return "-" if value is None else f"{value:.2f}"


def _accuracy(records: Sequence[Mapping[str, Any]]) -> str:
    def column(header: str, cell):
        return header, [cell(record) for record in records]
    return markdown_table([
        column("Data", lambda r: r["data"] + (f", seed {r['seed']}" if r["seed"] else "")),
        column("Dense network, at half resolution", lambda r: f"{r['row']}, {DENSE[r['dense_network']]}"),
        column("Steps, dense + refiner", lambda r: f"{r['dense_steps']} + {r['steps']}"),
        column("Mean IoU, dense", lambda r: _percent(r["dense"]["mean_iou"])),
        column("refined", lambda r: _percent(r["refined"]["mean_iou"])),
        column("Pixels selected (%)", lambda r: _around(r["density"], lambda v: f"{100 * v:.1f}")),
        column("Of them right (%), dense", lambda r: _percent(r["selected_pixel_acc"]["dense"])),
        column("refined", lambda r: _percent(r["selected_pixel_acc"]["refined"])),
        column("Multiply-adds, dense", lambda r: f"{giga(r['dense_multiply_adds']['true'])}g"),
        column("refiner", lambda r: _around(r["multiply_adds"], lambda v: f"{giga(v)}g" if v else "0g")),
        column("refiner, as multiplied", lambda r: _around(r["multiplied"], lambda v: f"{giga(v)}g" if v else "0g")),
        column("Parameters, dense + refiner", lambda r: " + ".join(
            f"{r['parameters'][name] / 1e6:.2f} M" for name in ("dense", "refiner"))),
    ], 2)


def _curve(record: Mapping[str, Any]) -> str:
    cases = record["cases"]

    def column(header: str, cell):
        return header, [cell(case) for case in cases]
    first = cases[0]
    return markdown_table([
        column("Pixels selected (%)", lambda c: f"{100 * c['density']:g}"),
        column("Of the coarsest level (%)", lambda c: f"{100 * c['positions'][-1] / cases[-1]['positions'][-1]:.0f}"),
        column("Multiply-adds", lambda c: f"{giga(c['multiply_adds'])}g"),
        column("as multiplied", lambda c: f"{giga(c['multiplied'])}g"),
        column("Time (ms)", lambda c: milliseconds(median(c))),
        column("of it places (ms)", lambda c: milliseconds(Timing(tuple(c["places"])).median)),
        column("/ first", lambda c: f"{median(c) / median(first):.2f}"),
        column("ms / 10^9 multiply-adds", lambda c: f"{median(c) / c['multiply_adds'] * 1e12:.1f}"),
        column("Runs", lambda c: str(len(c["seconds"]))),
    ], 0)


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


def _source(record: Mapping[str, Any]) -> str:
    """What a line of the table was measured on, and how."""
    recipe = record["recipe"]
    return (f"* **{record['data']}**: {record['images']} images measured, {record['size']}, preset {record['preset']}, "
            f"budget {record['budget']}, planes at width {record['width']:g}, threshold {recipe['threshold']:g}, rate "
            f"{recipe['rate']:g}, batch {record['batch']}. {origin(record['provenance'])}")


def page(records: Sequence[Mapping[str, Any]], curve: Optional[Mapping[str, Any]]) -> str:
    """The page; `records` as read_refined gives them, `curve` as read_density (None: not measured)."""
    parts: List[str] = [_HEAD]
    if records:
        sources = "\n".join(map(_source, records))
        parts.append(f"## Accuracy and cost\n\n{sources}\n\n{_accuracy(records)}")
    if curve:
        chosen = milliseconds(Timing(tuple(curve["select"])).median)
        head = _CURVE_HEAD.format(size=curve["size"], width=curve["width"], select=chosen)
        parts.append(f"{head}\n\n{_curve(curve)}\n* {origin(curve['provenance'])}\n\n![Its curve]({PICTURE})")
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def draw(curve: Mapping[str, Any], path) -> None:
    """The density-time curve; dashed: time if it were as multiply-adds, from the whole image's."""
    cases = curve["cases"]
    made = figure(5.5, 3.6)
    axes = made.subplots()
    x = [100 * case["density"] for case in cases]
    last = cases[-1]
    axes.plot(x, [median(case) * 1e3 for case in cases], marker="o", markersize=3, label="measured")
    axes.plot(x, [median(last) * case["multiply_adds"] / last["multiply_adds"] * 1e3 for case in cases],
              linestyle="--", color="0.6", linewidth=0.9, label="as the last one's multiply-adds")
    axes.plot(x, [Timing(tuple(case["places"])).median * 1e3 for case in cases], marker="o", markersize=2,
              color="tab:red", label="of it places")
    axes.set(xlabel="% of the pixels selected", ylabel="ms", ylim=(0, None), xlim=(0, None),
             title=f"sparse part, {curve['size']}, width {curve['width']:g}")
    axes.legend(fontsize=8)
    save(made, path)
