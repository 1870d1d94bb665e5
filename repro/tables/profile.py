"""The page on where the time of one inference goes: by block, by kind of operator, and the slowest operators."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from repro.config import parsing
from repro.records import parse_provenance
from repro.tables.columns import giga
from repro.tables.markdown import Column, markdown_table
from repro.tables.speed import G, mebibytes, origin, positive, read_json, seconds
from repro.timing.clock import Timing

CONVOLUTIONS, NETWORK = 0.85, 0.75  # of the ceiling, float32: what is to be reached
SLOWEST = 10
FILLING, MAP, BETWEEN = "input", "labels", "between operators"
# NVIDIA, "GeForce GTX 980" whitepaper (2014): 2048 CUDA cores, two operations a cycle each, 1126 MHz without boost
CARD, CARD_PEAK = "GeForce GTX 980", 2 * 2048 * 1126e6


def not_negative(value, place: str) -> float:
    """Check a number that may be 0, as a time shorter than the profiler's microsecond is."""
    return value if value == 0 else positive(value, place)


OPERATOR = {
    "name": parsing.text, "kind": parsing.text, "block": parsing.text, "shape": parsing.text,
    "multiply_adds": parsing.integer, "moved": parsing.integer, "seconds": not_negative,
}
_PROFILE = {
    "precision": parsing.text, "labels": seconds, "scores": seconds, "ceiling": positive, "frames": parsing.integer,
    "filling": not_negative, "map": not_negative, "between": parsing.number,
    "memory": parsing.mapping({"built": parsing.integer, "running": parsing.integer}),
    "operators": parsing.sequence(parsing.mapping(OPERATOR)),
}
_MEASURED = {
    "row": parsing.text, "label": parsing.text, "size": parsing.text, "width": positive, "device": parsing.text,
    "multiply_adds": parsing.integer, "paper": parsing.integer,
    "ceiling": parsing.mapping({"rate": positive, "layer": parsing.text}), "bandwidth": positive,
    "blocks": parsing.sequence(parsing.text), "profiles": parsing.filled(parsing.mapping(_PROFILE)),
    "provenance": parse_provenance,
}


class Part(NamedTuple):
    """Seconds of a part of one inference, and its multiply-adds."""

    seconds: float
    multiply_adds: int

    def plus(self, operator: Mapping[str, Any]) -> Part:
        return Part(self.seconds + operator["seconds"], self.multiply_adds + operator["multiply_adds"])


def read_measured(path) -> Dict[str, Any]:
    """What `experiments.speed.profile` wrote to `path`, checked; a UserError names file and key."""
    return read_json(path, _MEASURED)


def sums(profile: Mapping[str, Any], key: str) -> Dict[str, Part]:
    """The operators added up by one of their keys."""
    found: Dict[str, Part] = {}
    for operator in profile["operators"]:
        found[operator[key]] = found.get(operator[key], Part(0, 0)).plus(operator)
    return found


def blocks(profile: Mapping[str, Any], order: Sequence[str]) -> Dict[str, Part]:
    """Every part of an inference once, in the order in which they are run; they add up to all of it."""
    found = sums(profile, "block")
    return {FILLING: Part(profile["filling"], 0), **{name: found.pop(name) for name in order if name in found}, **found,
            MAP: Part(profile["map"], 0), BETWEEN: Part(profile["between"], 0)}


def total(profile: Mapping[str, Any]) -> Part:
    """The whole inference as profiled: the sum of its parts."""
    return Part(profile["filling"] + profile["map"] + profile["between"]
                + sum(one["seconds"] for one in profile["operators"]),
                sum(one["multiply_adds"] for one in profile["operators"]))


def convolutions(profile: Mapping[str, Any]) -> Optional[float]:
    """Multiply-adds a second in the network's layers, as a share of the ceiling between the profiled images."""
    layers = [one for one in profile["operators"] if one["multiply_adds"]]
    spent = sum(one["seconds"] for one in layers)
    return sum(one["multiply_adds"] for one in layers) / spent / profile["ceiling"] if spent else None


def network(measured: Mapping[str, Any], profile: Mapping[str, Any], what: str = "labels") -> float:
    """Multiply-adds a second from the image to the labels, or "scores" alone, as a share of the ceiling."""
    return measured["multiply_adds"] / Timing(tuple(profile[what])).median / measured["ceiling"]["rate"]


def ms(value: float) -> str:
    """Seconds as milliseconds: 424.3, 5.75."""
    return f"{value * 1e3:.2f}" if value < 0.1 else f"{value * 1e3:.1f}"


def _giga(multiply_adds: int) -> str:
    if 0 < multiply_adds < 1e7:
        return "<0.01g"
    return f"{giga(multiply_adds)}g" if multiply_adds else "-"


def _rate(part: Part) -> Optional[float]:
    return part.multiply_adds / part.seconds if part.multiply_adds and part.seconds else None


def _work(parts: Sequence[Part], ceiling: float) -> List[Column]:
    rates = [_rate(part) for part in parts]
    return [
        ("Multiply-adds", [_giga(part.multiply_adds) for part in parts]),
        ("GFLOP/s", ["-" if rate is None else f"{2 * rate / G:.1f}" for rate in rates]),
        ("Of the ceiling", ["-" if rate is None else f"{rate / ceiling:.1%}" for rate in rates]),
    ]


def _times(parts: Sequence[Part], whole: Part) -> List[Column]:
    return [("ms", [ms(part.seconds) for part in parts]),
            ("Share", [f"{part.seconds / whole.seconds:.1%}" for part in parts])]


def by_block(found: Mapping[str, Part], whole: Part, ceiling: float) -> str:
    """A table of the parts of `whole`, by name."""
    parts = [*found.values(), whole]
    return markdown_table([("Block", [*found, "all"]), *_times(parts, whole), *_work(parts, ceiling)], 1)


def by_kind(profile: Mapping[str, Any], whole: Part) -> str:
    """A table of the kinds of operators, those first that take most."""
    found = dict(sorted(sums(profile, "kind").items(), key=lambda item: -item[1].seconds))
    counts = [sum(one["kind"] == kind for one in profile["operators"]) for kind in found]
    parts = list(found.values())
    return markdown_table([("Operator", list(found)), ("Count", [str(count) for count in counts]),
                           *_times(parts, whole), *_work(parts, profile["ceiling"])], 1)


def slowest(profile: Mapping[str, Any], whole: Part) -> str:
    """A table of the operators that take most."""
    found = sorted(profile["operators"], key=lambda one: -one["seconds"])[:SLOWEST]
    parts = [Part(one["seconds"], one["multiply_adds"]) for one in found]
    return markdown_table([("Operator", [one["name"] for one in found]), ("Kind", [one["kind"] for one in found]),
                           ("Block", [one["block"] for one in found]), ("Shape", [one["shape"] for one in found]),
                           *_times(parts, whole), *_work(parts, profile["ceiling"])], 4)


def _frames(measured: Mapping[str, Any]) -> str:
    profiles = measured["profiles"]
    labels, scores = ([Timing(tuple(one[what])) for one in profiles] for what in ("labels", "scores"))
    return markdown_table([
        ("Precision", [one["precision"] for one in profiles]),
        ("Frames/s", [f"{1 / timing.median:.2f}" for timing in labels]),
        ("p95", [f"{1 / timing.p95:.2f}" for timing in labels]),
        ("ms", [ms(timing.median) for timing in labels]), ("ms, p95", [ms(timing.p95) for timing in labels]),
        ("ms, scores alone", [ms(timing.median) for timing in scores]),
        ("GFLOP/s, scores", [f"{2 * measured['multiply_adds'] / timing.median / G:.1f}" for timing in scores]),
        ("Of the ceiling, scores", [f"{network(measured, one, 'scores'):.1%}" for one in profiles]),
        ("Labels", [f"{network(measured, one):.1%}" for one in profiles]),
        ("Memory, MiB", [mebibytes(one["memory"]["running"]) for one in profiles]),
        ("Being built", [mebibytes(one["memory"]["built"]) for one in profiles]),
    ], 1)


def verdicts(measured: Mapping[str, Any]) -> List[str]:
    """What float32 is to reach, what was measured, and whether that reaches it; empty where it was not measured."""
    lines = []
    for profile in measured["profiles"]:
        if profile["precision"] == "float32":
            for text, value, least in (("All convolutions", convolutions(profile), CONVOLUTIONS),
                                       ("The whole network, labels included", network(measured, profile), NETWORK)):
                if value is not None:
                    lines.append(f"{text}, float32: {value:.1%} of the ceiling; this project's target is {least:.0%}: "
                                 f"{'reached' if value >= least else 'not reached'}.")
    return lines


def _beside_the_paper(measured: Mapping[str, Any], paper_seconds: Optional[float]) -> str:
    if paper_seconds is None:
        return ""
    rate = 2 * measured["paper"] / paper_seconds
    ours = [f"{measured['paper'] / Timing(tuple(one['labels'])).median / measured['ceiling']['rate']:.1%} in "
            f"{one['precision']}" for one in measured["profiles"]]
    return (
        f"* **Beside the paper.** Its {paper_seconds * 1e3:.0f} ms for {giga(measured['paper'])}g (without projection "
        f"shortcuts) are {rate / G:.0f} GFLOP/s: {rate / CARD_PEAK:.1%} of the {CARD}'s {CARD_PEAK / 1e12:.2f} TFLOP/s "
        "(2048 cores, two operations a cycle, 1126 MHz, its base clock). By the same count, labels included, this is "
        f"{' and '.join(ours)} of this machine's float32 ceiling. A ceiling that is measured is below a peak that is "
        "computed.\n")


def _how(measured: Mapping[str, Any]) -> str:
    profiles = measured["profiles"]
    return (
        "## How\n\n"
        f"**Frames a second**: medians and 95th percentiles of {len(profiles[0]['labels'])} images, every precision, "
        "the score maps alone (of an image that is normalised already) and the ceiling in turn, after a warm-up, each "
        "waited for; no profiler runs then. **Operators**: MXNet's profiler in a process of its own, on the same "
        "hybridized graph (the engine's static CachedOp) in an MXNet that runs one operator after the other; medians "
        f"of {' and '.join(str(one['frames']) for one in profiles)} images, operator by operator. The ceiling is timed "
        "between these images too, and is what their shares are of: "
        f"{' and '.join(format(2 * one['ceiling'] / G, '.1f') for one in profiles)} GFLOP/s. A fused operator is a "
        "convolution with the sum and the ReLU behind it. *input*: the image normalised into the graph's input, and "
        "what else is made of it before the graph; *labels*: from the score maps, outside the graph; *between "
        "operators*: what passes between one's end and the next one's beginning.\n\n"
        f"{origin(measured['provenance'])}\n")


def page(measured: Mapping[str, Any], paper_seconds: Optional[float] = None) -> str:
    """The page; `measured` as `read_measured` gives it, `paper_seconds` the paper's own time for this row, if any."""
    ceiling, row = measured["ceiling"], measured["row"]
    text = (
        f"# Where the time goes: {measured['label']}\n\n"
        f"One image of {measured['size']} pixels at width {measured['width']:g} on the {measured['device']}, image in, "
        f"labels of every pixel out; random weights. Row {row} of `experiments/table6.yaml`, by "
        f"`{measured['provenance']['command']}`.\n\n"
        f"{_frames(measured)}\n"
        f"* **Multiply-adds**: {giga(measured['multiply_adds'])}g, counted in the graph as it is run, projection "
        "shortcuts included. A GFLOP/s is 2 operations a multiply-add, everywhere.\n"
        f"* **The ceiling**: {2 * ceiling['rate'] / G:.1f} GFLOP/s, the best float32 convolution of this graph's own "
        f"shapes ({ceiling['layer']}), timed in turn with the images; for int8 too. Copying memory: "
        f"{measured['bandwidth'] / G:.1f} GB/s, read and written.\n"
        + "".join(f"* {line}\n" for line in verdicts(measured))
        + _beside_the_paper(measured, paper_seconds)
        + "* **Memory**: the most that the process held while images were labelled, and before, while the engine was "
        "built (and, for int8, calibrated).\n\n"
        "![Time by block, and each convolution against the ceilings](profile.png)\n\n"
    )
    for profile in measured["profiles"]:
        found, whole = blocks(profile, measured["blocks"]), total(profile)
        text += (f"## {profile['precision']}\n\n{by_block(found, whole, profile['ceiling'])}\n"
                 f"{by_kind(profile, whole)}\nThe {SLOWEST} slowest operators:\n\n{slowest(profile, whole)}\n")
    return text + _how(measured)
