"""What a scene contains: camera, light, street profile, the fronts along both sides. Metres; no pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

import numpy as np

from repro.data.minicity.palette import GROUND, LEAVES, METAL, STONE, pick

Colour = Tuple[float, float, float]
SKIES = (  # at the horizon, and above
    ((200, 203, 208), (165, 170, 176)), ((190, 205, 225), (95, 135, 190)), ((225, 205, 180), (140, 150, 175)),
    ((235, 235, 235), (210, 214, 220)), ((150, 152, 158), (112, 116, 124)),
)


@dataclass(frozen=True)
class Front:
    """A stretch [z0, z1] of one side of the street."""

    kind: str  # building | wall | fence | hedge | open
    z0: float
    z1: float
    height: float
    colour: Colour
    trim: Colour  # windows' frames, fence rails, wall caps
    bay: float  # distance between windows, bars or bricks
    storey: float
    fill: float  # share of a bay that is window or bar
    style: int
    salt: int


@dataclass(frozen=True)
class Side:
    """One side of the street: `sign` -1 left, +1 right; distances from the camera's X = 0."""

    sign: int
    road: float
    walk: float
    front: float
    back: float  # the row behind fences, walls and gaps
    verge: bool  # grass between walk and front
    fronts: tuple[Front, ...]
    behind: tuple[Front, ...]


@dataclass(frozen=True)
class Layout:
    """The empty street and its light."""

    horizon: float  # share of the height
    vanish: float  # share of the width
    camera: float
    end: float
    end_kind: str
    end_front: Front
    junction: tuple[float, float]
    sides: tuple[Side, Side]
    lanes: tuple[float, ...]
    asphalt: Colour
    paving: Colour
    soil: Colour
    sky: tuple[Colour, Colour]
    clouds: float
    haze: float
    ambient: float
    sun: float
    cast: Colour
    noise: float
    hood: float


def _front(rng: np.random.Generator, kind: str, z0: float, z1: float, tall: float) -> Front:
    height = {
        "building": rng.uniform(0.6, 1.3) * tall,
        "wall": rng.uniform(1.4, 3.0),
        "fence": rng.uniform(1.1, 2.1),
        "hedge": rng.uniform(1.2, 6.0),
        "open": 0.0,
    }[kind]
    return Front(
        kind, z0, z1, height,
        colour=pick(rng, {"hedge": LEAVES, "fence": METAL + STONE[:4]}.get(kind, STONE)),
        trim=pick(rng, METAL + STONE),
        bay={"fence": rng.uniform(0.3, 0.6), "wall": rng.uniform(0.5, 1.0)}.get(kind, rng.uniform(2.0, 4.2)),
        storey=rng.uniform(2.7, 3.8), fill=rng.uniform(0.35, 0.65),
        style=int(rng.integers(3)), salt=int(rng.integers(1 << 16)))


def _fronts(rng, kinds, chances, end: float, tall: float, gap: tuple[float, float]) -> tuple[Front, ...]:
    fronts: list[Front] = []
    z = 1.0
    while z < end:
        kind = kinds[int(rng.choice(len(kinds), p=chances))]
        z1 = z + rng.uniform(8, 26) * (0.7 if kind != "building" else 1.0)
        if gap[0] - 2 < z1 and z < gap[1]:  # fronts stop at the crossing street
            if z < gap[0] - 4:
                fronts.append(_front(rng, kind, z, gap[0], tall))
            z = gap[1]
            continue
        fronts.append(_front(rng, kind, z, min(z1, end), tall))
        z = z1
    return tuple(fronts)


def _toned(rng: np.random.Generator, colour: Colour, tone: float) -> Colour:
    red, green, blue = (float(c * tone * rng.uniform(0.95, 1.05)) for c in colour)
    return red, green, blue


def sample_layout(rng: np.random.Generator, city: np.random.Generator) -> Layout:
    """Draw a layout; `city` draws what the scenes of one city share (camera and bonnet)."""
    camera, hood = city.uniform(1.5, 2.1), max(0.0, city.uniform(-0.05, 0.09))
    horizon = city.uniform(0.41, 0.47) + rng.uniform(-0.03, 0.03)
    end = rng.uniform(90, 190)
    crossing = rng.uniform(16, 60) if rng.random() < 0.65 else 1e4
    junction = (crossing, crossing + rng.uniform(7, 12))
    tall = rng.uniform(7, 19)
    built = float(rng.choice([0.2, 0.45, 0.7], p=[0.3, 0.4, 0.3]))
    rest = np.asarray([0.27, 0.31, 0.24, 0.18]) * (1 - built)
    kinds = ("building", "wall", "fence", "hedge", "open")
    sides = []
    for sign in (-1, 1):
        road = rng.uniform(3.2, 7.5)
        walk = road + rng.uniform(2.0, 5.5)
        verge = bool(rng.random() < 0.45)
        front = walk + (rng.uniform(1.5, 6) if verge else 0.0)
        fronts = _fronts(rng, kinds, [built, *rest], end, tall, junction)
        behind = _fronts(rng, ("building", "hedge", "open"), [0.45, 0.3, 0.25], end, tall, junction)
        sides.append(Side(sign, road, walk, front, front + rng.uniform(5, 14), verge, fronts, behind))
    left, right = -sides[0].road, sides[1].road
    count = 2 if right - left < 8.5 else 3 if right - left < 12 else 4
    lanes = tuple(left + (right - left) * i / count for i in range(1, count))
    ambient = float(rng.choice([0.6, 0.8, 0.95, 1.1], p=[0.15, 0.3, 0.35, 0.2])) * rng.uniform(0.9, 1.1)
    tone = 0.55 + 0.45 * min(1.0, ambient)
    low, high = (_toned(rng, colour, tone) for colour in SKIES[int(rng.integers(len(SKIES)))])
    warm = rng.normal(0, 0.06)
    return Layout(
        horizon=horizon, vanish=0.5 + rng.uniform(-0.16, 0.16), camera=camera, end=end,
        end_kind=str(rng.choice(["building", "hedge", "open"], p=[0.45, 0.4, 0.15])),
        end_front=_front(rng, "building", end, end + 10, tall),
        junction=junction, sides=(sides[0], sides[1]), lanes=lanes,
        asphalt=pick(rng, ((105, 105, 108), (85, 86, 90), (128, 125, 122), (145, 142, 138)), 6),
        paving=pick(rng, ((140, 136, 130), (118, 116, 116), (155, 145, 138), (105, 104, 106)), 8),
        soil=pick(rng, GROUND),
        sky=(low, high), clouds=rng.uniform(0.02, 0.11), haze=rng.uniform(0.0008, 0.008),
        ambient=ambient, sun=float(rng.uniform(-1, 1)), cast=(1 + warm, 1.0, 1 - warm),
        noise=rng.uniform(1.5, 5.0), hood=hood,
    )
