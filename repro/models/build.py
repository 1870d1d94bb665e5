"""From a row's network to Gluon blocks: the only module of the library that imports `symbols`."""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, Optional, Tuple

from repro.config.networks import AnyNetwork, Neighbour, Network
from repro.config.networks import Column as ColumnSpec
from repro.config.presets import Preset, round_up
from repro.config.rows import Training
from repro.errors import UserError
from repro.models.gluoncv_networks import STRIDES, Trainable
from symbols.classic import ScoreFusion
from symbols.column import Column
from symbols.decoder import OPTIMISED, PLAIN, Decoder, rescale
from symbols.fast import FastTwoColumn, QuickDecoder, QuickTwoColumn, Table
from symbols.fusion import Attention, CoarseToFine, Max, SparseFusion, Sum
from symbols.network import (
    COLUMN_NAMES,
    HalfAlone,
    MultiColumn,
    SingleColumn,
    SparseTwoColumn,
    WeightedTwoColumn,
    WholeTwoColumn,
)
from symbols.others.combined import EntropySelector, GatedFusion
from symbols.others.sgcpnet import SGCPNet
from symbols.others.sparserefine import PLANES, Refiner
from symbols.regions import AboveZero, HeadSelector, Largest, SparsityTerm

BACKBONES = tuple(f"{name}_column" for name in COLUMN_NAMES.values())  # attributes that hold a pre-trained part


def is_constant(parameter) -> bool:
    """Return True if a parameter holds a table that follows from the network's sizes, and is no part of its weights."""
    return isinstance(parameter.init, Table)


def _decoder(network: Network, column: ColumnSpec, classes: int, make=Decoder, **settings):
    """Return the decoder on `column`: plain (Table 1, Section 3.1), optimised (Figure 4, Section 3.4), classic."""
    prefix = f"{COLUMN_NAMES[column.scale]}_decoder_"
    if network.structure == "classic":
        return ScoreFusion(classes, prefix=prefix)
    optimised, finest = network.structure == "optimised", column is network.columns[-1]
    settings.update(OPTIMISED if optimised else PLAIN)
    steps = {32: 3, 16: 2, 8: 1}[network.output_stride]  # x2 up-samplings to 1/4
    for key in ("widths", "dilations", "jump_groups"):
        settings[key] = settings[key][-steps:]
    return make(classes, top_kernel=(1 if optimised and finest else 3) if column.units[3] else 0,
                classifier_kernel=3 if network.output_stride == 8 else 1,
                crossed=network.fusion == "isctf" and finest, prefix=prefix, **settings)


def _neighbour(network: Neighbour, classes: int, size: Optional[Tuple[int, int]], frozen: bool):
    """Return SGCPNet, or gluoncv's network for images of `size`."""
    if network.model == "sgcpnet":
        return SGCPNet(classes, frozen, prefix="")
    if size is None or size[0] % network.multiple() or size[1] % network.multiple():
        raise ValueError(f"size {size}: gluoncv's networks are for one, of multiples of {network.multiple()} pixels")
    return Trainable(network.model, size, classes, rescale(classes, STRIDES[network.model] / 4), prefix="")


def build(network: AnyNetwork, classes: int, width: float = 1.0, grid: Optional[Tuple[int, int]] = None,
          region: Optional[int] = None, fast: bool = False, k: Optional[int] = None, frozen: bool = True,
          sparsity: Optional[Tuple[float, float, int, int]] = None, stops: Tuple[str, ...] = (),
          decoder_on_crops: bool = False, uncropped: bool = False, size: Optional[Tuple[int, int]] = None,
          stem: Optional[int] = None, decoder_width: Optional[float] = None):
    """Return the network of a row, uninitialised.

    width         multiplier of every channel count.
    stem          channels of each column's first convolution; None: 64 times the width.
    decoder_width multiplier of the channels of decoders, heads, jumps and cross-column connections; None: the width.
    grid, region  rows and columns of regions and their side in pixels, for sctf and isctf.
    fast          on k regions of each image alone, in inference or training; else classic.
    k             regions kept; None: all with s > 0.
    frozen        batch norm keeps its stored statistics.
    sparsity      (p, lambda, batch, equation) of a training graph with the sparsity term (Eqs. 1, 2 and 3 or 4).
    stops         paths of sctf and isctf without gradient, of repro.config.presets.STOPS.
    decoder_on_crops
                  of fast inference: the full decoder's jump connections and last step on the crops alone. Exact.
    uncropped     the full column sees the whole image at once, whatever is selected: for its time.
    size          (H, W) of padded images; gluoncv's networks alone need it.
    Parameters' names depend on `network` alone. Raises ValueError where values do not fit. A neighbour's network takes
    classes, frozen (SGCPNet) and size alone.
    """
    if isinstance(network, Neighbour):
        return _neighbour(network, classes, size, frozen)
    columns = [Column(c.units, network.output_stride, width, frozen, stem,
                      prefix=f"{COLUMN_NAMES[c.scale]}_backbone_") for c in network.columns]
    settings = {"width": decoder_width or width}
    if network.sparse:
        return _sparse(network, columns, settings, classes, grid, region, fast, k, sparsity, stops, decoder_on_crops,
                       uncropped)
    decoders = [_decoder(network, c, classes, **settings) for c in network.columns]
    if network.fusion == "single":
        return SingleColumn(columns[0], decoders[0], prefix="")
    if network.fusion in ("max", "sum"):
        fusion = {"max": Max, "sum": Sum}[network.fusion](prefix="fusion_")
        return MultiColumn([c.scale for c in network.columns], columns, decoders, fusion, classes, prefix="")
    if [c.scale for c in network.columns] != [0.5, 1]:
        raise ValueError(f"fusion {network.fusion}: of the half and the full column alone")
    weights = CoarseToFine(prefix="weights_") if network.fusion == "ctf" else \
        Attention(decoders[0].channels, prefix="weights_")
    return WeightedTwoColumn(columns[0], decoders[0], columns[1], decoders[1], weights, classes, prefix="")


def _sparse(network: Network, columns, settings, classes: int, grid, region, fast: bool, k, sparsity, stops,
            on_crops: bool, uncropped: bool):
    """Return the network of sctf or isctf; arguments as build's, and the decoders' `settings`."""
    if grid is None or region is None:
        raise ValueError("a grid of regions and their side are needed")
    if fast and k is None:
        raise ValueError("fast inference needs k, the number of regions")
    if on_crops and not fast:
        raise ValueError("a decoder on crops is for fast inference")
    if fast and uncropped:
        raise ValueError("fast inference is on crops")
    regions, tau, spread = grid[0] * grid[1], region // 8, region // 4
    term = None
    if sparsity is not None:
        p, lam, batch, equation = sparsity
        term = SparsityTerm(p, lam, batch, regions, equation, prefix="sparsity_")
    selector = EntropySelector(tau, prefix="") if network.selector == "entropy" else \
        HeadSelector(tau, term, "sparse_head" in stops, prefix="")
    fusion = GatedFusion(classes, spread, prefix="") if network.weighting == "gate" else \
        SparseFusion(classes, spread, "weights" in stops, prefix="")
    select = AboveZero(prefix="") if k is None else Largest(regions, k, prefix="")
    kind: Any = WholeTwoColumn if uncropped or network.fusion == "sctf" else SparseTwoColumn
    full: Dict[str, Any] = {"stopped": "cross" in stops}
    if k == 0:
        kind = HalfAlone
    elif on_crops:
        kind = partial(QuickTwoColumn, k=k)
        full = {"make": QuickDecoder, "grid": grid, "region": region, "raw": columns[1].channels[3]}
    elif fast:
        kind = partial(FastTwoColumn, k=k)
    decoders = [_decoder(network, c, classes, **settings, **own) for c, own in zip(network.columns, ({}, full))]
    return kind(half_column=columns[0], half_decoder=decoders[0], full_column=columns[1], full_decoder=decoders[1],
                selector=selector, select=select, fusion=fusion, classes=classes, grid=grid, region=region, prefix="")


class Plan:
    """Sizes that a network, a training and a preset have together on images of `size` (H, W)."""

    def __init__(self, network: AnyNetwork, training: Training, preset: Preset, size: Tuple[int, int]):
        self.network, self.training, self.preset = network, training, preset
        self.region = preset.region(network.region) if network.region else None
        self.multiple, self.width = network.multiple(self.region), network.width(preset.width)
        own = isinstance(network, Network)  # others have their authors' widths
        self.stem, self.decoder_width = (preset.stem, preset.decoder_width) if own else (None, None)
        self.crop = round_up(preset.crop or size, self.multiple)

    def regions(self, size: Tuple[int, int]) -> int:
        """Return how many regions a padded image of `size` has; 0 without."""
        return (size[0] // self.region) * (size[1] // self.region) if self.region else 0

    def build(self, classes: int, size: Tuple[int, int], **settings):
        """Return the network for padded images of `size`, with grid, region and, unless the training has s > 0, k."""
        if self.region:
            grid = (size[0] // self.region, size[1] // self.region)
            settings.setdefault("k", self.training.k(self.regions(size)))
            if settings["k"] == 0:
                raise UserError(f"p {self.training.p}: keeps none of the {self.regions(size)} regions of "
                                f"{size[0]}x{size[1]} pixels; a larger image or crop has more")
            settings.update(grid=grid, region=self.region)
        try:
            return build(self.network, classes, self.width, size=(size[0], size[1]), stem=self.stem,
                         decoder_width=self.decoder_width, **settings)
        except ValueError as error:
            raise UserError(f"{self.network.fusion} at {size[0]}x{size[1]}: {error}") from None


def build_refiner(classes: int, width: float = 1.0, planes: Tuple[int, ...] = PLANES, frozen: bool = False) -> Refiner:
    """Return SparseRefine's extractor and gate, uninitialised; frozen: for inference, with stored statistics.

    Raises ValueError for a width that does not divide the planes.
    """
    return Refiner(classes, width, planes, frozen, prefix="")
