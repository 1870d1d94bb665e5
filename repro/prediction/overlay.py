"""What was found in a photo as a picture: its classes in their colours, the regions computed, a legend."""

from __future__ import annotations

import cv2
import numpy as np

from repro.data.classes import ClassSet
from repro.prediction.segmenter import Segmentation

COLOURS = 0.55  # share of the classes' colours in the picture
OUTLINE = (255, 210, 0)
SMALLEST = 256  # pixels: a picture whose longer side is shorter is enlarged
FONT = cv2.FONT_HERSHEY_SIMPLEX


def coloured(labels: np.ndarray, classes: ClassSet) -> np.ndarray:
    """Labels (H, W) -> RGB (H, W, 3); ignored pixels black."""
    table = np.zeros((256, 3), np.uint8)
    table[:len(classes)] = classes.colours
    return table[labels]


def outlined(picture: np.ndarray, active: np.ndarray, region: int) -> np.ndarray:
    """Return a copy of an RGB picture with the active regions, bool (Y, X) of `region` pixels, outlined."""
    picture = picture.copy()
    height, width = picture.shape[:2]
    thickness = max(1, round(max(height, width) / 1000))
    for row, column in np.argwhere(active):
        inside = picture[row * region:(row + 1) * region, column * region:(column + 1) * region]
        inside[:thickness] = inside[-thickness:] = OUTLINE
        inside[:, :thickness] = inside[:, -thickness:] = OUTLINE
    return picture


def legend(classes: ClassSet, width: int, regions: bool = False) -> np.ndarray:
    """Return the names of all classes beside their colours, and that of the outline: RGB (h, `width` or more, 3)."""
    scale = max(0.4, width / 3000)
    line, pad = round(40 * scale), round(10 * scale)
    entries = [(name, colour, -1) for name, colour in zip(classes.names, classes.colours)]
    entries += [("computed at full resolution", OUTLINE, max(1, line // 16))] if regions else []
    thickness = max(1, round(scale))
    widths = [cv2.getTextSize(name, FONT, scale, thickness)[0][0] for name, _, _ in entries]
    places, x, y = [], pad, 0
    for text in widths:
        if x > pad and x + line + text + 2 * pad > width:
            x, y = pad, y + line
        places.append((x, y))
        x += line + text + 2 * pad
    made = np.full((y + line, max(width, line + max(widths) + 3 * pad), 3), 255, np.uint8)
    for (name, colour, filled), (x, y) in zip(entries, places):
        inset = line // 6
        cv2.rectangle(made, (x, y + inset), (x + line - 2 * inset, y + line - inset), colour, filled)
        cv2.putText(made, name, (x + line, y + line - line // 3), FONT, scale, (0, 0, 0), thickness, cv2.LINE_AA)
    return made


def overlay(image: np.ndarray, found: Segmentation, classes: ClassSet) -> np.ndarray:
    """Return a photo uint8 RGB (H, W, 3) under the colours of its classes, computed regions and refined pixels
    outlined, over the legend; a small one enlarged. Its sides are even, as videos need them."""
    picture: np.ndarray = cv2.addWeighted(image, 1 - COLOURS, coloured(found.labels, classes), COLOURS, 0)
    region, times = found.region, max(1, SMALLEST // max(picture.shape[:2]))
    if times > 1:
        picture = picture.repeat(times, axis=0).repeat(times, axis=1)
    if found.active is not None and region is not None:
        picture = outlined(picture, found.active, region * times)
    if found.refined is not None:
        there = found.refined.repeat(times, axis=0).repeat(times, axis=1).astype(np.uint8)
        picture[there > cv2.erode(there, np.ones((3, 3), np.uint8))] = OUTLINE  # their border
    below = legend(classes, max(picture.shape[1], SMALLEST), found.active is not None or found.refined is not None)
    made = np.full((picture.shape[0] + len(below), below.shape[1], 3), 255, np.uint8)
    made[:len(picture), :picture.shape[1]] = picture
    made[len(picture):] = below
    return cv2.copyMakeBorder(made, 0, made.shape[0] % 2, 0, made.shape[1] % 2, cv2.BORDER_CONSTANT,
                              value=(255, 255, 255))
