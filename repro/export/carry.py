"""A row's network, trained or not, carried out of this project as ONNX.

Its fast inference, at one image size, batch and k; others are another file from the same parameters. Every file is
run on images beside the network it was made from, and put in its place only if it gives the same; one in float16 or
int8 beside the float32 file it was made from, and what it loses is in its record.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Dict, Optional, Sequence, Tuple

import mxnet as mx
import numpy as np
import onnx
import onnxruntime
from onnx import helper

from repro.engine import prepared
from repro.errors import UserError
from repro.evaluation.inference import named_outputs
from repro.export.agreement import Agreement, Run, agreement
from repro.export.half import half
from repro.export.int8 import int8
from repro.export.write import PORTABLE, to_onnx
from repro.files import replacing, write_text
from repro.models.build import Plan
from repro.models.parameters import assign, parameters_of, traced
from repro.models.peers import random_values
from repro.runtime.metadata import KEY, Check, Metadata
from repro.runtime.onnx import OnnxEngine

OUTPUTS = ("scores", "mask", "s", "z2")  # those of them that a network has are exported
GATED, GATES = ("weights.", "sparse_head."), 0.02  # parameters of z and s, by structural name, and random ones' share


@dataclass(frozen=True)
class Subject:
    """What is exported: the network of `plan`, its values by structural name, the input's shape (N, 3, H, W), and k."""

    plan: Plan
    arrays: Dict[str, mx.nd.NDArray]
    classes: int
    shape: Tuple[int, int, int, int]
    k: Optional[int]

    def build(self, **settings):
        """Return the network, uninitialised; with regions, fast inference on k of them."""
        if self.plan.region:
            settings.update(fast=True, k=self.k)
        return self.plan.build(self.classes, self.shape[2:], **settings)

    def network(self):
        """Return the network with its values, as Gluon runs it."""
        network = self.build()
        assign(network, self.arrays, "the trained network", mx.cpu())
        network.hybridize(static_alloc=True, static_shape=True)
        return network


def random_arrays(plan: Plan, classes: int, seed: int = 0) -> Dict[str, mx.nd.NDArray]:
    """Values for a network that is not trained, by structural name.

    Those of z and s are smaller, so that both columns count: where neither does, all scores are 0 and labels chance.
    """
    side = plan.multiple
    network = plan.build(classes, (side, side), **({"k": 1} if plan.region else {}))
    network.initialize()
    network(mx.nd.zeros((1, 3, side, side)))  # settles the shapes
    return {name: mx.nd.array(random_values(name, parameter.shape, seed) * (GATES if name.startswith(GATED) else 1))
            for name, parameter in parameters_of(network).items()}


def gluon_run(network) -> Run:
    """Return a network of Gluon's, as `agreement` runs it."""
    return lambda images: {name: made.asnumpy() for name, made in named_outputs(network, mx.nd.array(images)).items()
                           if name in OUTPUTS}


def onnx_run(engine: OnnxEngine) -> Run:
    """Return a file in onnxruntime, as `agreement` runs it."""
    return lambda images: dict(zip(engine.names, engine.outputs(images)))


def in_precision(model: onnx.ModelProto, precision: str, calibration: Sequence[np.ndarray]) -> onnx.ModelProto:
    """Return a float32 file of to_onnx in another of PRECISIONS; UserError where its values do not fit into that."""
    if precision == "float16":
        return half(model)
    return int8(model, calibration) if precision == "int8" else model


def carry_onnx(subject: Subject, metadata: Metadata, images: Sequence[np.ndarray], path,
               calibration: Sequence[np.ndarray] = ()) -> Metadata:
    """Write `path`, an ONNX file, and its record beside it as .json; returns the record, with the check.

    metadata     says the precision.
    images       batches (N, 3, H, W), normalised, that it is checked on. UserError where it does not give MXNet's
                 outputs, or in another precision than float32 no finite ones.
    calibration  such batches, others, that int8's ranges are measured on.
    """
    network = subject.build(decoder_on_crops=bool(subject.plan.region))  # an exact short cut
    symbol, arrays = traced(network, subject.arrays, subject.shape, "the trained network")
    numbers = [network.outputs.index(name) for name in metadata.outputs]
    symbol, arrays = prepared(symbol, arrays, subject.shape, PORTABLE, numbers)
    with replacing(path) as temporary:
        to_onnx(symbol, arrays, subject.shape, temporary, metadata.outputs)
        engine = OnnxEngine(temporary)
        found = agreement(gluon_run(subject.network()), onnx_run(engine), images)
        metadata = _checked(metadata, found.problem(), found, path)
        model = onnx.load(str(temporary))
        if metadata.precision != "float32":
            model = in_precision(model, metadata.precision, calibration)
            onnx.save(model, str(temporary))
            found = agreement(onnx_run(engine), onnx_run(OnnxEngine(temporary)), images, everywhere=True)
            metadata = _checked(metadata, found.broken(), found, path)
        helper.set_model_props(model, {KEY: metadata.to_text()})
        onnx.save(model, str(temporary))
    write_text(f"{os.path.splitext(path)[0]}.json", metadata.to_text())
    return metadata


def _checked(metadata: Metadata, problem: Optional[str], found: Agreement, path) -> Metadata:
    if problem:
        raise UserError(f"{path}: not written: unlike in MXNet, {problem}")
    return replace(metadata, check=Check(
        found.images, found.ties, found.pixels, found.labels, float(f"{max(found.apart.values()):.2g}"),
        {"mxnet": mx.__version__, "onnxruntime": onnxruntime.__version__}, found.others))
