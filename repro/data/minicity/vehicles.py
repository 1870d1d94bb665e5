"""Cars, trucks, buses, trains (trams), and their wheels, windows and lamps, as boxes in perspective."""

from __future__ import annotations

import numpy as np

from repro.data.minicity.canvas import Canvas
from repro.data.minicity.labels import BUS, CAR, TRAIN, TRUCK
from repro.data.minicity.palette import METAL, PAINT, pick

GLASS, TYRE = (52.0, 60.0, 70.0), (28.0, 28.0, 30.0)


class Box:
    """An upright box: |x - x0| < width / 2, z in [z, z + length], drawn by its three visible faces."""

    def __init__(self, canvas: Canvas, x: float, z: float, width: float, length: float, label: int):
        self.canvas, self.label, self.z, self.length = canvas, label, z, length
        self.x0, self.x1 = x - width / 2, x + width / 2
        self.inner = self.x1 if x < 0 else self.x0  # the side face that the camera sees
        self.normal = 1.0 if x < 0 else -1.0
        self.seen = abs(x) > width / 2

    def body(self, y0, y1, colour, front: float = 0.0, back: float = 0.0, narrow: float = 0.0):
        """Draw from y0 to y1; the top is shortened by `front` and `back` and narrowed on both sides (m)."""
        c, label, z0, z1 = self.canvas, self.label, self.z, self.z + self.length
        a, b = self.x0 + narrow, self.x1 - narrow
        inner = self.inner - self.normal * narrow
        if y1 < c.camera.height:
            top = [(a, y1, z0 + front), (b, y1, z0 + front), (b, y1, z1 - back), (a, y1, z1 - back)]
            c.poly(top, colour, label, c.light() * 1.12)
        if self.seen:
            side = [(self.inner, y0, z0), (inner, y1, z0 + front), (inner, y1, z1 - back), (self.inner, y0, z1)]
            c.poly(side, colour, label, c.light(self.normal))
        near = [(self.x0, y0, z0), (self.x1, y0, z0), (b, y1, z0 + front), (a, y1, z0 + front)]
        c.poly(near, colour, label, c.light() * 0.92)

    def front(self, u0, y0, u1, y1, colour, light: float | None = None, label: int | None = None):
        """Draw a patch of the near face; u in 0..1 from left to right."""
        w, z = self.x1 - self.x0, self.z
        xa, xb = self.x0 + u0 * w, self.x0 + u1 * w
        self.canvas.poly([(xa, y0, z), (xb, y0, z), (xb, y1, z), (xa, y1, z)], colour, label, light)

    def side(self, v0, y0, v1, y1, colour):
        """Draw a patch of the visible side face; v in 0..1 from near to far."""
        if self.seen:
            za, zb, x = self.z + v0 * self.length, self.z + v1 * self.length, self.inner
            patch = [(x, y0, za), (x, y0, zb), (x, y1, zb), (x, y1, za)]
            self.canvas.poly(patch, colour, None, self.canvas.light(self.normal))

    def shadow(self):
        """Darken the ground beneath and on the side away from the sun."""
        sun = self.canvas.sun
        left, right = self.x0 - 0.15 - max(0, -sun), self.x1 + 0.15 + max(0, sun)
        self.canvas.shadow(left, self.z - 0.15, right, self.z + self.length, 0.6)

    def wheels(self, radius: float, places=(0.16, 0.8)):
        """Draw wheels on the side face at these shares of the length, and the tyres seen from the front."""
        angle = np.arange(10) * (2 * np.pi / 10)
        for place in places if self.seen else ():
            z = self.z + place * self.length
            ring = [(self.inner, radius + radius * float(np.sin(a)), z + radius * float(np.cos(a))) for a in angle]
            self.canvas.poly(ring, TYRE, self.label)
            if self.canvas.camera.focal * radius / z > 5:
                hub = [(p[0], radius + (p[1] - radius) * 0.5, z + (p[2] - z) * 0.5) for p in ring]
                self.canvas.poly(hub, (120, 122, 125))
        for u in (0.02, 0.8):
            self.front(u, 0, u + 0.18, radius, TYRE, label=self.label)


def _lamps(box: Box, away: bool, y: float, size: float, rng) -> None:
    on = rng.random() < 0.5
    if away:
        colour, light = ((235, 40, 30), 1.0) if on else ((130, 25, 22), None)
    else:
        colour, light = ((250, 245, 215), 1.1) if on else ((190, 190, 185), None)
    box.front(0.06, y, 0.06 + size, y + 0.16, colour, light)
    box.front(0.94 - size, y, 0.94, y + 0.16, colour, light)


def car(canvas: Canvas, rng: np.random.Generator, x: float, z: float, away: bool, across: bool = False) -> None:
    """Draw a hatchback, saloon or van; `away`: seen from behind; `across`: side-on."""
    colour, van = pick(rng, PAINT), rng.random() < 0.2
    if across:
        return _car_across(canvas, rng, x, z, colour)
    height = rng.uniform(1.8, 2.1) if van else rng.uniform(1.38, 1.65)
    width, length = rng.uniform(1.7, 1.95), rng.uniform(3.7, 4.8)
    box = Box(canvas, x, z, width, length, CAR)
    box.shadow()
    belt = height * 0.58
    box.body(0.22, belt, colour)
    box.wheels(0.32)
    near = 0.15 if away or van else 0.9
    cabin = Box(canvas, x, z + near, width - 0.06, length - near - (0.9 if away else 0.2), CAR)
    cabin.body(belt, height, colour, front=0.35, back=0.35, narrow=0.12)
    c, lo, hi = canvas, belt + 0.03, height - 0.1
    a, b, zf = cabin.x0 + 0.1, cabin.x1 - 0.1, cabin.z
    c.poly([(a, lo, zf + 0.02), (b, lo, zf + 0.02), (b - 0.12, hi, zf + 0.3), (a + 0.12, hi, zf + 0.3)], GLASS)
    if cabin.seen:
        i, n, far = cabin.inner - cabin.normal * 0.02, cabin.inner - cabin.normal * 0.12, cabin.z + cabin.length
        mid = zf + 0.52 * cabin.length
        for z0, z1, s0, s1 in ((zf + 0.25, mid - 0.06, 0.25, 0.0), (mid + 0.06, far - 0.25, 0.0, 0.25)):
            c.poly([(i, lo, z0), (i, lo, z1), (n, hi, z1 - s1), (n, hi, z0 + s0)], GLASS)
    _lamps(box, away, belt * 0.72, 0.16, rng)
    box.front(0.36, 0.42, 0.64, 0.54, (225, 225, 215))
    box.front(0.0, 0.22, 1.0, 0.34, (45, 45, 48))


def _car_across(canvas: Canvas, rng, x: float, z: float, colour) -> None:
    length, height = rng.uniform(3.8, 4.7), rng.uniform(1.4, 1.7)
    at, flip = (x, z), 1 if rng.random() < 0.5 else -1
    canvas.shadow(x - length / 2, z - 0.2, x + length / 2, z + 1.7, 0.6)
    belt, h = height * 0.56, length / 2

    def shape(points, colour, label=None):
        canvas.flat([(flip * px * h, py) for px, py in points], at, colour, label)

    shape([(-1, 0.25), (1, 0.25), (1, belt * 0.85), (0.55, belt), (-0.95, belt)], colour, CAR)
    shape([(-0.92, belt - 0.02), (0.55, belt - 0.02), (0.22, height), (-0.7, height)], colour, CAR)
    shape([(-0.78, belt), (-0.2, belt), (-0.2, height - 0.1), (-0.64, height - 0.1)], GLASS)
    shape([(-0.13, belt), (0.42, belt), (0.16, height - 0.1), (-0.13, height - 0.1)], GLASS)
    for u in (-0.62, 0.62):
        canvas.disc(flip * u * h, 0.32, 0.32, at, TYRE, CAR)


def truck(canvas: Canvas, rng: np.random.Generator, x: float, z: float, away: bool, across: bool = False) -> None:
    """Draw a lorry: a cab and a windowless load."""
    load, cab = pick(rng, PAINT), pick(rng, PAINT)
    height, width, length = rng.uniform(2.9, 3.8), rng.uniform(2.3, 2.55), rng.uniform(6, 10)
    if across:
        at, flip = (x, z), 1 if rng.random() < 0.5 else -1
        canvas.shadow(x - length / 2, z - 0.2, x + length / 2, z + 2.3, 0.6)
        h = length / 2
        canvas.rect(-h, 0.45, h, 0.8, at, (50, 50, 52), TRUCK)
        left, right = sorted((-flip * h, flip * h * 0.5))
        canvas.rect(left, 0.7, right, height, at, load, TRUCK)
        for shape, colour, label in (
                (((0.56, 0.5), (1, 0.5), (1, 1.6), (0.9, 2.6), (0.56, 2.6)), cab, TRUCK),
                (((0.66, 1.6), (0.95, 1.6), (0.86, 2.4), (0.66, 2.4)), GLASS, None)):
            canvas.flat([(flip * h * x, y) for x, y in shape], at, colour, label)
        for u in (-0.75, -0.45, 0.75):
            canvas.disc(flip * u * h, 0.48, 0.48, at, TYRE, TRUCK)
        return
    box = Box(canvas, x, z, width, length, TRUCK)
    box.shadow()
    cargo = Box(canvas, x, z + (0 if away else 2.0), width, length - 2.0, TRUCK)
    front = Box(canvas, x, z + (length - 1.9 if away else 0), width - 0.1, 1.9, TRUCK)
    for part in (front, cargo) if away else (cargo, front):
        if part is cargo:
            part.body(0.85, height, load)
            part.side(0.0, 0.85, 1.0, 1.0, tuple(c * 0.5 for c in load))
            if away:
                part.front(0.49, 0.9, 0.51, height - 0.1, tuple(c * 0.6 for c in load))
                part.front(0.0, 0.5, 1.0, 0.62, (190, 60, 50))
        else:
            part.body(0.5, 2.6, cab, front=0.15)
            part.side(0.2, 1.5, 0.75, 2.3, GLASS)
            if not away:
                part.front(0.08, 1.5, 0.92, 2.35, GLASS)
    Box(canvas, x, z, width * 0.9, length, TRUCK).body(0.45, 0.85, (48, 48, 50))
    box.wheels(0.48, (0.12, 0.24, 0.82) if away else (0.12, 0.7, 0.84))
    _lamps(front if not away else box, away, 0.62, 0.13, rng)


def bus(canvas: Canvas, rng: np.random.Generator, x: float, z: float, away: bool, across: bool = False,
        label: int = BUS) -> None:
    """Draw a bus, or with TRAIN a tram: the tram has joints, a skirt over its wheels and a pantograph."""
    tram = label == TRAIN
    body, stripe = pick(rng, PAINT), pick(rng, PAINT)
    height, width = rng.uniform(2.9, 3.3), rng.uniform(2.4, 2.6)
    length = rng.uniform(18, 32) if tram else rng.uniform(9, 13)
    floor = 0.2 if tram else 0.35
    count, high = int(length / (1.6 if tram else 1.35)), 2.4 if tram else 2.55  # of windows, and their upper edge
    if across:
        h, at = min(length, 24.0) / 2, (x, z)
        canvas.shadow(x - h, z - 0.2, x + h, z + 2.5, 0.6)
        canvas.rect(-h, floor, h, height, at, body, label)
        canvas.rect(-h, 0.9, h, 1.15, at, stripe)
        for i in range(count):
            a = -h + 2 * h * (i + 0.12) / count
            low = 0.5 if i % 4 == 1 else 1.35
            canvas.rect(a, low, a + 2 * h * 0.76 / count, high, at, GLASS)
        if not tram:
            for u in (-0.6, 0.62):
                canvas.disc(u * h, 0.48, 0.48, at, TYRE, label)
        _roof(canvas, at, height, tram, label)
        return
    box = Box(canvas, x, z, width, length, label)
    box.shadow()
    box.body(floor, height, body, front=0.25 if tram else 0.05, narrow=0.15 if tram else 0.0)
    box.side(0, 0.9, 1, 1.15, stripe)
    for i in range(count):
        if box.seen:
            low, inset = 0.5 if i % 4 == 1 else 1.35, 0.12 if tram else 0.0
            m, n = box.inner - box.normal * inset * 0.4, box.inner - box.normal * inset * 0.7
            near, far = z + (i + 0.12) / count * length, z + (i + 0.88) / count * length
            canvas.poly([(m, low, near), (m, low, far), (n, high, far), (n, high, near)], GLASS)
    if tram:
        for v in (0.33, 0.66):
            box.side(v - 0.008, floor, v + 0.008, height, (40, 40, 42))
    box.front(0.1 if tram else 0.06, 1.2, 0.9 if tram else 0.94, 2.4 if tram else 2.3, GLASS)
    if not tram:
        box.front(0.2, 2.5, 0.8, 2.75, (30, 30, 30))
        box.front(0.28, 2.56, 0.7, 2.69, (230, 170, 60), 1.0)
        box.wheels(0.48, (0.2, 0.78))
    else:
        box.front(0.44, 2.5, 0.56, 2.65, (250, 245, 215), 1.1)
    _lamps(box, away, 0.65, 0.11, rng)
    _roof(canvas, (x, z + 3.0), height, tram, label)


def _roof(canvas: Canvas, at, height: float, tram: bool, label: int) -> None:
    if tram:
        canvas.rect(-0.8, height, 0.8, height + 0.28, at, METAL[1], label)
        canvas.line([(-0.1, height + 0.2), (0.35, height + 0.8), (-0.1, height + 1.3)], 0.06, at, (50, 50, 50), label)
        canvas.line([(-0.8, height + 1.3), (0.7, height + 1.3)], 0.06, at, (50, 50, 50))


def train(canvas: Canvas, rng: np.random.Generator, x: float, z: float, away: bool, across: bool = False) -> None:
    """Draw a tram, which Cityscapes labels as train."""
    bus(canvas, rng, x, z, away, across, TRAIN)
