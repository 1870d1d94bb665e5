"""SparseRefine's exported networks: the refiner's ONNX file damaged, of other shapes, with other records."""

from __future__ import annotations

import json
import random
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Iterator

import mxnet as mx
import numpy as np
import onnx
from onnx import helper

from experiments.stress.fuzz import networks
from experiments.stress.fuzz.case import LINE, RESULT, Case
from experiments.stress.fuzz.damage import cut, files, flipped, paths
from experiments.stress.fuzz.texts import JSONS, documents, plain
from repro.data.classes import CITYSCAPES
from repro.files import contents
from repro.models.build import build_refiner
from repro.models.parameters import arrays_of
from repro.runtime.metadata import KEY
from repro.sparserefine.export import write_refiner
from repro.sparserefine.exported import DENSE, REFINER, Record, load, parse
from repro.sparserefine.networks import refiner_of

RECORD = Record("random", 0.3, 2, tuple(CITYSCAPES.names), "0" * 40, {"selections": 1, "pixels": 9, "apart": 1e-7})
WIDTH, SHRUNK = 1 / 16, 2
NAME, SUFFIX = f"a{REFINER}.onnx", f"{REFINER}.onnx"
SIZE = tuple(SHRUNK * side for side in networks.SIZE)
IMAGE = np.random.RandomState(0).randint(0, 256, (*SIZE, 3)).astype(np.uint8)


def refiner(classes: int = len(CITYSCAPES), value=None) -> onnx.ModelProto:
    """An exported refiner, without its record; value: of all that it has learned."""
    mx.random.seed(0)
    network = build_refiner(classes, WIDTH)
    network.initialize(mx.init.Xavier())
    arrays = {name: one if value is None else mx.nd.full(one.shape, value) for name, one in arrays_of(network).items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "refiner.onnx"
        write_refiner(refiner_of(arrays, classes, WIDTH, mx.cpu()), classes, path)
        return onnx.load(str(path))


def content(model: onnx.ModelProto, record: str = RECORD.to_text()) -> bytes:
    """The file of a refiner, with this record."""
    helper.set_model_props(model, {KEY: record})
    return model.SerializeToString()


def read(path):
    """The labels that both networks find: the refiner at `path` and the dense network beside it."""
    return load(str(path)[:-len(SUFFIX)]).segment(IMAGE).labels


def beside(path) -> None:
    """A dense network for the refiner at `path`."""
    Path(str(path)[:-len(SUFFIX)] + f"{DENSE}.onnx").write_bytes(networks.network())


def read_both(path):
    """The same, which puts the dense network there."""
    beside(path)
    return read(path)


def read_record(path) -> Record:
    """A record in a file of its own."""
    return parse(contents(path).decode("utf-8", "surrogateescape"), str(path))


def refiners(seed: int) -> Iterator[Case]:
    """repro.sparserefine.exported.load, the labels found, and records of refiners."""
    draw, own = random.Random(seed), refiner()
    bare, data = own.SerializeToString(), content(own)

    def kind(labels, _) -> bool:
        return labels.shape == SIZE and labels.dtype == np.uint8 and labels.max() < len(CITYSCAPES)
    yield from files(NAME, [("as it should be", "both", data)], read_both, kind, (RESULT,))
    wrong = [("NaN weights", str(value), content(refiner(value=value))) for value in (np.nan, np.inf)]
    wrong += [("wrong size", "of 5 classes", content(refiner(classes=5))), ("wrong record", "none", bare),
              ("wrong type", "a dense network", networks.network())]
    wrong += [("wrong record", name, content(own, record.to_text())) for name, record in (
        ("of 5 classes", replace(RECORD, classes=("a",) * 5)), ("a factor of 0", replace(RECORD, factor=0)),
        ("a factor without end", replace(RECORD, factor=10 ** 9)), ("of another network", networks.RECORD))]
    yield from files(NAME, wrong, read_both, lambda labels, _: False, (LINE,))
    yield from files(NAME, cut(data, draw, 30), read_both, kind)
    yield from files(NAME, flipped(data, draw, 60), read_both, kind)
    yield from paths(data, SUFFIX, read, lambda labels: kind(labels, None), beside)
    yield from (case for case in documents(
        "a.json", RECORD.to_text().encode(), json.loads, plain, JSONS, read_record,
        lambda found, value: json.loads(found.to_text()) == value, draw, 150, lambda found: isinstance(found, Record)
    ) if case.family not in ("odd names", "links", "no file"))
