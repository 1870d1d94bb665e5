"""An ONNX file that somebody brought: its record, what engines divide by, and what is no such file is one line."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from networks import network
from onnx import TensorProto, helper

from repro.data import CITYSCAPES
from repro.errors import UserError
from repro.runtime.metadata import Check, Metadata, parse
from repro.runtime.onnx_format import read, record_of

RECORD = Metadata("model-a", "isctf", "random", (1, 3, 128, 256), 64, ("scores", "mask"), 4, 64, (2, 4), 3, CITYSCAPES,
                  "0" * 40, Check(2, 0, 4096, 0, 1e-7, {"mxnet": "1.9.1"}))


def changed(*keys_and_value):
    *keys, last, value = keys_and_value
    made = json.loads(RECORD.to_text())
    inner = made
    for key in keys:
        inner = inner[key]
    inner[last] = value
    return json.dumps(made)


def test_a_record_is_read_as_written():
    assert parse(RECORD.to_text(), "x") == RECORD
    without = replace(RECORD, region=None, grid=None, k=None, check=None)
    assert parse(without.to_text(), "x") == without


@pytest.mark.parametrize("text, message", [
    ("{", "x: not valid JSON"), ("[]", "x: [] is not a mapping"), (changed("format", 2), "x: format 2 is not known"),
    (changed("more", 1), "x: unknown key 'more'"), (changed("row", 3), "x: row: 3 is not text"),
    (changed("input", "std", [1, 1, 0]), "x: input: std[2]: 0 is not above 0"),
    (changed("input", "mean", [1, 1]), "x: input: mean: [1, 1] are not 3"),
    (changed("regions", "k", -1), "x: regions: k: -1 is below 0"),
    (changed("classes", "ids", [1]), "19 names, 19 colours and 1 ids"),
    (changed("check", "labels", -1), "x: check: labels: -1 is below 0"),
])
def test_a_wrong_record_is_a_line(text, message):
    with pytest.raises(UserError) as error:
        parse(text, "x")
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.fixture()
def path(tmp_path):
    return tmp_path / "a.onnx"


@pytest.mark.parametrize("inside", ["graph", "function"])
def test_graphs_within_graphs_are_looked_at(inside, path):
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[1, 0])
    branch = helper.make_graph([node], "inner", [], [])
    outer = helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch)
    functions = [helper.make_function("own", "F", ["x", "w"], ["y"], [node], [helper.make_opsetid("", 13)])]
    model = helper.make_model(
        helper.make_graph([outer] * (inside == "graph"), "outer", [], [
            helper.make_tensor_value_info("z", TensorProto.FLOAT, None)]),
        functions=functions * (inside == "function"))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match="a.onnx: not an ONNX file that can be run: an operator's strides is 0$"):
        read(path)


def test_what_is_no_such_file_is_a_line(path):
    data = network(record="é")
    path.write_bytes(data[:-9])
    with pytest.raises(UserError, match="a.onnx: not an ONNX file, or damaged"):
        read(path)
    path.write_bytes(data.replace("é".encode(), b"\xff\xff"))
    with pytest.raises(UserError, match=r"a.onnx: its record is not UTF-8 \(|a.onnx: not an ONNX file, or damaged"):
        record_of(read(path)[1], path)
