"""A network in onnxruntime, by a file that is there no longer than it is read."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Mapping, Sequence, Tuple

from repro.engine import prepared
from repro.engine.graph import Arrays
from repro.errors import UserError
from repro.export.write import PORTABLE, to_onnx
from repro.others.onnx import OnnxEngine
from repro.others.providers import CPU, Provider
from repro.parameters import traced


def onnx_engine(network, arrays: Arrays, shape: Tuple[int, int, int, int], outputs: Mapping[str, int],
                providers: Sequence[Provider] = (CPU,)) -> OnnxEngine:
    """An uninitialised network, built with PORTABLE's short cuts, with its values by structural name.

    outputs  those that are wanted, by name, and their numbers.

    UserError where it has an operator that ONNX has not, or onnxruntime cannot run it.
    """
    symbol, named = traced(network, arrays, shape)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        try:
            to_onnx(*prepared(symbol, named, shape, PORTABLE, list(outputs.values())), shape, file, list(outputs))
        except NotImplementedError as error:
            raise UserError(f"ENGINE: onnx cannot run this network: {str(error)[:120]}") from None
        return OnnxEngine(file, providers)
