"""A network in another engine, by a file that is there no longer than it is read."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Callable, Mapping, Tuple, TypeVar

from repro.engine import prepared
from repro.engine.graph import Arrays
from repro.errors import UserError
from repro.export.write import PORTABLE, to_onnx
from repro.models.parameters import traced

E = TypeVar("E")


def exported_engine(network, arrays: Arrays, shape: Tuple[int, int, int, int], outputs: Mapping[str, int],
                    make: Callable[[Path], E]) -> E:
    """Return an engine of an uninitialised network, built with PORTABLE's short cuts, with values by structural name.

    outputs  those that are wanted, by name, and their numbers.
    make     an engine of the file, such as OnnxEngine.

    UserError where it has an operator that ONNX has not, or the engine cannot run it.
    """
    symbol, named = traced(network, arrays, shape)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        try:
            to_onnx(*prepared(symbol, named, shape, PORTABLE, list(outputs.values())), shape, file, list(outputs))
        except NotImplementedError as error:
            raise UserError(f"ENGINE: this network cannot be exported: {str(error)[:120]}") from None
        return make(file)
