"""The page on accuracy by precision: a trained network's mean IoU in this engine, and exported in onnxruntime."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence

from repro.config import parsing
from repro.records import parse_provenance
from repro.tables.markdown import markdown_table
from repro.tables.speed import origin, read_json, seconds
from repro.timing.clock import Timing

MOST = 0.5  # points of mean IoU that int8 may lose
# of exported files by engine, beside float32: the points that they may lose
REDUCED = {"onnxruntime": {"float16": MOST, "int8": MOST}, "openvino": {"bfloat16": 0.2, "int8": MOST}}


NOTES = {
    "onnxruntime": "float16 keeps s in float32, that it choose the same regions; onnxruntime has few operators of its "
                   "own for it on a CPU, and computes the rest in float32.",
    "openvino": "bfloat16 is of the float32 file; in int8's, what is not in int8 computes in bfloat16."}


def _by(names, check: parsing.Check) -> parsing.Check:
    return parsing.mapping(dict.fromkeys(names, check))


_ABOUT = {"row": parsing.text, "label": parsing.text, "data": parsing.text, "width": parsing.text,
          "size": parsing.text, "images": parsing.integer, "calibration": parsing.integer}
_CASE = {**_ABOUT, "alike": parsing.number, "mean_iou": _by(("float32", "int8"), parsing.number)}
_MEASURED = {
    "cases": parsing.filled(parsing.mapping(_CASE)),
    "provenance": parse_provenance,
}


def _exported(engine: str) -> Dict[str, parsing.Check]:
    names = ("float32", *REDUCED[engine])
    case = {**_ABOUT, "alike": _by(names[1:], parsing.number), "mean_iou": _by(names, parsing.number),
            "seconds": _by(names, seconds)}
    return {"cases": parsing.filled(parsing.mapping(case)), engine: parsing.text, "provenance": parse_provenance}


def read_measured(path) -> Dict[str, Any]:
    """Return what `experiments.speed.precision` wrote to `path`, checked; a UserError names file and key.

    "preset"  is that of the rows; there is none of lite.
    """
    return read_json(path, {**_MEASURED, "preset": parsing.text}, optional=("preset",))


def read_exported(path, engine: str = "onnxruntime") -> Dict[str, Any]:
    """Return what `experiments.speed.precision --engine` wrote to `path`, as `read_measured`."""
    return read_json(path, {**_exported(engine), "preset": parsing.text}, optional=("preset",))


def lost(case: Mapping[str, Any], precision: str = "int8") -> float:
    """Points of mean IoU; below 0 where the precision is better than float32."""
    return round(case["mean_iou"]["float32"] - case["mean_iou"][precision], 2)


def quicker(case: Mapping[str, Any], precision: str) -> float:
    """How many times as fast as float32 an exported file of this precision is."""
    return Timing(tuple(case["seconds"]["float32"])).median / Timing(tuple(case["seconds"][precision])).median


def _about(cases) -> list:
    return [("Network", [case["label"] for case in cases]),
            ("Data", [f"{case['data']}, {case['images']} images of {case['size']}" for case in cases]),
            ("Preset", [case["preset"] for case in cases]),
            ("Width", [case["width"] for case in cases])]


def _cases(records: Sequence[Mapping[str, Any]]) -> List[Dict[str, Any]]:
    return [{"preset": record.get("preset", "lite"), **case} for record in records for case in record["cases"]]


def _origins(records: Sequence[Mapping[str, Any]]) -> str:
    return "\n\n".join(origin(record["provenance"]) for record in records)


def _verdict(cases, precision: str, allowed: float) -> str:
    worst, least = max(lost(case, precision) for case in cases), min(quicker(case, precision) for case in cases)
    most = max(quicker(case, precision) for case in cases)
    none, all_ = most <= 1 or worst > allowed, least > 1 and worst <= allowed
    pays = "pays" if all_ else "does not pay" if none else "pays in part"
    return (f"* **{precision}** loses at most {worst:.2f} points ({allowed:g} are allowed) and is {least:.2f} to "
            f"{most:.2f} times as fast as float32: it *{pays}* on this CPU.\n")


def exported_section(engine: str, records: Sequence[Mapping[str, Any]]) -> str:
    """Return the part on exported files in one engine; `records` as `read_exported` gives them."""
    cases, versions = _cases(records), sorted({record[engine] for record in records})
    reduced, names = REDUCED[engine], ("float32", *REDUCED[engine])
    table = markdown_table([
        *_about(cases),
        *((f"Mean IoU, {name}", [f"{case['mean_iou'][name]:.2f}" for case in cases]) for name in names),
        *((f"Alike, {name}", [f"{case['alike'][name]:.2f}%" for case in cases]) for name in reduced),
        *((f"ms, {name}", [f"{Timing(tuple(case['seconds'][name])).median * 1e3:.2f}" for case in cases])
          for name in names)], 4)
    return (
        f"## Exported, in {engine} {', '.join(versions)}\n\n"
        "The same networks as ONNX files (`make export PRECISION=`), labels of every pixel against the truth, and the "
        f"median time from a photo to labels, all three in turn. {NOTES[engine]}\n\n"
        f"{table}\n\n{''.join(_verdict(cases, name, most) for name, most in reduced.items())}\n"
        f"{_origins(records)}\n")


def _own_section(records: Sequence[Mapping[str, Any]]) -> str:
    cases = _cases(records)
    worst = max(lost(case) for case in cases)
    table = markdown_table([
        *_about(cases),
        ("Mean IoU, float32", [f"{case['mean_iou']['float32']:.2f}" for case in cases]),
        ("Mean IoU, int8", [f"{case['mean_iou']['int8']:.2f}" for case in cases]),
        ("Lost", [f"{lost(case):.2f}" for case in cases]),
        ("Pixels labelled alike", [f"{case['alike']:.2f}%" for case in cases])], 4)
    return (
        "Trained networks through the inference engine in both precisions, labels of every pixel against "
        f"the truth. int8 takes its ranges from {cases[0]['calibration']} training images.\n\n{table}\n\n"
        f"At most {MOST:g} points are to be lost: {worst:.2f} are, *{'reached' if worst <= MOST else 'not reached'}*. "
        f"How much quicker int8 is stands in [table6.md](table6.md).\n\n{_origins(records)}\n")


def page(measured: Sequence[Mapping[str, Any]], exported: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return the page of all data sets and presets: records as `read_measured` and as `read_exported` give them."""
    by_engine = {engine: [record for record in exported if engine in record] for engine in REDUCED}
    return "\n".join([
        "# int8\n", *([_own_section(measured)] if measured else []),
        *(exported_section(engine, records) for engine, records in by_engine.items() if records)])
