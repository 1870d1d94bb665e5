"""The SharpMask-like decoder: hidden layers, x2 up-samplings and jump connections (Figures 2 and 4)."""

from __future__ import annotations

from functools import reduce
from typing import Any

from mxnet.gluon import nn

from symbols.column import convolution, scaled

# Section 3.3's structure and the optimised one of Figure 4: "gradually reduce the number of kernels", groups, and a
# 1x1 layer on top of the full column's raw features. The half column's top layer is Figure 4's "Conv.: 3, 128, 3, 8".
PLAIN = {"widths": (128, 128, 128), "dilations": (3, 6, 12), "jump_groups": (1, 1, 1)}
OPTIMISED = {"widths": (128, 64, 32), "dilations": (3, 6, 12), "jump_groups": (8, 4, 2), "top_groups": 8}


def doubled(F, x, channels: int):
    """Return (N, C, 2h, 2w), bilinear, of maps with one position around them, (N, C, h + 2, w + 2).

    A depthwise deconvolution with the fixed kernel (1, 3, 3, 1) / 4 in both directions: the same numbers as
    BilinearResize2D at a third of its training time on a CPU.
    """
    line = 1 - F.abs(F.arange(4) - 1.5) / 2
    kernel = F.broadcast_mul(F.reshape(line, (4, 1)), F.reshape(line, (1, 4)))
    kernel = F.tile(F.reshape(kernel, (1, 1, 4, 4)), (channels, 1, 1, 1))
    return F.Deconvolution(x, kernel, kernel=(4, 4), stride=(2, 2), pad=(3, 3), num_filter=channels,
                           num_group=channels, no_bias=True)


class Upsample(nn.HybridBlock):
    """Bilinear x2 up-sampling, pixel centres aligned, edges repeated: as cv2.resize(INTER_LINEAR)."""

    def __init__(self, channels: int, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels

    def hybrid_forward(self, F, x):
        """Return (N, C, 2h, 2w) of (N, C, h, w)."""
        return doubled(F, F.pad(x, mode="edge", pad_width=(0, 0, 0, 0, 1, 1, 1, 1)), self.channels)


def rescale(channels: int, scale: float) -> nn.HybridBlock:
    """Return a block that resizes maps by `scale`: averages of 2x2 or 4x4 pixels down, bilinear up (assumed: the
    paper does not say how)."""
    block = nn.HybridSequential(prefix="")
    while scale > 1:
        block.add(Upsample(channels))
        scale /= 2
    if scale < 1:
        block.add(nn.AvgPool2D(int(1 / scale)))
    return block


class Step(nn.HybridBlock):
    """One rung of the ladder: hidden layer, cross-column connection, ReLU, x2, plus the jump connection (Figure 4).

    number       from the top, 0 first: part of the layers' names.
    channels     of the hidden layer and of the jump it is summed with.
    kernel       of the hidden layer; 0: there is none, and the cross-column connection is alone.
    dilation, groups
                 of the hidden layer; a 1x1 layer has no dilation.
    jump_groups  of the jump connection, a bias-free 1x1 layer.
    crossed      with a cross-column connection, a 3x3 layer C -> C (Section 3.4).
    stopped      no gradient passes back through that connection.
    """

    def __init__(self, number: int, channels: int, kernel: int = 3, dilation: int = 1, groups: int = 1,
                 jump_groups: int = 1, crossed: bool = False, stopped: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.hidden: Any = None
        self.cross: Any = None
        self.stopped = stopped
        with self.name_scope():
            if kernel:
                self.hidden = convolution(channels, kernel, dilation=dilation if kernel > 1 else 1, groups=groups,
                                          bias=True, prefix=f"hidden{number}_")
            if crossed:
                self.cross = convolution(channels, 3, bias=not kernel, prefix=f"cross{number}_")
            self.upsample = Upsample(channels)
            self.jump = convolution(channels, 1, groups=jump_groups, prefix=f"jump{number}_")

    def rectified(self, F, x, crossing):
        """Return ReLU(hidden + cross), (N, channels, h, w)."""
        maps = [] if self.hidden is None else [self.hidden(x)]
        if self.cross is not None:
            maps.append(self.cross(F.BlockGrad(crossing) if self.stopped else crossing))
        return F.Activation(reduce(F.elemwise_add, maps), act_type="relu")

    def hybrid_forward(self, F, x, level, crossing=None):
        """Return the sum (N, channels, 2h, 2w).

        x         maps of the step above (N, C, h, w); None without a hidden layer.
        level     the backbone's map of the next resolution (N, C', 2h, 2w).
        crossing  the other decoder's sum of the same size as x, (N, channels, h, w).
        """
        return self.upsample(self.rectified(F, x, crossing)) + self.jump(level)


class Decoder(nn.HybridBlock):
    """From a column's maps to score maps @1/4: a Step for each resolution from the top, and a linear classifier.

    classes            score maps, K.
    widths             channels of the steps from the top; their number is that of the x2 up-samplings (Table 1).
    dilations          of the hidden layers.
    top_kernel, top_groups
                       of the layer directly on the raw features; top_kernel 0: level 5 was removed and that layer
                       with it (Section 3.5).
    jump_groups        of the jump connections.
    classifier_kernel  3 for Table 1's first model, else 1.
    crossed, stopped   of every step: cross-column connections from another decoder's sums, and without gradient.
    width              multiplier of `widths`.
    """

    def __init__(self, classes: int, widths=(128, 128, 128), dilations=(3, 6, 12), top_kernel: int = 3,
                 top_groups: int = 1, jump_groups=(1, 1, 1), classifier_kernel: int = 1, crossed: bool = False,
                 stopped: bool = False, width: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        if not len(widths) == len(dilations) == len(jump_groups):
            raise ValueError("widths, dilations and jump_groups: one value per x2 up-sampling each")
        if not top_kernel and not crossed:
            raise ValueError("a column without level 5 needs cross-column connections")
        self.widths = tuple(scaled(w, width) for w in widths)
        self.channels, self.topped = self.widths[-1], bool(top_kernel)
        with self.name_scope():
            for i, channels in enumerate(self.widths):
                kernel, groups = (3, 1) if i else (top_kernel, top_groups)
                setattr(self, f"step{i}", Step(i, channels, kernel, dilations[i], groups, jump_groups[i], crossed,
                                               stopped, prefix=""))
            self.classifier = convolution(classes, classifier_kernel, bias=True, prefix="classifier_")

    @property
    def steps(self):
        """The steps from the top."""
        return [getattr(self, f"step{i}") for i in range(len(self.widths))]

    def hybrid_forward(self, F, levels, crossing=None):
        """Return the scores (N, K, @1/4) and this decoder's own sums, from the top; the last is @1/4.

        levels    a column's maps from level 2 upward.
        crossing  the other decoder's sums from the top.
        """
        x, sums = levels[-1] if self.topped else None, []
        for i, step in enumerate(self.steps):
            x = step(x, levels[len(self.widths) - 1 - i], crossing[i] if crossing else None)
            sums.append(x)
        return (self.classifier(x), *sums)
