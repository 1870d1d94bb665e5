"""What each operator of a file takes in onnxruntime, by its own profiler, in a process of its own.

    python -m repro.others.profile NETWORK.onnx IMAGES.npy FRAMES FOUND.json PROVIDER CARD TF32
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np

from repro.errors import UserError
from repro.others.metadata import INPUT

WARMUP = 2
NODE, RUN, KERNEL = "Node", "model_run", "_kernel_time"
SOURCE = Path(__file__).resolve().parents[2]
# what onnxruntime makes of a node keeps its name, "layer:12" or an output's, with more around it
OWN = re.compile(r"^(?:InsertedPrecisionFreeCast_)?(?P<name>.+?:\d+(?=\D|$)|[a-z][a-z0-9]*(?=_|$))")


def frames_of(events: Sequence[Mapping[str, Any]], skipped: int = WARMUP) -> Dict[str, Any]:
    """The operators of the runs but the first `skipped`, medians in seconds, from a profile's events.

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
    own = OWN.match(event["name"][:-len(KERNEL)])
    return {"node": own["name"] if own else "", "kind": about["op_name"],
            "shape": f"{_shapes(about['input_type_shape'][:1])} -> {_shapes(about['output_type_shape'])}",
            "moved": sum(int(about.get(key, 0)) for key in ("activation_size", "parameter_size", "output_size")),
            "provider": about.get("provider", ""), "seconds": seconds}


def _shapes(found: Sequence[Mapping[str, Sequence[int]]]) -> str:
    return ", ".join(f"{kind} {'x'.join(map(str, shape))}".strip() for one in found for kind, shape in one.items())


def profiled(path, images: np.ndarray, frames: int, provider: str = "", card: Optional[int] = None,
             tf32: bool = False) -> Dict[str, Any]:
    """`frames_of` of a file run on images of its shape, in a process of its own, with that process's "memory".

    provider, card, tf32  as repro.others.providers.providers takes them. UserError says why the process ended.
    """
    with tempfile.TemporaryDirectory() as folder:
        picture, found = Path(folder) / "images.npy", Path(folder) / "found.json"
        np.save(picture, images)
        ended = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "repro.others.profile", os.path.abspath(path), str(picture),
             str(frames), str(found), provider, "" if card is None else str(card), str(int(tf32))],
            cwd=SOURCE, stderr=subprocess.PIPE, text=True)
        if ended.returncode:
            said = ended.stderr.strip().splitlines()[-1:] or [""]
            raise UserError(f"{path}: the profiler's process ended with {ended.returncode}: {said[0]}")
        return json.loads(found.read_text(encoding="utf-8"))


def main(path: str, picture: str, frames: str, found: str, provider: str, card: str, tf32: str) -> None:
    """What the process does."""
    from repro.others.bound import Bound
    from repro.others.providers import providers
    from repro.timing.memory import forget_peak, peak

    number = int(card) if card else None
    with tempfile.TemporaryDirectory() as folder:
        engine = Bound(path, {INPUT: np.load(picture)}, providers(provider, number, tf32 == "1"), number,
                       trace=str(Path(folder) / "trace"))
        built = peak()
        forget_peak()
        for _ in range(WARMUP + int(frames)):
            engine.run()
        memory = {"built": max(built, peak()), "running": peak()}
        events: List[Dict[str, Any]] = json.loads(Path(engine.ended()).read_text(encoding="utf-8"))
    Path(found).write_text(json.dumps({**frames_of(events), "memory": memory}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
