"""What each operator of a file takes in onnxruntime or OpenVINO, by its own profiler."""

from __future__ import annotations

import json
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np
import onnx

from repro.runtime.metadata import INPUT
from repro.timing.clock import rounded
from repro.timing.memory import held_by

WARMUP = 2
NODE, RUN, KERNEL = "Node", "model_run", "_kernel_time"
LABELS, MAP = "labels", "label map"
FUSED = ("Relu", "Add", "Identity")  # behind a convolution: onnxruntime names the two by the last
# what an engine makes of a node keeps its name, "layer:12" or an output's, with more around it
OWN = re.compile(r"^(?:InsertedPrecisionFreeCast_)?(?P<name>.+?:\d+(?=\D|$)|[a-z][a-z0-9]*(?=_|$))")


def frames_of(events: Sequence[Mapping[str, Any]], skipped: int = WARMUP) -> Dict[str, Any]:
    """Return the operators of the runs but the first `skipped`, medians in seconds, from a profile's events.

    Returns {"frames", "before": until the first operator, "after": the last, "between": operators, "operators": [...]},
    each of these {"node": the name in the file that it is made of or "", "kind", "shape", "moved": bytes, "provider",
    "seconds"}, in their order. RuntimeError where a run has other operators than the first.
    """
    runs = [one for one in events if one.get("cat") == "Session" and one["name"] == RUN][skipped:]
    if not runs:
        raise RuntimeError(f"no runs but the {skipped} that are skipped")
    nodes = [one for one in events if one.get("cat") == NODE and one["name"].endswith(KERNEL)]
    frames = []
    for run in runs:
        begin, end = run["ts"], run["ts"] + run["dur"]
        frames.append((begin, end, [one for one in nodes if begin <= one["ts"] and one["ts"] + one["dur"] <= end]))
    first = frames[0][2]
    if not first or any([one["name"] for one in own] != [one["name"] for one in first] for _, _, own in frames):
        raise RuntimeError("a run has other operators than the first, or none")

    def median(values) -> float:
        return statistics.median(values) / 1e6
    spent = [[one["dur"] for one in same] for same in zip(*(own for _, _, own in frames))]
    return {
        "frames": len(frames),
        "before": median(own[0]["ts"] - begin for begin, _, own in frames),
        "after": median(end - own[-1]["ts"] - own[-1]["dur"] for _, end, own in frames),
        "between": median(own[-1]["ts"] + own[-1]["dur"] - own[0]["ts"] - sum(one["dur"] for one in own)
                          for _, _, own in frames),
        "operators": [_operator(one, median(values)) for one, values in zip(first, spent)],
    }


def _operator(event: Mapping[str, Any], seconds: float) -> Dict[str, Any]:
    about = event["args"]
    return {"node": _node(event["name"][:-len(KERNEL)]), "kind": about["op_name"],
            "shape": f"{_shapes(about['input_type_shape'][:1])} -> {_shapes(about['output_type_shape'])}",
            "moved": sum(int(about.get(key, 0)) for key in ("activation_size", "parameter_size", "output_size")),
            "provider": about.get("provider", ""), "seconds": seconds}


def _node(name: str) -> str:
    own = OWN.match(name)
    return own["name"] if own else ""


def _shapes(found: Sequence[Mapping[str, Sequence[int]]]) -> str:
    return ", ".join(f"{kind} {'x'.join(map(str, shape))}".strip() for one in found for kind, shape in one.items())


def layers_of(model: onnx.ModelProto) -> Dict[str, str]:
    """Return the layer of each convolution of a file of to_onnx, by the name of its node and of what is fused with
    it."""
    found: Dict[str, str] = {}
    made_by: Dict[str, str] = {}  # the node that is or ends a convolution, by output
    for node in model.graph.node:
        if node.op_type == "Conv":
            found[node.name] = node.name.rsplit(":", 1)[0]
        elif node.op_type in FUSED:
            before = next((made_by[name] for name in node.input if name in made_by), None)
            if before is None:
                continue
            found[node.name] = found[before]
        else:
            continue
        made_by[node.output[0]] = node.name
    return found


def operators_of(found: Dict[str, Any], layers: Dict[str, str], blocks: Dict[str, str], counts: Dict[str, int],
                 batch: int) -> List[Dict[str, Any]]:
    """Return the operators of `frames_of` as a record has them: with name, block and multiply-adds.

    layers  of layers_of; blocks by names of the graph that was exported; counts  multiply-adds of an image by layer.
    """
    left, block = dict(counts), next(iter(blocks.values()))
    made: List[Dict[str, Any]] = []
    for one in found["operators"]:
        name = one["node"].rsplit(":", 1)[0]
        if name in (LABELS, MAP) or name in blocks:
            block = blocks.get(name, LABELS)
        layer = layers.get(one["node"], "") if "Conv" in one["kind"] else ""
        made.append({"name": layer or name or one["kind"], "kind": one["kind"], "block": block, "shape": one["shape"],
                     "multiply_adds": batch * left.pop(layer, 0), "moved": one["moved"],
                     "seconds": rounded([one["seconds"]])[0]})
    return made


def profiled(path, images: np.ndarray, frames: int, providers, card: Optional[int] = None) -> Dict[str, Any]:
    """Return `frames_of` a file in onnxruntime, run on images of its shape, with this process's "memory".

    providers, card  as repro.runtime.bound.Bound's.
    """
    from repro.runtime.bound import Bound

    with tempfile.TemporaryDirectory() as folder:
        engine = Bound(path, {INPUT: images}, providers, card, trace=str(Path(folder) / "trace"))
        engine.run()  # compiles, where that is left to the first one
        memory = held_by(engine.run, WARMUP + frames - 1)
        events = json.loads(Path(engine.ended()).read_text(encoding="utf-8"))
    return {**frames_of(events), "memory": memory}


def profiled_in_openvino(path, photo: np.ndarray, frames: int, precision: str) -> Dict[str, Any]:
    """Return the same of a file in OpenVINO, run on a photo up to its size, whose labels are made.

    What is not in an operator, such as starting and copying the outputs, is "between"; MAP is the last operator.
    """
    from repro.labels.labelmap import labels_of
    from repro.runtime.openvino import OpenvinoEngine

    engine, ran = OpenvinoEngine(path, precision, counted=True), []
    size = (photo.shape[0], photo.shape[1])

    def run() -> None:
        began = time.perf_counter()
        scores = engine(photo[None])["scores"]
        computed = time.perf_counter()
        labels_of(scores, size, engine.shape[2] // scores.shape[1])
        ran.append((computed - began, time.perf_counter() - computed, engine.operators(size)))
    run()
    memory, kept = held_by(run, WARMUP + frames - 1), ran[WARMUP:]
    operators = [{**same[0], "node": _node(same[0]["node"]),
                  "seconds": statistics.median(one["seconds"] for one in same)}
                 for same in zip(*(own for _, _, own in kept))]
    operators.append({"node": MAP, "kind": MAP, "shape": "scores -> labels", "moved": 0, "provider": "",
                      "seconds": statistics.median(mapped for _, mapped, _ in kept)})
    between = statistics.median(took - sum(one["seconds"] for one in own) for took, _, own in kept)
    return {"frames": len(kept), "before": 0, "after": 0, "between": between, "operators": operators, "memory": memory}
