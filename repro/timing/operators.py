"""Where the time of one inference goes, operator by operator, by MXNet's own profiler.

Its events bear the kind of an operator, not its name. In an engine that runs one operator after the other (ENVIRONMENT,
to be set before mxnet is imported) they come in the order of the graph, so that each finds its node; `frames_of`
raises where they do not. What is profiled is the Engine itself: its hybridized graph (a CachedOp, static) with its
buffers, one image after the other, as it is timed, only without several operators run in one go.
"""

from __future__ import annotations

import json
import math
import statistics
import tempfile
from ast import literal_eval
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

import mxnet as mx
import numpy as np

from repro.engine.graph import INPUT
from repro.timing.blocks import blocks_of, inner
from repro.timing.clock import Timing, interleaved, rounded

ENVIRONMENT = {"MXNET_ENGINE_TYPE": "NaiveEngine", "MXNET_EXEC_BULK_EXEC_INFERENCE": "0",
               "MXNET_ELIMINATE_COMMON_EXPR": "0"}
WARMUP = 2
FRAME = "frame"


def operators_of(symbol, shape: Tuple[int, ...], counts) -> Tuple[List[str], List[Dict[str, Any]]]:
    """Return what the profiler calls each operator of an Engine's `symbol`, in its order, and what is known of them.

    shape   of the images.
    counts  of the network before the engine rewrote it (cost.count). ValueError unless each layer is found once.

    Known of each is
    name           of its node; of a fused one that of its convolution.
    kind           what it computes: of a fused one Convolution, with ", int8" where that is so.
    block          of blocks.BLOCKS.
    shape          its input and its result, and a convolution's kernel, to be read.
    multiply_adds  of the network's layer of this name, as cost.py counts them before fusion; 0 for other operators.
    moved          bytes of its inputs, parameters and results, each once.
    """
    inside = symbol.get_internals()
    graph = json.loads(inside.tojson())
    image = INPUT in symbol.list_inputs()  # else what is read in of it, which like parameters says its shape itself
    _, shapes, _ = inside.infer_shape(**({INPUT: shape} if image else {}))
    _, types, _ = inside.infer_type(**({INPUT: "float32"} if image else {}))
    entries = {(i, j): (one, math.prod(one) * np.dtype(kind).itemsize)
               for (i, j, *_), one, kind in zip(graph["heads"], shapes, types)}
    results: Dict[int, int] = {}
    for (i, _), (_, size) in entries.items():
        results[i] = results.get(i, 0) + size
    known = {count.name: count.multiply_adds for count in counts}
    if len(known) != len(counts):
        raise ValueError("layers that share a name")
    events, found, blocks = [], [], blocks_of(symbol)
    for i, node in enumerate(graph["nodes"]):
        if node["op"] == "null":
            continue
        first = inner(node)
        sources = {(j, k) for j, k, *_ in node["inputs"]}
        inputs = [entries[j, k][0] for j, k, *_ in node["inputs"]]
        quantised = node.get("attrs", {}).get("quantized") == "true"
        events.append(node["op"])
        found.append({
            "name": first["name"], "kind": first["op"].replace("_contrib_", "") + ", int8" * quantised,
            "block": blocks[node["name"]], "shape": _shape(first, inputs, entries[i, 0][0]),
            "multiply_adds": known.pop(first["name"], 0),
            "moved": results[i] + sum(entries[source][1] for source in sources)})
    if known:
        raise ValueError(f"counted, and not found in the graph: {', '.join(known)}")
    return events, found


def _shape(node: Dict, inputs: Sequence[Tuple[int, ...]], output: Tuple[int, ...]) -> str:
    """Return 1x64x128x256 -> 1x64x128x256, 3x3, stride 2, dilation 6, 8 groups."""
    def joined(numbers) -> str:
        return "x".join(map(str, numbers))
    attributes = node.get("attrs", {})
    text = f"{joined(inputs[0])} -> {joined(output)}" if inputs else joined(output)
    if "kernel" in attributes:
        text += f", {joined(literal_eval(attributes['kernel']))}"
        for key, word in (("stride", "stride"), ("dilate", "dilation")):
            value = max(literal_eval(attributes.get(key, "()")) or (1,))
            text += f", {word} {value}" if value > 1 else ""
        groups = int(attributes.get("num_group", "1"))
        text += f", {groups} groups" if groups > 1 else ""
    return text


def profiled(engine, image: np.ndarray, frames: int,
             beside: Mapping[str, Callable[[], object]]) -> Tuple[List[Dict[str, Any]], Dict[str, Timing]]:
    """Profile WARMUP + `frames` images in `engine`; return the profiler's events, and timings of what ran between.

    beside  run in turn with the images, with the profiler off.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.json"
        # symbolic events as well would be the same operators once more
        mx.profiler.set_config(profile_symbolic=False, profile_imperative=True, profile_memory=False, profile_api=False,
                               aggregate_stats=False, filename=str(path))
        task = mx.profiler.Task(mx.profiler.Domain(FRAME), FRAME)

        def frame() -> None:
            mx.profiler.set_state("run")
            task.start()
            engine.labels(image)
            task.stop()
            mx.profiler.set_state("stop")
        engine.labels(image)  # once without: an operator's first run prepares it
        timings = interleaved({FRAME: frame, **beside}, frames, WARMUP)
        mx.profiler.dump()
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    return events, {name: timing for name, timing in timings.items() if name != FRAME}


def frames_of(events: Sequence[Mapping[str, Any]], operators: Sequence[str], skipped: int = WARMUP) -> Dict[str, Any]:
    """Return what is in the profiler's events of the frames but the first `skipped`: medians, in seconds.

    operators  what the profiler calls those of the graph, in its order.

    Returns {"frames": how many, "filling": from a frame's begin to the first operator, "operators": each one's own,
    "between": them, "map": from the last one to the labels}. Events of other kinds (memory given back, layouts changed)
    lie inside an operator's, or count as between; what MXNet computes of the image before the graph counts as filling.
    RuntimeError where a frame does not end with the graph's operators, in its order, one after the other.
    """
    kinds, found = set(operators), []
    ran = [(begin["name"], begin["ts"], end["ts"]) for begin, end in _pairs(
        one for one in events if one.get("cat") == "operator" and one["ph"] in "BE" and one["name"] in kinds)]
    whole = _pairs(one for one in events if one.get("cat") == FRAME and one["ph"] in "be")[skipped:]
    for number, (began, ended) in enumerate((begin["ts"], end["ts"]) for begin, end in whole):
        own = [one for one in ran if began <= one[1] and one[2] <= ended][-len(operators):]
        if [name for name, _, _ in own] != list(operators):
            raise RuntimeError(f"frame {number}: other operators than the graph's, or in another order")
        if any(later < stop for (_, _, stop), (_, later, _) in zip(own, own[1:])):
            raise RuntimeError(f"frame {number}: operators ran at the same time")
        spent = [stop - start for _, start, stop in own]
        first, last = own[0][1], own[-1][2]
        found.append((first - began, ended - last, last - first - sum(spent), *spent))
    filling, labels, between, *each = rounded(statistics.median(values) / 1e6 for values in zip(*found))
    return {"frames": len(found), "filling": filling, "map": labels, "between": between, "operators": each}


def _pairs(events):
    """Return the events of a begin and an end, two by two."""
    events = list(events)
    return list(zip(events[::2], events[1::2]))
