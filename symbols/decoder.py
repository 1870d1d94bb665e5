"""The SharpMask-like decoder: hidden layers, x2 up-samplings and jump connections (Figures 2 and 4)."""

from __future__ import annotations

from mxnet.gluon import nn

from symbols.column import convolution, scaled

# Section 3.3's structure and the optimised one of Figure 4: "gradually reduce the number of kernels", groups, and a
# 1x1 layer on top of the full column's raw features. The half column's top layer is Figure 4's "Conv.: 3, 128, 3, 8".
PLAIN = {"widths": (128, 128, 128), "dilations": (3, 6, 12), "jump_groups": (1, 1, 1)}
OPTIMISED = {"widths": (128, 64, 32), "dilations": (3, 6, 12), "jump_groups": (8, 4, 2), "top_groups": 8}


class Upsample(nn.HybridBlock):
    """Bilinear x2 up-sampling, pixel centres aligned, edges repeated: as cv2.resize(INTER_LINEAR).

    Written as a depthwise deconvolution of the edge-padded map with the fixed kernel (1, 3, 3, 1) / 4 in both
    directions: the same numbers as BilinearResize2D at a third of its training time on a CPU.
    """

    def __init__(self, channels: int, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels

    def hybrid_forward(self, F, x):
        """(N, C, h, w) -> (N, C, 2h, 2w)."""
        line = 1 - F.abs(F.arange(4) - 1.5) / 2
        kernel = F.broadcast_mul(F.reshape(line, (4, 1)), F.reshape(line, (1, 4)))
        kernel = F.tile(F.reshape(kernel, (1, 1, 4, 4)), (self.channels, 1, 1, 1))
        x = F.pad(x, mode="edge", pad_width=(0, 0, 0, 0, 1, 1, 1, 1))
        return F.Deconvolution(x, kernel, kernel=(4, 4), stride=(2, 2), pad=(3, 3), num_filter=self.channels,
                               num_group=self.channels, no_bias=True)


class Decoder(nn.HybridBlock):
    """From a column's maps to score maps @1/4.

    For each resolution from the top: hidden layer (3x3, dilated, ReLU), x2, plus the jump connection (a bias-free
    1x1 layer on the backbone's map of that resolution), and a linear classifier on the last sum.

    classes            score maps, K.
    widths             channels of the hidden layers from the top and of the jumps they are summed with; their
                       number is the number of x2 up-samplings (Table 1).
    dilations          of the hidden layers.
    top_kernel, top_groups
                       of the layer directly on the raw features; top_kernel 0: level 5 was removed and that layer
                       with it (Section 3.5), what is left at the top is the cross-column connection.
    jump_groups        of the 1x1 layers.
    classifier_kernel  3 for Table 1's first model, else 1.
    crossed            add cross-column connections, 3x3 C -> C, from another decoder's sums (Section 3.4).
    """

    def __init__(self, classes: int, widths=(128, 128, 128), dilations=(3, 6, 12), top_kernel: int = 3,
                 top_groups: int = 1, jump_groups=(1, 1, 1), classifier_kernel: int = 1, crossed: bool = False,
                 width: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        if not len(widths) == len(dilations) == len(jump_groups):
            raise ValueError("widths, dilations and jump_groups: one value per x2 up-sampling each")
        if not top_kernel and not crossed:
            raise ValueError("a column without level 5 needs cross-column connections")
        widths = tuple(scaled(w, width) for w in widths)
        self.steps, self.has_top, self.crossed = len(widths), bool(top_kernel), crossed
        self.channels = widths[-1]
        with self.name_scope():
            for i, channels in enumerate(widths):
                kernel, groups = (top_kernel, top_groups) if i == 0 else (3, 1)
                if kernel:
                    layer = convolution(channels, kernel, dilation=dilations[i] if kernel > 1 else 1,
                                        groups=groups, bias=True, prefix=f"hidden{i}_")
                    setattr(self, f"hidden{i}", layer)
                if crossed:
                    setattr(self, f"cross{i}", convolution(channels, 3, bias=not kernel, prefix=f"cross{i}_"))
                setattr(self, f"upsample{i}", Upsample(channels))
                setattr(self, f"jump{i}", convolution(channels, 1, groups=jump_groups[i], prefix=f"jump{i}_"))
            self.classifier = convolution(classes, classifier_kernel, bias=True, prefix="classifier_")

    def hybrid_forward(self, F, *maps):
        """A column's maps from level 2 upward, then, if crossed, the other decoder's sums from the top.

        Returns the scores (N, K, @1/4) and this decoder's own sums, from the top; the last is @1/4.
        """
        split = len(maps) - (self.steps if self.crossed else 0)
        levels, other = list(maps[:split]), maps[split:]
        x = levels.pop() if self.has_top else None
        sums = []
        for i in range(self.steps):
            hidden = getattr(self, f"hidden{i}")(x) if x is not None else None
            if self.crossed:
                cross = getattr(self, f"cross{i}")(other[i])
                hidden = cross if hidden is None else hidden + cross
            hidden = F.Activation(hidden, act_type="relu")
            x = getattr(self, f"upsample{i}")(hidden) + getattr(self, f"jump{i}")(levels[self.steps - 1 - i])
            sums.append(x)
        return (self.classifier(x), *sums)
