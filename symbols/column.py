"""One column's backbone: ResNet-50 v1, any number of units per level, optionally dilated (Table 1, Section 3.5)."""

from __future__ import annotations

from typing import Optional

from mxnet.gluon import nn

LEVELS = (2, 3, 4, 5)  # the paper's names for the four groups of residual units
INNER = (64, 128, 256, 512)  # channels inside a unit at levels 2 to 5
EXPANSION = 4  # a unit's output has four times its inner channels
STEM = 64


def scaled(channels: int, width: float) -> int:
    """Return `channels` times the width multiplier; ValueError unless that is a whole number."""
    result = channels * width
    if result != int(result) or result < 1:
        raise ValueError(f"width {width} does not divide {channels} channels")
    return int(result)


def convolution(channels: int, kernel: int, stride: int = 1, dilation: int = 1, groups: int = 1,
                bias: bool = False, prefix=None) -> nn.Conv2D:
    """Return a `kernel` x `kernel` convolution that is padded to keep the size (before striding)."""
    return nn.Conv2D(channels, kernel, strides=stride, padding=dilation * (kernel // 2), dilation=dilation,
                     groups=groups, use_bias=bias, prefix=prefix)


def folded_norm(F, weight, gamma, beta, mean, variance):
    """Return the kernel and the bias of a convolution that has a batch norm of fixed statistics (eps 1e-5) in it.

    No pass over the activations: a training step of Model A on a CPU takes 0.6 of what BatchNorm makes it (width 0.5,
    crops of 128x256; one of ISCTF at width 1, of large kernels and such small crops, takes 1.2).
    """
    scale = gamma * F.rsqrt(variance + 1e-5)
    # kernel times scale per output channel; a broadcast product's gradient takes three times as long on a CPU
    kernel = F.batch_dot(F.reshape(scale, (-1, 1, 1)), F.reshape(weight, (0, 1, -1)))
    return F.reshape_like(kernel, weight), beta - mean * scale


class ConvNorm(nn.HybridBlock):
    """A bias-free convolution and its batch norm (eps 1e-5), one name for both.

    With `frozen` statistics the norm is a fixed scale and shift per channel, in training too.
    """

    def __init__(self, inputs: int, channels: int, kernel: int, stride: int = 1, dilation: int = 1,
                 frozen: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.frozen = frozen
        self.conv = {"num_filter": channels, "kernel": (kernel, kernel), "stride": (stride, stride),
                     "dilate": (dilation, dilation), "pad": (dilation * (kernel // 2),) * 2}
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(channels, inputs, kernel, kernel))
            self.gamma = self.params.get("gamma", shape=(channels,), init="ones")
            self.beta = self.params.get("beta", shape=(channels,), init="zeros")
            statistics = {"shape": (channels,), "grad_req": "null", "differentiable": False}
            self.running_mean = self.params.get("running_mean", init="zeros", **statistics)
            self.running_var = self.params.get("running_var", init="ones", **statistics)

    def hybrid_forward(self, F, x, weight, gamma, beta, running_mean, running_var):
        """Return (N, channels, h / stride, w / stride) of (N, inputs, h, w)."""
        if self.frozen:
            kernel, bias = folded_norm(F, weight, gamma, beta, running_mean, running_var)
            return F.Convolution(x, kernel, bias, name="conv", **self.conv)
        y = F.Convolution(x, weight, no_bias=True, name="conv", **self.conv)
        return F.BatchNorm(y, gamma, beta, running_mean, running_var, eps=1e-5, fix_gamma=False, name="norm")


class Unit(nn.HybridBlock):
    """A bottleneck unit: 1x1 (stride here, as in ResNet v1), 3x3, 1x1, plus the shortcut.

    Without `projection` the shortcut is the identity: the units that Section 3.5 removes.
    The projection is named ``shortcut``, which the cost convention leaves uncounted.
    """

    def __init__(self, inputs: int, inner: int, stride: int, dilation: int, projection: bool, frozen: bool, **kwargs):
        super().__init__(**kwargs)
        outer = inner * EXPANSION
        with self.name_scope():
            self.conv1 = ConvNorm(inputs, inner, 1, stride, frozen=frozen, prefix="conv1_")
            self.conv2 = ConvNorm(inner, inner, 3, 1, dilation, frozen, prefix="conv2_")
            self.conv3 = ConvNorm(inner, outer, 1, frozen=frozen, prefix="conv3_")
            self.shortcut = None
            if projection:
                self.shortcut = ConvNorm(inputs, outer, 1, stride, frozen=frozen, prefix="shortcut_")

    def hybrid_forward(self, F, x):
        """Return (N, 4 * inner, h / stride, w / stride) of (N, C, h, w)."""
        y = F.Activation(self.conv1(x), act_type="relu")
        y = F.Activation(self.conv2(y), act_type="relu")
        y = self.conv3(y)
        identity = x if self.shortcut is None else self.shortcut(x)
        return F.Activation(y + identity, act_type="relu")


class Column(nn.HybridBlock):
    """ResNet-50 v1 with `units` residual units at levels 2 to 5 (the full network has 3, 4, 6, 3).

    units          four counts; each level keeps its first (non-identity) unit, further ones are identity
                   units dropped from the level's end. 0, for level 5 only, removes the level.
    output_stride  8, 16 or 32: a level that would pass it is dilated instead of strided (Table 1: level 5
                   by 2 at 16; levels 4 and 5 by 2 and 4 at 8).
    width          multiplier of every channel count.
    stem           channels of the first convolution; None: 64 times the width.
    frozen         batch norm uses its stored statistics, in training too.
    """

    def __init__(self, units=(3, 4, 6, 3), output_stride: int = 32, width: float = 1.0, frozen: bool = True,
                 stem: Optional[int] = None, **kwargs):
        super().__init__(**kwargs)
        if len(units) != 4 or min(units[:3]) < 1 or units[3] < 0:
            raise ValueError(f"units {units}: levels 2 to 4 need at least one unit, level 5 none or more")
        self.units = tuple(units)
        self.channels = tuple(scaled(c * EXPANSION, width) for c in INNER)
        stem = stem or scaled(STEM, width)
        with self.name_scope():
            self.stem = nn.HybridSequential(prefix="level1_")
            with self.stem.name_scope():
                self.stem.add(ConvNorm(3, stem, 7, 2, frozen=frozen, prefix="conv_"),
                              nn.Activation("relu"), nn.MaxPool2D(3, 2, 1))
            at, dilation, channels = 4, 1, stem
            for level, count, inner in zip(LEVELS, units, INNER):
                stride = 1 if level == 2 else 2
                if at * stride > output_stride:
                    stride, dilation = 1, dilation * 2
                at *= stride
                stage = nn.HybridSequential(prefix=f"level{level}_")
                with stage.name_scope():
                    for i in range(count):
                        stage.add(Unit(channels, scaled(inner, width), stride if i == 0 else 1, dilation, i == 0,
                                       frozen, prefix=f"unit{i}_"))
                        channels = scaled(inner, width) * EXPANSION
                setattr(self, f"level{level}", stage)

    def hybrid_forward(self, F, image):
        """Return the maps of levels 2, 3, 4 and, unless removed, 5, (N, C, @1/4 ... @1/32), of (N, 3, h, w)."""
        maps = []
        x = self.stem(image)
        for level, count in zip(LEVELS, self.units):
            if count:
                x = getattr(self, f"level{level}")(x)
                maps.append(x)
        return tuple(maps)
