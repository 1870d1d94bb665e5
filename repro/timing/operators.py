"""Where the time of one inference goes, operator by operator, by MXNet's own profiler.

Its events bear the kind of an operator, not its name. In an engine that runs one operator after the other (ENVIRONMENT,
to be set before mxnet is imported) they come in the order of the graph, so that each finds its node; `frames_of`
raises where they do not. What is profiled is the Engine itself: its hybridized graph (a CachedOp, static) with its
buffers, one image after the other, as it is timed, only without several operators run in one go.
"""

from __future__ import annotations

import json
import math
import os
from ast import literal_eval
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

import mxnet as mx
import numpy as np

from repro.engine.graph import INPUT
from repro.timing.blocks import blocks_of, inner
from repro.timing.clock import Timing, interleaved

ENVIRONMENT = {"MXNET_ENGINE_TYPE": "NaiveEngine", "MXNET_EXEC_BULK_EXEC_INFERENCE": "0",
               "MXNET_ELIMINATE_COMMON_EXPR": "0"}
WARMUP = 2
FRAME = "frame"


@dataclass(frozen=True)
class Operator:
    """One operator of a graph as it is run, and what it has to do.

    name           of its node; of a fused one that of its convolution.
    event          what the profiler calls it.
    kind           what it computes: of a fused one Convolution, with ", int8" where that is so.
    block          of blocks.BLOCKS.
    shape          its input and its result, and a convolution's kernel, to be read.
    multiply_adds  of the network's layer of this name, as cost.py counts them before fusion; 0 for other operators.
    moved          bytes of its inputs, parameters and results, each once.
    """

    name: str
    event: str
    kind: str
    block: str
    shape: str
    multiply_adds: int
    moved: int


@dataclass(frozen=True)
class Frame:
    """One image, in seconds from its beginning: when each operator began and ended, and when the labels were there."""

    spans: Tuple[Tuple[float, float], ...]
    whole: float

    @property
    def filling(self) -> float:
        """Return the time until the first operator: the image normalised into the graph's input."""
        return self.spans[0][0]

    @property
    def operators(self) -> Tuple[float, ...]:
        """Return each one's own time."""
        return tuple(stop - start for start, stop in self.spans)

    @property
    def between(self) -> float:
        """Return the time between operators."""
        return self.spans[-1][1] - self.spans[0][0] - sum(self.operators)

    @property
    def labels(self) -> float:
        """Return the time from the last operator on: the label map."""
        return self.whole - self.spans[-1][1]


def operators_of(symbol, shape: Tuple[int, ...], counts) -> Tuple[Operator, ...]:
    """Return the operators of an Engine's `symbol`, in its order, for images of `shape`.

    counts  of the network before the engine rewrote it (cost.count). ValueError unless each layer is found once.
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
    found: List[Operator] = []
    numbers = [i for i, node in enumerate(graph["nodes"]) if node["op"] != "null"]
    for i, block in zip(numbers, blocks_of(symbol)):
        node = graph["nodes"][i]
        first = inner(node)
        sources = {(j, k) for j, k, *_ in node["inputs"]}
        inputs = [entries[j, k][0] for j, k, *_ in node["inputs"]]
        kind = first["op"].replace("_contrib_", "")
        if node.get("attrs", {}).get("quantized") == "true":
            kind += ", int8"
        found.append(Operator(first["name"], node["op"], kind, block,
                              _shape(first, inputs, entries[i, 0][0]), known.pop(first["name"], 0),
                              results[i] + sum(entries[source][1] for source in sources)))
    if known:
        raise ValueError(f"counted, and not found in the graph: {', '.join(known)}")
    return tuple(found)


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


def profiled(engine, image: np.ndarray, frames: int, path,
             beside: Mapping[str, Callable[[], object]]) -> Tuple[List[Dict[str, Any]], Dict[str, Timing]]:
    """Profile WARMUP + `frames` images in `engine`; return the profiler's events, and timings of what ran between.

    path    a file for the profiler to write.
    beside  run in turn with the images, with the profiler off.
    """
    wrong = [name for name, value in ENVIRONMENT.items() if os.environ.get(name) != value]
    if wrong:
        raise RuntimeError(f"to be set before mxnet is imported: {', '.join(f'{n}={ENVIRONMENT[n]}' for n in wrong)}")
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
    with open(path, encoding="utf-8") as file:
        events = json.load(file)["traceEvents"]
    return events, {name: timing for name, timing in timings.items() if name != FRAME}


def frames_of(events: Sequence[Mapping[str, Any]], operators: Sequence[Operator], skipped: int = WARMUP) -> List[Frame]:
    """Return the time of each operator in each frame but the first `skipped`, from the profiler's events.

    Events of other kinds (memory given back, layouts changed) lie inside an operator's, or count as between; what
    MXNet computes of the image before the graph counts as filling. RuntimeError where a frame does not end with the
    graph's operators, in its order, one after the other.
    """
    kinds = {operator.event for operator in operators}
    ran = list(_spans(e for e in events if e.get("cat") == "operator" and e["ph"] in "BE" and e["name"] in kinds))
    whole = [(e["ts"], f["ts"]) for e, f in _pairs(e for e in events if e.get("cat") == FRAME and e["ph"] in "be")]
    if len(whole) <= skipped:
        raise RuntimeError(f"{len(whole)} frames, of which {skipped} are to be skipped")
    frames = []
    for number, (began, ended) in enumerate(whole):
        own = [span for span in ran if began <= span[1] and span[2] <= ended][-len(operators):]
        if len(own) < len(operators):
            raise RuntimeError(f"frame {number}: {len(own)} events for {len(operators)} operators")
        for (name, _, _), operator in zip(own, operators):
            if name != operator.event:
                raise RuntimeError(f"frame {number}: the event of {operator.event} {operator.name} is one of {name}")
        if any(later[1] < one[2] for one, later in zip(own, own[1:])):
            raise RuntimeError(f"frame {number}: operators ran at the same time")
        frames.append(Frame(tuple(((start - began) / 1e6, (stop - began) / 1e6) for _, start, stop in own),
                            (ended - began) / 1e6))
    return frames[skipped:]


def _pairs(events):
    events = list(events)
    return zip(events[::2], events[1::2])


def _spans(events):
    for begin, end in _pairs(events):
        if (begin["ph"], end["ph"], begin["name"]) != ("B", "E", end["name"]):
            raise RuntimeError(f"the profiler's event {begin['name']} has no end")
        yield begin["name"], begin["ts"], end["ts"]


def chrome_trace(frames: Sequence[Frame], operators: Sequence[Operator]) -> Dict[str, Any]:
    """Return the frames for chrome://tracing, or Perfetto: operators by their names, below the frames."""
    events: List[Dict[str, Any]] = [
        {"ph": "M", "pid": 0, "tid": tid, "name": "thread_name", "args": {"name": name}}
        for tid, name in enumerate(("frames", "operators"))]
    now = 0.0

    def event(tid: int, name: str, at: float, seconds: float, **more) -> None:
        events.append({"ph": "X", "pid": 0, "tid": tid, "name": name, "ts": round(at * 1e6, 1),
                       "dur": round(seconds * 1e6, 1), "args": more})
    for number, frame in enumerate(frames):
        event(0, f"frame {number}", now, frame.whole)
        event(1, "input", now, frame.filling)
        for operator, (start, _), seconds in zip(operators, frame.spans, frame.operators):
            event(1, operator.name, now + start, seconds, block=operator.block, kind=operator.kind,
                  shape=operator.shape, multiply_adds=operator.multiply_adds)
        event(1, "labels", now + frame.whole - frame.labels, frame.labels)
        now += frame.whole
    return {"traceEvents": events, "displayTimeUnit": "ms"}
