"""MXNet's .params files: parameters, and backbones of the model zoo."""

from __future__ import annotations

import random
import struct
import tempfile
from pathlib import Path
from typing import Dict, Iterator

import mxnet as mx
import numpy as np
from mxnet.gluon.model_zoo import vision

from experiments.stress.fuzz.case import LINE, RESULT, Case
from experiments.stress.fuzz.damage import Damaged, cut, files, flipped, paths
from repro.errors import UserError
from repro.models import params_format
from repro.models.imagenet import load_backbone
from repro.models.parameters import arrays_of, assign, load

ARRAYS = {"conv.weight": mx.nd.array(np.arange(24).reshape(2, 3, 2, 2) / 7), "norm.gamma": mx.nd.ones(5),
          "größe": mx.nd.array([1, 2], dtype="int32"), "half": mx.nd.array([0.5], dtype="float16")}
NUMBERS = (0, 1, 2, 3, 17, 255, 0x112, 1 << 16, 1 << 31, (1 << 32) - 1, 1 << 40, 1 << 62, 1 << 63, (1 << 64) - 1)


def saved(arrays: Dict[str, mx.nd.NDArray]) -> bytes:
    """Return a .params file, as MXNet writes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.params"
        mx.nd.save(str(path), arrays)
        return path.read_bytes()


def _numbers(data: bytes, draw: random.Random, count: int) -> Iterator[Damaged]:
    """Yield counts, shapes, types and lengths that are not so: 4 or 8 bytes at the file's beginning and end, or
    anywhere."""
    for _ in range(count):
        at = draw.choice((draw.randrange(0, 120, 4), len(data) - draw.randrange(8, 90), draw.randrange(len(data) - 8)))
        kind, value = draw.choice("IQ"), draw.choice(NUMBERS)
        number = struct.pack(f"<{kind}", value & ((1 << 32) - 1 if kind == "I" else (1 << 64) - 1))
        yield "wrong numbers", f"{value:#x} at {at}", data[:at] + number + data[at + len(number):]


def _damaged(data: bytes, draw: random.Random, count: int) -> Iterator[Damaged]:
    yield from cut(data, draw, count)
    yield from flipped(data, draw, count)
    yield from _numbers(data, draw, count)


def _finite(arrays) -> bool:
    """Return True if what is loaded are named values, all finite."""
    return isinstance(arrays, dict) and all(isinstance(name, str) and np.isfinite(value.asnumpy()).all()
                                            for name, value in arrays.items())


def parameters(seed: int) -> Iterator[Case]:
    """repro.models.parameters.load, and assign into a network."""
    draw, data = random.Random(seed), saved(ARRAYS)
    yield from files("a.params", _damaged(data, draw, 120), load, lambda value, _: _finite(value))
    wrong = [("NaN weights", f"{value}, {kind}", saved({**ARRAYS, "bad": mx.nd.array([0, value], dtype=kind)}))
             for value in (np.nan, np.inf, -np.inf) for kind in ("float32", "float64", "float16")]
    wrong += [("wrong type", "sparse", saved({"a": mx.nd.ones((4, 3)).tostype("row_sparse")})),
              ("wrong type", "without names", saved([mx.nd.ones(3)]))]
    yield from files("a.params", wrong, load, lambda value, _: False, (LINE,))
    yield from paths(data, ".params", load, lambda found: found.keys() == ARRAYS.keys() and all(
        (found[name].asnumpy() == value.asnumpy()).all() for name, value in ARRAYS.items()))

    network = mx.gluon.nn.HybridSequential(prefix="")
    network.add(mx.gluon.nn.Dense(3, in_units=2), mx.gluon.nn.BatchNorm(in_channels=3))
    network.initialize()
    own = {name: value.copy() for name, value in arrays_of(network).items()}
    for name, value in own.items():
        less = {key: one for key, one in own.items() if key != name}
        for what, given in {"transposed": {**own, name: value.reshape((-1, 1))}, "longer": {**own, name: mx.nd.ones(9)},
                            "one": {**own, name: mx.nd.ones(1)}, "missing": less,
                            "renamed": {**less, f"{name}2": value}}.items():
            yield Case("missing key" if what in ("missing", "renamed") else "wrong size", f"{name}: {what}",
                       lambda folder, given=given: assign(network, given, "weights a"), lambda _: False, (LINE,))


def types(seed: int) -> Iterator[Case]:
    """parameters.load: values of every type, exact in float32 or refused; and files that are no .params."""
    draw = random.Random(seed)
    for kind in ("float16", "float64", "uint8", "int8", "int32", "int64"):
        for number in range(20):
            value = draw.choice((0, 1, draw.randrange(128), 2 ** draw.randrange(40), draw.random(),
                                 10.0 ** draw.randrange(-50, 50), -draw.random()))
            with np.errstate(all="ignore"):
                values = np.array([value, 1], np.float64).astype(kind)
                if not np.isfinite(values.astype(np.float64)).all():
                    continue
                exact = np.array_equal(values.astype(np.float32).astype(kind), values)
            content = saved({"x": mx.nd.array(values, dtype=kind)})
            yield from files("a.params", [("another type", f"{number}: {value!r} of {kind}", content)],
                             load, lambda found, _, values=values: found["x"].dtype == np.float32 and
                             np.array_equal(found["x"].asnumpy(), values), (RESULT,) if exact else (LINE,))
    for name in ("running_var", "a.0.running_var", "conv0_running_var", "moving_var"):
        for value, allowed in ((0.0, RESULT), (1e-30, RESULT), (-1e-30, LINE), (-1.0, LINE)):
            yield from files("a.params", [("variance", f"{name} of {value}", saved({name: mx.nd.array([1, value])}))],
                             load, lambda _, content: True, (allowed,))
    others = [(words, begin + draw.choice((b"", b"\0" * 99, b"archive/data.pkl"))) for begin, words in
              params_format.OTHERS for _ in range(4)]
    for words, content in [*others, ("safetensors", b"\x40" + bytes(7) + b'{"a":{}}'), (
            "Gluon's export", saved({"arg:a": mx.nd.ones(2), "aux:b": mx.nd.ones(1)}))]:
        def called(path, words=words):
            try:
                return load(path)
            except UserError as error:
                if words not in str(error):
                    raise AssertionError(str(error)) from None
                raise
        yield from files("a.params", [("another kind of file", f"{words}, {content[:20]!r}", content)], called,
                         lambda _, content: False, (LINE,))


def backbones(seed: int) -> Iterator[Case]:
    """repro.models.imagenet.load_backbone: the model zoo's names, some of them missing, and old ones."""
    draw = random.Random(seed)
    zoo = {name: mx.nd.ones(1) for name in vision.resnet50_v1()._collect_params_with_prefix()}
    data = saved(zoo)
    yield from files("a.params", [("as it should be", "all names", data)], load_backbone,
                     lambda value, _: _finite(value) and "level5.2.conv3.running_var" in value, (RESULT,))
    wrong = [("missing key", name, saved({key: value for key, value in zoo.items() if key != name}))
             for name in draw.sample([name for name in zoo if name.endswith(("gamma", "beta", "mean", "var"))], 30)]
    wrong += [("wrong size", f"an old file, {name}", saved({
        "conv0_weight": mx.nd.ones((64, 3, 7, 7)), name: mx.nd.ones((2, 2))})) for name in (
            "conv0_weight", "stage1_conv0_weight")]
    yield from files("a.params", wrong, load_backbone, lambda value, _: False, (LINE,))
    yield from files("a.params", _damaged(data, draw, 60), load_backbone, lambda value, _: _finite(value))
