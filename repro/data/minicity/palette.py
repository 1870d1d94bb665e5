"""Colours and procedural noise. The palettes of classes overlap: colour alone does not name a class."""

from __future__ import annotations

import cv2
import numpy as np

STONE = (
    (150, 145, 138), (178, 168, 150), (120, 118, 116), (165, 120, 95), (140, 80, 65), (195, 185, 165), (105, 100, 98),
    (170, 160, 120), (125, 135, 120), (110, 125, 140), (205, 200, 195), (95, 75, 65),
)
PAINT = (
    (30, 30, 34), (60, 62, 66), (120, 122, 126), (190, 192, 194), (225, 225, 225), (150, 30, 28), (35, 55, 110),
    (60, 95, 130), (40, 75, 55), (140, 115, 80), (175, 150, 50), (95, 40, 45), (110, 125, 105),
)
CLOTH = (
    (35, 35, 42), (60, 55, 52), (45, 55, 85), (125, 40, 40), (150, 145, 140), (95, 100, 80), (200, 195, 190),
    (70, 80, 95), (165, 130, 60), (110, 85, 70), (60, 90, 75),
)
SKIN = ((205, 160, 130), (170, 120, 90), (110, 75, 55), (220, 180, 150))
LEAVES = ((70, 95, 45), (85, 105, 60), (55, 80, 50), (110, 105, 50), (130, 95, 50), (75, 85, 70), (95, 115, 55))
GROUND = ((95, 105, 60), (115, 105, 75), (85, 95, 65), (130, 118, 90), (100, 115, 70))
METAL = ((105, 108, 110), (75, 78, 80), (140, 142, 142), (60, 70, 65), (120, 112, 100))


def pick(rng: np.random.Generator, colours, spread: float = 14.0):
    """One of `colours` with its brightness and each channel moved a little, as a tuple of three floats."""
    colour, bright = colours[int(rng.integers(len(colours)))], rng.uniform(0.8, 1.2)
    moved = rng.normal(0, 0.5 * spread, 3).tolist()
    return tuple(min(245.0, max(12.0, c * bright + d)) for c, d in zip(colour, moved))


def tile(rng: np.random.Generator, grain: float, side: int = 256) -> np.ndarray:
    """Return a (side, side) float32 noise of about `grain` texels, wrapped around, mean 0 and deviation 1."""
    cells = max(2, round(side / grain))
    noise: np.ndarray = rng.standard_normal((cells, cells), dtype=np.float32)
    if cells < side:
        noise = np.pad(noise, 2, mode="wrap")
        step = side / cells
        noise = cv2.resize(noise, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        edge = round(2 * step)
        noise = noise[edge : edge + side, edge : edge + side]
    return (noise - noise.mean()) / noise.std()


class Noise:
    """Tiles of several scales, sampled at any coordinates (texels, wrapped)."""

    def __init__(self, rng: np.random.Generator):
        self.fine, self.mid, self.broad, self.clouds = (tile(rng, grain) for grain in (1, 3, 14, 60))
        self.mixed = (0.55 * self.fine + 0.6 * self.mid + 0.5 * self.broad).astype(np.float32)

    @staticmethod
    def at(texture: np.ndarray, rows, columns) -> np.ndarray:
        """`texture` at (rows, columns), arrays that broadcast together."""
        return texture[rows.astype(np.int32) & 255, columns.astype(np.int32) & 255]

    @staticmethod
    def spread(texture: np.ndarray, height: int, width: int) -> np.ndarray:
        """`texture` repeated over an image of this size, scaled so that 256 texels are its height."""
        rows = (np.arange(height) * (256 / height)).astype(np.int32) & 255
        columns = (np.arange(width) * (256 / height)).astype(np.int32) & 255
        return texture[rows[:, None], columns[None, :]]
