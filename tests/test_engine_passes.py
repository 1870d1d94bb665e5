"""Each pass over a traced graph gives the same function, and does what it says."""

from __future__ import annotations

import json
from collections import Counter

import mxnet as mx
import numpy as np
import pytest
from graphs import MODEL_A, Peer, built, image, named_arrays, run, shaken

from repro.engine import graph, passes
from repro.models import parameters
from repro.models.build import build
from repro.timing.memory import resident

COPIES = 60  # of a graph, were they kept, many times what memory varies by


def operators(symbol):
    return Counter(node["op"] for node in json.loads(symbol.tojson())["nodes"] if node["op"] != "null")


def traced(kind):
    """(symbol of all outputs, arrays, input, shape) of a network."""
    x = image()
    if kind == "peer":
        network = shaken(Peer(), x)
        arrays = named_arrays(network)
    else:
        values, settings = built(MODEL_A, x, decoder_on_crops=kind == "options", frozen=kind != "live")
        return (*parameters.traced(build(MODEL_A, **settings), values, x.shape), x)
    with mx.name.NameManager():
        return mx.sym.Group(list(network(mx.sym.var("data")))), arrays, x


def after(symbol, arrays, x, *steps, outputs=None):
    """(symbol, arrays) of these outputs, or all, after passes."""
    return passes.applied(symbol, arrays, x.shape, steps, outputs or range(len(symbol.list_outputs())))


EXACT = (passes.without_training, passes.folded, passes.shared, passes.broadcast, passes.subsampled, passes.rectified)


@pytest.mark.parametrize("kind", ("frozen", "live", "options", "peer"))
def test_a_pass_changes_no_output(kind):
    symbol, arrays, x = traced(kind)
    expected, before = run(symbol, arrays, x), symbol.tojson()
    for step in (*EXACT, passes.normed, passes.padded, passes.averaged):
        made, values = after(symbol, arrays, x, step)
        assert symbol.tojson() == before and set(values) == set(made.list_inputs()) - {"data"}
        for one, other in zip(run(made, values, x), expected):
            tolerance = 1e-6 if step in EXACT else 1e-5
            np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * abs(other).max(), err_msg=step.__name__)


def test_folding_leaves_nothing_that_parameters_alone_give():
    symbol, arrays, x = traced("frozen")
    made, _ = after(symbol, arrays, x, passes.folded)
    left = operators(made)
    assert operators(symbol)["batch_dot"] and not left.keys() & {"batch_dot", "rsqrt", "_arange", "tile", "abs",
                                                                 "_contrib_arange_like", "zeros_like", "floor"}
    assert left["Convolution"] == operators(symbol)["Convolution"]


def test_batch_norms_are_folded_only_where_a_convolution_is_theirs_alone():
    x, data = image(h=16, w=16), mx.sym.var("data")
    shared_one = mx.sym.Convolution(data, kernel=(1, 1), num_filter=4, name="one")
    first = mx.sym.BatchNorm(shared_one, name="a")
    symbol = mx.sym.Group([first, mx.sym.BatchNorm(first, name="b"), shared_one])
    shapes, _, states = symbol.infer_shape(data=x.shape)
    random = np.random.RandomState(0)
    names = symbol.list_arguments() + symbol.list_auxiliary_states()
    arrays = {name: mx.nd.array(random.uniform(0.5, 1.5, shape)) for name, shape in zip(names, shapes + states)
              if name != "data"}
    made, values = after(symbol, arrays, x, passes.normed)
    assert operators(made)["BatchNorm"] == 2
    made, values = after(symbol, arrays, x, passes.normed, outputs=[1])
    assert not operators(made)["BatchNorm"]  # one after the other; fix_gamma is MXNet's default
    np.testing.assert_allclose(run(made, values, x)[0], run(symbol, arrays, x)[1], rtol=1e-4, atol=1e-5)


def test_wide_padding_of_dilated_convolutions_becomes_explicit():
    symbol, arrays, x = traced("frozen")
    made, values = after(symbol, arrays, x, passes.folded, passes.padded)
    nodes = graph.ordered(graph.read(made))
    dilated = [n for n in nodes if n.op == "Convolution" and n.pair("dilate", "(1, 1)") > (3, 3)]
    assert len(dilated) == 4  # 6 and 12 of both decoders
    for node in dilated:
        pad, = node.pair("dilate", "()")[:1]
        assert node.pair("pad", "()") == (pad, 0) and node.inputs[0][0].op == "Pad"
        assert node.inputs[0][0].attrs["pad_width"] == str((0, 0, 0, 0, 0, 0, pad, pad))


@pytest.mark.parametrize("kind", ("frozen", "live", "options"))
def test_score_maps_are_up_sampled_with_a_round_number_of_channels(kind):
    symbol, arrays, x = traced(kind)
    expected = run(symbol, arrays, x)[0]
    made, values = after(symbol, arrays, x, passes.folded, passes.widened, outputs=[0])
    np.testing.assert_allclose(run(made, values, x)[0], expected, rtol=0, atol=1e-5 * abs(expected).max())
    wide = [n for n in graph.ordered(graph.read(made)) if n.name == "half_decoder_classifier_fwd"]
    assert wide[0].integer("num_filter", 0) == 16 and operators(made)["Deconvolution"] == 8


def test_what_another_reads_too_is_not_widened():
    x, data = image(h=8, w=8), mx.sym.var("data")
    maps = mx.sym.Convolution(data, mx.sym.var("weight"), kernel=(1, 1), num_filter=5, no_bias=True)
    up = mx.sym.Deconvolution(maps, mx.sym.var("kernel"), kernel=(4, 4), stride=(2, 2), pad=(1, 1), num_filter=5,
                              num_group=5, no_bias=True)
    arrays = {"weight": mx.nd.random.normal(shape=(5, 3, 1, 1)), "kernel": mx.nd.random.normal(shape=(5, 1, 4, 4))}
    for symbol, wide in ((mx.sym.Group([up]), True), (mx.sym.Group([up, maps]), False)):
        made, values = after(symbol, arrays, x, passes.widened)
        assert (operators(made)["slice_axis"] == 1) == wide
        for one, other in zip(run(made, values, x), run(symbol, arrays, x)):
            np.testing.assert_allclose(one, other, atol=1e-5)


def test_outputs_that_are_not_chosen_are_not_computed():
    symbol, arrays, x = traced("options")
    made, values = after(symbol, arrays, x, outputs=[4, 1])
    for one, wanted in zip(run(made, values, x), (4, 1)):
        np.testing.assert_array_equal(one, run(symbol, arrays, x)[wanted])
    assert not any(name.startswith("full_") for name in values)


def test_operators_of_one_name_are_kept_apart():
    data = mx.sym.var("data")
    symbol = mx.sym.Group([mx.sym.sqrt(mx.sym.abs(data, name="twice"), name="twice"), data * 2])
    made = graph.write(graph.read(symbol))
    x = image(h=4, w=4)
    for one, other in zip(run(made, {}, x), run(symbol, {}, x)):
        np.testing.assert_array_equal(one, other)
    assert graph.shapes(graph.read(symbol), {}, {"data": x.shape})["twice_", 0] == x.shape


def test_fusion_takes_in_sums_and_rectifiers_and_loads_again(tmp_path):
    symbol, arrays, x = traced("options")
    symbol, arrays = after(symbol, arrays, x, passes.folded, passes.normed, outputs=[0])
    made = passes.fused(symbol)
    parts = [part["nodes"] for node in graph.json_of(made)["nodes"] for part in node.get("subgraphs", ())]
    inside = [[node for node in part if node["op"] != "null"] for part in parts]
    found = {nodes[0]["name"]: tuple(node["op"] for node in nodes) for nodes in inside}
    assert len(found) == operators(symbol)["Convolution"]
    assert found["half_backbone_level2_unit0_conv1_conv"] == ("Convolution", "Activation")
    assert ("Convolution", "elemwise_add", "Activation") in found.values()
    assert found["full_decoder_jump2_fwd"] == ("Convolution", "elemwise_add")  # the last step's, on crops
    made.save(str(tmp_path / "fused.json"))
    loaded = mx.sym.load(str(tmp_path / "fused.json"))
    np.testing.assert_array_equal(run(loaded, arrays, x)[0], run(made, arrays, x)[0])
    np.testing.assert_allclose(run(made, arrays, x)[0], run(symbol, arrays, x)[0], atol=1e-4)


def test_a_graph_that_is_read_leaves_no_copy_behind():
    """MXNet's own tojson() does, some 30 MB here: memory grew with every engine made."""
    symbol, _, _ = traced("frozen")
    graph.read(symbol)
    before = resident()
    for _ in range(COPIES):
        graph.read(symbol)
    assert resident() - before < COPIES * len(symbol.tojson(remove_amp_cast=False)) / 2
