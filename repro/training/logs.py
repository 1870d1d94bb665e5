"""The log of a training run: one JSON object a line, one line a step; and its curves as a picture."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Dict, List, Optional

import numpy as np

from repro.config import parsing
from repro.errors import UserError
from repro.files import contents, write_text
from repro.plot import figure, save


def read(path) -> List[Dict]:
    """Return the lines of a log, or of one compressed by gzip; a last line cut off by a kill is left out.

    UserError for what is no log.
    """
    try:
        data = contents(path)
        lines = (gzip.decompress(data) if str(path).endswith(".gz") else data).split(b"\n")
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    values = []
    for number, line in enumerate(lines[:-1], 1):  # behind the last newline stands nothing, or half a line
        try:
            value = parsing.json_value(line.decode("utf-8"))
            parsing.natural(value["step"], "step")
            for name, figure in value.items():
                parsing.optional(parsing.number)(figure, name)
        except (ValueError, TypeError, KeyError):
            raise UserError(f"{path}: line {number} is not a step's: {line[:60]!r}") from None
        values.append(value)
    return values


class Log:
    """Appends steps to a log file; path None: nowhere.

    after  the step the run goes on from: what the file says of later ones, which are now done again, is dropped.
    """

    def __init__(self, path: Optional[Path], after: int = 0):
        self._file = None
        if path is None:
            return
        known = [line for line in read(path) if line["step"] <= after] if path.exists() else []
        write_text(path, "".join(json.dumps(line) + "\n" for line in known))
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - open as long as the run

    def add(self, values: Dict) -> None:
        """Append one step; it is in the file when this returns."""
        if self._file:
            self._file.write(json.dumps(values) + "\n")
            self._file.flush()

    def close(self) -> None:
        if self._file:
            self._file.close()


def plot(lines: List[Dict], path, title: str, p: Optional[float] = None, regions: Optional[int] = None) -> None:
    """Draw a log's loss, learning rate, gradient norm, q against `p`, active regions of `regions` and the share of
    saturated ones over steps, as a PNG."""
    steps = [line["step"] for line in lines]
    sparse = any(line["active"] is not None for line in lines)
    made = figure(10, 5 if sparse else 3)
    axes = made.subplots(2 if sparse else 1, 3).reshape(-1)
    made.suptitle(title, fontsize=9)

    def curve(axis, name, label, smooth=False, **settings):
        points = [(step, line[name]) for step, line in zip(steps, lines) if line.get(name) is not None]
        if smooth and len(points) > 40:
            axis.plot(*zip(*points), color="0.8", linewidth=0.6)
            width = len(points) // 20
            means = np.convolve([value for _, value in points], np.full(width, 1 / width), "valid")
            points = [(points[first + (width - 1) // 2][0], mean) for first, mean in enumerate(means)]
        if points:
            axis.plot(*zip(*points), label=label, **settings)

    curve(axes[0], "total", "with the columns' own", True, color="tab:orange")
    curve(axes[0], "loss", "fused scores", True, color="tab:blue")
    axes[0].set(title="loss", yscale="log")
    axes[0].legend(fontsize=8)
    curve(axes[1], "rate", "", color="tab:green")
    axes[1].set(title="learning rate")
    curve(axes[2], "gradient", "", True, color="tab:brown")
    axes[2].set(title="norm of the gradient")
    if sparse:
        curve(axes[3], "q", "q (Eq. 2)", color="tab:purple")
        axes[3].set(title="active probability")
        curve(axes[4], "active", "computed in training", True, color="tab:red")
        axes[4].set(title="active regions per image")
        for name, colour in (("saturated", "tab:olive"), ("none", "tab:gray"), ("all", "tab:cyan")):
            curve(axes[5], name, {"saturated": "regions of |s| > 3"}.get(name, f"images, {name} active"), True,
                  color=colour)
        axes[5].set(title="shares")
        if axes[5].lines:  # older logs have none of these
            axes[5].legend(fontsize=8)
        for axis, level, text in ((axes[3], p, "p"), (axes[4], regions and p and p * regions, "p times regions")):
            if level is not None:
                axis.axhline(level, color="black", linestyle="--", linewidth=0.8, label=f"{text} = {level:g}")
            axis.legend(fontsize=8)
    for axis in axes:
        axis.set_xlabel("step", fontsize=8)
        axis.tick_params(labelsize=8)
    save(made, path)
