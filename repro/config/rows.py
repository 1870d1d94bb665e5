"""The rows of the tables: which network, trained how, tested how. Frozen values, checked when made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple

from repro.config import parsing
from repro.config.networks import AnyNetwork, parse_network, require
from repro.errors import UserError, choice

SELECTIONS = ("none", "sparse", "wta")
INFERENCES = ("whole", "classic", "fast")
EQUATIONS = (3, 4)
EXTRAS = ("bootstrapping", "coarse")
PEERS = ("icnet", "fastscnn", "pspnet", "deeplabv3", "fcn")  # gluoncv's models, by its module
PRECISIONS = ("float32", "bfloat16", "float16", "int8")
UNCROPPED = "uncropped"  # the full column on the whole image at once: what fast inference is compared with


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
            require(self.p is None, f"p: {self.p} needs selection sparse or wta, not none")
        else:
            require(self.p is not None and 0 < self.p < 1,
                    f"p: {self.p} is not between 0 and 1, as selection {self.selection} needs")
        if self.selection == "sparse":
            require(self.lam is not None and self.lam > 0, f"lambda: {self.lam} is not above 0")
        else:
            require(self.lam is None, f"lambda: {self.lam} needs selection sparse, not {self.selection}")
            require(self.equation == 4, f"equation: {self.equation} needs selection sparse, not {self.selection}")

    def k(self, regions: int) -> Optional[int]:
        """Regions kept of `regions`, floor(p * regions) (Table 3's "Computed"); None without selection."""
        return None if self.p is None else math.floor(self.p * regions + 1e-9)  # 0.29 * 100 is 28.999...


def training_name(network: AnyNetwork, training: Training) -> str:
    """Return a readable name, equal exactly where network and training are (inference has no part in it)."""
    words = [network.name]
    words += [training.selection, f"p{training.p!r}"] if training.p is not None else []
    words += [f"l{training.lam!r}"] if training.lam is not None else []
    words += [f"eq{training.equation}"] if training.equation != 4 else []
    words += [name for name in EXTRAS if getattr(training, name)]
    return "-".join(words + ([] if training.pretrained else ["scratch"]))


@dataclass(frozen=True)
class Row:
    """A row of a table: its network and training, and the inference that the printed numbers are of."""

    id: str
    network: AnyNetwork
    training: Training
    inference: str
    extra: Tuple[Tuple[str, Training], ...] = ()
    label: str = ""

    def __post_init__(self):
        choice(self.inference, INFERENCES, "inference")
        fusion, sparse = self.network.fusion, self.network.sparse
        require((self.inference == "whole") != sparse,
                f"inference: {self.inference!r} does not suit fusion {fusion}; "
                f"choose from {'classic, fast' if sparse else 'whole'}")
        for _, training in self.trainings:
            require((training.selection == "none") != sparse,
                    f"selection: {training.selection!r} does not suit fusion {fusion}; "
                    f"choose from {'sparse, wta' if sparse else 'none'}")
            require(training.selection != "sparse" or self.network.selector == "head",
                    "selection: sparse does not suit selector entropy, which learns nothing; choose wta")
        for name, _ in self.extra:
            choice(name, EXTRAS, "extra")

    @property
    def trainings(self) -> Tuple[Tuple[str, Training], ...]:
        """("", the row's own training), then the named extra ones."""
        return (("", self.training),) + self.extra

    def k(self, regions: int) -> Optional[int]:
        """Regions kept of `regions`; None without selection."""
        return self.training.k(regions)


@dataclass(frozen=True)
class PeerRow:
    """A row of Table 6: gluoncv's `model`, a `network`, or neither where the paper's figures stand alone.

    k           regions computed, of the paper's image (sctf, isctf).
    inference   how the network is run, as in Tables 1 to 5; or "uncropped", with sctf and isctf.
    precisions  in which it is measured, in this order.
    """

    id: str
    label: str
    model: Optional[str] = None
    network: Optional[AnyNetwork] = None
    k: Optional[int] = None
    inference: Optional[str] = None
    precisions: Tuple[str, ...] = ()

    def __post_init__(self):
        for precision in self.precisions:
            choice(precision, PRECISIONS, "precisions")
        require(self.measured == bool(self.precisions),
                "precisions: one or more for a gluoncv model or a network, none without")
        if self.model is not None:
            choice(self.model, PEERS, "gluoncv")
        if self.network is None:
            for name in ("k", "inference"):
                require(getattr(self, name) is None, f"{name}: {getattr(self, name)!r} needs a network")
            return
        require(self.model is None, f"gluoncv: {self.model} and a network, of which a row has one")
        choice(self.inference, (*INFERENCES, UNCROPPED), "inference")
        fusion, sparse, k = self.network.fusion, self.network.sparse, self.k
        require((self.inference == "whole") != sparse, f"inference: {self.inference!r} does not suit fusion {fusion}")
        most = None if self.inference == UNCROPPED else self.network.regions
        if (k is None) != (most is None) or (k is not None and most is not None and not 0 < k <= most):
            raise UserError(f"k: {k} does not suit fusion {fusion}"
                            + (f" with {self.network.regions} regions" if sparse else ""))

    @property
    def measured(self) -> bool:
        """True if there is a network to run."""
        return self.model is not None or self.network is not None


def training_dict(training: Training) -> Dict[str, Any]:
    """`training` as plain values, with the YAML's keys (`equation` where it is not the paper's)."""
    return {"lambda" if name == "lam" else name: value for name, value in parsing.plain(training).items()}


def parse_training(value, place: str) -> Training:
    """Return the inverse of training_dict; errors begin with `place`."""
    number = parsing.optional(parsing.number)
    return parsing.object_of(Training, {
        "selection": parsing.text, "p": number, "lambda": number, "bootstrapping": parsing.boolean,
        "coarse": parsing.boolean, "pretrained": parsing.boolean, "equation": parsing.integer},
        optional=("equation",), named={"lambda": "lam"})(value, place)


def _extra(value, place: str) -> Tuple[Tuple[str, Training], ...]:
    return tuple(parsing.fields(value, place, dict.fromkeys(EXTRAS, parse_training), optional=EXTRAS).items())


def load_rows(path) -> Tuple[Row, ...]:
    """Return the rows of a table's YAML file in its order; a UserError names file, row, key and choices."""
    return parsing.rows(path, parsing.object_of(Row, {
        "id": parsing.text, "label": parsing.text, "network": parse_network, "training": parse_training,
        "inference": parsing.text, "extra": _extra}, optional=("label", "extra")))


def load_peers(path) -> Tuple[PeerRow, ...]:
    """Return the rows of Table 6's YAML file in its order; a UserError names file, row, key and choices."""
    return parsing.rows(path, parsing.object_of(PeerRow, {
        "id": parsing.text, "label": parsing.text, "gluoncv": parsing.text, "network": parse_network,
        "k": parsing.optional(parsing.integer), "inference": parsing.text,
        "precisions": parsing.sequence(parsing.text)}, optional=("gluoncv", "network", "k", "inference", "precisions"),
        named={"gluoncv": "model"}))
