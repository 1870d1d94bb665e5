"""SGCPNet (Hao et al. 2022, "Real-time Semantic Segmentation via Spatial-detail Guided Context Propagation"): a small
backbone, and a pyramid of maps through which what is far seen and what is finely seen pass to each other.

Source of every number: the authors' code, github.com/zhouyuan888888/SGCPNet, models/SGCPNet.py, SGCPmodule.py and, of
the backbone, mbnet.py: a small MobileNet-v3 (Howard et al. 2019, arXiv 1905.02244). It differs from that paper's
MobileNetV3-Small in its squeeze-and-excitation, which follows a unit's last convolution and has batch norms, and in its
shortcuts. The pyramid is one layer of EfficientDet's BiFPN (Tan et al. 2020, arXiv 1911.09070) and another way down.
P3 ... P7 are maps at 1/8 ... 1/128 of the image.
"""

from __future__ import annotations

from mxnet.gluon import nn

from symbols.column import convolution
from symbols.decoder import Upsample

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
CHANNELS = 64  # of every map of the pyramid
WIDENED = (40, 112, 320)  # channels to which the backbone's maps are brought
SMALL = 1e-4  # added to the sum of a fusion's weights
PYRAMID_NORM = {"epsilon": 1e-3, "momentum": 0.99}


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


def doubled(F, x):
    """Return the map at twice the size, every position repeated."""
    return F.UpSampling(x, scale=2, sample_type="nearest")


def halved(F, x, two: bool = False):
    """Return the map at half the size: maxima of 3x3 positions without a margin, one too few, the first one repeated.

    That is what the authors' pooling and up-sampling to the next level's size give, on maps of even size. They cannot
    run on a map of two positions; with `two` it is taken for one more, the last repeated, and the rest is the same.
    """
    if two:
        x = F.pad(x, mode="edge", pad_width=(0, 0, 0, 0, 0, 1, 0, 1))
    made = F.Pooling(x, kernel=(3, 3), stride=(2, 2), pool_type="max")
    made = F.pad(made, mode="edge", pad_width=(0, 0, 0, 0, 1, 0, 1, 0))
    return F.slice_axis(F.slice_axis(made, axis=2, begin=0, end=-1), axis=3, begin=0, end=-1) if two else made


class Lateral(nn.HybridBlock):
    """A 1x1 convolution with batch norm that brings a map to the pyramid's channels."""

    def __init__(self, frozen: bool, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.conv, self.norm = convolution(CHANNELS, 1, bias=True), norm(frozen, **PYRAMID_NORM)

    def hybrid_forward(self, F, x):
        """(N, C, h, w) -> (N, 64, h, w)."""
        return self.norm(self.conv(x))


class Fuse(nn.HybridBlock):
    """A weighted sum of `count` maps, swish, a depthwise 3x3 and a 1x1 convolution, batch norm.

    The weights are learned, cut off at 0 and divided by their sum and 1e-4.
    """

    def __init__(self, count: int, frozen: bool, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.shares = self.params.get("shares", shape=(count,), init="ones")
            self.depthwise = convolution(CHANNELS, 3, groups=CHANNELS)
            self.pointwise = convolution(CHANNELS, 1, bias=True)
            self.norm = norm(frozen, **PYRAMID_NORM)

    def hybrid_forward(self, F, *maps, shares):
        """Return one map of several, each (N, 64, h, w)."""
        shares = F.Activation(shares, act_type="relu")
        shares = F.broadcast_div(shares, F.sum(shares, axis=0, keepdims=True) + SMALL)
        x, *rest = (F.broadcast_mul(one, F.reshape(F.slice_axis(shares, axis=0, begin=i, end=i + 1), (1, 1, 1, 1)))
                    for i, one in enumerate(maps))
        for one in rest:
            x = x + one
        return self.norm(self.pointwise(self.depthwise(x * F.sigmoid(x))))


class TopDown(nn.HybridBlock):
    """From P7 to P3, each level fused with the one above it."""

    def __init__(self, frozen: bool, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            for level in (6, 5, 4, 3):
                setattr(self, f"fuse{level}", Fuse(2, frozen, prefix=f"fuse{level}_"))

    def hybrid_forward(self, F, *levels):
        """P3 ... P7 -> the same, P7 unchanged."""
        made = [levels[4]]
        for level in (6, 5, 4, 3):
            made.insert(0, getattr(self, f"fuse{level}")(levels[level - 3], doubled(F, made[0])))
        return tuple(made)


class Pyramid(nn.HybridBlock):
    """One layer of BiFPN: five levels of 64 channels made of three maps; from P7 to P3, and back to P7."""

    def __init__(self, frozen: bool, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            for name in ("3", "4", "5", "6", "4_again", "5_again"):
                setattr(self, f"lateral{name}", Lateral(frozen, prefix=f"lateral{name}_"))
            self.smaller = nn.MaxPool2D(3, 2, 1)
            self.down = TopDown(frozen, prefix="down_")
            for level, count in ((4, 3), (5, 3), (6, 3), (7, 2)):
                setattr(self, f"up{level}", Fuse(count, frozen, prefix=f"up{level}_"))

    def hybrid_forward(self, F, c3, c4, c5):
        """Return P3 ... P7, (N, 64, @1/8 ... @1/128), of the backbone's maps @1/8, @1/16, @1/32."""
        p6 = self.smaller(self.lateral6(c5))
        p7 = self.smaller(p6)
        p3, *passed = self.down(self.lateral3(c3), self.lateral4(c4), self.lateral5(c5), p6, p7)
        p4 = self.up4(self.lateral4_again(c4), passed[0], halved(F, p3))
        p5 = self.up5(self.lateral5_again(c5), passed[1], halved(F, p4))
        p6 = self.up6(p6, passed[2], halved(F, p5))
        return p3, p4, p5, p6, self.up7(p7, halved(F, p6, two=True))


class SGCPNet(nn.HybridBlock):
    """The whole network, of 607,826 parameters with 19 classes.

    classes  score maps, K.
    frozen   batch norm keeps its stored statistics.
    Image sides are multiples of 128: whole positions of P7. The scores are brought from 1/8 to 1/4, where this
    project's losses are: bilinear, nothing learned (the authors go from 1/8 to the image at once).
    """

    outputs = ("scores",)

    def __init__(self, classes: int, frozen: bool = False, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.backbone = Mobile(frozen, prefix="backbone_")
            for level, channels in zip((3, 4, 5), WIDENED):
                setattr(self, f"widen{level}", convolution(channels, 1, bias=True, prefix=f"widen{level}_"))
            self.pyramid, self.last = Pyramid(frozen, prefix="pyramid_"), TopDown(frozen, prefix="last_")
            self.classifier = convolution(classes, 1, bias=True, prefix="classifier_")
            self.upsample = Upsample(classes)

    def hybrid_forward(self, F, image):
        """(N, 3, H, W) -> scores (N, K, H/4, W/4)."""
        c3, c4, c5 = self.backbone(image)
        p3, *_ = self.last(*self.pyramid(self.widen3(c3), self.widen4(c4), self.widen5(c5)))
        return self.upsample(self.classifier(p3))
