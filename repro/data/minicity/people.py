"""People, riders, bicycles and motorcycles, facing the camera or side-on."""

from __future__ import annotations

import math

import numpy as np

from repro.data.minicity.canvas import Canvas
from repro.data.minicity.labels import BICYCLE, MOTORCYCLE, PERSON, RIDER
from repro.data.minicity.palette import CLOTH, METAL, PAINT, SKIN, pick

RUBBER = (30.0, 30.0, 32.0)


def _sleeve(top):
    """Return the colour of an arm: a little darker than the top."""
    return tuple(0.85 * c for c in top)


def person(canvas: Canvas, rng: np.random.Generator, x: float, z: float, label: int = PERSON) -> None:
    """Draw someone standing or walking: two legs apart, a torso of another colour, arms, a head."""
    h = rng.uniform(1.5, 1.9) if rng.random() < 0.88 else rng.uniform(1.0, 1.35)
    at, step = (x, z), rng.uniform(0.04, 0.26)
    top, legs, skin = pick(rng, CLOTH), pick(rng, CLOTH), pick(rng, SKIN)
    wide = rng.uniform(0.9, 1.15) * h / 1.75
    canvas.shadow(x - 0.25, z - 0.2, x + 0.25 + canvas.sun * 0.6, z + 0.25, 0.5)
    for side in (-1, 1):
        foot = side * (0.07 + step) * wide
        leg = [(side * 0.01 * wide, 0.5 * h), (side * 0.19 * wide, 0.5 * h), (foot + 0.08 * wide, 0.0),
               (foot - 0.07 * wide, 0.0)]
        canvas.flat(leg, at, legs, label)
    torso = ((-0.2, 0.47), (0.2, 0.47), (0.25, 0.8), (0.1, 0.85), (-0.1, 0.85), (-0.25, 0.8))
    canvas.flat([(across * wide, up * h) for across, up in torso], at, top, label)
    swing = rng.uniform(0.02, 0.2)
    for side in (-1, 1):
        arm = ((0.26, 0.79), (0.3 + swing, 0.6), (0.28 + 0.5 * swing, 0.46))
        canvas.line([(side * across * wide, up * h) for across, up in arm], 0.1, at, _sleeve(top), label)
    canvas.disc(0, 0.925 * h, 0.075 * h, at, skin, label, squeeze=0.85, n=9)
    hair = pick(rng, ((40, 32, 28), (95, 70, 45), (160, 150, 140), (180, 60, 50)))
    canvas.flat([(-0.07 * h, 0.93 * h), (0.07 * h, 0.93 * h), (0.05 * h, h), (-0.05 * h, h)], at, hair, label)
    if rng.random() < 0.3:
        canvas.rect(0.24 * wide, 0.42 * h, 0.5 * wide, 0.62 * h, at, pick(rng, CLOTH), label)


def _ring(canvas: Canvas, x, radius, at, label, squeeze) -> None:
    turn = [2 * math.pi * i / 12 for i in range(13)]
    points = [(x + squeeze * radius * math.cos(a), radius + radius * math.sin(a)) for a in turn]
    canvas.line(points, 0.06, at, RUBBER, label)
    # Annotators fill wheels: the label covers the spokes.
    canvas.disc(x, radius, radius, at, None, label, squeeze=squeeze)


def bicycle(canvas: Canvas, rng: np.random.Generator, x: float, z: float, ridden: bool = False) -> None:
    """Draw a bicycle seen from the side, obliquely or from the end, with its rider if `ridden`."""
    at, squeeze = (x, z), float(rng.choice([0.12, 0.5, 0.75, 1.0]))
    frame, s = pick(rng, PAINT + METAL), squeeze
    canvas.shadow(x - 0.8 * s - 0.1, z - 0.15, x + 0.8 * s + 0.1, z + 0.3, 0.4)
    if ridden:
        _rider(canvas, rng, at, s, seat=0.95, hands=(0.42, 1.05), feet=(0.0, 0.25))
    for wheel in (-0.52, 0.52):
        _ring(canvas, wheel * s, 0.34, at, BICYCLE, max(s, 0.12))
    hub, head, saddle, crank = (-0.52 * s, 0.34), (0.36 * s, 0.85), (-0.18 * s, 0.88), (0.0, 0.32)
    canvas.line([hub, saddle, crank, hub], 0.06, at, frame, BICYCLE)
    canvas.line([saddle, head, crank], 0.06, at, frame, BICYCLE)
    canvas.line([(0.52 * s, 0.34), head, (0.3 * s, 1.02)], 0.06, at, frame, BICYCLE)
    if s < 0.3:
        canvas.line([(-0.28, 1.02), (0.28, 1.02)], 0.05, at, frame, BICYCLE)
    else:
        canvas.line([(-0.3 * s, 0.92), (-0.06 * s, 0.92)], 0.09, at, RUBBER, BICYCLE)


def _rider(canvas: Canvas, rng, at, s: float, seat: float, hands, feet) -> None:
    top, legs, skin = pick(rng, CLOTH), pick(rng, CLOTH), pick(rng, SKIN)
    wide = 0.12 + 0.1 * (1 - s)
    hip, shoulder = (-0.2 * s, seat), (0.12 * s, seat + 0.58)
    for side in (-1, 1):
        knee = (0.22 * s + side * 0.14 * (1 - s), seat - 0.25)
        foot = (feet[0] + side * (0.1 + 0.06 * (1 - s)), feet[1])
        canvas.line([hip, knee, foot], 0.15, at, legs, RIDER)
    torso = [(hip[0] - wide, seat - 0.05), (hip[0] + wide, seat - 0.05), (shoulder[0] + wide * 1.15, shoulder[1]),
             (shoulder[0] - wide * 1.15, shoulder[1])]
    canvas.flat(torso, at, top, RIDER)
    for side in (-1, 1):
        arm = [(shoulder[0] + side * wide * (1 - s), shoulder[1] - 0.05),
               (hands[0] * s + side * 0.26 * (1 - s), hands[1])]
        canvas.line(arm, 0.1, at, _sleeve(top), RIDER)
    canvas.disc(shoulder[0] + 0.05 * s, shoulder[1] + 0.17, 0.14, at, skin, RIDER, squeeze=0.85, n=9)
    hat = pick(rng, PAINT)
    x, y = shoulder[0] + 0.05 * s, shoulder[1] + 0.19
    canvas.flat([(x - 0.13, y), (x + 0.13, y), (x + 0.09, y + 0.13), (x - 0.09, y + 0.13)], at, hat, RIDER)


def motorcycle(canvas: Canvas, rng: np.random.Generator, x: float, z: float, ridden: bool = False) -> None:
    """Draw a motorcycle or scooter: thick wheels close to a solid body, lower and bulkier than a bicycle."""
    at, s = (x, z), float(rng.choice([0.2, 0.6, 1.0]))
    paint = pick(rng, PAINT)
    canvas.shadow(x - 0.9 * s - 0.15, z - 0.2, x + 0.9 * s + 0.15, z + 0.4, 0.55)
    if ridden:
        _rider(canvas, rng, at, s, seat=0.85, hands=(0.5, 1.0), feet=(0.1, 0.3))
    if s < 0.3:
        canvas.rect(-0.09, 0.0, 0.09, 0.62, at, RUBBER, MOTORCYCLE)
        canvas.flat([(-0.26, 0.38), (0.26, 0.38), (0.2, 1.0), (-0.2, 1.0)], at, paint, MOTORCYCLE)
        canvas.disc(0, 0.84, 0.1, at, (245, 235, 200), None, 1.0)
        canvas.line([(-0.42, 1.08), (0.42, 1.08)], 0.07, at, RUBBER, MOTORCYCLE)
        return
    for wheel in (-0.68, 0.68):
        canvas.disc(wheel * s, 0.31, 0.31, at, RUBBER, MOTORCYCLE, squeeze=s)
        canvas.disc(wheel * s, 0.31, 0.15, at, (125, 125, 128), None, squeeze=s)
    body = [(-0.62 * s, 0.34), (0.34 * s, 0.28), (0.5 * s, 0.8), (0.1 * s, 0.88), (-0.85 * s, 0.8)]
    canvas.flat(body, at, paint, MOTORCYCLE)
    canvas.flat([(-0.8 * s, 0.76), (0.02 * s, 0.76), (0.02 * s, 0.88), (-0.85 * s, 0.9)], at, RUBBER, MOTORCYCLE)
    canvas.line([(0.68 * s, 0.31), (0.45 * s, 1.0), (0.3 * s, 1.1)], 0.1, at, METAL[2], MOTORCYCLE)
