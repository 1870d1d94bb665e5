"""The picture beside the profile: stacked bars of the blocks' times, and the convolutions under the machine's roof."""

from __future__ import annotations

from typing import Any, Mapping

from repro.plot import figure, save
from repro.tables.profile import blocks
from repro.tables.speed import G

MARKERS = ("o", "^", "s")


def draw(measured: Mapping[str, Any], path) -> None:
    """Draw a record of `experiments.speed.profile` as a PNG."""
    made = figure(13, 5.5)
    bars, roof = made.subplots(1, 2, width_ratios=(1, 1.4))
    made.suptitle(f"{measured['label']}, {measured['size']}, {measured['device']}", fontsize=10)
    _bars(bars, measured)
    _roof(roof, measured)
    save(made, path)


def _bars(axis, measured: Mapping[str, Any]) -> None:
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


def _roof(axis, measured: Mapping[str, Any]) -> None:
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
