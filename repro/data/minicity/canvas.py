"""A pinhole camera, and a canvas that draws image and labels at the same geometry."""

from __future__ import annotations

import math

import cv2
import numpy as np

SUBPIXEL = 4  # fractional bits of the coordinates handed to OpenCV


def _fixed(pixels) -> np.ndarray:
    """Pixels as OpenCV's fixed-point integers; plain Python is faster than NumPy for few points."""
    one = 1 << SUBPIXEL
    return np.array(
        [
            (
                int(min(3e5, max(-3e5, x * one)) + 3e5 + 0.5) - 300000,
                int(min(3e5, max(-3e5, y * one)) + 3e5 + 0.5) - 300000,
            )
            for x, y in pixels
        ],
        np.int32,
    )


class Camera:
    """Camera at `height` metres looking along Z; X to the right and Y up from the ground, in metres.

    `focal`, the vanishing point (`cx`, `cy`) are in pixels.
    """

    def __init__(self, focal: float, cx: float, cy: float, height: float):
        self.focal, self.cx, self.cy, self.height = focal, cx, cy, height

    def project(self, x: float, y: float, z: float):
        """Pixel (column, row) of a point with z > 0."""
        scale = self.focal / z
        return self.cx + x * scale, self.cy + (self.height - y) * scale


class Canvas:
    """`image` (H, W, 3) uint8 RGB and `labels` (H, W) uint8 under one camera; haze grows with distance."""

    def __init__(
        self, image: np.ndarray, labels: np.ndarray, camera: Camera, haze, density: float, ambient: float, sun: float
    ):
        self.image, self.labels, self.camera = image, labels, camera
        self.haze, self.density = np.asarray(haze, np.float32), density
        self._haze = tuple(float(c) for c in haze)
        self.ambient, self.sun = (ambient, sun)  # brightness of all faces; extra of faces towards +X (sun > 0) or -X

    def light(self, normal: float = 0.0) -> float:
        """Brightness of a face whose normal has the X component `normal`."""
        return self.ambient * (1.0 + 0.45 * self.sun * normal)

    def shade(self, colour, z: float, light: float):
        """`colour` lit and seen through the haze at distance z, as a tuple for OpenCV."""
        clear = math.exp(-z * self.density)
        return tuple(int(min(255.0, max(0.0, c * light * clear + h * (1 - clear)))) for c, h in zip(colour, self._haze))

    def _fill(self, pixels, colour, label) -> None:
        points = [_fixed(pixels)]
        if colour is not None:
            cv2.fillPoly(self.image, points, colour, cv2.LINE_AA, SUBPIXEL)
        if label is not None:
            cv2.fillPoly(self.labels, points, label, cv2.LINE_8, SUBPIXEL)

    def poly(self, points, colour, label=None, light: float | None = None) -> None:
        """Fill a polygon of (x, y, z) points."""
        z = min(p[2] for p in points)
        light = self.ambient if light is None else light
        self._fill(
            [self.camera.project(*p) for p in points], None if colour is None else self.shade(colour, z, light), label
        )

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
        self.flat(
            [(x + squeeze * radius * math.cos(a), y + radius * math.sin(a)) for a in turn], at, colour, label, light
        )

    def line(self, points, width, at, colour, label=None, light: float | None = None) -> None:
        """Draw A polyline facing the camera, `width` metres wide but never under a pixel."""
        x0, z = at
        camera = self.camera
        thick = max(1, round(width * camera.focal / z))
        lines = [_fixed([camera.project(x0 + x, y, z) for x, y in points])]
        colour = self.shade(colour, z, self.ambient if light is None else light)
        cv2.polylines(self.image, lines, False, colour, thick, cv2.LINE_AA, SUBPIXEL)
        if label is not None:
            cv2.polylines(self.labels, lines, False, label, thick, cv2.LINE_8, SUBPIXEL)

    def shadow(self, x0, z0, x1, z1, strength: float = 0.5) -> None:
        """Darken a rectangle of the ground (no label)."""
        project = self.camera.project
        pixels = np.asarray([project(x0, 0, z0), project(x1, 0, z0), project(x1, 0, z1), project(x0, 0, z1)])
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
