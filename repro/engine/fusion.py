"""oneDNN's fusion on CPUs: convolution, sum and ReLU as one operator, by MXNet's backend symbol."""

from __future__ import annotations

from typing import Dict, Tuple

import cv2

from repro.engine.graph import json_of

BACKEND = "MKLDNN"
AVX_512F = 13  # cv2 has numbers for CPU features, and no names in Python


def fused(symbol):
    """`symbol` with its convolutions fused with what follows them; a hybridized network does not do that by itself.

    It can be saved as JSON and loaded again.
    """
    return symbol.get_backend_symbol(BACKEND)


def layers(symbol) -> Dict[str, Tuple[str, ...]]:
    """The convolutions of a fused graph by name, and the operators that each was fused with, itself first."""
    found = {}
    for node in json_of(symbol)["nodes"]:
        for part in node.get("subgraphs", ()):
            inner = [n for n in part["nodes"] if n["op"] != "null"]
            found[inner[0]["name"]] = tuple(n["op"] for n in inner)
    return found


def pads_slowly() -> bool:
    """Whether this CPU has no AVX-512: oneDNN's dilated convolutions then want explicit padding (passes.padded)."""
    return not cv2.checkHardwareSupport(AVX_512F)
