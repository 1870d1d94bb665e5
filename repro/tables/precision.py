"""The page on int8's accuracy: a trained network's mean IoU in float32 and in int8."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from repro import parsing
from repro.records import parse_provenance
from repro.tables.markdown import markdown_table
from repro.tables.speed import origin, read_json

MOST = 0.5  # points of mean IoU that int8 may lose
_CASE = {
    "row": parsing.text, "label": parsing.text, "data": parsing.text, "width": parsing.text, "size": parsing.text,
    "images": parsing.integer, "calibration": parsing.integer, "alike": parsing.number,
    "mean_iou": lambda value, place: parsing.fields(value, place, {"float32": parsing.number, "int8": parsing.number}),
}
_MEASURED = {
    "cases": parsing.sequence(lambda value, place: parsing.fields(value, place, _CASE)),
    "provenance": parse_provenance,
}


def read_measured(path) -> Dict[str, Any]:
    """What `experiments.precision` wrote to `path`, checked; a UserError names file and key."""
    return read_json(path, _MEASURED)


def lost(case: Mapping[str, Any]) -> float:
    """Points of mean IoU; below 0 where int8 is the better."""
    return round(case["mean_iou"]["float32"] - case["mean_iou"]["int8"], 2)


def page(measured: Mapping[str, Any]) -> str:
    """The page; `measured` as `read_measured` gives it."""
    cases = measured["cases"]
    worst = max(lost(case) for case in cases)
    table = markdown_table([
        ("Network", [case["label"] for case in cases]),
        ("Data", [f"{case['data']}, {case['images']} images of {case['size']}" for case in cases]),
        ("Width", [case["width"] for case in cases]),
        ("Mean IoU, float32", [f"{case['mean_iou']['float32']:.2f}" for case in cases]),
        ("Mean IoU, int8", [f"{case['mean_iou']['int8']:.2f}" for case in cases]),
        ("Lost", [f"{lost(case):.2f}" for case in cases]),
        ("Pixels labelled alike", [f"{case['alike']:.2f}%" for case in cases])], 3)
    return (
        "# int8\n\nTrained networks through the inference engine in both precisions, labels of every pixel against "
        f"the truth. int8 takes its ranges from {cases[0]['calibration']} training images.\n\n{table}\n\n"
        f"At most {MOST:g} points are to be lost: {worst:.2f} are, *{'reached' if worst <= MOST else 'not reached'}*. "
        f"How much quicker int8 is stands in [table6.md](table6.md).\n\n{origin(measured['provenance'])}\n")
