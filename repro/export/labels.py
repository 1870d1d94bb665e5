"""Labels of every pixel inside an exported file, as its record says that they are made of the scores."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SCORES, LABELS = "scores", "labels"


def with_labels(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a file of repro.export.to_onnx with one output, "labels", uint8 (N, H, W), in the place of all others.

    Scores (N, K, h, w) are up-sampled bilinearly to the input's (H, W), and the first largest taken.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    image, maps = ([side.dim_value for side in one.type.tensor_type.shape.dim]
                   for one in (graph.input[0], next(one for one in graph.output if one.name == SCORES)))
    others = {one.name for one in graph.output} - {SCORES}
    kept = [node for node in graph.node if not others.intersection(node.output)]
    scales = f"{LABELS}:scales"
    graph.initializer.append(numpy_helper.from_array(
        np.array([1, 1, image[2] / maps[2], image[3] / maps[3]], np.float32), scales))
    kept += [
        helper.make_node("Resize", [SCORES, "", scales], [f"{LABELS}:0"], f"{LABELS}:0", mode="linear",
                         coordinate_transformation_mode="half_pixel"),
        helper.make_node("ArgMax", [f"{LABELS}:0"], [f"{LABELS}:1"], f"{LABELS}:1", axis=1, keepdims=0),
        helper.make_node("Cast", [f"{LABELS}:1"], [LABELS], f"{LABELS}:2", to=TensorProto.UINT8)]
    for target, values in ((graph.node, kept), (graph.output, [
            helper.make_tensor_value_info(LABELS, TensorProto.UINT8, [image[0], *image[2:]])])):
        del target[:]
        target.extend(values)
    onnx.checker.check_model(made, full_check=True)
    return made
