"""Reading MXNet's .params files without MXNet, whose own reader trusts them: a length or a shape that is not so can
end its process, or take all memory. Each number here is held against the file's size before anything is made of it.

A file is uint64 0x112, uint64 0, then uint64 n and n arrays, then uint64 n and n names (uint64 length, UTF-8). An
array is its version's magic number, from the second version on its kind of storage (0: dense), its shape (uint32 axes,
int64 sides), its device (two int32), its type (int32) and its values; all little-endian (MXNet 1.9,
src/ndarray/ndarray.cc).
"""

from __future__ import annotations

import math
import struct
from typing import Dict, List, Tuple

import numpy as np

from repro.errors import UserError
from repro.files import given

LIST = 0x112
VERSIONS = {0xF993FAC8: 1, 0xF993FAC9: 2, 0xF993FACA: 3}
TYPES = tuple(np.dtype(name) for name in ("<f4", "<f8", "<f2", "u1", "<i4", "i1", "<i8"))  # by MXNet's numbers
AXES, LONGEST = 16, 1024  # at most, and bytes of a name


# how other files begin that are taken for weights, and what they are
OTHERS = (
    (b"PK\3\4", "a zip, such as PyTorch's .pth and .pt and NumPy's .npz are"),
    (b"\x80", "a Python pickle, such as PyTorch's older .pth are"), (b"\x89HDF", "HDF5, such as Keras' .h5 are"),
    (b"\x93NUMPY", "a NumPy array"), (b"{", "JSON; the values are in a file beside it"),
    (b"version https://git-lfs", "a pointer of Git LFS, in whose place `git lfs pull` puts the file"))
EXPORTED = ("arg:", "aux:")  # before each name in the file that Gluon's export writes beside a -symbol.json


class _Damaged(Exception):
    """Why bytes are not such a file."""


class _Reader:
    """Takes values off the front of bytes, and never more than there are."""

    def __init__(self, data: bytes):
        self._data, self._at = memoryview(data), 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int) -> memoryview:
        if size > self.left:
            raise _Damaged("it is truncated")
        self._at += size
        return self._data[self._at - size:self._at]

    def numbers(self, kinds: str) -> Tuple[int, ...]:
        return struct.unpack(f"<{kinds}", self.take(struct.calcsize(f"<{kinds}")))


def read(path) -> Dict[str, np.ndarray]:
    """Return the named arrays of a .params file, read-only views of its bytes.

    UserError, in one line, when it is missing, is no such file or damaged, or its values have no names.
    """
    data = given(path, f"weights {path}")
    safetensors = "a safetensors file" if data[8:10] == b'{"' else ""
    other = next((what for begin, what in OTHERS if data.startswith(begin)), safetensors)
    if other:
        raise UserError(f"weights {path}: not an MXNet .params file but {other}")
    try:
        arrays = _arrays(_Reader(data), str(path))
    except _Damaged as error:
        raise UserError(f"weights {path}: not an MXNet .params file, or damaged: {error}") from None
    if arrays and all(name.startswith(EXPORTED) for name in arrays):
        raise UserError(f"weights {path}: a graph's parameters, of the pair that Gluon's export writes with a "
                        "-symbol.json; give the .params that training wrote, or use the pair with SymbolBlock.imports")
    return arrays


def _arrays(reader: _Reader, path: str) -> Dict[str, np.ndarray]:
    if reader.left < 16 or reader.numbers("QQ") != (LIST, 0):
        raise _Damaged("it does not begin as one")
    count, = reader.numbers("Q")
    if count > reader.left // 4:
        raise _Damaged(f"it says that it has {count} arrays")
    arrays = [_array(reader) for _ in range(count)]
    named, = reader.numbers("Q")
    if count and not named:
        raise UserError(f"weights {path}: the values in it have no names")
    if named != count:
        raise _Damaged(f"{named} names for {count} arrays")
    names = _names(reader, count)
    if reader.left:
        raise _Damaged(f"{reader.left} bytes behind its end")
    return dict(zip(names, arrays))


def _array(reader: _Reader) -> np.ndarray:
    magic, = reader.numbers("I")
    if magic not in VERSIONS:
        raise _Damaged(f"an array begins with {magic:#x}, no version known here")
    if VERSIONS[magic] > 1 and reader.numbers("i") != (0,):
        raise _Damaged("an array is sparse, which no weights are")
    axes, = reader.numbers("I")
    if not 1 <= axes <= AXES:
        raise _Damaged(f"an array has {axes} axes")
    shape = reader.numbers(f"{axes}q")
    if min(shape) < 1:
        raise _Damaged(f"an array has the shape {shape}")
    _, _, kind = reader.numbers("iii")
    if not 0 <= kind < len(TYPES):
        raise _Damaged(f"an array has the type {kind}, none known here")
    size = math.prod(shape) * TYPES[kind].itemsize
    if size > reader.left:
        raise _Damaged(f"it is truncated, or the shape {shape} is not its array's")
    return np.frombuffer(reader.take(size), TYPES[kind]).reshape(shape)


def _names(reader: _Reader, count: int) -> List[str]:
    names: List[str] = []
    for _ in range(count):
        length, = reader.numbers("Q")
        if not 1 <= length <= LONGEST:
            raise _Damaged(f"a name has {length} bytes")
        try:
            names.append(bytes(reader.take(length)).decode("utf-8"))
        except UnicodeDecodeError:
            raise _Damaged("a name is not UTF-8") from None
    twice = len(names) - len(set(names))
    if twice:
        raise _Damaged(f"{twice} names are given twice")
    return names
