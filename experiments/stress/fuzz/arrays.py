"""MXNet's .params files: parameters, backbones of the model zoo, and checkpoints."""

from __future__ import annotations

import random
import struct
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Dict, Iterator

import mxnet as mx
import numpy as np

from experiments.stress.fuzz.case import LINE, RESULT, Case
from experiments.stress.fuzz.damage import Damaged, cut, files, flipped, paths
from repro.errors import UserError
from repro.models import imagenet, params_format
from repro.models import parameters as parameters_of
from repro.models.imagenet import BODY, UNITS
from repro.training import checkpoints as checkpoints_of

ARRAYS = {"conv.weight": mx.nd.array(np.arange(24).reshape(2, 3, 2, 2) / 7), "norm.gamma": mx.nd.ones(5),
          "größe": mx.nd.array([1, 2], dtype="int32"), "half": mx.nd.array([0.5], dtype="float16")}
NUMBERS = (0, 1, 2, 3, 17, 255, 0x112, 1 << 16, 1 << 31, (1 << 32) - 1, 1 << 40, 1 << 62, 1 << 63, (1 << 64) - 1)


def saved(arrays: Dict[str, mx.nd.NDArray]) -> bytes:
    """A .params file, as MXNet writes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.params"
        mx.nd.save(str(path), arrays)
        return path.read_bytes()


def _numbers(data: bytes, draw: random.Random, count: int) -> Iterator[Damaged]:
    """Counts, shapes, types and lengths that are not so: 4 or 8 bytes at the file's beginning and end, or anywhere."""
    for _ in range(count):
        at = draw.choice((draw.randrange(0, 120, 4), len(data) - draw.randrange(8, 90), draw.randrange(len(data) - 8)))
        kind, value = draw.choice("IQ"), draw.choice(NUMBERS)
        number = struct.pack(f"<{kind}", value & ((1 << 32) - 1 if kind == "I" else (1 << 64) - 1))
        yield "wrong numbers", f"{value:#x} at {at}", data[:at] + number + data[at + len(number):]


def _finite(arrays) -> bool:
    """Whether what is loaded are named values, all finite."""
    return isinstance(arrays, dict) and all(isinstance(name, str) and np.isfinite(value.asnumpy()).all()
                                            for name, value in arrays.items())


def _equal(arrays, wanted) -> bool:
    return arrays.keys() == wanted.keys() and all((arrays[name].asnumpy() == value.asnumpy()).all()
                                                  for name, value in wanted.items())


def _damaged(data: bytes, draw: random.Random, count: int) -> Iterator[Damaged]:
    yield from cut(data, draw, count)
    yield from flipped(data, draw, count)
    yield from _numbers(data, draw, count)


def parameters(seed: int) -> Iterator[Case]:
    """repro.models.parameters.load, and assign into a network."""
    draw, data = random.Random(seed), saved(ARRAYS)
    yield from files("a.params", _damaged(data, draw, 120), parameters_of.load, lambda value, _: _finite(value))
    for name, value in (("NaN", np.nan), ("infinity", np.inf), ("minus infinity", -np.inf)):
        for kind in ("float32", "float64", "float16"):
            content = saved({**ARRAYS, "bad": mx.nd.array([0, value], dtype=kind)})
            yield from files("a.params", [("NaN weights", f"{name}, {kind}", content)], parameters_of.load,
                             lambda value, _: False, (LINE,))
    yield from files("a.params", [("wrong type", "sparse", saved({"a": mx.nd.ones((4, 3)).tostype("row_sparse")})),
                                  ("wrong type", "without names", saved([mx.nd.ones(3)]))], parameters_of.load,
                     lambda value, _: False, (LINE,))
    yield from paths(data, ".params", parameters_of.load, lambda value: _equal(value, ARRAYS))

    network = mx.gluon.nn.HybridSequential(prefix="")
    network.add(mx.gluon.nn.Dense(3, in_units=2), mx.gluon.nn.BatchNorm(in_channels=3))
    network.initialize()
    own = {name: value.copy() for name, value in parameters_of.arrays_of(network).items()}
    for name, value in own.items():
        wrong = {"transposed": value.reshape((-1, 1)), "longer": mx.nd.ones(9), "one": mx.nd.ones(1),
                 "none": None, "renamed": value}
        for what, other in wrong.items():
            given = {key: one for key, one in own.items() if key != name}
            given.update({f"{name}2" if what == "renamed" else name: other} if other is not None else {})
            yield Case("wrong size" if what in ("transposed", "longer", "one") else "missing key", f"{name}: {what}",
                       lambda folder, given=given: parameters_of.assign(network, given, "weights a"),
                       lambda _: False, (LINE,))


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
                             parameters_of.load, lambda found, _, values=values: found["x"].dtype == np.float32 and
                             np.array_equal(found["x"].asnumpy(), values), (RESULT,) if exact else (LINE,))
    for name in ("running_var", "a.0.running_var", "conv0_running_var", "moving_var"):
        for value, allowed in ((0.0, RESULT), (1e-30, RESULT), (-1e-30, LINE), (-1.0, LINE)):
            yield from files("a.params", [("variance", f"{name} of {value}", saved({name: mx.nd.array([1, value])}))],
                             parameters_of.load, lambda _, content: True, (allowed,))
    others = [(words, begin + draw.choice((b"", b"\0" * 99, b"archive/data.pkl"))) for begin, words in
              params_format.OTHERS for _ in range(4)]
    for words, content in [*others, ("safetensors", b"\x40" + bytes(7) + b'{"a":{}}'), (
            "Gluon's export", saved({"arg:a": mx.nd.ones(2), "aux:b": mx.nd.ones(1)}))]:
        def called(path, words=words):
            try:
                return parameters_of.load(path)
            except UserError as error:
                if words not in str(error):
                    raise AssertionError(str(error)) from None
                raise
        yield from files("a.params", [("another kind of file", f"{words}, {content[:20]!r}", content)], called,
                         lambda _, content: False, (LINE,))


def _zoo() -> Dict[str, mx.nd.NDArray]:
    """The names of Gluon's resnet50_v1, each with a value."""
    pairs = [("features.0", "features.1")]
    for level, units in enumerate(UNITS):
        for unit in range(units):
            at = f"features.{level + 4}.{unit}"
            pairs += [(f"{at}.body.{conv}", f"{at}.body.{norm}") for conv, norm, _ in BODY]
            pairs += [(f"{at}.downsample.0", f"{at}.downsample.1")] if unit == 0 else []
    names = [f"{conv}.weight" for conv, _ in pairs] + [f"{norm}.{value}" for _, norm in pairs for value in (
        "gamma", "beta", "running_mean", "running_var")]
    return {name: mx.nd.ones(1) for name in names}


def backbones(seed: int) -> Iterator[Case]:
    """repro.models.imagenet.load_backbone: the model zoo's names, each of them missing once, and old ones."""
    draw, zoo = random.Random(seed), _zoo()
    data = saved(zoo)

    def kind(value) -> bool:
        return _finite(value) and len(value) in (len(zoo), 1)
    yield from files("a.params", [("as it should be", "all names", data)], imagenet.load_backbone,
                     lambda value, _: kind(value) and "level5.2.conv3.running_var" in value, (RESULT,))
    for name in draw.sample(sorted(zoo), 150):
        content = saved({key: value for key, value in zoo.items() if key != name})
        if name != "features.0.weight":  # without it, it is no file of the model zoo
            yield from files("a.params", [("missing key", name, content)], imagenet.load_backbone,
                             lambda value, _: False, (LINE,))
    yield from files("a.params", _damaged(data, draw, 60), imagenet.load_backbone, lambda value, _: _finite(value))
    for name in ("conv0_weight", "stage1_conv0_weight"):
        content = saved({"conv0_weight": mx.nd.ones((64, 3, 7, 7)), name: mx.nd.ones((2, 2))})
        yield from files("a.params", [("wrong size", f"an old file, {name}", content)], imagenet.load_backbone,
                         lambda value, _: False, (LINE,))
    yield from paths(data, ".params", imagenet.load_backbone, kind)


def checkpoints(seed: int) -> Iterator[Case]:
    """repro.training.checkpoints.restore: a state is set whole or not at all."""
    draw, cpu = random.Random(seed), [mx.cpu()]
    network = mx.gluon.nn.Dense(3, in_units=2)
    network.initialize()
    trainer = mx.gluon.Trainer(network.collect_params(), mx.optimizer.SGD(momentum=0.9), kvstore=None)
    with mx.autograd.record():
        loss = network(mx.nd.ones((1, 2))).sum()
    loss.backward()
    trainer.step(1)
    own = parameters_of.parameters_of(network)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.params"
        checkpoints_of.save(path, 3, "me", own, trainer, np.array([0.25, 0.5], np.float32), [3.0, 2.0, 1.0], 1.5)
        data, arrays = path.read_bytes(), parameters_of.load(path)
    before = {name: mx.nd.ones(parameter.shape) * 7 for name, parameter in own.items()}

    def read(path):
        for name, parameter in own.items():
            parameter.set_data(before[name])
        target = SimpleNamespace(_params=trainer._params, _updaters=[SimpleNamespace(states={}, states_synced={})])
        try:
            found = checkpoints_of.restore(path, "me", own, target, cpu)
        except Exception:
            if target._updaters[0].states or not _equal({name: one.data() for name, one in own.items()}, before):
                raise AssertionError("a part of a checkpoint was set") from None
            raise
        return found and (found, {name: one.data().copy() for name, one in own.items()}, target._updaters[0].states)

    def right(value) -> bool:
        found, values, momenta = value
        return found["step"] == len(found["losses"]) and _finite(values) and set(momenta) <= {0, 1} and all(
            values[name].shape == own[name].shape for name in own)

    def same(value) -> bool:
        found, values, momenta = value
        return (found["step"], found["losses"], found["averages"].tolist(), found["seconds"]) == (
            3, [3.0, 2.0, 1.0], [0.25, 0.5], 1.5) and len(momenta) == 2 and all(
            (values[name] == arrays[f"{checkpoints_of.PARAMETER}{name}"]).asnumpy().all() for name in own)
    yield from files("a.params", [("as it should be", "as it is", data)], read, lambda value, _: same(value), (RESULT,))
    yield from files("a.params", _damaged(data, draw, 80), read, lambda value, _: right(value))
    metas = ["", "{}", "[]", "null", "{", "[" * 50000, '{"format": 2, "step": 1e999, "identity": "me", "seconds": 1}',
             '{"format": 2, "step": -1, "identity": "me", "seconds": 1}', '{"format": 1, "step": 3, "identity": "me", '
             '"seconds": 1}', '{"format": 2, "step": 3, "identity": "you", "seconds": 1}',
             '{"format": 2, "step": 3, "identity": "me", "seconds": NaN}', '{"format": 2, "step": 4, "identity": "me", '
             '"seconds": 1}', '{"format": 2, "step": "3", "identity": "me", "seconds": 1}', "\xff\xfe"]
    for text in metas:
        meta = mx.nd.array(np.frombuffer(text.encode("latin-1") or b" ", np.uint8), dtype="uint8")
        content = saved({**arrays, checkpoints_of.META: meta})
        yield from files("a.params", [("wrong value", f"meta {text[:40]!r}", content)], read, lambda value, _: False,
                         (LINE,))
    for name, value in arrays.items():
        wrong = {"missing": None, "longer": mx.nd.ones(99), "of two axes": mx.nd.ones((4, 4)),
                 "of another type": value.astype("int8"), "renamed": value}
        for what, other in wrong.items():
            given = {key: one for key, one in arrays.items() if key != name}
            given.update({f"{name}9" if what == "renamed" else name: other} if other is not None else {})
            yield from files("a.params", [("missing key" if what in ("missing", "renamed") else "wrong size",
                                           f"{name}: {what}", saved(given))], read, lambda value, _: right(value))
    for name in ("momentum:x", "momentum:-1", "momentum:99", "momentum:", "momentum:01", "parameter:more", "more"):
        yield from files("a.params", [("unknown key", name, saved({**arrays, name: mx.nd.ones((3, 2))}))], read,
                         lambda value, _: False, (LINE,))
    yield from paths(data, ".params", read, lambda value: value is None or same(value), absent=(RESULT,))
