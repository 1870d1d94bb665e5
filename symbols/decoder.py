"""The SharpMask-like decoder: hidden layers, x2 up-samplings and jump connections (Figures 2 and 4)."""

from __future__ import annotations

from mxnet.gluon import nn

from symbols.column import convolution, scaled
from symbols.rows import RepeatEdges, TakeRegions

# Section 3.3's structure and the optimised one of Figure 4: "gradually reduce the number of kernels", groups, and a
# 1x1 layer on top of the full column's raw features. The half column's top layer is Figure 4's "Conv.: 3, 128, 3, 8".
PLAIN = {"widths": (128, 128, 128), "dilations": (3, 6, 12), "jump_groups": (1, 1, 1)}
OPTIMISED = {"widths": (128, 64, 32), "dilations": (3, 6, 12), "jump_groups": (8, 4, 2), "top_groups": 8}


class Upsample(nn.HybridBlock):
    """Bilinear x2 up-sampling, pixel centres aligned, edges repeated: as cv2.resize(INTER_LINEAR).

    Written as a depthwise deconvolution of the edge-padded map with the fixed kernel (1, 3, 3, 1) / 4 in both
    directions: the same numbers as BilinearResize2D at a third of its training time on a CPU.
    """

    def __init__(self, channels: int, padded: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.channels, self.padded = channels, padded

    def hybrid_forward(self, F, x):
        """(N, C, h, w), or (N, C, h + 2, w + 2) where the input brings its margin -> (N, C, 2h, 2w)."""
        line = 1 - F.abs(F.arange(4) - 1.5) / 2
        kernel = F.broadcast_mul(F.reshape(line, (4, 1)), F.reshape(line, (1, 4)))
        kernel = F.tile(F.reshape(kernel, (1, 1, 4, 4)), (self.channels, 1, 1, 1))
        if self.padded:
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
    jumped             the maps arrive through `connect`, which fast inference runs on the crops, before uncrop.
    crops              fast inference's last step on the selected regions alone: (grid, region's side in pixels). The
                       rest of its result has the weight 0 and is not computed. Its layers read a region's surroundings:
                       1 position @1/8 for the up-sampling, and 12 more for the dilated layer. Implies `jumped`.
    """

    def __init__(self, classes: int, widths=(128, 128, 128), dilations=(3, 6, 12), top_kernel: int = 3,
                 top_groups: int = 1, jump_groups=(1, 1, 1), classifier_kernel: int = 1, crossed: bool = False,
                 jumped: bool = False, crops=None, width: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        if not len(widths) == len(dilations) == len(jump_groups):
            raise ValueError("widths, dilations and jump_groups: one value per x2 up-sampling each")
        if not top_kernel and not crossed:
            raise ValueError("a column without level 5 needs cross-column connections")
        if crops and (len(widths) < 2 or classifier_kernel > 1):
            raise ValueError("the last step on crops: needs one before it, and a 1x1 classifier")
        widths = tuple(scaled(w, width) for w in widths)
        self.steps, self.has_top, self.crossed = len(widths), bool(top_kernel), crossed
        self.pointwise_top = top_kernel == 1
        self.jumped, self.cropped = jumped or bool(crops), bool(crops)
        self.widths, self.channels = widths, widths[-1]
        with self.name_scope():
            for i, channels in enumerate(widths):
                kernel, groups = (top_kernel, top_groups) if i == 0 else (3, 1)
                padded = not crops or i + 1 < self.steps
                if kernel:
                    layer = convolution(channels, kernel, dilation=dilations[i] if kernel > 1 else 1,
                                        groups=groups, bias=True, padded=padded, prefix=f"hidden{i}_")
                    setattr(self, f"hidden{i}", layer)
                if crossed:
                    layer = convolution(channels, 3, bias=not kernel, padded=padded, prefix=f"cross{i}_")
                    setattr(self, f"cross{i}", layer)
                setattr(self, f"upsample{i}", Upsample(channels, padded))
                setattr(self, f"jump{i}", convolution(channels, 1, groups=jump_groups[i], prefix=f"jump{i}_"))
            self.classifier = convolution(classes, classifier_kernel, bias=True, prefix="classifier_")
            if crops:
                (grid, region), reach = crops, dilations[-1]
                self.surround = TakeRegions(grid, widths[-2], region // 8, reach + 1, prefix="surround_")
                self.side = self.surround.side - reach  # columns that the dilated layer leaves beside a region
                self.surround_other = TakeRegions(grid, widths[-1], region // 8, 2, self.side + 1,
                                                  prefix="surround_other_")
                self.repeat_edges = RepeatEdges(grid, region // 8, self.side, prefix="edges_")

    def connect(self, levels):
        """What the decoder reads of a column's maps, from level 2 upward, position by position: the jump connections
        and, where it is a 1x1 layer, the top. Zeros stay zeros but in such a top, which has a bias."""
        levels = [getattr(self, f"jump{self.steps - 1 - i}")(m) for i, m in enumerate(levels[:self.steps])] + \
            list(levels[self.steps:])
        if self.pointwise_top:
            levels[-1] = self.hidden0(levels[-1])
        return levels

    def reads(self, channels):
        """Channels of the maps that arrive, of a column whose own are `channels`."""
        if not self.jumped:
            return tuple(channels)
        top = channels[self.steps:] if self.has_top else ()
        return self.widths[::-1] + (self.widths[:1] if self.pointwise_top else tuple(top))

    def hybrid_forward(self, F, *maps):
        """A column's maps from level 2 upward, then, if crossed, the other decoder's sums from the top.

        Returns the scores (N, K, @1/4) and this decoder's own sums, from the top; the last is @1/4. With `crops`, the
        map of level 2 is that of the selected regions, whose indices (N, k) come last; scores and last sum are theirs.
        """
        maps, indices = (maps[:-1], maps[-1]) if self.cropped else (maps, None)
        split = len(maps) - (self.steps if self.crossed else 0)
        levels, other = list(maps[:split]), maps[split:]
        levels = levels if self.jumped else self.connect(levels)
        x = levels.pop() if self.has_top else None
        sums = []
        for i in range(self.steps):
            crops = self.cropped and i + 1 == self.steps
            if x is not None and not (i == 0 and self.pointwise_top):
                x = getattr(self, f"hidden{i}")(self.surround(x, indices) if crops else x)
            if self.crossed:
                cross = self.cross_on_crops(F, other[i], indices) if crops else getattr(self, f"cross{i}")(other[i])
                x = cross if x is None else x + cross
            x = F.Activation(x, act_type="relu")
            x = self.repeat_edges(x, indices) if crops else x
            x = getattr(self, f"upsample{i}")(x) + levels[self.steps - 1 - i]
            sums.append(x)
        return (self.classifier(x), *sums)

    def cross_on_crops(self, F, other, indices):
        """The last cross-column connection on the selected regions, with the margin of the dilated layer's result."""
        cross = getattr(self, f"cross{self.steps - 1}")(self.surround_other(other, indices))
        more = self.surround_other.side - 1 - self.side  # columns
        return F.slice_axis(cross, axis=3, begin=more, end=-more) if more else cross
