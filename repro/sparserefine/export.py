"""SparseRefine's refiner carried out of this project, as ONNX or as Gluon's symbol and parameters, checked.

Its file takes what refinement.selected gives of an image, any number of pixels: their colours, the dense network's
scores there, and where each layer finds its inputs.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, Sequence, Tuple

import mxnet as mx
import numpy as np
import onnx
from onnx import helper

from repro.errors import UserError
from repro.export.agreement import ALIKE
from repro.export.carry import gluon_files
from repro.export.write import Given, write
from repro.files import replacing
from repro.runtime.metadata import KEY
from repro.sparserefine.exported import OUTPUTS, OnnxRefiner, Record
from repro.sparserefine.networks import run_refiner
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


def write_refiner(refiner, classes: int, path) -> None:
    """Write a refiner of networks.refiner_of as an ONNX file, which exported.py runs."""
    arrays = {name: parameter.data(mx.cpu()) for name, parameter in refiner.collect_params().items()}
    write(_symbol(refiner), arrays, inputs(classes), path, OUTPUTS, rows="M_0")


def carry_refiner_onnx(refiner, record: Record, given: Sequence[Selected], path) -> Record:
    """Write `path`, an ONNX file with the record in it; returns the record, with the check. Else as carry_refiner."""
    with replacing(path) as temporary:
        write_refiner(refiner, len(record.classes), temporary)
        loaded = OnnxRefiner(temporary)
        record = record.checked(_check(((_fused(refiner, one), loaded(one)) for one in given), given, path))
        model = onnx.load(str(temporary))
        helper.set_model_props(model, {KEY: record.to_text()})
        onnx.save(model, str(temporary))
    return record


def carry_refiner(refiner, record: Record, given: Sequence[Selected], prefix) -> Record:
    """Write `prefix`-symbol.json and -0000.params, which gluon.SymbolBlock.imports reads with INPUTS.

    refiner  of repro.sparserefine.networks.refiner_of, hybridized. given: selections that the files are checked on.
    Returns the record, with the check. UserError where they do not give the same; nothing is written then.
    """
    def save(inside: str) -> None:
        _symbol(refiner).save(f"{inside}-symbol.json", remove_amp_cast=True)
        mx.nd.save(f"{inside}-0000.params", {f"arg:{name}": parameter.data(mx.cpu())
                                             for name, parameter in refiner.collect_params().items()})

    with gluon_files(prefix, INPUTS, save) as loaded:
        return record.checked(_check(((_fused(refiner, one), _fused(loaded, one)) for one in given), given, prefix))


def _symbol(refiner):
    """Return the refiner as a graph of INPUTS."""
    return mx.sym.Group(list(refiner(*map(mx.sym.var, INPUTS))))


def _fused(network, one: Selected) -> np.ndarray:
    return run_refiner(network, one, mx.cpu())[0].asnumpy()


def _check(both: Iterable[Tuple[np.ndarray, np.ndarray]], given: Sequence[Selected], place) -> Dict[str, Any]:
    """How many selections were compared, and the largest difference as a share of the largest value."""
    apart = max((float(abs(one - other).max() / abs(one).max()) for one, other in both), default=0.0)
    if not apart <= ALIKE:
        raise UserError(f"{place}: not written: its scores are {apart:.1e} of the largest value apart")
    return {"selections": len(given), "pixels": sum(len(one.pixels) for one in given), "apart": float(f"{apart:.2g}")}
