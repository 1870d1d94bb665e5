"""The classic FCN, left in Figure 2: score maps of several resolutions, up-sampled and summed (Section 3.1)."""

from __future__ import annotations

from mxnet.gluon import nn

from symbols.column import convolution
from symbols.decoder import Upsample


class ScoreFusion(nn.HybridBlock):
    """From a column's maps to score maps @1/4: the scores themselves are fused, not the features.

    One 1x1 classifier on the map of each resolution; from the top, x2 and summed with the next (Long et al. 2015, who
    stop at 1/8). Assumed: all four resolutions, so that the scores are at 1/4 as those of every network here.

    classes  score maps, K.
    levels   resolutions of the column, 1/4 upward.
    """

    def __init__(self, classes: int, levels: int = 4, **kwargs):
        super().__init__(**kwargs)
        self.levels = levels
        with self.name_scope():
            for i in range(levels):
                setattr(self, f"classifier{i}", convolution(classes, 1, bias=True, prefix=f"classifier{i}_"))
            for i in range(levels - 1):
                setattr(self, f"upsample{i}", Upsample(classes, prefix=f"upsample{i}_"))

    def hybrid_forward(self, F, levels):
        """Return the scores (N, K, @1/4), alone in a tuple as a decoder's first, of a column's maps from level 2."""
        scores = [getattr(self, f"classifier{i}")(levels[i]) for i in range(self.levels)]
        x = scores.pop()
        for i in reversed(range(self.levels - 1)):
            x = getattr(self, f"upsample{i}")(x) + scores[i]
        return (x,)
