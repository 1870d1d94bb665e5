"""What experiments/speed/profile_onnx.py measures of OpenVINO: `make profile ENGINE=openvino`.

A photo enters as it is and is normalised in the graph; its labels are made of the scores outside, as OpenvinoEngine
does: in its graph they take longer than the network. The ceiling of a precision is what OpenVINO reaches in it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import onnx

from experiments.speed.profile_onnx import Case
from repro.export.carry import in_precision
from repro.runtime.metadata import INPUT
from repro.runtime.openvino import Bound, OpenvinoEngine, has_bfloat16
from repro.runtime.profile import profiled_in_openvino
from repro.timing.subject import normalised

PRECISIONS = {"openvino": ("float32", *(("bfloat16",) if has_bfloat16() else ()), "int8")}
LARGE = {"float32": 10 ** 10, "bfloat16": 10 ** 11, "int8": 10 ** 11}  # multiply-adds of a chain of more than one


def file_of(model, precision: str, calibration, path: Path) -> Path:
    """Write a float32 file of to_onnx in what is run in a precision."""
    onnx.save(in_precision(model, "int8" if precision == "int8" else "float32", calibration), str(path))
    return path


def case_of(exported, precision: str, batch: int, photo, scenes, folder: Path, place, frames: int) -> Case:
    """Return the case of an exported network, whose file is written into `folder`."""
    file = file_of(exported, precision, [normalised([one]) for one in scenes], folder / f"{precision}.onnx")
    engine, x = OpenvinoEngine(file, precision), normalised([photo])
    return Case(precision, batch, {"labels": lambda: engine.labels(photo), "scores": lambda: engine.outputs(x)},
                (profiled_in_openvino, file, photo, frames, precision))


def chain(folder: Path, precision: str, layer, length: int, _):
    """Return a chain of convolutions in OpenVINO, ready to be run."""
    from repro.export import to_onnx
    from repro.timing.ceiling import chained

    symbol, arrays = chained(layer, length)
    x, path = arrays.pop(INPUT).asnumpy(), folder / "chain.onnx"
    to_onnx(symbol, arrays, x.shape, path)
    return Bound(file_of(onnx.load(str(path)), precision, [x], path), {INPUT: x}, precision).run


def ceilings(peer, precisions, folder: Path, place):
    """Return as profile_onnx.ceilings: the best convolution of the network's own shapes in each precision, a copy."""
    from repro.timing.ceiling import Ceiling, Copies, layers_of

    layers, copies = layers_of(peer.symbol, peer.shape), Copies()
    chains = {one: Ceiling(layers, large=LARGE[one], made=partial(chain, folder, one), name=f" in {one}")
              for one in precisions}

    def found(timings):
        best = {one: made.best(timings) for one, made in chains.items()}
        return ({one: each.rate for one, each in best.items()}, "the best convolution of the network's own shapes ("
                + "; ".join(f"{one}: {each.layer}" for one, each in best.items()) + ")", copies.best(timings))
    return {**copies.runs(), **{name: run for made in chains.values() for name, run in made.runs().items()}}, found
