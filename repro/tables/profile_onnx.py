"""The page on an exported network in onnxruntime or OpenVINO: what bounds it, and where the time goes."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Sequence

from repro.config import parsing
from repro.records import parse_provenance
from repro.tables.columns import giga
from repro.tables.markdown import markdown_table
from repro.tables.profile import OPERATOR, SLOWEST, Part, by_block, by_kind, ms, not_negative, slowest, sums
from repro.tables.speed import G, mebibytes, origin, positive, read_json, seconds
from repro.timing.clock import Timing

AIM = 300  # frames a second, on an H200-class card
NAMES = {"onnxruntime": "onnxruntime", "openvino": "OpenVINO"}
WORDS = {  # of a package: what is timed, and how
    "onnxruntime": (
        "input and outputs bound in the device's memory. "
        "*Frames/s*: labels of every pixel made inside the graph, by up-sampling the scores and taking the largest; "
        "*photo to labels outside*: a uint8 photo in the program's memory to labels there, as `OnnxEngine.labels` "
        "does.",
        "Times are medians of runs in turn: labels, scores alone, the photo, each precision and batch, and the "
        "ceilings, after a warm-up, each waited for; nothing is profiled then. Operators are from onnxruntime's own "
        "profile of the graph with labels, in a process of its own: medians, operator by operator, of what it runs "
        "after its rewriting of the graph."),
    "openvino": (
        "one image after the other. *Frames/s*: a uint8 photo in the program's memory to labels of every pixel there, "
        "as `OpenvinoEngine.labels` does: normalised in the graph, labels made of the scores outside. *Scores alone*: "
        "of an image that is normalised already.",
        "Times are medians of runs in turn: labels, scores alone, each precision, and the ceilings, chains of one of "
        "the network's own convolutions each in that engine and precision, after a warm-up, each waited for; nothing "
        "is counted then. Operators are from OpenVINO's own counters, in a process of its own, from a photo to its "
        "labels: medians, operator by operator, of what it runs after its rewriting of the graph."),
}
BEFORE, AFTER, BETWEEN = "before the first operator", "after the last one", "between operators"
_CASE = {
    "precision": parsing.text, "batch": parsing.positive(parsing.integer), "labels": seconds, "scores": seconds,
    "photo": parsing.sequence(positive), "ceiling": positive, "frames": parsing.integer, "before": not_negative,
    "after": not_negative, "between": parsing.number,
    "memory": parsing.mapping({"built": parsing.integer, "running": parsing.integer}),
    "operators": parsing.sequence(parsing.mapping(OPERATOR)),
}
_MEASURED = {
    "row": parsing.text, "label": parsing.text, "size": parsing.text, "width": positive, "device": parsing.text,
    "provider": parsing.text, "multiply_adds": parsing.integer, "paper": parsing.integer,
    "ceiling": parsing.text, "bandwidth": positive, "blocks": parsing.sequence(parsing.text),
    "cases": parsing.filled(parsing.mapping(_CASE)), "provenance": parse_provenance,
}
Measured = Mapping[str, Any]


def read_measured(path, package: str = "onnxruntime") -> Dict[str, Any]:
    """What `make profile ENGINE=onnx` (or openvino) wrote to `path`, checked; a UserError names file and key.

    package  the engine's, whose version the record has by its name.
    """
    return read_json(path, {**_MEASURED, package: parsing.text})


def median(case: Measured, what: str) -> float:
    """Seconds of one run of `labels`, `scores` or `photo`."""
    return Timing(tuple(case[what])).median


def rate(measured: Measured, case: Measured, what: str) -> float:
    """Multiply-adds a second as a share of the ceiling."""
    return case["batch"] * measured["multiply_adds"] / median(case, what) / case["ceiling"]


def memory(measured: Measured, case: Measured) -> float:
    """Bytes that the operators before the labels read and wrote, a second of `scores`, as a share of a copy's."""
    moved = sum(one["moved"] for one in case["operators"] if one["block"] != "labels")
    return moved / median(case, "scores") / measured["bandwidth"]


def bound(measured: Measured, case: Measured) -> str:
    """What bounds a case, by the larger share."""
    computing, moving = rate(measured, case, "scores"), memory(measured, case)
    name = f"{case['precision']}, batch {case['batch']}"
    if max(computing, moving) < 0.5:
        return (f"{name}: neither arithmetic ({computing:.0%} of the ceiling) nor memory ({moving:.0%}): small "
                "operators, one after the other")
    larger = "arithmetic" if computing >= moving else "memory"
    return f"{name}: {larger} ({computing:.0%} of the arithmetic's ceiling, {moving:.0%} of the memory's)"


def standing_between(measured: Measured, case: Measured) -> str:
    """What stands between the ceiling and the time of a case as profiled: by layers, others, the labels, the rest."""
    layers, others, labels = 0.0, 0.0, 0.0
    for one in case["operators"]:
        if one["block"] == "labels":
            labels += one["seconds"]
        elif one["multiply_adds"]:
            layers += one["seconds"]
        else:
            others += one["seconds"]
    least = case["batch"] * measured["multiply_adds"] / case["ceiling"]
    return (f"{case['precision']}, batch {case['batch']}: {ms(least)} ms at the ceiling; layers below it "
            f"{ms(max(0.0, layers - least))}, other operators {ms(others)}, labels {ms(labels)}, outside operators "
            f"{ms(max(0.0, case['before'] + case['after'] + case['between']))}")


def parts(case: Measured, order) -> Dict[str, Part]:
    """Every part of a run once, in the order in which they are run."""
    found = sums(case, "block")
    made = {BEFORE: Part(case["before"], 0), **{name: found.pop(name) for name in order if name in found}, **found,
            AFTER: Part(case["after"], 0), BETWEEN: Part(case["between"], 0)}
    return {name: part for name, part in made.items() if part.seconds}


def _frames(measured: Measured) -> str:
    cases = measured["cases"]

    def images(case, what: str) -> str:
        return f"{case['batch'] / median(case, what):.2f}" if case[what] else "-"
    return markdown_table([
        ("Precision", [case["precision"] for case in cases]), ("Batch", [str(case["batch"]) for case in cases]),
        ("Frames/s", [images(case, "labels") for case in cases]),
        ("p95", [f"{case['batch'] / Timing(tuple(case['labels'])).p95:.2f}" for case in cases]),
        ("ms an image", [ms(median(case, "labels") / case["batch"]) for case in cases]),
        ("ms, scores alone", [ms(median(case, "scores") / case["batch"]) for case in cases]),
        *([("Frames/s, photo to labels outside", [images(case, "photo") for case in cases])]
          if any(case["photo"] for case in cases) else []),
        ("GFLOP/s, scores", [f"{2 * case['batch'] * measured['multiply_adds'] / median(case, 'scores') / G:.1f}"
                             for case in cases]),
        ("Of the ceiling, scores", [f"{rate(measured, case, 'scores'):.1%}" for case in cases]),
        ("Labels", [f"{rate(measured, case, 'labels'):.1%}" for case in cases]),
        ("Memory's, scores", [f"{memory(measured, case):.1%}" for case in cases]),
        ("Process, MiB", [mebibytes(case["memory"]["running"]) for case in cases]),
    ], 1)


def _aim(measured: Measured, paper_seconds: Optional[float], package: str) -> str:
    best, what = max(((case, what) for case in measured["cases"] for what in ("labels", "photo") if case[what]),
                     key=lambda one: one[0]["batch"] / median(*one))
    found = best["batch"] / median(best, what)
    where = "in the graph" if what == "labels" and package == "onnxruntime" else "outside"
    text = (f"* **Quickest**: {found:.1f} frames a second with labels of every pixel ({best['precision']}, batch "
            f"{best['batch']}, labels made {where})")
    if measured["device"] != "CPU":
        text += f"; {AIM} are aimed at on an H200-class card: {'reached' if found >= AIM else 'not reached'}"
    if paper_seconds is not None:
        text += f". The paper has {1 / paper_seconds:.1f} on a GTX 980"
    return text + ".\n"


def _section(measured: Measured, paper_seconds: Optional[float], package: str) -> str:
    cases = measured["cases"]
    gpu = measured["device"] != "CPU"
    text = (
        f"## {measured['device']}\n\n"
        f"{measured['label']}, images of {measured['size']} pixels at width {measured['width']:g}, random weights; row "
        f"{measured['row']} of `experiments/table6.yaml`, exported and run by {NAMES[package]} {measured[package]} "
        f"({measured['provider']}), by `{measured['provenance']['command']}`.\n\n{_frames(measured)}\n"
        f"* **Multiply-adds**: {giga(measured['multiply_adds'])}g an image, projection shortcuts included; a GFLOP/s "
        "is 2 operations a multiply-add.\n"
        f"* **The ceilings**, timed in turn with the images: {measured['ceiling']}: "
        + ", ".join(f"{2 * value / G:.1f} GFLOP/s for {name}" for name, value in
                    {case["precision"]: case["ceiling"] for case in cases}.items())
        + f"; a copy: {measured['bandwidth'] / G:.1f} GB/s, read and written.\n"
        + _aim(measured, paper_seconds, package)
        + "* **What bounds it**: " + "; ".join(bound(measured, case) for case in cases) + ".\n"
        + "* **What stands between**, ms as profiled: "
        + ".\n  ".join(standing_between(measured, case) for case in cases) + ".\n\n")
    for case in cases:
        found = parts(case, measured["blocks"])
        whole = Part(sum(part.seconds for part in found.values()), sum(part.multiply_adds for part in found.values()))
        missing = case["batch"] * measured["multiply_adds"] - whole.multiply_adds
        text += (f"### {case['precision']}, batch {case['batch']}\n\n"
                 f"{by_block(found, whole, case['ceiling'])}\n{by_kind(case, whole)}\n"
                 f"The {SLOWEST} slowest operators:\n\n{slowest(case, whole)}\n")
        if missing:
            text += f"{giga(missing)}g multiply-adds are of operators whose layer their names do not tell.\n\n"
    if gpu:
        text += ("On a card an operator's own time is what onnxruntime's profiler gives: where it does not wait for "
                 "the card, what its start takes, and the rest is in what follows.\n\n")
    return f"{text}{origin(measured['provenance'])}\n\n"


def page(records: Sequence[Optional[Measured]], paper_seconds: Optional[float] = None,
         package: str = "onnxruntime") -> str:
    """The page of what `read_measured` gives, of a package: on a CPU, and of onnxruntime on a card; None: not run."""
    found = [_section(one, paper_seconds, package) for one in records if one]
    if package == "onnxruntime" and not records[-1]:
        found.append("## A GPU\n\nNot run: none was at hand. `make profile ENGINE=onnx GPU=0` measures float32, tf32 "
                     "and float16 there, one and eight images at once, beside a large matrix product and a copy "
                     "through the same onnxruntime, and adds them to this page.\n\n")
    what, how = WORDS[package]
    return (
        f"# Where the time goes in {NAMES[package]}\n\nAn exported network (`make export`) in {NAMES[package]}, {what}"
        "\n\n" + "".join(found) + f"## How\n\n{how} An operator without a name of the network's is counted to the "
        "block of the one before it. *Memory's*: bytes of inputs, parameters and outputs of all operators but the "
        "labels', by the time of the scores, beside the copy.\n")
