"""SparseRefine's network: a U-Net over the selected pixels, and the gate (Liu et al., ECCV 2024).

The structure is that of the authors' public code (github.com/mit-han-lab/sparserefine: backbones/ts_unet.py and
ensemblers/gated.py). M_i: active positions of level i, at 1/2^i of the image; M_0 are the selected pixels. Assumed:
strided kernels are padded by 1. (Theirs by 0, torchsparse's default: their kernels lie one position lower and to the
right, and none reaches the last row and column of a map of even sides.)

A map is its active positions, one row of channels each: (M, C); all others are zero and are not stored. Which row lies
where is given as int32 places, made outside the graph (repro/sparserefine/refinement.py): rows are numbered from 1,
and 0 is a neighbour that is not active. A layer gathers the rows its places name and multiplies once. Nothing is
scattered on the way forward, as each output gathers its own inputs; `take`'s gradient is the scattering.

Places are arguments of the graph and not padded to a capacity: a hybridized block takes rows of any number, and
batch norm then sees active positions alone. (With static memory and one capacity, wide layers would take half the time
on a CPU and narrow ones the same; but every image has other numbers of rows, at each of six levels.)
"""

from __future__ import annotations

from mxnet.gluon import nn

from symbols.column import scaled
from symbols.regions import filled

PLANES = (32, 64, 128, 256, 512, 1024)  # channels of the levels
BLOCKS = 2  # residual blocks of a level, on each side
GATE = 64  # hidden channels of the gate's two layers
LEAST = 1e-5  # probabilities below count as this in an entropy's logarithm
TAPS = 9  # positions of a 3x3 kernel, row by row
REACHED = 4  # kernels of stride 2 that reach one position, at most


class SparseConv(nn.HybridBlock):
    """A bias-free 3x3 convolution, padded by 1, of stride 1 or 2: which of the two is in its places.

    Of stride 1 it is submanifold: the active positions of its output are its input's.
    """

    def __init__(self, inputs: int, channels: int, **kwargs):
        super().__init__(**kwargs)
        self.inputs, self.channels = inputs, channels
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(channels, TAPS * inputs))  # taps, then channels

    def hybrid_forward(self, F, x, places, weight):
        """x (M, inputs), places (M', 9) -> (M', channels)."""
        rows = F.reshape(F.take(filled(F, x), places), (-1, TAPS * self.inputs))
        return F.FullyConnected(rows, weight, no_bias=True, num_hidden=self.channels)


class SparseDeconv(nn.HybridBlock):
    """The transpose of a 3x3 convolution of stride 2, read at the finer map's active positions, bias-free.

    Multiplied first and gathered then: what each coarse row gives to its nine positions, of which each fine position
    takes the one, two or four that are its own. Gathering first would multiply nine places, mostly empty.
    """

    def __init__(self, inputs: int, channels: int, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(TAPS * channels, inputs))

    def hybrid_forward(self, F, x, places, weight):
        """x (M', inputs), places (M, 4) among the M' * 9 products -> (M, channels)."""
        given = F.FullyConnected(x, weight, no_bias=True, num_hidden=TAPS * self.channels)
        given = filled(F, F.reshape(given, (-1, self.channels)))
        first, *others = F.split(F.take(given, places), REACHED, axis=1)  # sum(axis=1) takes MXNet 4 to 8 times as long
        for one in others:
            first = first + one
        return F.reshape(first, (-1, self.channels))


class NormRelu(nn.HybridBlock):
    """Batch norm (eps 1e-5) over the active positions, and ReLU.

    frozen  its stored statistics, as scale and shift: a quarter of the operator's time on rows.
    """

    def __init__(self, channels: int, frozen: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.frozen = frozen
        with self.name_scope():
            self.gamma = self.params.get("gamma", shape=(channels,), init="ones")
            self.beta = self.params.get("beta", shape=(channels,), init="zeros")
            statistics = {"shape": (channels,), "grad_req": "null", "differentiable": False}
            self.running_mean = self.params.get("running_mean", init="zeros", **statistics)
            self.running_var = self.params.get("running_var", init="ones", **statistics)

    def hybrid_forward(self, F, x, gamma, beta, running_mean, running_var):
        """(M, C) -> (M, C)."""
        if not self.frozen:
            return F.relu(F.BatchNorm(x, gamma, beta, running_mean, running_var, axis=1, eps=1e-5, fix_gamma=False))
        scale = gamma * F.rsqrt(running_var + 1e-5)
        shift = beta - running_mean * scale
        x = F.broadcast_mul(x, F.expand_dims(scale, axis=0))
        return F.relu(F.broadcast_add(x, F.expand_dims(shift, axis=0)))


class Block(nn.HybridBlock):
    """A pre-activated residual block; the shortcut is linear where the channels change."""

    def __init__(self, inputs: int, channels: int, frozen: bool, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.norm1 = NormRelu(inputs, frozen, prefix="norm1_")
            self.conv1 = SparseConv(inputs, channels, prefix="conv1_")
            self.norm2 = NormRelu(channels, frozen, prefix="norm2_")
            self.conv2 = SparseConv(channels, channels, prefix="conv2_")
            self.shortcut = None
            if inputs != channels:
                self.shortcut = nn.Dense(channels, use_bias=False, in_units=inputs, prefix="shortcut_")

    def hybrid_forward(self, F, x, same):
        """x (M, inputs), same (M, 9) -> (M, channels)."""
        y = self.conv1(self.norm1(x), same)
        y = self.conv2(self.norm2(y), same)
        return y + (x if self.shortcut is None else self.shortcut(x))


class SparseUNet(nn.HybridBlock):
    """The sparse feature extractor: colours of the selected pixels -> features of them.

    planes  channels of each level. It has BLOCKS on the way down, and again on the way up but for the last.
    frozen  batch norm uses its stored statistics.
    """

    def __init__(self, planes, frozen: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.planes = tuple(planes)
        with self.name_scope():
            self.stem = SparseConv(3, planes[0], prefix="stem_")
            for i, (own, below) in enumerate(zip(planes, (*planes[1:], None))):
                for b in range(BLOCKS):
                    setattr(self, f"in{i}_{b}", Block(own, own, frozen, prefix=f"in{i}_{b}_"))
                if below is not None:
                    setattr(self, f"down_norm{i}", NormRelu(own, frozen, prefix=f"down{i}_norm_"))
                    setattr(self, f"down{i}", SparseConv(own, below, prefix=f"down{i}_"))
                    setattr(self, f"up_norm{i}", NormRelu(below, frozen, prefix=f"up{i}_norm_"))
                    setattr(self, f"up{i}", SparseDeconv(below, own, prefix=f"up{i}_"))
                    for b in range(BLOCKS):
                        setattr(self, f"out{i}_{b}", Block(own * (2 if b == 0 else 1), own, frozen,
                                                           prefix=f"out{i}_{b}_"))
            self.last = NormRelu(planes[0], frozen, prefix="last_")

    def hybrid_forward(self, F, x, *places):
        """x (M_0, 3); places: same (M_i, 9) of all levels, down (M_i+1, 9), then up (M_i, 4) -> (M_0, planes[0])."""
        levels = len(self.planes)
        same, down, up = places[:levels], places[levels:2 * levels - 1], places[2 * levels - 1:]
        x, kept = self.stem(x, same[0]), []
        for i in range(levels):
            if i:
                kept.append(x)
                x = getattr(self, f"down{i - 1}")(getattr(self, f"down_norm{i - 1}")(x), down[i - 1])
            for b in range(BLOCKS):
                x = getattr(self, f"in{i}_{b}")(x, same[i])
        for i in reversed(range(levels - 1)):
            x = getattr(self, f"up{i}")(getattr(self, f"up_norm{i}")(x), up[i])
            x = F.concat(kept[i], x, dim=1)
            for b in range(BLOCKS):
                x = getattr(self, f"out{i}_{b}")(x, same[i])
        return self.last(x)


def entropy(F, p, axis: int):
    """Return the entropy, in natural units, of probabilities along `axis`, which is kept with one element."""
    return F.sum(p * F.log(F.clip(p, LEAST, 1)), axis=axis, keepdims=True) * -1


def certainty(F, scores):
    """Return (M, K + 1): the softmax probabilities of scores (M, K), and their entropy in natural units."""
    p = F.softmax(scores, axis=-1)
    return F.concat(p, entropy(F, p, -1), dim=1)


class GatedEnsembler(nn.HybridBlock):
    """y = f(w * y1 + (1 - w) * y2) with w = sigmoid(g([p1; e1; p2; e2])); f and g have one hidden layer each.

    (The public code's softmax over two outputs of g is the sigmoid of their difference.)
    """

    def __init__(self, classes: int, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.gate1 = nn.Dense(GATE, activation="relu", in_units=2 * (classes + 1), prefix="gate1_")
            self.gate2 = nn.Dense(1, in_units=GATE, prefix="gate2_")
            self.fuse1 = nn.Dense(GATE, activation="relu", in_units=classes, prefix="fuse1_")
            self.fuse2 = nn.Dense(classes, in_units=GATE, prefix="fuse2_")

    def hybrid_forward(self, F, dense, sparse):
        """Scores (M, K) of both -> fused scores (M, K)."""
        weight = F.sigmoid(self.gate2(self.gate1(F.concat(certainty(F, dense), certainty(F, sparse), dim=1))))
        fused = F.broadcast_mul(dense, weight) + F.broadcast_mul(sparse, 1 - weight)
        return self.fuse2(self.fuse1(fused))


class Refiner(nn.HybridBlock):
    """Extractor, linear classifier and gate: new scores for the selected pixels.

    width  multiplier of the planes; the gate's hidden layers stay.
    """

    def __init__(self, classes: int, width: float = 1.0, planes=PLANES, frozen: bool = False, **kwargs):
        super().__init__(**kwargs)
        planes = tuple(scaled(channels, width) for channels in planes)
        with self.name_scope():
            self.unet = SparseUNet(planes, frozen, prefix="unet_")
            self.classifier = nn.Dense(classes, in_units=planes[0], prefix="classifier_")
            self.ensembler = GatedEnsembler(classes, prefix="ensembler_")

    def hybrid_forward(self, F, pixels, dense, *places):
        """pixels (M_0, 3), the dense prediction's scores there (M_0, K), places -> fused and own scores (M_0, K)."""
        sparse = self.classifier(self.unet(pixels, *places))
        return self.ensembler(dense, sparse), sparse
