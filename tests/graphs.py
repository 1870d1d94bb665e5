"""Small traced graphs with values, for the tests of the engine."""

from __future__ import annotations

import mxnet as mx
import numpy as np
from mxnet.gluon import nn

from repro.config.networks import Column, Network
from repro.engine import prepared
from repro.evaluation.inference import named_outputs
from repro.export import PORTABLE, to_onnx
from repro.models import parameters
from repro.models.build import build

CLASSES, WIDTH = 5, 0.25


def sparse(fusion="isctf", structure="plain", units=((1, 1, 1, 1), (1, 1, 1, 1))):
    return Network(fusion, (Column(0.5, units[0]), Column(1.0, units[1])), 32, structure, 256)


MODEL_A = sparse(structure="optimised", units=((1, 2, 4, 1), (1, 1, 2, 0)))
STRIDE_8 = Network("single", (Column(1.0, (1, 1, 1, 1)),), 8, "plain", None)


def image(n=1, h=128, w=256, seed=0):
    return mx.nd.array(np.random.RandomState(seed).standard_normal((n, 3, h, w)).astype(np.float32))


def shaken(network, x, seed=1):
    """Initialise, run once and move statistics and biases away from nothing; returns the network."""
    mx.random.seed(7)
    network.initialize(mx.init.Xavier(rnd_type="gaussian", factor_type="in", magnitude=2))
    network(x)
    random = np.random.RandomState(seed)
    for name, parameter in network.collect_params().items():
        if name.endswith(("beta", "running_mean", "bias")):
            parameter.set_data(mx.nd.array(random.standard_normal(parameter.shape) * 0.3))
        elif name.endswith(("gamma", "running_var")):
            parameter.set_data(mx.nd.array(random.uniform(0.5, 1.5, parameter.shape)))
    return network


def named_arrays(network):
    """Values by the traced graph's names."""
    return {parameter.name: parameter.data() for parameter in network.collect_params().values()}


def built(spec, x, **settings):
    """(structural arrays, settings of build) of a network for images like x."""
    settings = {"classes": CLASSES, "width": WIDTH, **settings}
    if spec.sparse:
        settings = {"grid": (2, 4), "region": 64, "k": 3, "fast": True, **settings}
    plain = {key: value for key, value in settings.items() if key not in ("fast", "decoder_on_crops")}
    network = shaken(build(spec, **{**plain, "k": 1} if spec.sparse else plain), x)
    return parameters.arrays_of(network), settings


def traced(spec, arrays, settings, x):
    """(symbol, arrays by its names) of a network as `built` gives it, with an engine's short cuts, for images of x."""
    network = build(spec, **settings, decoder_on_crops=settings.get("fast", False))
    return parameters.traced(network, arrays, x.shape)


def written(spec, path, names=("scores",)):
    """Write a network with random values as ONNX, these of its outputs; returns (symbol, arrays by its names)."""
    x = image()
    arrays, settings = built(spec, x)
    symbol, arrays = traced(spec, arrays, settings, x)
    every = build(spec, **settings).outputs
    to_onnx(*prepared(symbol, arrays, x.shape, PORTABLE, [every.index(name) for name in names]), x.shape, path, names)
    return symbol, arrays


def outputs(spec, arrays, settings, x):
    """What the network gives for images x as Gluon runs it hybridized: arrays by name."""
    network = build(spec, **settings)
    parameters.assign(network, arrays, ctx=mx.cpu())
    network.hybridize(static_alloc=True, static_shape=True)
    return {name: made.asnumpy() for name, made in named_outputs(network, x).items()}


def run(symbol, arrays, x):
    """What a graph gives for images x, as a list."""
    made = mx.nd.CachedOp(symbol)(*(x if name == "data" else arrays[name] for name in symbol.list_inputs()))
    return [one.asnumpy() for one in (made if isinstance(made, (list, tuple)) else [made])]


class Peer(nn.HybridBlock):
    """What gluoncv's networks have and ours have not: live batch norm, dropout, depthwise and dilated convolutions."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.stem = nn.HybridSequential(prefix="stem_")
            self.stem.add(nn.Conv2D(8, 3, 2, 1, use_bias=False), nn.BatchNorm(), nn.Activation("relu"),
                          nn.Conv2D(8, 3, 2, 1, groups=8), nn.BatchNorm(scale=False, epsilon=1e-3),
                          nn.Conv2D(16, 1), nn.BatchNorm(center=False), nn.Activation("relu"))
            self.left, self.right = nn.Conv2D(12, 1, 2), nn.Conv2D(12, 1, 2, use_bias=False)
            self.norm, self.alone = nn.BatchNorm(), nn.BatchNorm()
            self.far = nn.Conv2D(12, 3, 1, 12, 12)
            self.drop, self.head = nn.Dropout(0.5), nn.Conv2D(CLASSES, 1)

    def hybrid_forward(self, F, x):
        x = self.stem(x)
        both = F.relu(self.norm(self.left(x)) + self.right(x))
        far = self.far(F.BlockGrad(both))
        return self.head(self.drop(self.alone(both + F.Activation(far, act_type="relu")))), both
