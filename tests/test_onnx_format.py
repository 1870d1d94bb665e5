"""What an ONNX file has that engines divide by is found wherever it is, and what is no such file is one line."""

from __future__ import annotations

import random

import pytest
from onnx import TensorProto, helper

from experiments.stress.networks import network
from repro.errors import UserError
from repro.runtime.onnx_format import checked, divisors


def test_every_number_that_is_divided_by_is_found():
    data = network(dilations=[1, 2], group=3, pads=[1, -1, 0, 0], strides=[4, 7])
    assert sorted(divisors(checked(data, "a").graph.node)) == [
        ("dilations", 1), ("dilations", 2), ("group", 3), ("strides", 4), ("strides", 7)]


@pytest.mark.parametrize("inside", ["graph", "function"])
def test_graphs_within_graphs_are_looked_at(inside):
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[1, 0])
    branch = helper.make_graph([node], "inner", [], [])
    outer = helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch)
    functions = [helper.make_function("own", "F", ["x", "w"], ["y"], [node], [helper.make_opsetid("", 13)])]
    model = helper.make_model(
        helper.make_graph([outer] * (inside == "graph"), "outer", [], [
            helper.make_tensor_value_info("z", TensorProto.FLOAT, None)]),
        functions=functions * (inside == "function"))
    with pytest.raises(UserError, match="^a.onnx: not an ONNX file that can be run: an operator's strides is 0$"):
        checked(model.SerializeToString(), "a.onnx")


def test_what_is_no_such_file_is_a_line():
    data, draw = network(), random.Random(0)
    for at in (draw.randrange(1, len(data)) for _ in range(300)):
        for changed in (data[:at], data[:at] + bytes([draw.randrange(256)]) + data[at + 1:], draw.randbytes(at)
                        if hasattr(draw, "randbytes") else b"\xff" * at):
            try:
                checked(changed, "a.onnx")
            except UserError as error:
                assert str(error).startswith("a.onnx: not an ONNX file")
    with pytest.raises(UserError, match="a.onnx: not an ONNX file, or damaged"):
        checked(data[:-9], "a.onnx")
