"""The page on where the time of one inference goes: by block, by kind, and the slowest operators; its picture."""

from __future__ import annotations

from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from repro.plot import figure, save
from repro.tables.markdown import table_of
from repro.tables.speed import FP32, G, Measured, calc, mebibytes, origin, percent, reached, reader
from repro.timing.clock import median, p95

CONVOLUTIONS, NETWORK = 0.85, 0.75  # of the ceiling, float32: what is to be reached
SLOWEST = 10
MARKERS = ("o", "^", "s")  # of precisions, in the picture
FILLING, MAP, BETWEEN = "input", "labels", "between operators"
# NVIDIA, "GeForce GTX 980" whitepaper (2014): 2048 CUDA cores, two operations a cycle each, 1126 MHz without boost
CARD, CARD_PEAK = "GeForce GTX 980", 2 * 2048 * 1126e6

PICTURE = "profile.png"
ABOUT = ("row", "label", "size", "device", "width", "multiply_adds", "paper", "bandwidth", "blocks", "provenance",
         "ceiling")
read_measured = reader(*ABOUT, "profiles")  # what experiments.speed.profile writes


class Part(NamedTuple):
    """Seconds of a part of one inference, and its multiply-adds."""

    seconds: float
    multiply_adds: int = 0


def added(parts) -> Part:
    """Return the sum of parts."""
    parts = list(parts)
    return Part(sum(part.seconds for part in parts), sum(part.multiply_adds for part in parts))


def sums(run: Measured, key: str) -> Dict[str, Part]:
    """Return the operators added up by one of their keys."""
    found: Dict[str, Part] = {}
    for one in run["operators"]:
        found[one[key]] = added((found.get(one[key], Part(0)), Part(one["seconds"], one["multiply_adds"])))
    return found


def in_order(run: Measured, order: Sequence[str], before: Mapping[str, Part],
             behind: Mapping[str, Part]) -> Dict[str, Part]:
    """Return every part of an inference once, in the order in which they are run."""
    found = sums(run, "block")
    return {**before, **{name: found.pop(name) for name in order if name in found}, **found, **behind}


def blocks(profile: Measured, order: Sequence[str]) -> Dict[str, Part]:
    """Return the parts of an inference in MXNet, `in_order`; they add up to all of it."""
    return in_order(profile, order, {FILLING: Part(profile["filling"])},
                    {MAP: Part(profile["map"]), BETWEEN: Part(profile["between"])})


def convolutions(profile: Measured) -> Optional[float]:
    """Return multiply-adds a second in the network's layers, as a share of the ceiling between the profiled images."""
    layers = added(Part(one["seconds"], one["multiply_adds"]) for one in profile["operators"] if one["multiply_adds"])
    return layers.multiply_adds / layers.seconds / profile["ceiling"] if layers.seconds else None


def network(measured: Measured, profile: Measured, what: str = "labels") -> float:
    """Return multiply-adds a second from the image to the labels, or "scores" alone, as a share of the ceiling."""
    return measured["multiply_adds"] / median(profile[what]) / measured["ceiling"]["rate"]


def ms(value: float) -> str:
    """Return seconds as milliseconds: 424.3, 5.75."""
    return f"{value * 1e3:.2f}" if value < 0.1 else f"{value * 1e3:.1f}"


def _table(parts: Sequence[Tuple[Tuple[str, ...], Part]], names: Sequence[str], whole: Part, ceiling: float) -> str:
    """Return a table of parts, each with its names."""
    def work(part: Part) -> str:
        return "-" if not part.multiply_adds else \
            "<0.01g" if part.multiply_adds < 1e7 else calc(part.multiply_adds)

    def rate(part: Part, shown) -> str:
        return shown(part.multiply_adds / part.seconds) if part.multiply_adds and part.seconds else "-"
    left = sum(name != "Count" for name in names)
    return table_of(
        parts, left, *((name, lambda one, at=at: one[0][at]) for at, name in enumerate(names)),
        ("ms", lambda one: ms(one[1].seconds)), ("Share", lambda one: percent(one[1].seconds / whole.seconds)),
        ("Multiply-adds", lambda one: work(one[1])),
        ("GFLOP/s", lambda one: rate(one[1], lambda value: f"{2 * value / G:.1f}")),
        ("Of the ceiling", lambda one: rate(one[1], lambda value: percent(value / ceiling))))


def tables(run: Measured, parts: Mapping[str, Part]) -> str:
    """Return the tables of a run: its parts, by kind of operator, and the operators that take most."""
    whole, operators = added(parts.values()), run["operators"]
    kinds = sorted(sums(run, "kind").items(), key=lambda item: -item[1].seconds)
    slowest = sorted(operators, key=lambda one: -one["seconds"])[:SLOWEST]
    found = (
        _table([((name,), part) for name, part in {**parts, "all": whole}.items()], ("Block",), whole, run["ceiling"]),
        _table([((kind, sum(one["kind"] == kind for one in operators)), part) for kind, part in kinds],
               ("Operator", "Count"), whole, run["ceiling"]),
        f"The {SLOWEST} slowest operators:\n",
        _table([(tuple(one[key] for key in ("name", "kind", "block", "shape")),
                 Part(one["seconds"], one["multiply_adds"])) for one in slowest],
               ("Operator", "Kind", "Block", "Shape"), whole, run["ceiling"]))
    return "\n".join(found) + "\n"


def _frames(measured: Measured) -> str:
    return table_of(
        measured["profiles"], 1, ("Precision", lambda one: one["precision"]),
        ("Frames/s", lambda one: f"{1 / median(one['labels']):.2f}"),
        ("p95", lambda one: f"{1 / p95(one['labels']):.2f}"),
        ("ms", lambda one: ms(median(one["labels"]))), ("ms, p95", lambda one: ms(p95(one["labels"]))),
        ("ms, scores alone", lambda one: ms(median(one["scores"]))),
        ("GFLOP/s, scores", lambda one: f"{2 * measured['multiply_adds'] / median(one['scores']) / G:.1f}"),
        ("Of the ceiling, scores", lambda one: percent(network(measured, one, "scores"))),
        ("Labels", lambda one: percent(network(measured, one))),
        ("Memory, MiB", lambda one: mebibytes(one["memory"]["running"])),
        ("Being built", lambda one: mebibytes(one["memory"]["built"])))


def verdicts(measured: Measured) -> List[str]:
    """Return what float32 is to reach, what was measured, and whether that reaches it; empty where not measured."""
    return [f"{text}, float32: {percent(value)} of the ceiling; this project's target is {least:.0%}: "
            f"{reached(value, least)}."
            for one in measured["profiles"] if one["precision"] == FP32
            for text, value, least in (("All convolutions", convolutions(one), CONVOLUTIONS),
                                       ("The whole network, labels included", network(measured, one), NETWORK))
            if value is not None]


def _beside_the_paper(measured: Measured, paper_seconds: Optional[float]) -> str:
    if paper_seconds is None:
        return ""
    rate = 2 * measured["paper"] / paper_seconds
    ours = [f"{percent(measured['paper'] / median(one['labels']) / measured['ceiling']['rate'])} in "
            f"{one['precision']}" for one in measured["profiles"]]
    return (
        f"* **Beside the paper.** Its {paper_seconds * 1e3:.0f} ms for {calc(measured['paper'])} (without projection "
        f"shortcuts) are {rate / G:.0f} GFLOP/s: {percent(rate / CARD_PEAK)} of the {CARD}'s {CARD_PEAK / 1e12:.2f} "
        "TFLOP/s (2048 cores, two operations a cycle, 1126 MHz, its base clock). By the same count, labels included, "
        f"this is {' and '.join(ours)} of this machine's float32 ceiling. A ceiling that is measured is below a peak "
        "that is computed.\n")


def _how(measured: Measured) -> str:
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


def page(measured: Measured, paper_seconds: Optional[float] = None) -> str:
    """Return the page of a record; `paper_seconds`: the paper's own time for this row, if any."""
    ceiling = measured["ceiling"]
    return (
        f"# Where the time goes: {measured['label']}\n\n"
        f"One image of {measured['size']} pixels at width {measured['width']:g} on the {measured['device']}, image in, "
        f"labels of every pixel out; random weights. Row {measured['row']} of `experiments/table6.yaml`, by "
        f"`{measured['provenance']['command']}`.\n\n"
        f"{_frames(measured)}\n"
        f"* **Multiply-adds**: {calc(measured['multiply_adds'])}, counted in the graph as it is run, projection "
        "shortcuts included. A GFLOP/s is 2 operations a multiply-add, everywhere.\n"
        f"* **The ceiling**: {2 * ceiling['rate'] / G:.1f} GFLOP/s, the best float32 convolution of this graph's own "
        f"shapes ({ceiling['layer']}), timed in turn with the images; for int8 too. Copying memory: "
        f"{measured['bandwidth'] / G:.1f} GB/s, read and written.\n"
        + "".join(f"* {line}\n" for line in verdicts(measured))
        + _beside_the_paper(measured, paper_seconds)
        + "* **Memory**: the most that the process held while images were labelled, and before, while the engine was "
        "built (and, for int8, calibrated).\n\n"
        f"![Time by block, and each convolution against the ceilings]({PICTURE})\n\n"
        + "".join(f"## {one['precision']}\n\n{tables(one, blocks(one, measured['blocks']))}"
                  for one in measured["profiles"])
        + _how(measured))


def draw(measured: Measured, folder) -> None:
    """Draw stacked bars of the blocks' times, and the convolutions under the machine's roof."""
    made = figure(13, 5.5)
    bars, roof = made.subplots(1, 2, width_ratios=(1, 1.4))
    made.suptitle(f"{measured['label']}, {measured['size']}, {measured['device']}", fontsize=10)
    _bars(bars, measured)
    _roof(roof, measured)
    save(made, folder / PICTURE)


def _bars(axis, measured: Measured) -> None:
    from matplotlib import colormaps

    profiles = measured["profiles"]
    tables = [blocks(profile, measured["blocks"]) for profile in profiles]
    names = list(dict.fromkeys(name for table in tables for name in table))
    bottoms = [0.0] * len(tables)
    for name, colour in zip(names, colormaps["tab20"].colors):
        heights = [max(0.0, table[name].seconds) * 1e3 if name in table else 0.0 for table in tables]
        axis.bar(range(len(tables)), heights, 0.6, bottoms, label=name, color=colour)
        bottoms = [bottom + height for bottom, height in zip(bottoms, heights)]
    axis.set_xticks(range(len(tables)), [profile["precision"] for profile in profiles])
    axis.set(title="time by block, as profiled", ylabel="ms", xlim=(-0.6, len(tables) + 0.6))
    handles, labels = axis.get_legend_handles_labels()
    axis.legend(handles[::-1], labels[::-1], fontsize=8, loc="upper right")


def _roof(axis, measured: Measured) -> None:
    rate, bandwidth = measured["ceiling"]["rate"], measured["bandwidth"]
    intensities = []
    for profile, marker in zip(measured["profiles"], MARKERS):
        layers = [one for one in profile["operators"] if one["multiply_adds"] and one["seconds"]]
        points = [(one["multiply_adds"] / one["moved"], 2 * one["multiply_adds"] / one["seconds"] / G)
                  for one in layers]
        intensities += [x for x, _ in points]
        if points:
            axis.scatter(*zip(*points), [2000 * one["seconds"] / sum(o["seconds"] for o in layers) for one in layers],
                         marker=marker, alpha=0.6, label=f"{profile['precision']} convolutions (area: time)")
    low, high = min(intensities, default=1) / 2, 2 * max(intensities, default=1)
    knee = min(max(rate / bandwidth, low), high)
    axis.plot([low, knee, high], [2 * min(rate, x * bandwidth) / G for x in (low, knee, high)], color="black",
              label=f"ceilings: {bandwidth / G:.0f} GB/s copied, {2 * rate / G:.0f} GFLOP/s (float32)")
    axis.set(title="each convolution", xscale="log", yscale="log", xlabel="multiply-adds per byte", ylabel="GFLOP/s")
    axis.legend(fontsize=8, loc="lower right")
    axis.grid(True, which="both", linewidth=0.3)
