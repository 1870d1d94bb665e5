"""tables/results.csv and tables/speed.csv: everything published, a line each, for other programs to read."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

import numpy as np

from repro.config.rows import Row
from repro.device import cpu_words
from repro.evaluation.metrics import FIGURES
from repro.records import Record, find, record_path
from repro.tables import band
from repro.tables.intervals import bootstrap, sequences
from repro.timing.clock import Timing

Images = Callable[[Record], Mapping[str, Any]]      # confusion matrices by inference, and "images", their names
Costs = Callable[[Row], Tuple[int, int, int]]       # multiply-adds in the paper's convention, all; parameters
Line = Dict[str, Any]
RESULTS = ("table", "row", "training", "data", "preset", "budget", "seed", "inference", "own", "steps", "images",
           "mean_iou", "mean_iou_low", "mean_iou_high", "pixel_acc", "pixel_acc_low", "pixel_acc_high",
           "mean_acc", "mean_acc_low", "mean_acc_high", "band_low", "band_high", "multiply_adds", "multiply_adds_all",
           "parameters", "core_hours", "commit", "cpu", "threads", "sha256", "command", "record")
SPEED = ("record", "network", "engine", "precision", "size", "threads", "cpu", "runs", "ms", "p95_ms", "fps",
         "multiply_adds", "commit", "command")


def results(tables: Mapping[str, Sequence[Row]], records: Sequence[Record], costs: Costs, images: Images) -> List[Line]:
    """Return a line per table's row and training, data, preset, budget, seed and inference, by the keys of RESULTS.

    Costs and parameters are of the full-width network on 1024x2048, as in the tables; none of "active", which computes
    as many regions as an image asks for. `own`: the inference that the row's table has; `make check` wants another
    training of the row between band_low and band_high.
    """
    lines: List[Line] = []
    measured: Dict[Tuple[int, str], Line] = {}
    counted: Dict[Tuple, Tuple[int, int, int]] = {}
    trainings = [(table, row, *one) for table, rows in tables.items() for row in rows for one in row.trainings]
    for table, row, name, training in trainings:
        for record in sorted(find(records, row.network, training), key=lambda one: (one.group, one.seed)):
            for inference in record.evaluations:
                key, cell = (id(record), inference), (row.network, training.p, inference)
                if key not in measured:
                    measured[key] = _measured(record, records, inference, images(record))
                if cell not in counted and inference != "active":
                    counted[cell] = costs(replace(row, inference=inference, training=training, extra=()))
                lines.append({"table": table, "row": row.id, "training": name or "own",
                              "own": int(inference == row.inference), **measured[key],
                              **dict(zip(("multiply_adds", "multiply_adds_all", "parameters"), counted.get(cell, ())))})
    return lines


def _measured(record: Record, records: Sequence[Record], inference: str, beside: Mapping[str, Any]) -> Line:
    """Return what a line says of a record in an inference, whichever row it stands for."""
    found = record.evaluations[inference]
    line = {"data": record.data, "preset": record.preset, "budget": record.budget, "seed": record.seed,
            "inference": inference, "steps": record.steps, "images": found["images"],
            "core_hours": round(record.train["core_seconds"] / 3600, 4), "commit": record.provenance["commit"],
            **_machine(record.provenance), "sha256": record.sha256, "command": record.provenance["command"],
            "record": f"{'-'.join(record.group)}/{record_path('', record).name}"}
    ends = bootstrap([(1, beside[inference])], sequences(beside["images"]),
                     lambda matrices: np.stack([figure(matrices) for figure in FIGURES.values()], axis=1))
    for name, low, high in zip(FIGURES, *ends):
        line.update({name: found[name], f"{name}_low": round(low, 4), f"{name}_high": round(high, 4)})
    own = band.accuracy(find(records, record.network, record.training, record.group), records, inference)
    return line if own is None else {**line, "band_low": round(own.low, 4), "band_high": round(own.high, 4)}


def speed(table6: Mapping[str, Any], engines: Mapping[str, Mapping[str, Any]],
          profiles: Mapping[str, Mapping[str, Any]]) -> List[Line]:
    """Return a line per network, engine, precision and machine, image to labels, by the keys of SPEED.

    table6    as repro.tables.table6 reads it. engines: records of repro.tables.engines by name of the file.
    profiles  records of one network by name of the file, MXNet's or another engine's (repro.tables.profile_onnx).
    """
    lines = [_timed("table6", table6, one, "mxnet", one["seconds"]) for one in table6["rows"]]
    for name, record in engines.items():
        lines += [_timed(name, record, one, one["engine"], one["labels"]) for one in record["rows"]]
    for name, record in profiles.items():
        engine = name.partition("-")[2] or "mxnet"
        for one in record.get("profiles", record.get("cases", ())):
            lines.append(_timed(name, record, {**one, "row": record["row"], "multiply_adds": record["multiply_adds"]},
                                {"onnx": "onnxruntime"}.get(engine, engine), one["labels"], one.get("batch", 1)))
    return lines


def _timed(name: str, record: Mapping[str, Any], one: Mapping[str, Any], engine: str, seconds: Sequence[float],
           batch: int = 1) -> Line:
    """Return the line of some runs; of a batch, times are an image's."""
    found, origin, size = Timing(tuple(seconds)), record["provenance"], record["size"]
    return {"record": name, "network": one["row"], "engine": engine, "precision": one["precision"],
            "size": size if isinstance(size, str) else "x".join(map(str, size)),
            **_machine(origin), "runs": len(seconds), "ms": round(1e3 * found.median / batch, 3),
            "p95_ms": round(1e3 * found.p95 / batch, 3), "fps": round(batch / found.median, 3),
            "multiply_adds": one["multiply_adds"], "commit": origin["commit"], "command": origin["command"]}


def _machine(origin: Mapping[str, Any]) -> Line:
    """Return "cpu" and "threads" of a provenance, whose machine ends in ", N threads"."""
    threads = origin["machine"].rpartition(", ")[2]
    return {"cpu": cpu_words(origin).replace(f", {threads}", "", 1), "threads": threads.split(" ")[0]}


def text(lines: Sequence[Line], names: Sequence[str]) -> str:
    """Return lines as CSV with these columns; what a line does not have is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()
