"""Networks that are not the paper's, as rows beside its own: which they are, and what a row's network is asked for.

Whoever reads, names or sizes a row's network does it here, whichever kind it is; repro.models.build makes it. Another
kind is a frozen class with the properties of `Neighbour`, one line in READERS, and a branch in repro.models.build.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Dict, Optional, Tuple, Union

from repro.config import parsing, rows
from repro.config.presets import Preset, multiple_of
from repro.config.rows import Network, Row, Training
from repro.errors import choice

MULTIPLES = {"sgcpnet": 128, "fastscnn": 32, "icnet": 32}  # of a model: image sides are multiples of so many pixels


@dataclass(frozen=True)
class Neighbour:
    """A published network as its authors made it, at its own width: it sees the whole image at once, in one column.

    model  sgcpnet, this project's (symbols/others/sgcpnet.py); fastscnn, icnet: gluoncv's (models/gluoncv_networks.py).
    """

    model: str

    def __post_init__(self):
        choice(self.model, tuple(MULTIPLES), "neighbour")

    @property
    def fusion(self) -> str:
        """What stands where a network of the paper has its fusion approach."""
        return self.model

    @property
    def sparse(self) -> bool:
        """Whether regions are selected."""
        return False

    @property
    def selector(self) -> None:
        """What chooses regions; nothing."""
        return None

    @property
    def region(self) -> None:
        """The side of a region; none."""
        return None

    @property
    def regions(self) -> None:
        """The number of regions; none."""
        return None

    @property
    def multiple(self) -> int:
        """Image sides must be multiples of this."""
        return MULTIPLES[self.model]

    def plain(self) -> Dict[str, str]:
        """Itself as plain values, with the YAML's keys."""
        return {"neighbour": self.model}


AnyNetwork = Union[Network, Neighbour]


def _neighbour(value, place: str) -> Neighbour:
    found = parsing.fields(value, place, {"neighbour": parsing.text})
    return parsing.made(Neighbour, place, {"model": found["neighbour"]})


# A network that is not the paper's is a mapping with one of these keys.
READERS: Dict[str, Callable] = {"neighbour": _neighbour}


def parse_network(value, place: str) -> AnyNetwork:
    """The inverse of network_dict; errors begin with `place`."""
    key = next((key for key in READERS if isinstance(value, dict) and key in value), None)
    return READERS[key](value, place) if key else rows.parse_network(value, place)


def network_dict(network: AnyNetwork) -> Dict:
    """`network` as plain values, with the YAML's keys."""
    return rows.network_dict(network) if isinstance(network, Network) else network.plain()


def training_name(network: AnyNetwork, training: Training) -> str:
    """A readable name, equal exactly where network and training are."""
    if isinstance(network, Network):
        return rows.training_name(network, training)
    return "-".join([network.fusion, *rows.training_words(training)])


def load_rows(path) -> Tuple[Row, ...]:
    """The rows of a YAML file, networks of any kind; a UserError names file, row, key and choices."""
    return rows.load_table(path, parse_network)


def multiple(network: AnyNetwork, region: Optional[int]) -> int:
    """Image sides must be multiples of this; `region`: side of a region in pixels of the image, None without."""
    if isinstance(network, Network):
        return multiple_of(region, min(column.scale for column in network.columns))
    return network.multiple


def width_of(network: AnyNetwork, preset: Preset) -> float:
    """The multiplier of every channel count: the preset's for the paper's networks, 1 for others."""
    return preset.width if isinstance(network, Network) else 1.0
