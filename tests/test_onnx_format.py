"""The numbers of an ONNX file that are divided by are found as onnx finds them, and in any bytes without an error."""

from __future__ import annotations

import random

import onnx
from onnx import TensorProto, helper

from experiments.stress.fuzz.networks import network
from repro.runtime.onnx_format import DIVISORS, divisors


def test_the_numbers_are_those_that_onnx_reads():
    data = network(dilations=[1, 2], group=3, pads=[1, -1, 0, 0], strides=[4, -7])
    node, = onnx.load_model_from_string(data).graph.node
    wanted = [(one.name, value) for one in node.attribute if one.name.encode() in DIVISORS
              for value in (one.ints or (one.i,))]
    assert list(divisors(data)) == wanted and ("strides", -7) in wanted and ("group", 3) in wanted


def test_graphs_within_graphs_are_looked_at():
    inner = helper.make_graph([helper.make_node("Conv", ["x", "w"], ["y"], strides=[0, 1])], "inner", [], [])
    outer = helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner)
    made = helper.make_graph([outer], "outer", [], [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)])
    assert list(divisors(helper.make_model(made).SerializeToString())) == [("strides", 0), ("strides", 1)] * 2


def test_what_is_no_such_file_has_none_from_there_on():
    data, draw = network(), random.Random(0)
    whole = list(divisors(data))
    assert whole == [("strides", 4), ("strides", 4)]
    for _ in range(300):
        at = draw.randrange(len(data))
        for changed in (data[:at], data[:at] + bytes([draw.randrange(256)]) + data[at + 1:], draw.randbytes(at)
                        if hasattr(draw, "randbytes") else bytes(at)):
            assert len(list(divisors(changed))) <= len(changed)
    assert list(divisors(b"")) == list(divisors(b"\xff" * 100)) == []
