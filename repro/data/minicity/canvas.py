"""A pinhole camera, and a canvas that draws image and labels at the same geometry."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from repro.data.minicity.layout import Layout

SUBPIXEL = 4  # fractional bits of the coordinates handed to OpenCV


def _fixed(pixels) -> list[np.ndarray]:
    """Pixels as OpenCV takes a polygon, in fixed-point integers; plain Python is faster than NumPy for few points."""
    one = 1 << SUBPIXEL
    return [np.array([[int(min(3e5, max(-3e5, place * one)) + 3e5 + 0.5) - 300000 for place in pixel]
                      for pixel in pixels], np.int32)]


@dataclass(frozen=True)
class Camera:
    """Camera at `height` metres looking along Z; X to the right and Y up from the ground, in metres.

    `focal`, the vanishing point (`cx`, `cy`) are in pixels.
    """

    focal: float
    cx: float
    cy: float
    height: float

    def project(self, x: float, y: float, z: float):
        """Pixel (column, row) of a point with z > 0."""
        scale = self.focal / z
        return self.cx + x * scale, self.cy + (self.height - y) * scale


class Canvas:
    """`image` (H, W, 3) uint8 RGB and `labels` (H, W) uint8 of a street under one camera; haze grows with distance."""

    def __init__(self, layout: Layout, height: int, width: int):
        self.image, self.labels = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
        self.camera = Camera(0.75 * width, layout.vanish * width, layout.horizon * height, layout.camera)
        self.density, self._haze = layout.haze, tuple(float(c) * 0.95 for c in layout.sky[0])
        self.haze = np.asarray(self._haze, np.float32)
        self.ambient, self.sun = layout.ambient, layout.sun  # of all faces; more of those towards +X (sun > 0) or -X

    def light(self, normal: float = 0.0) -> float:
        """Brightness of a face whose normal has the X component `normal`."""
        return self.ambient * (1.0 + 0.45 * self.sun * normal)

    def shade(self, colour, z: float, light: float | None = None):
        """`colour` lit (None: by what lights all faces) and seen through the haze at distance z, as OpenCV takes it."""
        light = self.ambient if light is None else light
        clear = math.exp(-z * self.density)
        return tuple(int(min(255.0, max(0.0, c * light * clear + h * (1 - clear)))) for c, h in zip(colour, self._haze))

    def poly(self, points, colour, label=None, light: float | None = None) -> None:
        """Fill a polygon of (x, y, z) points."""
        pixels = _fixed(self.camera.project(*point) for point in points)
        if colour is not None:
            shade = self.shade(colour, min(point[2] for point in points), light)
            cv2.fillPoly(self.image, pixels, shade, cv2.LINE_AA, SUBPIXEL)
        if label is not None:
            cv2.fillPoly(self.labels, pixels, label, cv2.LINE_8, SUBPIXEL)

    def flat(self, points, at, colour, label=None, light: float | None = None) -> None:
        """Fill a polygon of (x, y) metres facing the camera, x relative to `at` = (x, z)."""
        x0, z = at
        self.poly([(x0 + x, y, z) for x, y in points], colour, label, light)

    def rect(self, x0, y0, x1, y1, at, colour, label=None, light: float | None = None) -> None:
        """Fill a rectangle facing the camera."""
        self.flat([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], at, colour, label, light)

    def disc(self, x, y, radius, at, colour, label=None, light: float | None = None, squeeze: float = 1.0, n: int = 12):
        """Fill an ellipse facing the camera; `squeeze` narrows it horizontally."""
        turn = [2 * math.pi * i / n for i in range(n)]
        ring = [(x + squeeze * radius * math.cos(a), y + radius * math.sin(a)) for a in turn]
        self.flat(ring, at, colour, label, light)

    def line(self, points, width, at, colour, label=None) -> None:
        """Draw a polyline facing the camera, `width` metres wide but never under a pixel."""
        x0, z = at
        thick = max(1, round(width * self.camera.focal / z))
        lines = _fixed(self.camera.project(x0 + x, y, z) for x, y in points)
        cv2.polylines(self.image, lines, False, self.shade(colour, z), thick, cv2.LINE_AA, SUBPIXEL)
        if label is not None:
            cv2.polylines(self.labels, lines, False, label, thick, cv2.LINE_8, SUBPIXEL)

    def shadow(self, x0, z0, x1, z1, strength: float = 0.5) -> None:
        """Darken a rectangle of the ground (no label)."""
        pixels = np.asarray([self.camera.project(x, 0, z) for x, z in ((x0, z0), (x1, z0), (x1, z1), (x0, z1))])
        height, width = self.labels.shape
        left, top = np.floor(pixels.min(0)).astype(int).clip(0)
        right, bottom = np.ceil(pixels.max(0)).astype(int) + 1
        right, bottom = min(right, width), min(bottom, height)
        if left >= right or top >= bottom:
            return
        mask = np.zeros((bottom - top, right - left), np.uint8)
        points = ((pixels - (left, top)) * 16).round().astype(np.int32)
        cv2.fillPoly(mask, [points], (255,), cv2.LINE_AA, SUBPIXEL)
        patch = self.image[top:bottom, left:right]
        keep = 1 - mask.astype(np.float32)[..., None] * (strength * math.exp(-z0 * self.density) / 255)
        patch[...] = (patch * keep).astype(np.uint8)
