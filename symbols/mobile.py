"""SGCPNet's backbone: a small MobileNet-v3 (Howard et al. 2019, arXiv 1905.02244), as in the authors' public code.

Source of every number: github.com/zhouyuan888888/SGCPNet, models/mbnet.py. It differs from that paper's
MobileNetV3-Small in its squeeze-and-excitation, which follows a unit's last convolution and has batch norms, and in its
shortcuts.
"""

from __future__ import annotations

from mxnet.gluon import nn

from symbols.column import convolution

STEM = 16
# of each unit: kernel, inner channels, channels, hard swish (else ReLU), squeeze-and-excitation, stride
UNITS = (
    (3, 16, 16, False, True, 2),
    (3, 72, 24, False, False, 2), (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2), (5, 240, 40, True, True, 1), (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1), (5, 144, 48, True, True, 1),
    (5, 288, 96, True, True, 2), (5, 576, 96, True, True, 1), (5, 576, 96, True, True, 1),
)
TAPS = (2, 7, 10)  # units whose maps are read: 24 channels @1/8, 48 @1/16, 96 @1/32
REDUCTION = 4  # channels that squeeze-and-excitation keeps: one in four


def norm(frozen: bool, **settings) -> nn.BatchNorm:
    """Batch norm; `frozen`: it keeps its stored statistics."""
    return nn.BatchNorm(**{"epsilon": 1e-5, "momentum": 0.9, **settings}, use_global_stats=frozen)


def hard_sigmoid(F, x):
    """(x + 3) / 6, between 0 and 1."""
    return F.hard_sigmoid(x, alpha=1 / 6, beta=0.5)


class SqueezeExcite(nn.HybridBlock):
    """Every channel times a factor between 0 and 1 that is made of the means of all channels."""

    def __init__(self, channels: int, frozen: bool, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.mean = nn.GlobalAvgPool2D()
            self.squeeze, self.squeeze_norm = convolution(channels // REDUCTION, 1), norm(frozen)
            self.excite, self.excite_norm = convolution(channels, 1), norm(frozen)

    def hybrid_forward(self, F, x):
        """(N, C, h, w) -> the same shape."""
        factors = F.Activation(self.squeeze_norm(self.squeeze(self.mean(x))), act_type="relu")
        return F.broadcast_mul(x, hard_sigmoid(F, self.excite_norm(self.excite(factors))))


class Unit(nn.HybridBlock):
    """1x1, depthwise, 1x1, each with batch norm, the first two with an activation; a shortcut where it does not stride.

    The shortcut is a 1x1 convolution with batch norm where the number of channels changes.
    """

    def __init__(self, reads: int, kernel: int, inner: int, channels: int, hard: bool, squeeze: bool, stride: int,
                 frozen: bool, **kwargs):
        super().__init__(**kwargs)
        self.hard, self.squeezed, self.stride, self.projected = hard, squeeze, stride, reads != channels
        with self.name_scope():
            self.expand, self.expand_norm = convolution(inner, 1), norm(frozen)
            self.depthwise, self.depthwise_norm = convolution(inner, kernel, stride, groups=inner), norm(frozen)
            self.project, self.project_norm = convolution(channels, 1), norm(frozen)
            if squeeze:
                self.squeeze = SqueezeExcite(channels, frozen)
            if stride == 1 and self.projected:
                self.shortcut, self.shortcut_norm = convolution(channels, 1), norm(frozen)

    def activated(self, F, x):
        return x * hard_sigmoid(F, x) if self.hard else F.Activation(x, act_type="relu")

    def hybrid_forward(self, F, x):
        """(N, reads, h, w) -> (N, channels, h / stride, w / stride)."""
        made = self.activated(F, self.expand_norm(self.expand(x)))
        made = self.activated(F, self.depthwise_norm(self.depthwise(made)))
        made = self.project_norm(self.project(made))
        made = self.squeeze(made) if self.squeezed else made
        if self.stride > 1:
            return made
        return made + (self.shortcut_norm(self.shortcut(x)) if self.projected else x)


class Mobile(nn.HybridBlock):
    """The backbone; `frozen`: its batch norms keep their stored statistics."""

    def __init__(self, frozen: bool = False, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.stem, self.stem_norm = convolution(STEM, 3, 2), norm(frozen)
            self.units = nn.HybridSequential(prefix="")
            reads = STEM
            for index, unit in enumerate(UNITS):
                self.units.add(Unit(reads, *unit, frozen, prefix=f"unit{index}_"))
                reads = unit[2]

    def hybrid_forward(self, F, image):
        """(N, 3, H, W) -> (N, 24, @1/8), (N, 48, @1/16), (N, 96, @1/32)."""
        x = self.stem_norm(self.stem(image))
        x, taps = x * hard_sigmoid(F, x), []
        for index, unit in enumerate(self.units):
            x = unit(x)
            taps += [x] if index in TAPS else []
        return tuple(taps)
