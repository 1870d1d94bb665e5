"""An ONNX file in int8, by onnxruntime's static quantisation, calibrated on images.

Positive maps in 8 bits, kernels in 8 bits with a scale a channel, between float32 inputs and outputs; what is left in
float32 is what repro.engine.quantise leaves: classifiers, weights, the selection of regions, the averaging of pixels.
Quick, and exact, on processors that multiply 8-bit numbers (VNNI and its like).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Dict, Iterator, Optional, Sequence

import numpy as np
import onnx

from repro.engine.quantise import EXCLUDED
from repro.errors import UserError
from repro.runtime.metadata import INPUT

KINDS = ("Conv", "Relu")  # of nodes in int8: with sums and pooling as well it is no quicker, and loses more
MEASURED = ("Softmax",)  # stay in float32, but onnxruntime 1.19 wants their ranges


def int8(model: onnx.ModelProto, images: Sequence[np.ndarray]) -> onnx.ModelProto:
    """Return the same network in int8, as `model` of repro.export.to_onnx is given images and gives outputs.

    images  batches float32 (N, 3, H, W) of the file's shape, normalised: what the maps' ranges are measured on.

    UserError where a package that quantises is missing; ValueError without images.
    """
    try:
        from onnxruntime import quantization
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise UserError(f"PRECISION: int8 needs onnxruntime[quantization] ({error})") from None
    if not len(images):
        raise ValueError("int8: no images to calibrate on")

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self._rest: Iterator[np.ndarray] = iter(images)

        def get_next(self) -> Optional[Dict[str, np.ndarray]]:
            image = next(self._rest, None)
            return None if image is None else {INPUT: image}

    kept = [node.name for node in model.graph.node
            if node.op_type in MEASURED or any(part in name for part in EXCLUDED for name in (node.name, *node.output))]
    with tempfile.TemporaryDirectory() as folder:
        whole, prepared, made = (Path(folder) / f"{name}.onnx" for name in ("whole", "prepared", "made"))
        onnx.save(model, str(whole))
        quant_pre_process(str(whole), str(prepared), skip_optimization=True, skip_symbolic_shape=True)
        quantization.quantize_static(
            str(prepared), str(made), Reader(), quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=[*KINDS, *MEASURED], nodes_to_exclude=kept, per_channel=True,
            activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax)
        return onnx.load(str(made))
