"""A traced graph as linked nodes, to be rewritten: read from a symbol's JSON and written back."""

from __future__ import annotations

import json
from ast import literal_eval
from collections import Counter
from dataclasses import dataclass, field
from itertools import count, takewhile
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

import mxnet as mx
import numpy as np
from mxnet.ndarray.ndarray import _DTYPE_NP_TO_MX

INPUT = "data"
Arrays = Dict[str, mx.nd.NDArray]


@dataclass(eq=False)
class Node:
    """A variable (op "null") or an operator; `inputs` are entries, (node, which of its outputs)."""

    op: str
    name: str
    attrs: Dict[str, str] = field(default_factory=dict)
    inputs: List[Entry] = field(default_factory=list)

    def pair(self, key: str, default: str) -> Tuple[int, ...]:
        """Return an attribute of numbers, such as kernel, stride or pad; MXNet writes () for its default."""
        return literal_eval(self.attrs.get(key, default)) or literal_eval(default)

    def flag(self, key: str, default: bool) -> bool:
        """Return an attribute that is true or false."""
        return self.attrs.get(key, str(default)) in ("True", "1", "true")

    def integer(self, key: str, default: int) -> int:
        """Return an attribute that is a whole number."""
        return int(self.attrs.get(key, default))


Entry = Tuple[Node, int]


def variable(name: str, array: mx.nd.NDArray) -> Node:
    """Return a variable for a parameter that a pass has made."""
    return Node("null", name, {"__shape__": str(array.shape), "__dtype__": str(_DTYPE_NP_TO_MX[array.dtype])})


def parameter(name: str, value: np.ndarray, values: Arrays) -> Entry:
    """Return the entry of a float32 parameter that a pass has made, which is put into `values`."""
    values[name] = mx.nd.array(value, dtype=np.float32)
    return variable(name, values[name]), 0


def json_of(symbol) -> Dict[str, Any]:
    """Return the graph of a symbol as MXNet writes it: "nodes", "heads" and more.

    By default MXNet 1.9.1 writes a copy without amp's casts, which it never frees: some MB an engine made.
    """
    return json.loads(symbol.tojson(remove_amp_cast=False))


def read(symbol) -> List[Entry]:
    """Return the outputs of `symbol`, in its order. Operators that share a name get different ones."""
    graph = json_of(symbol)
    nodes: List[Node] = []
    taken = Counter(n["name"] for n in graph["nodes"] if n["op"] == "null")
    for n in graph["nodes"]:
        if "subgraphs" in n:
            raise NotImplementedError(f"node {n['name']}: operator {n['op']} holds graphs of its own")
        name = n["name"]
        if n["op"] != "null":
            while taken[name]:
                name += "_"
            taken[name] += 1
        nodes.append(Node(n["op"], name, dict(n.get("attrs", {})), [(nodes[i], j) for i, j, *_ in n["inputs"]]))
    return [(nodes[i], j) for i, j, *_ in graph["heads"]]


def ordered(outputs: Sequence[Entry]) -> List[Node]:
    """Every node behind `outputs`, inputs before what reads them."""
    done: Dict[int, Node] = {}
    stack = [(node, False) for node, _ in reversed(outputs)]
    while stack:
        node, ready = stack.pop()
        if id(node) in done:
            continue
        if ready:
            done[id(node)] = node
        else:
            stack.append((node, True))
            stack.extend((n, False) for n, _ in reversed(node.inputs) if id(n) not in done)
    return list(done.values())


def write(outputs: Sequence[Entry]):
    """Return the symbol of `outputs`; what they do not need is gone."""
    nodes = ordered(outputs)
    number = {id(node): i for i, node in enumerate(nodes)}
    rows = [{"op": n.op, "name": n.name, "attrs": n.attrs, "inputs": [[number[id(m)], j, 0] for m, j in n.inputs]}
            for n in nodes]
    return mx.sym.load_json(json.dumps({
        "nodes": rows, "arg_nodes": [i for i, n in enumerate(nodes) if n.op == "null"],
        "heads": [[number[id(n)], j, 0] for n, j in outputs], "attrs": {"mxnet_version": ["int", 10901]}}))


def rewrite(outputs: Sequence[Entry], replace: Callable[[Node], Entry]) -> List[Entry]:
    """Return new outputs, each node replaced by `replace(node)`, an entry in place of its output 0, or None to keep it.

    `replace` sees the nodes in order, their inputs replaced already, and returns None for those of several outputs.
    """
    made: Dict[int, Entry] = {}

    def now(entry: Entry) -> Entry:
        node, index = entry
        return made.get(id(node), entry) if index == 0 else entry
    for node in ordered(outputs):
        node.inputs = [now(entry) for entry in node.inputs]
        instead = replace(node)
        if instead is not None:
            made[id(node)] = instead
    return [now(entry) for entry in outputs]


def uses(outputs: Sequence[Entry]) -> Counter:
    """Return how often each entry, as (id of node, index), is read or returned."""
    counts = Counter((id(n), j) for n, j in outputs)
    for node in ordered(outputs):
        counts.update((id(n), j) for n, j in node.inputs)
    return counts


def shapes(outputs: Sequence[Entry], arrays: Arrays,
           inputs: Mapping[str, Tuple[int, ...]]) -> Dict[Tuple[str, int], Tuple[int, ...]]:
    """Return (node's name, output) -> its shape, for inputs of these shapes."""
    internals = write(outputs).get_internals()
    known = {name: arrays[name].shape for name in internals.list_inputs() if name in arrays}
    _, found, _ = internals.infer_shape(**known, **inputs)
    named = dict(zip(internals.list_outputs(), found))
    result = {}
    for node in ordered(outputs):
        alone = node.name if node.op == "null" else f"{node.name}_output"
        several = takewhile(named.__contains__, (f"{node.name}_output{index}" for index in count()))
        for index, name in enumerate([alone] if alone in named else several):
            result[node.name, index] = named[name]
    return result


def needed(symbol, arrays: Arrays) -> Arrays:
    """Return those of `arrays` that `symbol` reads; KeyError unless all are there."""
    return {name: arrays[name] for name in symbol.list_inputs() if not of_image(name)}


def of_image(name: str) -> bool:
    """Return True if an input is the image, or made of it alone (inputs.read_in)."""
    return name == INPUT or name.startswith(f"{INPUT}_")
