"""Which box of the paper's figures an operator of a graph belongs to, as it is run.

Layers say so by their names (symbols/). What an engine's passes, and MXNet's quantisation, put between them, and what
fusion of the columns and selection of regions compute without a layer, has names that MXNet made: that belongs where
its result is used, and if that is nowhere, where its input comes from.
"""

from __future__ import annotations

import json
import re
from typing import Dict, List, Optional, Sequence, Tuple

OTHER = "network"  # of the networks of others, which have no such boxes
BLOCKS = ("half column", "selection", "crops", "full column", "uncrop", "decoder", "fusion", OTHER)
PREFIXES: Sequence[Tuple[str, str]] = (
    (r"(?:quarter|half)_backbone_", "half column"), (r"pool\d+_", "half column"),  # the input halved
    (r"(?:full|double)_backbone_", "full column"), (r"(?:full_decoder_)?uncrop", "uncrop"),
    (r"[a-z]+_decoder_", "decoder"), (r"sparse_head_", "selection"), (r"crop_", "crops"),
    (r"(?:weights|fusion|upsample\d+)_", "fusion"),  # up-sampled scores and weights
)
SELECTING = ("topk", "one_hot", "sum")
FUSING = ("broadcast_mul", "elemwise_mul", "elemwise_add", "broadcast_add", "sigmoid", "UpSampling")


def inner(node: Dict) -> Dict:
    """Return what a node computes first of all: of a fused one its convolution, of another itself."""
    return next(n for part in node.get("subgraphs", ()) or ({"nodes": [node]},) for n in part["nodes"]
                if n["op"] != "null")


def named(name: str) -> Optional[str]:
    """Return the block that a node's name tells, if it does."""
    name = re.sub("^quantized_", "", name)
    return next((block for prefix, block in PREFIXES if re.match(prefix, name)), None)


def blocks_of(symbol) -> Dict[str, str]:
    """Return the block of each operator of `symbol`, by its name."""
    nodes = json.loads(symbol.tojson())["nodes"]
    inputs = [[i for i, *_ in node["inputs"] if nodes[i]["op"] != "null"] for node in nodes]
    users: List[List[int]] = [[] for _ in nodes]
    for i, sources in enumerate(inputs):
        for source in sources:
            users[source].append(i)
    operators = [i for i, node in enumerate(nodes) if node["op"] != "null"]
    found: Dict[int, Optional[str]] = {i: named(inner(nodes[i])["name"]) for i in operators}
    if not any(found.values()):
        return {nodes[i]["name"]: OTHER for i in operators}
    for i in operators:
        if found[i] is None and nodes[i]["op"] in SELECTING:
            found[i] = "selection"
    for i in reversed(operators):  # what reads a node comes behind it
        if found[i] is None and not nodes[i]["op"].endswith("dequantize"):
            after = [found[j] for j in users[i] if found[j] is not None]
            if nodes[i]["op"] in FUSING:
                found[i] = "selection" if after and set(after) == {"selection"} else "fusion"
            elif after:
                found[i] = after[0]
    for i in operators:
        if found[i] is None:
            found[i] = next((found[j] for j in inputs[i] if found[j] is not None), OTHER)
    return {nodes[i]["name"]: found[i] or OTHER for i in operators}
