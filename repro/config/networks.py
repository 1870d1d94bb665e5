"""Networks as rows name them: the paper's, and those of other authors that stand beside them. Frozen, checked values.

Both kinds have the same properties, so that whoever reads, names or sizes a row's network does not ask which it is;
repro.models.build makes it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple, Union

from repro.config import parsing
from repro.errors import UserError, choice

FUSIONS = ("single", "max", "sum", "attention", "ctf", "sctf", "isctf")
SCALES = {0.25: "quarter", 0.5: "half", 1.0: "full", 2.0: "double"}
OUTPUT_STRIDES = (8, 16, 32)
STRUCTURES = ("plain", "optimised", "classic")
REGIONS = (128, 256, 512)
SELECTORS = ("head", "entropy")
WEIGHTINGS = ("scales", "gate")
MODELS = {"sgcpnet": 128, "fastscnn": 32, "icnet": 32}  # of others: image sides are multiples of so many pixels

MOST_UNITS = 100  # of a level; ResNet-152 has 36
HEIGHT, WIDTH = 1024, 2048  # the paper's image, in which region sides are given


def require(condition, message: str) -> None:
    """UserError with this message unless the condition holds."""
    if not condition:
        raise UserError(message)


@dataclass(frozen=True)
class Column:
    """One column: input at `scale` times the image, residual units at levels 2-5 (ResNet-50: 3, 4, 6, 3)."""

    scale: float
    units: Tuple[int, int, int, int]

    def __post_init__(self):
        choice(self.scale, tuple(SCALES), "scale")
        units = f"units: {list(self.units)}"
        require(len(self.units) == 4, f"{units} are not four counts, those of levels 2-5")
        require(min(self.units[:3]) >= 1 and self.units[3] >= 0,
                f"{units}: levels 2-4 need 1 unit or more, level 5 needs 0 or more")
        require(max(self.units) <= MOST_UNITS, f"{units}: a level has {MOST_UNITS} at most")


@dataclass(frozen=True)
class Network:
    """The paper's; `columns` coarse to fine, `region` the side in px at 1024x2048 (sctf, isctf).

    Not the paper's, of isctf: `selector` entropy chooses regions by the half column's entropy instead of the learned
    head, and `weighting` gate fuses by SparseRefine's gate instead of z1 and z2 * s (symbols/others/combined.py).
    """

    fusion: str
    columns: Tuple[Column, ...]
    output_stride: int
    structure: str
    region: Optional[int]
    selector: str = "head"
    weighting: str = "scales"

    def __post_init__(self):
        fusion, count = self.fusion, len(self.columns)
        choice(fusion, FUSIONS, "fusion")
        choice(self.output_stride, OUTPUT_STRIDES, "output_stride")
        choice(self.structure, STRUCTURES, "structure")
        scales = [column.scale for column in self.columns]
        require(scales == sorted(set(scales)), f"columns: scales {scales} are not from coarse to fine")
        least, most = {"single": (1, 1), "max": (2, len(SCALES)), "sum": (2, len(SCALES))}.get(fusion, (2, 2))
        require(least <= count <= most, f"columns: fusion {fusion} has {least} column{'s' * (least > 1)}"
                                        f"{' or more' * (most > least)}, not {count}")
        require(self.output_stride == 32 or fusion == "single",
                f"output_stride: {self.output_stride} is for fusion single; {fusion} has 32")
        require(self.structure != "classic" or (fusion == "single" and self.output_stride == 32),
                "structure: classic, Figure 2's, is for fusion single with output_stride 32")
        for column in self.columns:
            require(column.units[3] > 0 or (fusion == "isctf" and column is self.columns[-1]),
                    "units: 0 at level 5 is for the finest column of fusion isctf alone")
        if self.sparse:
            choice(self.region, REGIONS, f"region of fusion {fusion}")
        else:
            require(self.region is None, f"region: {self.region} needs fusion sctf or isctf, not {fusion}")
        choice(self.selector, SELECTORS, "selector")
        choice(self.weighting, WEIGHTINGS, "weighting")
        require(self.selector == "head" or fusion == "isctf",
                f"selector: {self.selector} needs fusion isctf, not {fusion}")
        require(self.weighting == "scales" or self.selector == "entropy",
                f"weighting: {self.weighting} needs selector entropy, as it leaves the head nothing to learn from")

    @property
    def name(self) -> str:
        """A readable name, another for every network."""
        parts = [self.fusion]
        for column in self.columns:
            parts.append(SCALES[column.scale] + ("." if max(column.units) > 9 else "").join(map(str, column.units)))
        words = ((f"stride{self.output_stride}", "stride32"), (self.structure, "plain"), (f"r{self.region}", "rNone"),
                 (self.selector, "head"), (self.weighting, "scales"))
        return "-".join(parts + [word for word, usual in words if word != usual])

    @property
    def sparse(self) -> bool:
        """True if regions of the finest column are selected."""
        return self.fusion in ("sctf", "isctf")

    @property
    def regions(self) -> Optional[int]:
        """The number of regions of an image (the grid is the same at any scale); None without."""
        return (HEIGHT // self.region) * (WIDTH // self.region) if self.region else None

    def multiple(self, region: Optional[int]) -> int:
        """Image sides must be multiples of this: of a region's side in pixels of the image (None without), and of 32
        in the coarsest column."""
        unit = int(32 / min(1, *(column.scale for column in self.columns)))
        return unit if region is None else unit * region // math.gcd(unit, region)

    def width(self, width: float) -> float:
        """Return the multiplier of every channel count by a preset of this `width`."""
        return width


@dataclass(frozen=True)
class Neighbour:
    """A published network as its authors made it, at its own width: it sees the whole image at once, in one column.

    model  sgcpnet, this project's (symbols/others/sgcpnet.py); fastscnn, icnet: gluoncv's (models/gluoncv_networks.py).
    """

    model: str

    sparse = False  # nothing is selected
    selector = region = regions = None

    def __post_init__(self):
        choice(self.model, tuple(MODELS), "neighbour")

    @property
    def name(self) -> str:
        """Its model."""
        return self.model

    @property
    def fusion(self) -> str:
        """What stands where a network of the paper has its fusion approach."""
        return self.model

    def multiple(self, region: Optional[int] = None) -> int:
        """As a Network's."""
        return MODELS[self.model]

    def width(self, width: float) -> float:
        """As a Network's: 1, whatever the preset's."""
        return 1.0


AnyNetwork = Union[Network, Neighbour]


def network_dict(network: AnyNetwork) -> Dict[str, Any]:
    """`network` as plain values, with the YAML's keys (`selector`, `weighting` where they are not the paper's)."""
    return {"neighbour": network.model} if isinstance(network, Neighbour) else parsing.plain(network)


def parse_network(value, place: str) -> AnyNetwork:
    """Return the inverse of network_dict; errors begin with `place`."""
    if isinstance(value, dict) and "neighbour" in value:
        found = parsing.fields(value, place, {"neighbour": parsing.text})
        return parsing.made(Neighbour, place, {"model": found["neighbour"]})
    column = parsing.object_of(Column, {"scale": parsing.number, "units": parsing.sequence(parsing.integer)})
    return parsing.object_of(Network, {
        "fusion": parsing.text, "columns": parsing.sequence(column), "output_stride": parsing.integer,
        "structure": parsing.text, "region": parsing.optional(parsing.integer), "selector": parsing.text,
        "weighting": parsing.text}, optional=("selector", "weighting"))(value, place)
