"""The page on reading: how many samples a second are read, beside the training that uses them."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Sequence

from repro import parsing
from repro.machine import cpu_words, same_cpu
from repro.records import Record, find, parse_provenance
from repro.rows import Row
from repro.tables.markdown import markdown_table
from repro.tables.speed import origin, read_json

MODES = ("thread", "1 process", "2 processes")
CACHES = ("all", "none")  # which decoded images are kept in memory

_RATES = {mode: parsing.number for mode in MODES}
_CASE = {
    "data": parsing.text, "preset": parsing.text, "samples": parsing.integer, "size": parsing.text,
    "crop": parsing.text, "batch": parsing.integer,
    "rates": parsing.mapping(dict.fromkeys(CACHES, parsing.mapping(_RATES))),
}
_MEASURED = {
    "seconds": parsing.number,
    "cases": parsing.sequence(parsing.mapping(_CASE)),
    "provenance": parse_provenance,
}


def read_measured(path) -> Dict[str, Any]:
    """What `experiments.reading` wrote to `path`, checked; a UserError names file and key."""
    return read_json(path, _MEASURED)


def training_of(case: Mapping[str, Any], row: Row, records: Sequence[Record]) -> Optional[Record]:
    """The published full training of `row` on a case's data and preset, of the lowest seed; None if there is none."""
    found = find(records, row.network, row.training, (case["data"], case["preset"], "full"))
    return found[0] if found else None


def comparable(record: Optional[Record], measured: Mapping[str, Any]) -> Optional[Record]:
    """A training, if its time is of the kind of CPU that was measured."""
    return record if record and same_cpu(record.provenance, measured["provenance"]) else None


def samples_per_second(record: Record) -> float:
    """Of a training, on average."""
    return record.steps * record.recipe["batch"] / record.train["seconds"]


def page(measured: Mapping[str, Any], row: Row, records: Sequence[Record]) -> str:
    """The page; `measured` as `read_measured` gives it, `row` the one whose trainings among `records` are compared."""
    lines = [(case, comparable(training_of(case, row, records), measured), cache)
             for case in measured["cases"] for cache in CACHES]
    speeds = [samples_per_second(record) if record else None for _, record, _ in lines]
    slowest = [min(case["rates"][cache].values()) for case, _, cache in lines]
    columns = [
        ("Data", [case["data"] for case, _, _ in lines]),
        ("Preset", [case["preset"] for case, _, _ in lines]),
        ("Images", [case["size"] for case, _, _ in lines]),
        ("Crop", [case["crop"] for case, _, _ in lines]),
        ("Kept decoded", [cache for _, _, cache in lines]),
        ("Batch", [str(case["batch"]) for case, _, _ in lines]),
        *((mode, [f"{case['rates'][cache][mode]:.1f}" for case, _, cache in lines]) for mode in MODES),
        ("Training", ["not measured" if speed is None else f"{speed:.1f}" for speed in speeds]),
        ("Slowest / training", ["-" if speed is None else f"{rate / speed:.1f}x"
                                for rate, speed in zip(slowest, speeds)]),
    ]
    trainings = sorted({f"{record.data}: {record.steps} steps of {record.recipe['batch']} in "
                        f"{record.train['seconds']:.0f} s ({cpu_words(record.provenance)})"
                        for _, record, _ in lines if record})
    return (
        "# Reading beside training\n\n"
        "Samples a second: images and labels read, decoded, scaled, cropped, mirrored and normalised into batches, by "
        "one thread of the training process or by processes of their own (`Batches.iterate`), with nothing else "
        "running; and the training that would use them. Reading is the bottleneck where the last column is below 1.\n\n"
        f"* **read**: {measured['seconds']:g} s each, after an epoch of the case's images "
        f"({', '.join(str(case['samples']) for case in measured['cases'])}), so that the files are in the system's "
        "memory. **Kept decoded**: all images, as a set that fits the loader's 1 GiB has it, or none. "
        f"{origin(measured['provenance'])}\n"
        f"* **Training**: Table 3's {row.id} as its published record has it, of the same kind of CPU alone. "
        f"{'; '.join(trainings) or 'None is published of it'}.\n\n"
        f"{markdown_table(columns, 5)}"
    )
