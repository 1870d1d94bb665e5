"""int8: near the network it was made from, whatever MXNet's own int8 gets wrong."""

from __future__ import annotations

import json

import mxnet as mx
import numpy as np
import pytest
from graphs import MODEL_A, STRIDE_8, Peer, built, image, named_arrays, run, shaken, sparse

from repro.engine import Engine, Options, engine_of, quantise
from repro.models.build import build


def difference(scores, expected):
    """Root mean square error over the scores' own spread."""
    return float(np.sqrt(((scores - expected) ** 2).mean()) / expected.std())


def quantised_layers(symbol):
    """How many fused convolutions compute in int8, and how many do not."""
    nodes = [n for n in json.loads(symbol.tojson())["nodes"] if n["op"] == "_sg_mkldnn_conv"]
    flags = [n.get("attrs", {}).get("quantized") == "true" for n in nodes]
    return sum(flags), len(flags) - sum(flags)


@pytest.mark.parametrize("spec", (MODEL_A, sparse(), sparse("sctf"), STRIDE_8),
                         ids=["Model A", "ISCTF", "SCTF", "stride 8"])
def test_scores_are_near(spec):
    x = image()
    # all regions: which are computed does not hang on a rounding
    arrays, settings = built(spec, x, **({"k": 8} if spec.sparse else {}))
    exact, made = (engine_of(
        build(spec, **settings, decoder_on_crops=spec.sparse), arrays, x.shape, options,
        calibration=[x.asnumpy(), image(seed=1).asnumpy()]) for options in (Options(), Options(precision="int8")))
    expected, scores = (engine.outputs(x)[0].asnumpy() for engine in (exact, made))
    assert 0 < difference(scores, expected) < 0.15
    assert (scores.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.9
    inside, outside = quantised_layers(made.symbol)
    assert inside > 15 and 1 <= outside <= 6
    photo = np.random.RandomState(0).randint(0, 256, (100, 200, 3)).astype(np.uint8)
    assert (made.labels(photo) == exact.labels(photo)).mean() > 0.7


def test_any_traced_network():
    x = image()
    network = shaken(Peer(), x)
    symbol = network(mx.sym.var("data"))[0]
    engines = [Engine(symbol, named_arrays(network), x.shape, Options(precision=precision), calibration=[x.asnumpy()])
               for precision in ("float32", "int8")]
    expected, scores = (engine.outputs(x)[0].asnumpy() for engine in engines)
    assert 0 < difference(scores, expected) < 0.15


def convolution(x, name, channels, kernel=1, groups=1, bias=True):
    return mx.sym.Convolution(x, kernel=(kernel, kernel), pad=(kernel // 2,) * 2, num_filter=channels,
                              num_group=groups, no_bias=not bias, name=name)


def relu(x):
    return mx.sym.Activation(x, act_type="relu")


def projected(x):
    return relu(convolution(relu(convolution(x, "a", 32, 3)), "b", 64) + convolution(x, "c", 64, bias=False))


def with_up_sampling(x):
    up = mx.sym.UpSampling(convolution(mx.sym.Pooling(x, kernel=(2, 2), stride=(2, 2)), "a", 64), scale=2,
                           sample_type="nearest")
    return convolution(x, "b", 64) + relu(up)


@pytest.mark.parametrize("top", (lambda x: convolution(x, "g", 64, groups=8, bias=False), projected, with_up_sampling,
                                 lambda x: relu(convolution(x, "c", 32) + x)),
                         ids=["groups", "projected shortcut", "sum with what is positive", "identity"])
def test_what_mxnets_int8_gets_wrong(top):
    """Each of the first three is 5 to 50% off without what quantise.py does before."""
    x = image(h=32, w=32)
    symbol = top(relu(convolution(mx.sym.var("data"), "first", 32, 3)))
    shapes, _, _ = symbol.infer_shape(data=x.shape)
    random = np.random.RandomState(0)
    arrays = {name: mx.nd.array(random.standard_normal(shape) * np.sqrt(2 / max(1, np.prod(shape[1:]))))
              for name, shape in zip(symbol.list_arguments(), shapes) if name != "data"}
    made, values = quantise.quantised(symbol, arrays, [x.asnumpy()])
    assert difference(run(made, values, x)[0], run(symbol, arrays, x)[0]) < 0.04


def test_ranges_hold_what_was_measured():
    x, other = image(h=8, w=8), image(h=8, w=8, seed=1) * 3
    symbol = mx.sym.Group([mx.sym.relu(mx.sym.var("data"), name="up"), -mx.sym.var("data")])
    names = symbol.list_outputs()
    found = quantise.ranges(symbol, {}, [x.asnumpy(), other.asnumpy()], names)
    both = np.stack([x.asnumpy(), other.asnumpy()])
    assert found[names[0]] == (0, pytest.approx(both.max()))
    assert found[names[1]] == (pytest.approx(-both.max()), pytest.approx(-both.min()))


def test_calibration_needs_images():
    x = image()
    arrays, settings = built(STRIDE_8, x)
    with pytest.raises(ValueError, match="no images"):
        engine_of(build(STRIDE_8, **settings), arrays, x.shape, Options(precision="int8"))
