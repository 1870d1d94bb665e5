"""The rows of Table 6: networks of the paper's table, and those measured here. Frozen values, checked when made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

from repro.config import parsing
from repro.config.neighbours import AnyNetwork, parse_network
from repro.config.rows import INFERENCES
from repro.errors import UserError, choice

MODELS = ("icnet", "fastscnn", "pspnet", "deeplabv3", "fcn")  # gluoncv's, by its module
PRECISIONS = ("float32", "bfloat16", "float16", "int8")
UNCROPPED = "uncropped"  # the full column on the whole image at once: what fast inference is compared with


@dataclass(frozen=True)
class PeerRow:
    """A row: gluoncv's `model`, or a `network` of symbols/, or neither where the paper's figures stand alone.

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
        if self.measured != bool(self.precisions):
            raise UserError("precisions: one or more for a gluoncv model or a network, none without")
        if self.model is not None:
            choice(self.model, MODELS, "gluoncv")
        if self.network is None:
            for name, value in (("k", self.k), ("inference", self.inference)):
                if value is not None:
                    raise UserError(f"{name}: {value!r} needs a network")
            return
        if self.model is not None:
            raise UserError(f"gluoncv: {self.model} and a network, of which a row has one")
        choice(self.inference, (*INFERENCES, UNCROPPED), "inference")
        sparse = self.network.sparse
        if (self.inference == "whole") == sparse:
            raise UserError(f"inference: {self.inference!r} does not suit fusion {self.network.fusion}")
        k, most = self.k, None if self.inference == UNCROPPED else self.network.regions
        if (k is None) != (most is None) or (k is not None and most is not None and not 0 < k <= most):
            raise UserError(f"k: {self.k} does not suit fusion {self.network.fusion}"
                            + (f" with {self.network.regions} regions" if sparse else ""))

    @property
    def measured(self) -> bool:
        """Whether there is a network to run."""
        return self.model is not None or self.network is not None


def _row(value, place: str) -> PeerRow:
    checks = {
        "id": parsing.text, "label": parsing.text, "gluoncv": parsing.text, "network": parse_network,
        "k": parsing.optional(parsing.integer), "inference": parsing.text,
        "precisions": parsing.sequence(parsing.text),
    }
    values = parsing.fields(value, place, checks, optional=("gluoncv", "network", "k", "inference", "precisions"))
    values["model"] = values.pop("gluoncv", None)
    return parsing.made(PeerRow, place, values)


def load_peers(path) -> Tuple[PeerRow, ...]:
    """The rows of Table 6's YAML file in its order; a UserError names file, row, key and choices."""
    return parsing.rows(path, _row)
