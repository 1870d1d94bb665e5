"""Where things are, and what has a name: folders, the shipped weights, presets, tables."""

from __future__ import annotations

from pathlib import Path
from typing import Tuple

from repro.config.networks import HEIGHT, WIDTH
from repro.errors import UserError

HERE = Path(__file__).resolve().parents[1]  # experiments/
ROOT = HERE.parent
CACHE = ROOT / ".cache"                     # what this machine keeps
OWN = CACHE / "speed"                       # its measurements that are not published, with their pages
RESULTS = ROOT / "tables" / "results"       # published records; their pages are in the folder above
PRETRAINED = HERE / "pretrained" / "minicity-quarter.params"  # the backbone
SHIPPED = HERE / "pretrained" / "minicity-isctf.params"        # of drawn scenes
STREET = HERE / "pretrained" / "camvid-model-a.params"        # of real streets (NOTICE: for research)
PRESETS = tuple(sorted(path.stem for path in (HERE / "presets").glob("*.yaml") if path.stem != "pretrain"))
TABLES = {**{number: f"table{number}" for number in "12345"}, "ablations": "ablations",
          "neighbours": "neighbours"}       # --table: its YAML, and the target of make that trains it
SIZE = f"{HEIGHT}x{WIDTH}"                  # of the paper's images


def parse_size(text: str) -> Tuple[int, int]:
    """Return (H, W) of a text such as 1024x2048."""
    parts = text.split("x")
    if len(parts) != 2 or not all(part.isdigit() and int(part) for part in parts):
        raise UserError(f"--size: {text!r} is not a height and a width, such as {SIZE}")
    from repro.config.presets import readable  # here, as it brings OpenCV

    return readable((int(parts[0]), int(parts[1])), f"--size: {text!r}")
