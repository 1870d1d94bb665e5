"""Cityscapes label ids the generator draws with, and the coarse annotation made from a fine one."""

from __future__ import annotations

import cv2
import numpy as np

from repro.data.classes import CITYSCAPES

EGO, STATIC = 1, 4
ROAD, SIDEWALK, BUILDING, WALL, FENCE = 7, 8, 11, 12, 13
POLE, LIGHT, SIGN, VEGETATION, TERRAIN, SKY = 17, 19, 20, 21, 22, 23
PERSON, RIDER, CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE = 24, 25, 26, 27, 28, 31, 32, 33


def coarsen(labels: np.ndarray) -> np.ndarray:
    """Return the coarse annotation of `labels`, both (H, W) uint8 ids: few-cornered polygons inside the large regions.

    As Cityscapes' gtCoarse: regions shrink from their borders, thin and small things are missing, the rest
    is void 0.
    """
    unit = max(1.0, labels.shape[0] / 256)
    size = 2 * round(3 * unit) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    coarse = np.zeros_like(labels)
    for label in CITYSCAPES.ids:
        mask = (labels == label).astype(np.uint8)
        if not mask.any():
            continue
        # Fill holes made by thin things in front, as an annotator draws over them, then keep off the border.
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
        mask = cv2.erode(mask, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=(1,))
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        large = [cv2.approxPolyDP(o, 1.5 * unit, True) for o in outlines if cv2.contourArea(o) > 20 * unit * unit]
        if large:
            drawn = np.zeros_like(mask)
            cv2.fillPoly(drawn, large, (1,))
            # Outer outlines cover islands of other classes: only what is (nearly) this class is kept.
            keep = cv2.dilate(mask, np.ones((size, size), np.uint8))
            coarse[(drawn > 0) & (keep > 0)] = label
    return coarse
