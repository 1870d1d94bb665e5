"""The page on accuracy by precision: a trained network's mean IoU in this engine, and exported in others."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence

from repro.tables.markdown import table_of
from repro.tables.speed import FP32, INT8, Measured, origin, reached, reader
from repro.timing.clock import median

MOST = 0.5  # points of mean IoU that int8 may lose
# of exported files by engine, beside float32: the points that they may lose
REDUCED = {"onnxruntime": {"float16": MOST, INT8: MOST}, "openvino": {"bfloat16": 0.2, INT8: MOST}}
NOTES = {
    "onnxruntime": "float16 keeps s in float32, that it choose the same regions; onnxruntime has few operators of its "
                   "own for it on a CPU, and computes the rest in float32.",
    "openvino": "bfloat16 is of the float32 file; in int8's, what is not in int8 computes in bfloat16."}
# what experiments.speed.precision writes. "preset" is that of the rows: there is none of lite; of exported files the
# version of the engine's package is there by its name
read_measured = reader("cases", "provenance", optional=("preset", *REDUCED))


def lost(case: Mapping[str, Any], precision: str = INT8) -> float:
    """Return points of mean IoU; below 0 where the precision is better than float32."""
    return round(case["mean_iou"][FP32] - case["mean_iou"][precision], 2)


def quicker(case: Mapping[str, Any], precision: str) -> float:
    """Return how many times as fast as float32 an exported file of this precision is."""
    return median(case["seconds"][FP32]) / median(case["seconds"][precision])


def _cases(records: Sequence[Measured]) -> List[Dict[str, Any]]:
    return [{"preset": record.get("preset", "lite"), **case} for record in records for case in record["cases"]]


def _origins(records: Sequence[Measured]) -> str:
    return "\n\n".join(origin(record["provenance"]) for record in records)


def _table(cases: Sequence[Measured], *columns) -> str:
    return table_of(cases, 4, ("Network", lambda case: case["label"]),
                    ("Data", lambda case: f"{case['data']}, {case['images']} images of {case['size']}"),
                    ("Preset", lambda case: case["preset"]), ("Width", lambda case: case["width"]), *columns)


def _of(what: str, names: Sequence[str], cell):
    """Return a column for each precision."""
    return [(f"{what}, {name}", lambda case, name=name: cell(case, name)) for name in names]


def _iou(case: Measured, name: str) -> str:
    return f"{case['mean_iou'][name]:.2f}"


def _verdict(cases: Sequence[Measured], precision: str, allowed: float) -> str:
    worst, gains = max(lost(case, precision) for case in cases), [quicker(case, precision) for case in cases]
    none, all_ = max(gains) <= 1 or worst > allowed, min(gains) > 1 and worst <= allowed
    pays = "pays" if all_ else "does not pay" if none else "pays in part"
    return (f"* **{precision}** loses at most {worst:.2f} points ({allowed:g} are allowed) and is {min(gains):.2f} to "
            f"{max(gains):.2f} times as fast as float32: it *{pays}* on this CPU.\n")


def exported_section(engine: str, records: Sequence[Measured]) -> str:
    """Return the part on exported files in one engine."""
    cases, versions = _cases(records), sorted({record[engine] for record in records})
    reduced, names = REDUCED[engine], (FP32, *REDUCED[engine])
    table = _table(cases, *_of("Mean IoU", names, _iou),
                   *_of("Alike", tuple(reduced), lambda case, name: f"{case['alike'][name]:.2f}%"),
                   *_of("ms", names, lambda case, name: f"{median(case['seconds'][name]) * 1e3:.2f}"))
    return (
        f"## Exported, in {engine} {', '.join(versions)}\n\n"
        "The same networks as ONNX files (`make export PRECISION=`), labels of every pixel against the truth, and the "
        f"median time from a photo to labels, all three in turn. {NOTES[engine]}\n\n"
        f"{table}\n\n{''.join(_verdict(cases, name, most) for name, most in reduced.items())}\n"
        f"{_origins(records)}\n")


def _own_section(records: Sequence[Measured]) -> str:
    cases = _cases(records)
    worst = max(lost(case) for case in cases)
    table = _table(cases, *_of("Mean IoU", (FP32, INT8), _iou), ("Lost", lambda case: f"{lost(case):.2f}"),
                   ("Pixels labelled alike", lambda case: f"{case['alike']:.2f}%"))
    return (
        "Trained networks through the inference engine in both precisions, labels of every pixel against "
        f"the truth. int8 takes its ranges from {cases[0]['calibration']} training images.\n\n{table}\n\n"
        f"At most {MOST:g} points are to be lost: {worst:.2f} are, *{reached(MOST, worst)}*. "
        f"How much quicker int8 is stands in [table6.md](table6.md).\n\n{_origins(records)}\n")


def page(records: Sequence[Measured]) -> str:
    """Return the page of all data sets, presets and engines."""
    own = [record for record in records if not REDUCED.keys() & record.keys()]
    exported = {engine: [record for record in records if engine in record] for engine in REDUCED}
    return "\n".join([
        "# int8\n", *([_own_section(own)] if own else []),
        *(exported_section(engine, found) for engine, found in exported.items() if found)])
