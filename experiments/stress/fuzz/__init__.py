"""Bad input on purpose: for each reader and writer, files and values that are wrong in every way thought of, seeded.

READERS names them, and `cases` makes one's cases: of what people bring, and of what is written. A file that this
project alone writes has its version checked, which an ordinary test holds.
"""

from __future__ import annotations

from importlib import import_module
from typing import Dict, Iterator

from experiments.stress.fuzz.case import FAULT, LINE, RESULT, Case, outcome

__all__ = ["FAULT", "LINE", "READERS", "RESULT", "Case", "cases", "outcome"]

# by the names of the readers: the module, and its function (seed) -> cases
READERS: Dict[str, str] = {
    "images": "pictures", "labels": "pictures", "photos": "pictures", "orientations": "headers", "ranges": "headers",
    "videos": "videos", "streams": "clips", "rows": "texts", "neighbours": "texts", "presets": "texts",
    "classes": "texts", "datasets": "folders", "inputs": "folders", "parameters": "arrays", "types": "arrays",
    "backbones": "arrays", "exported": "networks", "writers": "writers", "commands": "commands",
}


def cases(reader: str, seed: int = 0) -> Iterator[Case]:
    """Return the cases of a reader, one of READERS; the same for the same seed."""
    return getattr(import_module(f"{__name__}.{READERS[reader]}"), reader)(seed)
