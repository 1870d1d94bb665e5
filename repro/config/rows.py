"""The rows of Tables 1-5: which network, trained how, tested how. Frozen values, checked when made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

from repro.config import parsing
from repro.errors import UserError, choice

FUSIONS = ("single", "max", "sum", "attention", "ctf", "sctf", "isctf")
SCALES = (0.25, 0.5, 1.0, 2.0)
OUTPUT_STRIDES = (8, 16, 32)
STRUCTURES = ("plain", "optimised", "classic")
REGIONS = (128, 256, 512)
SELECTIONS = ("none", "sparse", "wta")
SELECTORS = ("head", "entropy")
WEIGHTINGS = ("scales", "gate")
INFERENCES = ("whole", "classic", "fast")
EQUATIONS = (3, 4)
EXTRAS = ("bootstrapping", "coarse")

MOST_UNITS = 100  # of a level; ResNet-152 has 36
HEIGHT, WIDTH = 1024, 2048  # the paper's image, in which region sides are given


def _require(condition, message: str) -> None:
    if not condition:
        raise UserError(message)


@dataclass(frozen=True)
class Column:
    """One column: input at `scale` times the image, residual units at levels 2-5 (ResNet-50: 3, 4, 6, 3)."""

    scale: float
    units: Tuple[int, int, int, int]

    def __post_init__(self):
        choice(self.scale, SCALES, "scale")
        _require(len(self.units) == 4, f"units: {list(self.units)} are not four counts, those of levels 2-5")
        _require(
            min(self.units[:3]) >= 1 and self.units[3] >= 0,
            f"units: {list(self.units)}: levels 2-4 need 1 unit or more, level 5 needs 0 or more",
        )
        _require(max(self.units) <= MOST_UNITS, f"units: {list(self.units)}: a level has {MOST_UNITS} at most")


@dataclass(frozen=True)
class Network:
    """A network's structure; `columns` coarse to fine, `region` the side in px at 1024x2048 (sctf, isctf).

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
        choice(self.fusion, FUSIONS, "fusion")
        choice(self.output_stride, OUTPUT_STRIDES, "output_stride")
        choice(self.structure, STRUCTURES, "structure")
        scales = [column.scale for column in self.columns]
        _require(scales == sorted(set(scales)), f"columns: scales {scales} are not from coarse to fine")
        count = len(scales)
        if self.fusion == "single":
            _require(count == 1, f"columns: fusion single has 1 column, not {count}")
        elif self.fusion in ("max", "sum"):
            _require(count >= 2, f"columns: fusion {self.fusion} has 2 columns or more, not {count}")
        else:
            _require(count == 2, f"columns: fusion {self.fusion} has 2 columns, not {count}")
        _require(
            self.output_stride == 32 or self.fusion == "single",
            f"output_stride: {self.output_stride} is for fusion single; {self.fusion} has 32",
        )
        _require(
            self.structure != "classic" or (self.fusion == "single" and self.output_stride == 32),
            "structure: classic, Figure 2's, is for fusion single with output_stride 32",
        )
        for column in self.columns:
            _require(
                column.units[3] > 0 or (self.fusion == "isctf" and column is self.columns[-1]),
                "units: 0 at level 5 is for the finest column of fusion isctf alone",
            )
        if self.sparse:
            choice(self.region, REGIONS, f"region of fusion {self.fusion}")
        else:
            _require(self.region is None, f"region: {self.region} needs fusion sctf or isctf, not {self.fusion}")
        choice(self.selector, SELECTORS, "selector")
        choice(self.weighting, WEIGHTINGS, "weighting")
        _require(self.selector == "head" or self.fusion == "isctf",
                 f"selector: {self.selector} needs fusion isctf, not {self.fusion}")
        _require(self.weighting == "scales" or self.selector == "entropy",
                 f"weighting: {self.weighting} needs selector entropy, as it leaves the head nothing to learn from")

    @property
    def sparse(self) -> bool:
        """Whether regions of the finest column are selected."""
        return self.fusion in ("sctf", "isctf")

    @property
    def regions(self) -> Optional[int]:
        """The number of regions of an image (the grid is the same at any scale); None without."""
        return (HEIGHT // self.region) * (WIDTH // self.region) if self.region else None


@dataclass(frozen=True)
class Training:
    """How a network is trained; `p`: target active probability, `lam`: the sparsity term's weight (Eq. 1).

    `equation`: what the term's r averages sigmoid(s) over, images per region (3) or regions per image (4, the paper's).
    """

    selection: str
    p: Optional[float]
    lam: Optional[float]
    bootstrapping: bool
    coarse: bool
    pretrained: bool
    equation: int = 4

    def __post_init__(self):
        choice(self.equation, EQUATIONS, "equation")
        choice(self.selection, SELECTIONS, "selection")
        if self.selection == "none":
            _require(self.p is None, f"p: {self.p} needs selection sparse or wta, not none")
        else:
            _require(
                self.p is not None and 0 < self.p < 1,
                f"p: {self.p} is not between 0 and 1, as selection {self.selection} needs",
            )
        if self.selection == "sparse":
            _require(self.lam is not None and self.lam > 0, f"lambda: {self.lam} is not above 0")
        else:
            _require(self.lam is None, f"lambda: {self.lam} needs selection sparse, not {self.selection}")
            _require(self.equation == 4, f"equation: {self.equation} needs selection sparse, not {self.selection}")

    def k(self, regions: int) -> Optional[int]:
        """Regions kept of `regions`, floor(p * regions) (Table 3's "Computed"); None without selection."""
        return None if self.p is None else math.floor(self.p * regions + 1e-9)  # 0.29 * 100 is 28.999...


@dataclass(frozen=True)
class Row:
    """A row of a table: its network and training, and the inference that the printed numbers are of."""

    id: str
    network: Network
    training: Training
    inference: str
    extra: Tuple[Tuple[str, Training], ...] = ()
    label: str = ""

    def __post_init__(self):
        choice(self.inference, INFERENCES, "inference")
        sparse = self.network.sparse
        _require(
            (self.inference == "whole") != sparse,
            f"inference: {self.inference!r} does not suit fusion {self.network.fusion}; "
            f"choose from {'classic, fast' if sparse else 'whole'}",
        )
        for _, training in self.trainings:
            _require(
                (training.selection == "none") != sparse,
                f"selection: {training.selection!r} does not suit fusion {self.network.fusion}; "
                f"choose from {'sparse, wta' if sparse else 'none'}",
            )
            _require(
                training.selection != "sparse" or self.network.selector == "head",
                "selection: sparse does not suit selector entropy, which learns nothing; choose wta",
            )
        for name, _ in self.extra:
            choice(name, EXTRAS, "extra")

    @property
    def trainings(self) -> Tuple[Tuple[str, Training], ...]:
        """("", the row's own training), then the named extra ones."""
        return (("", self.training),) + self.extra

    def k(self, regions: int) -> Optional[int]:
        """Regions kept of `regions`; None without selection."""
        return self.training.k(regions)


def training_name(network: Network, training: Training) -> str:
    """A readable name, equal exactly where network and training are (inference has no part in it)."""
    names = dict(zip(SCALES, ("quarter", "half", "full", "double")))
    parts = [network.fusion]
    for column in network.columns:
        separator = "." if max(column.units) > 9 else ""
        parts.append(names[column.scale] + separator.join(map(str, column.units)))
    parts += [f"stride{network.output_stride}"] if network.output_stride != 32 else []
    parts += [network.structure] if network.structure != "plain" else []
    parts += [f"r{network.region}"] if network.region else []
    parts += [network.selector] if network.selector != "head" else []
    parts += [network.weighting] if network.weighting != "scales" else []
    return "-".join(parts + training_words(training))


def training_words(training: Training) -> List[str]:
    """What training_name says of the training."""
    parts = [training.selection, f"p{training.p!r}"] if training.p is not None else []
    parts += [f"l{training.lam!r}"] if training.lam is not None else []
    parts += [f"eq{training.equation}"] if training.equation != 4 else []
    parts += ["bootstrapping"] if training.bootstrapping else []
    parts += ["coarse"] if training.coarse else []
    return parts + ([] if training.pretrained else ["scratch"])


def network_dict(network: Network) -> Dict:
    """`network` as plain values, with the YAML's keys (`selector`, `weighting` where they are not the paper's)."""
    return {
        "fusion": network.fusion,
        "columns": [{"scale": column.scale, "units": list(column.units)} for column in network.columns],
        "output_stride": network.output_stride,
        "structure": network.structure,
        "region": network.region,
        **({"selector": network.selector} if network.selector != "head" else {}),
        **({"weighting": network.weighting} if network.weighting != "scales" else {}),
    }


def training_dict(training: Training) -> Dict:
    """`training` as plain values, with the YAML's keys (`equation` where it is not the paper's)."""
    return {
        "selection": training.selection,
        "p": training.p,
        "lambda": training.lam,
        "bootstrapping": training.bootstrapping,
        "coarse": training.coarse,
        "pretrained": training.pretrained,
        **({"equation": training.equation} if training.equation != 4 else {}),
    }


def _column(value, place: str) -> Column:
    checks = {"scale": parsing.number, "units": parsing.sequence(parsing.integer)}
    return parsing.made(Column, place, parsing.fields(value, place, checks))


def parse_network(value, place: str) -> Network:
    """The inverse of network_dict; errors begin with `place`."""
    checks = {
        "fusion": parsing.text,
        "columns": parsing.sequence(_column),
        "output_stride": parsing.integer,
        "structure": parsing.text,
        "region": parsing.optional(parsing.integer),
        "selector": parsing.text,
        "weighting": parsing.text,
    }
    return parsing.made(Network, place, parsing.fields(value, place, checks, optional=("selector", "weighting")))


def parse_training(value, place: str) -> Training:
    """The inverse of training_dict; errors begin with `place`."""
    number = parsing.optional(parsing.number)
    checks = {
        "selection": parsing.text,
        "p": number,
        "lambda": number,
        "bootstrapping": parsing.boolean,
        "coarse": parsing.boolean,
        "pretrained": parsing.boolean,
        "equation": parsing.integer,
    }
    values = parsing.fields(value, place, checks, optional=("equation",))
    values["lam"] = values.pop("lambda")
    return parsing.made(Training, place, values)


def _extra(value, place: str) -> Tuple[Tuple[str, Training], ...]:
    values = parsing.fields(value, place, {name: parse_training for name in EXTRAS}, optional=EXTRAS)
    return tuple(values.items())


def _row(value, place: str, network: parsing.Check) -> Row:
    checks = {
        "id": parsing.text,
        "label": parsing.text,
        "network": network,
        "training": parse_training,
        "inference": parsing.text,
        "extra": _extra,
    }
    return parsing.made(Row, place, parsing.fields(value, place, checks, optional=("label", "extra")))


def load_table(path, network: parsing.Check = parse_network) -> Tuple[Row, ...]:
    """The rows of a table's YAML file in its order, `network` reading theirs; a UserError names file, row, key and
    choices."""
    return parsing.rows(path, lambda value, place: _row(value, place, network))
