"""A row of Table 6 in one precision, as it is timed: its graph, what that costs, and its engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Sequence, Tuple

import numpy as np

from repro.config.rows import PeerRow
from repro.data.augment import normalise
from repro.data.minicity import scene
from repro.engine import Engine, Options
from repro.models.peers import Peer, peer


@dataclass(frozen=True)
class Subject:
    """A network with random weights, and the options it is run with.

    peer   its graph as it is run, with the short cuts of fast inference.
    paper  multiply-adds in the paper's convention, of the graph without them: the Calc. of Tables 1 to 5.
    """

    row: PeerRow
    options: Options
    peer: Peer
    paper: int

    @property
    def name(self) -> str:
        return f"{self.row.id} {self.options.precision}"

    def engine(self, calibration: Iterable[np.ndarray] = ()) -> Engine:
        """Return its engine; int8 takes calibration images (N, 3, H, W)."""
        return Engine(self.peer.symbol, self.peer.arrays, self.peer.shape, self.options,
                      calibration=calibration if self.options.precision == "int8" else ())


def subject(row: PeerRow, precision: str, size: Tuple[int, int], width: float = 1.0) -> Subject:
    """Return `row` in `precision` for images of `size` (H, W); `width` is for this project's, gluoncv's have one."""
    fast = row.inference == "fast"
    made = peer(row, size, width=width, decoder_on_crops=fast)
    return Subject(row, Options(precision=precision), made, peer(row, size, width=width).paper if fast else made.paper)


def images(size: Tuple[int, int], count: int, split: str = "train") -> Sequence[np.ndarray]:
    """Return the first `count` scenes of minicity's `split` at `size` (H, W), uint8 (H, W, 3) RGB."""
    return [scene(0, split, index, size)[0] for index in range(count)]


def normalised(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Return images as networks take them: float32 (N, 3, H, W)."""
    made = np.zeros((len(pictures), 3, *pictures[0].shape[:2]), np.float32)
    for picture, target in zip(pictures, made):
        normalise(picture, target)
    return made
