"""ONNX files of one convolution, as `make export` writes them or as others may, right and wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, Optional

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from repro.data import CITYSCAPES
from repro.runtime.metadata import KEY, Metadata

SIZE, STRIDE = (32, 64), 4
CLASSES = len(CITYSCAPES)
RECORD = Metadata("row", "single", "random", (1, 3, *SIZE), 32, ("scores",), STRIDE, None, None, None, CITYSCAPES,
                  "0" * 40)


def network(record: Optional[str] = RECORD.to_text(), shape=(1, 3, *SIZE), kind=TensorProto.FLOAT, weights=None,
            inputs: int = 1, operator: str = "Conv", external: str = "", classes: int = CLASSES, **settings) -> bytes:
    """Return an ONNX file that makes score maps of a quarter of the size.

    record    beside the network; None: none.
    external  another file that the weights are said to be in.
    settings  attributes of the operator.
    """
    values = np.random.RandomState(1).standard_normal((classes, 3, STRIDE, STRIDE)).astype(np.float32)
    weight = numpy_helper.from_array(values if weights is None else weights, "w")
    if external:
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        for key, value in (("location", external), ("offset", "0"), ("length", str(values.nbytes))):
            weight.external_data.add(key=key, value=value)
    given = [helper.make_tensor_value_info("data" if n == 0 else f"more{n}", kind, shape) for n in range(inputs)]
    made = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)]
    node = helper.make_node(operator, ["data", "w"], ["scores"], **{"strides": [STRIDE, STRIDE], **settings})
    model = helper.make_model(helper.make_graph([node], "g", given, made, [weight]), ir_version=8,
                              opset_imports=[helper.make_opsetid("", 13)])
    if record is not None:
        helper.set_model_props(model, {KEY: record})
    return model.SerializeToString()


def wrong_networks() -> Dict[str, bytes]:
    """Return files that are whole, each wrong in one way, by that."""
    weights = np.ones((CLASSES, 3, STRIDE, STRIDE), np.float32)
    changes = [
        *({"shape": shape} for shape in ((1, 3), (1, 3, "h", 64), (1, 1, *SIZE), None, (1, 3, *SIZE, 1), (1, 3, 0, 64),
                                         (1, 3, 1 << 20, 1 << 20), (1, 3, -4, 64))),
        *({"kind": kind} for kind in (TensorProto.INT32, TensorProto.DOUBLE, TensorProto.STRING)),
        *({"operator": operator} for operator in ("Nothing", "Reshape")), {"inputs": 0}, {"inputs": 2},
        {"classes": 300}, {"weights": weights[:, 1:]}, {"weights": weights * np.nan}, {"weights": weights * np.inf},
        {"pads": [1 << 40, 0, 0, 0]}, {"strides": [0, 0]}, {"strides": [4, -4]},
        {"dilations": [0, 1]}, {"group": 0}, {"group": -3}, {"kernel_shape": [0, 4]},
        *({"external": place} for place in ("/etc/passwd", "../../../etc/passwd", "weights.bin", "/dev/zero")),
    ]
    wrong = {f"{change!r:.60}, {'a' if record else 'no'} record": network(record, **change)
             for change in changes for record in (None, RECORD.to_text())}
    records = [
        "", "{", "[]", "[" * 100000, *(replace(RECORD, **change).to_text() for change in (
            {"shape": (1, 3, 64, 64)}, {"outputs": ("scores", "mask")}, {"region": 32, "grid": (1, 2), "k": 1},
            {"stride": 8}, {"classes": replace(CITYSCAPES, names=("a",), colours=((0, 0, 0),), ids=(1,))}))]
    return {**wrong, **{f"record {number}": network(record) for number, record in enumerate(records)}}
