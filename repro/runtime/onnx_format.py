"""What an ONNX file says that onnxruntime divides by without a look: a stride of 0 ends the process (onnxruntime 1.19);
and the words in it that OpenVINO does not give.

Read here without onnx: a file is protobuf, of messages of numbered fields (onnx.proto: a model's graph is field 7, its
properties 14, each a key 1 and a value 2, a graph's nodes 1, a node's attributes 5, an attribute's name 1, number 3,
graph 6 and numbers 8).
"""

from __future__ import annotations

from typing import Dict, Iterator, Tuple, Union

DIVISORS = (b"strides", b"dilations", b"kernel_shape", b"group", b"blocksize", b"block_size", b"num_outputs")
_DEEPEST = 50  # graphs within graphs
Field = Tuple[int, Union[int, memoryview]]


def divisors(model: bytes) -> Iterator[Tuple[str, int]]:
    """(name, value) of each attribute's numbers that are divided by; what is no protobuf has none from there on."""
    try:
        for graph in _parts(memoryview(model), 7):
            yield from _of_graph(graph, 0)
    except (IndexError, ValueError):
        return


def properties(model: bytes) -> Dict[str, str]:
    """The properties of a file by name; UnicodeDecodeError where one is no UTF-8."""
    found: Dict[str, str] = {}
    try:
        for one in _parts(memoryview(model), 14):
            key, value = (bytes(next(_parts(one, number), b"")) for number in (1, 2))
            found[key.decode()] = value.decode()
    except UnicodeDecodeError:
        raise
    except (IndexError, ValueError):
        pass
    return found


def _of_graph(graph: memoryview, depth: int) -> Iterator[Tuple[str, int]]:
    for node in _parts(graph, 1):
        for attribute in _parts(node, 5):
            known = bytes(next(_parts(attribute, 1), b"")) in DIVISORS
            for number, value in _fields(attribute):
                if number == 6 and not isinstance(value, int) and depth < _DEEPEST:
                    yield from _of_graph(value, depth + 1)
                elif known and number in (3, 8):
                    for one in (value,) if isinstance(value, int) else _packed(value):
                        yield bytes(next(_parts(attribute, 1))).decode(), one - (1 << 64 if one >> 63 else 0)


def _parts(message: memoryview, wanted: int) -> Iterator[memoryview]:
    return (value for number, value in _fields(message) if number == wanted and not isinstance(value, int))


def _packed(values: memoryview) -> Iterator[int]:
    at = 0
    while at < len(values):
        value, at = _varint(values, at)
        yield value


def _fields(message: memoryview) -> Iterator[Field]:
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        size, at = (8, at) if kind == 1 else (4, at) if kind == 5 else _varint(message, at)
        if kind not in (1, 2, 5) or at + size > len(message):
            raise ValueError("no protobuf")
        yield tag >> 3, message[at:at + size]
        at += size


def _varint(data: memoryview, at: int) -> Tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at += 1
        if not data[at - 1] & 0x80:
            return value & (1 << 64) - 1, at
        shift += 7
        if shift > 63:
            raise ValueError("no protobuf")
