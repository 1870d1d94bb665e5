"""Bad input on purpose: for each reader and writer, files and values that are wrong in every way thought of, seeded.

`readers()` names them; each gives its cases, and `outcome` runs one. Shared by the tests and stress/robustness.py.
"""

from __future__ import annotations

from importlib import import_module
from typing import Callable, Dict, Iterator

from experiments.stress.fuzz.case import FAULT, LINE, RESULT, Case, outcome

__all__ = ["FAULT", "LINE", "READERS", "RESULT", "Case", "cases", "outcome"]

# by the names of the readers: the module, and its function (seed) -> cases
READERS: Dict[str, str] = {
    "images": "pictures", "labels": "pictures", "photos": "pictures", "videos": "videos",
    "orientations": "headers", "ranges": "headers", "streams": "clips",
    "rows": "texts", "presets": "texts", "classes": "texts", "records": "texts", "descriptions": "texts",
    "metadata": "texts", "logs": "texts", "measurements": "measurements",
    "neighbours": "texts", "datasets": "folders", "contents": "contents", "inputs": "folders", "searches": "folders",
    "parameters": "arrays", "types": "arrays", "backbones": "arrays", "checkpoints": "arrays", "exported": "networks",
    "refiners": "refiners",
    "writers": "disks", "commands": "commands",
}


def cases(reader: str, seed: int = 0) -> Iterator[Case]:
    """The cases of a reader, one of READERS; the same for the same seed."""
    made: Callable[[int], Iterator[Case]] = getattr(import_module(f"{__name__}.{READERS[reader]}"), reader)
    return made(seed)
