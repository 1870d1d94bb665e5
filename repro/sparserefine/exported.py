"""SparseRefine's two exported networks in onnxruntime, without MXNet.

    found = load("exported/sparserefine-minicity-256x512").segment(image)    # uint8 RGB (H, W, 3), up to that size
    found.labels, found.refined                                              # labels, and which pixels were refined
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Tuple

import numpy as np

from repro.config import parsing
from repro.errors import UserError
from repro.prediction.weights import Known
from repro.runtime.metadata import KEY
from repro.runtime.onnx import OnnxEngine, ran, session
from repro.runtime.onnx_format import read, record_of
from repro.runtime.providers import CPU, Provider
from repro.sparserefine.refined import Refined, RefinedSegmenter, shrunk
from repro.sparserefine.refinement import INPUTS, STRIDE, Selected

OUTPUTS = ("fused", "own")  # scores (M_0, K): of both networks, and of the refiner alone
FORMAT = 1
DENSE, REFINER = "-dense", "-refiner"  # how the files' names end


@dataclass(frozen=True)
class Record:
    """What an exported refiner is of.

    weights    where the values come from, in words.
    threshold  of the entropy of the dense scores, above which pixels are selected.
    factor     the dense network sees means of factor x factor pixels.
    classes    their names.
    commit     of this project, with "+" behind it where files were changed.
    check      how far the file was from MXNet: "selections", "pixels" and "apart", as a share of the largest value.
    inputs, outputs
               their names in the file.
    """

    weights: str
    threshold: float
    factor: int
    classes: Tuple[str, ...]
    commit: str
    check: Optional[Dict[str, Any]] = None
    inputs: Tuple[str, ...] = INPUTS
    outputs: Tuple[str, ...] = OUTPUTS
    format: int = FORMAT

    def to_text(self) -> str:
        """JSON; what `parse` reads."""
        return json.dumps(asdict(self), indent=1) + "\n"


_NAMES = parsing.sequence(parsing.text)
_CHECK = parsing.mapping({"selections": parsing.integer, "pixels": parsing.integer, "apart": parsing.number})


def parse(text: str, place: str) -> Record:
    """Return the inverse of to_text; a UserError begins with `place` and names the key."""
    value = parsing.json_text(text, place)
    parsing.of_format(value, FORMAT, place)
    return Record(**parsing.fields(value, place, {
        "format": parsing.integer, "weights": parsing.text, "threshold": parsing.number,
        "factor": parsing.positive(parsing.integer), "classes": _NAMES, "commit": parsing.text,
        "check": parsing.optional(_CHECK), "inputs": _NAMES, "outputs": _NAMES}))


class OnnxRefiner:
    """Runs a refiner's file; what Refined calls. `record` is the file's; None where it has none."""

    def __init__(self, path, providers: Sequence[Provider] = (CPU,)):
        self._path, self._session = path, session(path, providers)
        names = [[one.name for one in ends] for ends in (self._session.get_inputs(), self._session.get_outputs())]
        if names != [list(INPUTS), list(OUTPUTS)]:
            raise UserError(f"{path}: not a refiner's: it makes {', '.join(names[1])} of {', '.join(names[0])}")
        self.record: Optional[Record] = record_of(read(path)[1], path, parse)

    def __call__(self, given: Selected) -> np.ndarray:
        """Return fused scores (M_0, K) of what was selected of an image."""
        fused, = ran(self._session, self._path, dict(zip(INPUTS, given.arrays)), OUTPUTS[:1])
        if (fused.shape, fused.dtype) != (given.dense.shape, np.float32):
            raise UserError(f"{self._path}: {fused.shape} of {fused.dtype} is not scores of {given.dense.shape}")
        return fused


def load(prefix, providers: Sequence[Provider] = (CPU,)) -> RefinedSegmenter:
    """Return the files PREFIX-dense.onnx and PREFIX-refiner.onnx of `make export`, ready for photos up to their size.

    UserError where one is not there, is not what it should be, or is not of the other.
    """
    refiner, engine = OnnxRefiner(f"{prefix}{REFINER}.onnx", providers), OnnxEngine(f"{prefix}{DENSE}.onnx", providers)
    record, about = refiner.record, engine.metadata
    if record is None or about is None:
        raise UserError(f"{prefix}: its files have no record of this project ({KEY}); `make export` writes them")
    if record.classes != about.classes.names or engine.shape[0] != 1:
        raise UserError(f"{prefix}: its files are not of one another: {len(about.classes)} and {len(record.classes)} "
                        f"classes, the dense network's of batches of {engine.shape[0]}")
    height, width = (side * record.factor for side in engine.shape[2:])

    def dense(x: np.ndarray) -> np.ndarray:
        if x.shape[2] > height or x.shape[3] > width:
            raise UserError(f"image of {x.shape[2]}x{x.shape[3]} when padded: {prefix} is for up to {height}x{width}")
        small = shrunk(x, record.factor)
        whole = np.zeros(engine.shape, np.float32)
        whole[:, :, :small.shape[2], :small.shape[3]] = small
        return engine(whole)["scores"][None, :, :small.shape[2] // STRIDE, :small.shape[3] // STRIDE]
    weights = Known(Path(prefix), about.classes, (height, width), record.weights)
    return RefinedSegmenter(weights, Refined(dense, refiner, record.threshold, record.factor,
                                             about.multiple * record.factor), shrink=1)
