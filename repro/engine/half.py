"""float16, for GPUs: parameters and maps are halved, places and what is selected by stay float32."""

from __future__ import annotations

from typing import Dict

import mxnet as mx

from repro.engine import graph
from repro.engine.graph import INPUT, Arrays, Entry, Node

LEARNED = ("Convolution", "Deconvolution", "FullyConnected")
OWN_TYPE = {"Cast": "float32", "topk": "float32", "one_hot": "float32", "argmax": "float32"}  # unless they say
KEPT = ("BatchNorm", "take")  # their further inputs, statistics and places, are not halved


def halved(symbol, arrays: Arrays):
    """Return (symbol, arrays) of the same network in float16; input and outputs stay float32."""
    outputs, values = graph.read(symbol), dict(arrays)
    kind: Dict[int, str] = {}
    casts: Dict[tuple, Entry] = {}

    def cast(entry: Entry, to: str) -> Entry:
        key = id(entry[0]), entry[1], to
        if key not in casts:
            node = Node("Cast", f"{entry[0].name}_{entry[1]}_{to}", {"dtype": to}, [entry])
            casts[key], kind[id(node)] = (node, 0), to
        return casts[key]

    def half(entry: Entry) -> Entry:
        node = entry[0]
        if kind[id(node)] != "float32":
            return entry
        if node.name in values and node.op == "null":
            name = f"{node.name}_half"
            values[name] = values[node.name].astype("float16")
            made = graph.variable(name, values[name])
            kind[id(made)] = "float16"
            return made, 0
        return cast(entry, "float16")

    for node in graph.ordered(outputs):
        if node.op == "null":
            kind[id(node)] = "float32" if node.name == INPUT else values[node.name].dtype.__name__
            continue
        mixed = node.op not in KEPT and "float16" in [kind[id(n)] for n, _ in node.inputs]
        if node.op in LEARNED or mixed:
            node.inputs = [half(entry) for entry in node.inputs]
        first = kind[id(node.inputs[0][0])] if node.inputs else "float32"
        kind[id(node)] = node.attrs.get("dtype", OWN_TYPE[node.op]) if node.op in OWN_TYPE else first
    outputs = [cast(e, "float32") if kind[id(e[0])] == "float16" else e for e in outputs]
    made = graph.write(outputs)
    return made, graph.needed(made, {name: mx.nd.array(v, dtype=v.dtype) for name, v in values.items()})
