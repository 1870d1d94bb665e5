"""What was measured, in tables/results: each record is read, and its page rendered from it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Tuple

from experiments.lib.command import HERE
from experiments.render import published
from experiments.stress.fuzz.case import Case
from experiments.stress.fuzz.damage import Damaged, at, files, places, put
from experiments.stress.fuzz.texts import JSONS, RECORDS, documents, plain
from repro.config.neighbours import load_rows
from repro.config.peers import load_peers
from repro.records import load_records
from repro.tables import engines, growth, neighbours, precision, profile, profile_onnx, refine, robustness, soak, table6

RESULTS = RECORDS.parent
LONG = 4  # of a list of hundreds, such as operators, so many are kept
Reader = Tuple[Callable[[Path], Any], Callable[[Any], str]]  # the record; its page


def _readers() -> Dict[str, Reader]:
    """By the name of a record: what reads it, and what renders it."""
    peers, rows = load_peers(HERE / "table6.yaml"), load_rows(HERE / "neighbours.yaml")
    records = load_records(RESULTS)
    cost = {one.id: (10 ** 9, 2 * 10 ** 9) for one in rows}
    return {
        "table6": (table6.read_table6, lambda record: table6.page(record, peers, published("table6"))),
        "engines": (engines.read_engines, lambda record: engines.page([record])),
        "profile": (profile.read_measured, lambda record: profile.page(record, 0.1)),
        "profile-onnx": (profile_onnx.read_measured, lambda record: profile_onnx.page([record, None], 0.1)),
        "growth": (growth.read_growth, growth.page),
        "precision": (precision.read_measured, precision.page),
        "precision-onnx": (precision.read_exported, lambda record: precision.page(
            json.loads((RESULTS / "precision.json").read_text(encoding="utf-8")), [record])),
        "neighbours-minicity": (neighbours.read_speed, lambda record: neighbours.page(
            rows, published("neighbours"), cost, records, {record["data"]: record}, {})),
        "robustness": (lambda path: robustness.read_counted(path, ("images", "labels")), robustness.page),
        "soak": (soak.read_soak, soak.page),
        "refine-minicity": (refine.read_refined, lambda record: refine.page([record], None)),
        "refine-density": (refine.read_density, lambda record: refine.page([], record)),
    }


def _shortened(value, key: str = "") -> Any:
    """A record with few operators, and few readers, so that places of all kinds are changed."""
    if isinstance(value, dict):
        return {name: _shortened(one, name) for name, one in value.items()
                if key != "readers" or name in ("images", "labels")}
    if isinstance(value, list):
        return [_shortened(one) for one in (value[:LONG] if key == "operators" else value)]
    return value


def _made_up(provenance) -> Dict[str, Any]:
    """Records of which none may be published."""
    iou = {"pixel_acc": 90.0, "mean_acc": 60.0, "mean_iou": 40.5, "class_iou": {"road": 91.5, "train": None}}
    spread = {"mean": 0.3, "spread": 0.1, "least": 0.1, "most": 0.5}
    run = {key: list(range(1, 13)) for key in ("done", "memory", "descriptors", "threads", "files", "bytes")}
    return {
        "engines": {
            "size": [1024, 2048], "width": 1.0, "threads": 2, "versions": {"mxnet": "1.9.1"}, "provenance": provenance,
            "rows": [{"row": engines.PIPELINED, "label": "Model A", "engine": engines.OWN, "precision": engines.FP32,
                      "multiply_adds": 10 ** 9, "paper": 10 ** 9, "alike": 100.0, "labels": [0.1], "scores": [0.09],
                      "pipeline": [0.08]}]},
        "soak": {
            "minutes": 1.0, "windows": 12, "of": {
                "prediction": {"scenes": 4, "sizes": 2, "engines": 1},
                "training": {"row": "some", "table": "3", "preset": "lite", "data": "minicity", "checkpoint": 5}},
            "runs": {name: {"seconds": [5.0 * n for n in range(1, 13)], **run} for name in soak.RUNS},
            "provenance": provenance},
        "refine-minicity": {
            "table": "1", "row": "stride32", "dense_network": "halved", "data": "minicity", "preset": "lite",
            "budget": "full", "seed": 1, "dense_steps": 640, "width": 0.25, "batch": 2, "scales": [0.5, 2],
            "steps": 1280, "images": 100,
            "size": "256x512", "recipe": {"rate": 0.01, "decay": 0.05, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8,
                                          "threshold": 0.3, "factor": 2},
            "dense": iou, "refined": iou, "selected_pixel_acc": {"dense": 61.25, "refined": None}, "density": spread,
            "multiply_adds": spread, "multiplied": spread, "dense_multiply_adds": {"paper": 10 ** 9, "true": 10 ** 9},
            "parameters": {"dense": 10 ** 6, "refiner": 10 ** 6},
            "train": {"loss_first": 5.0, "loss_last": 2.0, "density": 0.3, "empty": 0, "seconds": 900.0},
            "provenance": provenance},
        "refine-density": {
            "size": "512x1024", "width": 1.0, "classes": 19, "select": [0.02, 0.03], "cases": [
                {"density": share, "pixels": 524288, "positions": [1024, 512], "multiply_adds": 10 ** 9,
                 "multiplied": 10 ** 9, "seconds": [share], "places": [0.01]} for share in (0.25, 1.0)],
            "provenance": provenance},
    }


def _emptied(value) -> Iterator[Damaged]:
    """Every list empty, and the numbers of its first entry 0: what a page divides by, or takes the largest of."""
    for place in places(value):
        if any(isinstance(key, int) and key for key in place):
            continue
        one = at(value, place)
        if isinstance(one, (list, int, float)) and not isinstance(one, bool):
            yield "nothing in it", ".".join(map(str, place)), plain(put(value, place, [] if isinstance(
                one, list) else 0)).encode()


def measurements(seed: int) -> Iterator[Case]:
    """The readers of repro.tables on repro.tables.speed.read_json, and their pages."""
    origin = json.loads((RESULTS / "growth.json").read_text(encoding="utf-8"))["provenance"]
    made_up = _made_up(origin)
    for name, (read, page) in _readers().items():
        value = made_up[name] if name in made_up else _shortened(
            json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")))

        def both(path, read=read, page=page):
            record = read(path)
            return record, page(record)

        def same(found, value) -> bool:
            return json.loads(plain(found[0])) == value and found[1].startswith("# ")

        def kind(found) -> bool:
            return isinstance(found[1], str)
        yield from files(f"{name}.json", _emptied(value), both, lambda found, _, kind=kind: kind(found))
        yield from documents(f"{name}.json", plain(value).encode(), json.loads, plain, JSONS, both, same,
                             random.Random(f"{seed} {name}"), 150, kind)
