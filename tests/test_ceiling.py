"""repro/timing/ceiling.py: which convolutions are chained, and what is made of their times."""

from __future__ import annotations

import math

import mxnet as mx
import numpy as np
from graphs import run

from repro.timing.ceiling import Ceiling, Layer, chain, chained, layers_of
from repro.timing.clock import Timing


def graph():
    def convolution(x, channels, kernel, **settings):
        return mx.sym.Convolution(x, num_filter=channels, kernel=(kernel, kernel), **settings)
    x = convolution(mx.sym.var("data"), 4, 7, stride=(2, 2), pad=(3, 3))  # changes the size
    x = convolution(x, 4, 3, pad=(2, 2), dilate=(2, 2))
    x = convolution(x, 4, 3, pad=(1, 1), num_group=2)  # grouped
    x = convolution(convolution(x, 8, 1), 8, 1)
    return convolution(convolution(x, 4, 1), 8, 1)


def test_layers_that_keep_the_size_come_by_their_whole_cost():
    found = layers_of(graph(), (2, 3, 16, 32))
    wide, narrow = Layer(2, 8, 8, (8, 16), 1, 1), Layer(2, 4, 8, (8, 16), 1, 1)
    assert found == [Layer(2, 4, 4, (8, 16), 3, 2), wide, narrow, Layer(2, 8, 4, (8, 16), 1, 1)] or \
        found == [Layer(2, 4, 4, (8, 16), 3, 2), narrow, wide, Layer(2, 8, 4, (8, 16), 1, 1)]
    assert found[0].multiply_adds == 2 * 4 * 4 * 8 * 16 * 9
    assert layers_of(graph(), (2, 3, 16, 32), most=1) == found[:1]
    assert str(found[0]) == "3x3, dilation 2, 4 to 4 channels, 2x8x16 positions"


def test_a_chain_is_its_layers():
    layer = Layer(2, 4, 6, (8, 9), 3, 2)
    symbol, arrays = chained(layer, 3)
    x, weights = arrays["data"], [arrays[f"weight{i}"] for i in range(3)]
    assert x.shape == (2, 4, 8, 9) and [len(weight) for weight in weights] == [6, 4, 6]
    for weight in weights:
        x = mx.nd.relu(mx.nd.Convolution(x, weight, kernel=(3, 3), dilate=(2, 2), pad=(2, 2), num_filter=len(weight),
                                         no_bias=True))
    np.testing.assert_allclose(run(symbol, arrays, arrays["data"])[0][..., 0, 0], x.asnumpy().mean((2, 3)), rtol=1e-4)
    assert chain(layer, 2, mx.cpu())() is None


def test_the_best_is_that_of_the_most_multiply_adds_a_second():
    small, large = Layer(1, 4, 4, (4, 4), 1, 1), Layer(1, 4, 4, (4, 4), 3, 1)
    made = Ceiling([small, large], mx.cpu(), length=2)
    names = list(made.runs())
    times = {names[0]: Timing((1.0, 2.0, 9.0)), names[1]: Timing((20.0,))}  # 256 and 230.4 a second
    best = made.best(times)
    assert math.isclose(best.rate, 2 * small.multiply_adds / 2.0) and best.layer == str(small)
    assert math.isclose(made.best({**times, names[1]: Timing((17.0,))}).rate, 2 * large.multiply_adds / 17)
