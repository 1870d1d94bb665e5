"""What each operator of a file takes in onnxruntime or OpenVINO, by its own profiler, in a process of its own.

    python -m repro.runtime.profile NETWORK.onnx IMAGES.npy FRAMES FOUND.json PROVIDER CARD PRECISION
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import onnx

from repro.errors import UserError
from repro.runtime.metadata import INPUT
from repro.timing.clock import rounded

WARMUP = 2
NODE, RUN, KERNEL = "Node", "model_run", "_kernel_time"
SOURCE = Path(__file__).resolve().parents[2]
OPENVINO, LABELS, MAP = "openvino", "labels", "label map"
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


def profiled(path, images: np.ndarray, frames: int, provider: str = "", card: Optional[int] = None,
             precision: str = "") -> Dict[str, Any]:
    """`frames_of` of a file run on images of its shape, in a process of its own, with that process's "memory".

    provider, card  as repro.runtime.providers.providers takes them, or OPENVINO: images are then one photo, and its
                    labels are made; precision is the engine's. UserError says why the process ended.
    """
    with tempfile.TemporaryDirectory() as folder:
        picture, found = Path(folder) / "images.npy", Path(folder) / "found.json"
        np.save(picture, images)
        ended = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "repro.runtime.profile", os.path.abspath(path), str(picture),
             str(frames), str(found), provider, "" if card is None else str(card), precision],
            cwd=SOURCE, stderr=subprocess.PIPE, text=True)
        if ended.returncode:
            said = ended.stderr.strip().splitlines()[-1:] or [""]
            raise UserError(f"{path}: the profiler's process ended with {ended.returncode}: {said[0]}")
        return json.loads(found.read_text(encoding="utf-8"))


def in_openvino(path, photo: np.ndarray, precision: str) -> Tuple[Callable[[], None], Callable[[], Dict[str, Any]]]:
    """Return (what is run again and again: a photo's labels in OpenVINO, what then gives `frames_of` it).

    What is not in an operator, such as starting and copying the outputs, is "between"; MAP is the last operator.
    """
    from repro.labels.labelmap import labels_of
    from repro.runtime.openvino import OpenvinoEngine

    engine = OpenvinoEngine(path, precision, counted=True)
    size, frames = (photo.shape[0], photo.shape[1]), []

    def run() -> None:
        began = time.perf_counter()
        scores = engine(photo[None])["scores"]
        ran = time.perf_counter()
        labels_of(scores, size, engine.shape[2] // scores.shape[1])
        frames.append((ran - began, time.perf_counter() - ran, engine.operators(size)))

    def found() -> Dict[str, Any]:
        kept = frames[WARMUP:]
        operators = [{**same[0], "node": _node(same[0]["node"]),
                      "seconds": statistics.median(one["seconds"] for one in same)}
                     for same in zip(*(own for _, _, own in kept))]
        operators.append({"node": MAP, "kind": MAP, "shape": "scores -> labels", "moved": 0, "provider": "",
                          "seconds": statistics.median(mapped for _, mapped, _ in kept)})
        return {"frames": len(kept), "before": 0, "after": 0, "operators": operators, "between": statistics.median(
            took - sum(one["seconds"] for one in own) for took, _, own in kept)}
    return run, found


def in_onnxruntime(path, images: np.ndarray, provider: str, card: Optional[int], tf32: bool, trace: str):
    """Return the same of images of the file's shape in onnxruntime, whose trace's file begins with `trace`."""
    from repro.runtime.bound import Bound
    from repro.runtime.providers import providers

    engine = Bound(path, {INPUT: images}, providers(provider, card, tf32), card, trace=trace)
    return engine.run, lambda: frames_of(json.loads(Path(engine.ended()).read_text(encoding="utf-8")))


def main(path: str, picture: str, frames: str, found: str, provider: str, card: str, precision: str) -> None:
    """Run one profile in this process."""
    from repro.timing.memory import forget_peak, peak

    images = np.load(picture)
    with tempfile.TemporaryDirectory() as folder:
        run, made = in_openvino(path, images, precision) if provider == OPENVINO else in_onnxruntime(
            path, images, provider, int(card) if card else None, precision == "tf32", str(Path(folder) / "trace"))
        run()  # compiles, where that is left to the first one
        built = peak()
        forget_peak()
        for _ in range(WARMUP + int(frames) - 1):
            run()
        memory = {"built": max(built, peak()), "running": peak()}
        about = made()
    Path(found).write_text(json.dumps({**about, "memory": memory}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
