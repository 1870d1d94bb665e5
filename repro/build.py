"""From a row's network to Gluon blocks: the only module of the library that imports `symbols`."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

from repro.gluoncv_networks import STRIDES, Trainable
from repro.neighbours import AnyNetwork, Neighbour
from repro.rows import Column as ColumnSpec
from repro.rows import Network
from symbols.classic import ScoreFusion
from symbols.column import Column
from symbols.combined import EntropyTwoColumn, GatedTwoColumn
from symbols.decoder import OPTIMISED, PLAIN, Decoder
from symbols.network import COLUMN_NAMES, MultiColumn, SingleColumn, SparseTwoColumn, rescale
from symbols.refine import BLOCKS, PLANES, Refiner
from symbols.regions import SparsityTerm
from symbols.sgcpnet import SGCPNet
from symbols.submanifold import SparseConv, SparseDeconv

BACKBONES = tuple(f"{name}_column" for name in COLUMN_NAMES.values())  # attributes that hold a pre-trained part


def build_column(units=(3, 4, 6, 3), output_stride: int = 32, width: float = 1.0, frozen: bool = True,
                 prefix: str = "full_backbone_", stem: Optional[int] = None) -> Column:
    """A backbone alone, as `make pretrain` trains it (Section 3.5)."""
    return Column(units, output_stride, width, frozen, stem, prefix=prefix)


def _decoder(network: Network, column: ColumnSpec, classes: int, width: float, **fast):
    """The decoder on `column`: plain (Table 1, Section 3.1), optimised (Figure 4, Section 3.4), classic (Figure 2)."""
    if network.structure == "classic":
        return ScoreFusion(classes, prefix=f"{COLUMN_NAMES[column.scale]}_decoder_")
    finest = column is network.columns[-1]
    settings: Dict[str, Any] = {**(OPTIMISED if network.structure == "optimised" else PLAIN)}
    steps = {32: 3, 16: 2, 8: 1}[network.output_stride]  # x2 up-samplings to 1/4
    for key in ("widths", "dilations", "jump_groups"):
        settings[key] = settings[key][-steps:]
    top_kernel = 1 if network.structure == "optimised" and finest else 3
    return Decoder(classes, top_kernel=top_kernel if column.units[3] else 0,
                   classifier_kernel=3 if network.output_stride == 8 else 1,
                   crossed=network.fusion == "isctf" and finest, width=width, **(fast if finest else {}),
                   prefix=f"{COLUMN_NAMES[column.scale]}_decoder_", **settings)


def _neighbour(network: Neighbour, classes: int, size: Optional[Tuple[int, int]], frozen: bool):
    """SGCPNet, or gluoncv's network for images of `size`."""
    if network.model == "sgcpnet":
        return SGCPNet(classes, frozen, prefix="")
    if size is None or size[0] % network.multiple or size[1] % network.multiple:
        raise ValueError(f"size {size}: gluoncv's networks are for one, of multiples of {network.multiple} pixels")
    return Trainable(network.model, size, classes, rescale(classes, STRIDES[network.model] / 4), prefix="")


def build(network: AnyNetwork, classes: int, width: float = 1.0, grid: Optional[Tuple[int, int]] = None,
          region: Optional[int] = None, fast: bool = False, k: Optional[int] = None, frozen: bool = True,
          sparsity: Optional[Tuple[float, float, int, int]] = None, stops: Tuple[str, ...] = (),
          rows: bool = False, jumps_on_crops: bool = False, decoder_on_crops: bool = False, uncropped: bool = False,
          size: Optional[Tuple[int, int]] = None, stem: Optional[int] = None, decoder_width: Optional[float] = None):
    """The network of a row, uninitialised.

    width         multiplier of every channel count.
    stem          channels of each column's first convolution; None: 64 times the width.
    decoder_width multiplier of the channels of decoders, heads, jumps and cross-column connections; None: the width.
    grid, region  rows and columns of regions and their side in pixels, for sctf and isctf.
    fast          fast inference on k regions an image; else classic.
    k             regions kept; None: all with s > 0.
    frozen        batch norm keeps its stored statistics.
    sparsity      (p, lambda, batch, equation) of a training graph with the sparsity term (Eqs. 1, 2 and 3 or 4).
    stops         paths of sctf and isctf without gradient, of symbols.network.STOPS.
    rows, jumps_on_crops, decoder_on_crops
                  fast inference's short cuts, each exact: crop and uncrop as gathers of rows, jump connections before
                  uncrop, the full decoder's last step (and its jump connections) on the crops alone.
    uncropped     the full column sees the whole image at once, whatever is selected: for its time.
    size          (H, W) of padded images; gluoncv's networks alone need it.
    Parameters' names depend on `network` alone. Raises ValueError where values do not fit. A neighbour's network takes
    classes, frozen (SGCPNet) and size alone.
    """
    if isinstance(network, Neighbour):
        return _neighbour(network, classes, size, frozen)
    columns = [build_column(c.units, network.output_stride, width, frozen,
                            f"{COLUMN_NAMES[c.scale]}_backbone_", stem) for c in network.columns]
    cuts = {"jumped": jumps_on_crops, "crops": (grid, region) if decoder_on_crops else None}
    decoders = [_decoder(network, c, classes, decoder_width or width, **(cuts if network.sparse else {}))
                for c in network.columns]
    if network.fusion == "single":
        return SingleColumn(columns[0], decoders[0], prefix="")
    if not network.sparse:
        return MultiColumn([c.scale for c in network.columns], columns, decoders, network.fusion, classes, prefix="")
    if grid is None or region is None:
        raise ValueError("a grid of regions and their side are needed")
    term = None
    if sparsity is not None:
        p, lam, batch, equation = sparsity
        term = SparsityTerm(p, lam, batch, grid[0] * grid[1], equation, prefix="sparsity_")
    kinds = {("head", "scales"): SparseTwoColumn, ("entropy", "scales"): EntropyTwoColumn,
             ("entropy", "gate"): GatedTwoColumn}
    return kinds[network.selector, network.weighting](
        columns[0], decoders[0], columns[1], decoders[1], classes, grid, region, improved=network.fusion == "isctf",
        fast=fast, k=k, sparsity=term, stops=stops, rows=rows, uncropped=uncropped, prefix="")


def build_sparse(kind: str, inputs: int, channels: int):
    """A sparse layer alone: "conv" (of stride 1 or 2) or "deconv"."""
    return {"conv": SparseConv, "deconv": SparseDeconv}[kind](inputs, channels, prefix="")


def build_refiner(classes: int, width: float = 1.0, planes: Tuple[int, ...] = PLANES, blocks: int = BLOCKS,
                  frozen: bool = False) -> Refiner:
    """SparseRefine's extractor and gate, uninitialised; frozen: for inference, with stored statistics.

    Raises ValueError for a width that does not divide the planes.
    """
    return Refiner(classes, width, planes, blocks, frozen, prefix="")
