"""SparseRefine's refiner carried out of this project as an ONNX file, checked.

The file takes what refinement.selected gives of an image, any number of pixels: their colours, the dense network's
scores there, and where each layer finds its inputs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, Sequence

import mxnet as mx
import onnx
from onnx import helper

from repro.errors import UserError
from repro.export.agreement import ALIKE
from repro.export.write import Given, write
from repro.files import replacing
from repro.runtime.metadata import KEY
from repro.sparserefine.exported import OUTPUTS, OnnxRefiner, Record
from repro.sparserefine.networks import fused_by
from repro.sparserefine.refinement import INPUTS, LEVELS, Selected

WIDTHS = {"same": 9, "down": 9, "up": 4}  # of the places


def inputs(classes: int) -> Dict[str, Given]:
    """Return the inputs of a refiner's file. Rows of each level, M_i, are any number: those here are an example."""
    def places(name: str) -> Given:
        kind, level = name[:-1], int(name[-1])
        level += kind == "down"
        return Given((LEVELS + 1 - level, WIDTHS[kind]), "int32", f"M_{level}")
    ends = {name: Given((LEVELS + 1, count), rows="M_0") for name, count in zip(INPUTS, (3, classes))}
    return {name: ends[name] if name in ends else places(name) for name in INPUTS}


def carry_refiner(refiner, record: Record, given: Sequence[Selected], path) -> Record:
    """Write `path`, an ONNX file with the record in it, which exported.py runs; returns the record, with the check.

    refiner  of networks.refiner_of. given: selections that the file is checked on: UserError where it does not give
             the same, and nothing is written.
    """
    arrays = {name: parameter.data(mx.cpu()) for name, parameter in refiner.collect_params().items()}
    graph = mx.sym.Group(list(refiner(*map(mx.sym.var, INPUTS))))
    with replacing(path) as temporary:
        write(graph, arrays, inputs(len(record.classes)), temporary, OUTPUTS, rows="M_0")
        here, there = fused_by(refiner, mx.cpu()), OnnxRefiner(temporary)
        both = [(here(one), there(one)) for one in given]
        apart = max((float(abs(one - other).max() / abs(one).max()) for one, other in both), default=0.0)
        if not apart <= ALIKE:
            raise UserError(f"{path}: not written: its scores are {apart:.1e} of the largest value apart")
        record = replace(record, check={"selections": len(given), "pixels": sum(len(one.pixels) for one in given),
                                        "apart": float(f"{apart:.2g}")})
        model = onnx.load(str(temporary))
        helper.set_model_props(model, {KEY: record.to_text()})
        onnx.save(model, str(temporary))
    return record
