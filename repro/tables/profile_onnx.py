"""The page on an exported network in onnxruntime or OpenVINO: what bounds it, and where the time goes."""

from __future__ import annotations

from typing import Dict, Optional, Sequence

from repro.tables.markdown import table_of
from repro.tables.profile import ABOUT, BETWEEN, Part, added, in_order, ms, tables
from repro.tables.speed import G, Measured, calc, mebibytes, origin, percent, reached, reader
from repro.timing.clock import median, p95

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
BEFORE, AFTER = "before the first operator", "after the last one"
# what `make profile ENGINE=onnx` (or openvino) writes; the version of its package is there by the package's name
read_measured = reader(*ABOUT, "provider", "cases", optional=NAMES)


def package_of(measured: Measured) -> str:
    """Return the name of the engine's package."""
    return next(name for name in NAMES if name in measured)


def rate(measured: Measured, case: Measured, what: str) -> float:
    """Return multiply-adds a second as a share of the ceiling."""
    return case["batch"] * measured["multiply_adds"] / median(case[what]) / case["ceiling"]


def memory(measured: Measured, case: Measured) -> float:
    """Return bytes that the operators before the labels read and wrote, a second of `scores`, as a share of a copy's.
    """
    moved = sum(one["moved"] for one in case["operators"] if one["block"] != "labels")
    return moved / median(case["scores"]) / measured["bandwidth"]


def _name(case: Measured) -> str:
    return f"{case['precision']}, batch {case['batch']}"


def bound(measured: Measured, case: Measured) -> str:
    """Return what bounds a case, by the larger share."""
    computing, moving = rate(measured, case, "scores"), memory(measured, case)
    if max(computing, moving) < 0.5:
        return (f"{_name(case)}: neither arithmetic ({computing:.0%} of the ceiling) nor memory ({moving:.0%}): small "
                "operators, one after the other")
    larger = "arithmetic" if computing >= moving else "memory"
    return f"{_name(case)}: {larger} ({computing:.0%} of the arithmetic's ceiling, {moving:.0%} of the memory's)"


def standing_between(measured: Measured, case: Measured) -> str:
    """Return what stands between the ceiling and the time of a case as profiled: layers, others, labels, the rest."""
    spent = {"layers": 0.0, "others": 0.0, "labels": 0.0}
    for one in case["operators"]:
        kind = "labels" if one["block"] == "labels" else "layers" if one["multiply_adds"] else "others"
        spent[kind] += one["seconds"]
    least = case["batch"] * measured["multiply_adds"] / case["ceiling"]
    return (f"{_name(case)}: {ms(least)} ms at the ceiling; layers below it {ms(max(0.0, spent['layers'] - least))}, "
            f"other operators {ms(spent['others'])}, labels {ms(spent['labels'])}, outside operators "
            f"{ms(max(0.0, case['before'] + case['after'] + case['between']))}")


def parts(case: Measured, order) -> Dict[str, Part]:
    """Return the parts of a run, `in_order`, but those that take no time."""
    made = in_order(case, order, {BEFORE: Part(case["before"])},
                    {AFTER: Part(case["after"]), BETWEEN: Part(case["between"])})
    return {name: part for name, part in made.items() if part.seconds}


def _frames(measured: Measured) -> str:
    def images(case, what: str, of=median) -> str:
        return f"{case['batch'] / of(case[what]):.2f}" if case[what] else "-"
    cases, counted = measured["cases"], measured["multiply_adds"]
    return table_of(
        cases, 1, ("Precision", lambda case: case["precision"]), ("Batch", lambda case: case["batch"]),
        ("Frames/s", lambda case: images(case, "labels")), ("p95", lambda case: images(case, "labels", p95)),
        ("ms an image", lambda case: ms(median(case["labels"]) / case["batch"])),
        ("ms, scores alone", lambda case: ms(median(case["scores"]) / case["batch"])),
        *([("Frames/s, photo to labels outside", lambda case: images(case, "photo"))]
          if any(case["photo"] for case in cases) else []),
        ("GFLOP/s, scores", lambda case: f"{2 * case['batch'] * counted / median(case['scores']) / G:.1f}"),
        ("Of the ceiling, scores", lambda case: percent(rate(measured, case, "scores"))),
        ("Labels", lambda case: percent(rate(measured, case, "labels"))),
        ("Memory's, scores", lambda case: percent(memory(measured, case))),
        ("Process, MiB", lambda case: mebibytes(case["memory"]["running"])))


def _aim(measured: Measured, paper_seconds: Optional[float]) -> str:
    found, best, what = max(((case["batch"] / median(case[what]), case, what) for case in measured["cases"]
                             for what in ("labels", "photo") if case[what]), key=lambda one: one[0])
    where = "in the graph" if what == "labels" and "onnxruntime" in measured else "outside"
    text = (f"* **Quickest**: {found:.1f} frames a second with labels of every pixel ({_name(best)}, labels made "
            f"{where})")
    if measured["device"] != "CPU":
        text += f"; {AIM} are aimed at on an H200-class card: {reached(found, AIM)}"
    if paper_seconds is not None:
        text += f". The paper has {1 / paper_seconds:.1f} on a GTX 980"
    return text + ".\n"


def _section(measured: Measured, paper_seconds: Optional[float]) -> str:
    cases, package = measured["cases"], package_of(measured)
    text = (
        f"## {measured['device']}\n\n"
        f"{measured['label']}, images of {measured['size']} pixels at width {measured['width']:g}, random weights; row "
        f"{measured['row']} of `experiments/table6.yaml`, exported and run by {NAMES[package]} {measured[package]} "
        f"({measured['provider']}), by `{measured['provenance']['command']}`.\n\n{_frames(measured)}\n"
        f"* **Multiply-adds**: {calc(measured['multiply_adds'])} an image, projection shortcuts included; a GFLOP/s "
        "is 2 operations a multiply-add.\n"
        f"* **The ceilings**, timed in turn with the images: {measured['ceiling']}: "
        + ", ".join(f"{2 * value / G:.1f} GFLOP/s for {name}" for name, value in
                    {case["precision"]: case["ceiling"] for case in cases}.items())
        + f"; a copy: {measured['bandwidth'] / G:.1f} GB/s, read and written.\n"
        + _aim(measured, paper_seconds)
        + "* **What bounds it**: " + "; ".join(bound(measured, case) for case in cases) + ".\n"
        + "* **What stands between**, ms as profiled: "
        + ".\n  ".join(standing_between(measured, case) for case in cases) + ".\n\n")
    for case in cases:
        found = parts(case, measured["blocks"])
        missing = case["batch"] * measured["multiply_adds"] - added(found.values()).multiply_adds
        text += f"### {_name(case)}\n\n{tables(case, found)}"
        if missing:
            text += f"{calc(missing)} multiply-adds are of operators whose layer their names do not tell.\n\n"
    if any(case["between"] < 0 for case in cases):
        text += ("Time between operators is below 0 where the operators' own times, as the engine's counters give "
                 "them, add up to more than the image took.\n\n")
    if measured["device"] != "CPU":
        text += ("On a card an operator's own time is what onnxruntime's profiler gives: where it does not wait for "
                 "the card, what its start takes, and the rest is in what follows.\n\n")
    return f"{text}{origin(measured['provenance'])}\n\n"


def page(records: Sequence[Measured], paper_seconds: Optional[float] = None) -> str:
    """Return the page of records of one package: on a CPU, and of onnxruntime on a card."""
    package, found = package_of(records[0]), [_section(one, paper_seconds) for one in records]
    if package == "onnxruntime" and all(one["device"] == "CPU" for one in records):
        found.append("## A GPU\n\nNot run: none was at hand. `make profile ENGINE=onnx GPU=0` measures float32, tf32 "
                     "and float16 there, one and eight images at once, beside a large matrix product and a copy "
                     "through the same onnxruntime, and adds them to this page.\n\n")
    what, how = WORDS[package]
    return (
        f"# Where the time goes in {NAMES[package]}\n\nAn exported network (`make export`) in {NAMES[package]}, {what}"
        "\n\n" + "".join(found) + f"## How\n\n{how} An operator without a name of the network's is counted to the "
        "block of the one before it. *Memory's*: bytes of inputs, parameters and outputs of all operators but the "
        "labels', by the time of the scores, beside the copy.\n")
