"""Exported networks: ONNX files damaged, of other shapes, with other records, in onnxruntime."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Iterator, Optional

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from experiments.stress.fuzz.case import LINE, RESULT, Case
from experiments.stress.fuzz.damage import cut, files, flipped, paths
from repro.data import CITYSCAPES
from repro.runtime.metadata import KEY, Metadata
from repro.runtime.onnx import OnnxEngine

SIZE, STRIDE = (32, 64), 4
CLASSES = len(CITYSCAPES)
RECORD = Metadata("row", "single", "random", (1, 3, *SIZE), 32, ("scores",), STRIDE, None, None, None, CITYSCAPES,
                  "0" * 40)
IMAGE = np.random.RandomState(0).randint(0, 256, (*SIZE, 3)).astype(np.uint8)


def network(record: Optional[str] = RECORD.to_text(), shape=(1, 3, *SIZE), kind=TensorProto.FLOAT, weights=None,
            inputs: int = 1, operator: str = "Conv", external: str = "", outputs=("scores",), classes: int = CLASSES,
            **settings) -> bytes:
    """Return an ONNX file of one convolution, to score maps at a quarter."""
    values = np.random.RandomState(1).standard_normal((classes, 3, STRIDE, STRIDE)).astype(np.float32)
    weight = numpy_helper.from_array(values if weights is None else weights, "w")
    if external:
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        for key, value in (("location", external), ("offset", "0"), ("length", str(values.nbytes))):
            weight.external_data.add(key=key, value=value)
    given = [helper.make_tensor_value_info("data" if n == 0 else f"more{n}", kind, shape) for n in range(inputs)]
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    nodes = [helper.make_node(operator, ["data", "w"], [name], **{"strides": [STRIDE, STRIDE], **settings})
             for name in outputs]
    model = helper.make_model(helper.make_graph(nodes, "g", given, made, [weight]), ir_version=8,
                              opset_imports=[helper.make_opsetid("", 13)])
    if record is not None:
        helper.set_model_props(model, {KEY: record})
    return model.SerializeToString()


def _wrong() -> Iterator[tuple]:
    """Whole files, each wrong in one way."""
    for name, shape in (("no sides", (1, 3)), ("a name for a side", (1, 3, "h", 64)), ("grey", (1, 1, *SIZE)),
                        ("no shape", None),
                        ("five axes", (1, 3, *SIZE, 1)), ("a billion pixels", (1, 3, 1 << 20, 1 << 20)),
                        ("no pixels", (1, 3, 0, 64)), ("below 0", (1, 3, -4, 64))):
        for record in (None, RECORD.to_text()):
            yield "wrong size", f"{name}, {'a' if record else 'no'} record", network(record, shape)
    for name, kind in (("int32", TensorProto.INT32), ("double", TensorProto.DOUBLE), ("text", TensorProto.STRING)):
        yield "wrong type", f"input of {name}", network(None, kind=kind)
    yield "wrong type", "two inputs", network(None, inputs=2)
    yield "wrong type", "no inputs", network(None, inputs=0)
    yield "wrong type", "an operator that is none", network(operator="Nothing")
    yield "wrong type", "an operator of another kind", network(operator="Reshape")
    yield "wrong size", "300 classes", network(None, classes=300)
    yield "wrong size", "weights of another shape", network(weights=np.ones((5, 4, 4, 4), np.float32))
    yield "wrong size", "pads without end", network(pads=[1 << 40, 0, 0, 0])
    for name, value in (("strides", [0, 0]), ("strides", [4, -4]), ("dilations", [0, 1]), ("group", 0), ("group", -3),
                        ("kernel_shape", [0, 4])):
        yield "wrong size", f"{name} of {value}", network(**{name: value})
    for value in (np.nan, np.inf):
        for record in (None, RECORD.to_text()):
            yield "NaN weights", f"{value}, {record is None}", network(record, weights=np.full(
                (CLASSES, 3, STRIDE, STRIDE), value, np.float32))
    for place in ("/etc/passwd", "../../../etc/passwd", "weights.bin", "/dev/zero"):
        yield "other files", place, network(external=place)
    for name, record in {"empty": "", "no JSON": "{", "another size": replace(RECORD, shape=(1, 3, 64, 64)).to_text(),
                         "other outputs": replace(RECORD, outputs=("scores", "mask")).to_text(), "a list": "[]",
                         "regions that it has not": replace(RECORD, region=32, grid=(1, 2), k=1).to_text(),
                         "another stride": replace(RECORD, stride=8).to_text(),
                         "deep": "[" * 100000, "other classes": replace(RECORD, classes=replace(
                             CITYSCAPES, names=("a",), colours=((0, 0, 0),), ids=(1,))).to_text()}.items():
        yield "wrong record", name, network(record)


def exported(seed: int) -> Iterator[Case]:
    """repro.runtime.onnx.OnnxEngine, and the labels that it finds."""
    draw, data = random.Random(seed), network()

    def read(path):
        engine = OnnxEngine(path)
        return engine.labels(IMAGE) if engine.metadata is None else engine.segment(IMAGE).labels

    def kind(labels, _) -> bool:
        return labels.shape == SIZE and labels.dtype == np.uint8
    yield from files("a.onnx", [("as it should be", name, content) for name, content in (
        ("with its record", data), ("without", network(None)))], read, kind, (RESULT,))
    yield from files("a.onnx", _wrong(), read, lambda labels, _: False, (LINE,))
    yield from files("a.onnx", cut(data, draw, 60), read, kind)
    yield from files("a.onnx", flipped(data, draw, 100), read, kind)
    small = network(None)
    yield from files("a.onnx", flipped(small, draw, 40), read, kind)
    yield from paths(data, ".onnx", read, lambda labels: kind(labels, None))


