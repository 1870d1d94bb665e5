"""One scene: the layout with vehicles, people and street furniture set on it far to near, then the camera."""

from __future__ import annotations

from functools import partial
from typing import Callable, Tuple

import cv2
import numpy as np

from repro.data.minicity import people, street, vehicles
from repro.data.minicity.background import draw_end, draw_front, draw_ground, draw_sky
from repro.data.minicity.canvas import Canvas
from repro.data.minicity.labels import BICYCLE, CAR, EGO, PERSON, RIDER, TERRAIN, VEGETATION
from repro.data.minicity.layout import Layout, sample_layout
from repro.data.minicity.palette import Noise
from repro.errors import UserError, choice

SPLITS = ("train", "val", "train_extra", "test")
CITIES = {
    "train": ("aldermoor", "birkholt", "castorf", "dunwald", "elmsee", "farnau"),
    "val": ("greifen", "holmbach", "irnfeld"),
    "train_extra": ("jarlin", "kestrau", "lohnau", "marwitz"),
    "test": ("nordau", "oskirch", "pellin"),
}
Thing = Tuple[float, Callable[[], None]]


def city_of(split: str, index: int) -> str:
    """Return the city that scene `index` of `split` lies in."""
    cities = CITIES[choice(split, SPLITS, "minicity split")]
    return cities[index % len(cities)]


def sides(size) -> tuple[int, int]:
    """Return (H, W) in pixels, if a scene can be drawn of it; UserError otherwise."""
    height, width = (int(side) for side in size)
    if min(height, width) < 32:
        raise UserError(f"SIZE: {height}x{width} must be HxW with both sides at least 32 pixels")
    return height, width


def scene(seed: int, split: str, index: int, size=(256, 512)):
    """Scene `index` of `split`: image (H, W, 3) uint8 RGB and labels (H, W) uint8 Cityscapes ids.

    `size` is (H, W) in pixels; the same scene at another size shows the same things. Raises UserError on an
    unknown split or a size under 32 pixels.
    """
    height, width = sides(size)
    code = SPLITS.index(choice(split, SPLITS, "minicity split"))
    rng = np.random.default_rng([seed, code, index])
    city = np.random.default_rng([seed, code, 1 << 20, index % len(CITIES[split])])
    layout = sample_layout(rng, city)
    noise = Noise(rng)
    canvas = Canvas(layout, height, width)
    draw_sky(canvas, layout, noise)
    draw_end(canvas, layout, noise)
    draw_ground(canvas, layout, noise, rng)
    for _, draw in sorted(_things(canvas, layout, noise, rng), key=lambda thing: -thing[0]):
        draw()
    if layout.hood > 0:
        _bonnet(canvas, layout.hood)
    return _photograph(canvas, layout, noise, rng), canvas.labels


def _things(canvas: Canvas, layout: Layout, noise: Noise, rng: np.random.Generator) -> list[Thing]:
    things: list[Thing] = []

    def add(draw, x, z, *more):
        if 4.0 < z < layout.end - 2:
            own = np.random.Generator(np.random.PCG64(int(rng.integers(1 << 62))))
            things.append((z, partial(draw, canvas, own, x, z, *more)))

    # A front comes after what lies beyond its far end and before what stands along it.
    for side in layout.sides:
        for behind, fronts in ((True, side.behind), (False, side.fronts)):
            things.extend((front.z1 + 0.1 * behind, partial(draw_front, canvas, side, front, behind, noise))
                          for front in fronts if front.kind != "open")
    _traffic(layout, rng, add)
    for side in layout.sides:
        s, kerb = side.sign, side.road
        step, z = rng.uniform(14, 38), rng.uniform(5, 25)
        while z < min(layout.end, 130):  # furniture along the kerb
            what = rng.random()
            draw = street.lamp if what < 0.45 else street.sign if what < 0.85 else street.bin_or_box
            add(draw, s * (kerb + rng.uniform(0.3, 0.8)), z)
            z += step * rng.uniform(0.6, 1.3)
        if rng.random() < 0.55:
            step, z = rng.uniform(7, 20), rng.uniform(6, 20)
            low, high = sorted((kerb + 1.0, side.front - 0.7))
            while z < min(layout.end, 110):
                add(street.tree, s * float(rng.uniform(low, high)), z, noise)
                z += step * rng.uniform(0.8, 1.4)
        for _ in range(int(rng.integers(1, 4))):  # groups of people
            centre, x = 10 ** rng.uniform(1.1, 1.95), rng.uniform(kerb + 0.4, max(side.walk, kerb + 1.5))
            for _ in range(int(rng.integers(1, 6))):
                add(people.person, s * (x + rng.normal(0, 0.9)), centre + rng.normal(0, 2.0))
        for front in side.fronts:
            if front.kind in ("building", "wall"):
                for draw in (street.poster, street.pipe, street.plate):
                    if rng.random() < 0.5 and (front.kind == "building" or draw is street.poster):
                        add(draw, s * (side.front - 0.06), rng.uniform(front.z0, front.z1))
        if layout.junction[0] < 90 and rng.random() < 0.75:
            add(street.traffic_light, s * (kerb + 0.5), layout.junction[0] - 0.5)
            if rng.random() < 0.5:
                add(street.traffic_light, s * (kerb + 0.5), layout.junction[1] + 0.5)
    for _ in range(int(rng.integers(2, 7))):
        add(street.streak, rng.uniform(-7, 7), 10 ** rng.uniform(0.8, 1.7))
    return things


def _traffic(layout: Layout, rng: np.random.Generator, add) -> None:
    left, right = layout.sides
    taken: list[tuple[float, float, float]] = []

    def free(x: float, z: float, reach: float) -> bool:
        if any(abs(x - a) < 2.4 and z < b + c and b < z + reach for a, b, c in taken):
            return False
        taken.append((x, z, reach + 1.5))
        return True

    def lane(side) -> float:
        return side.sign * min(side.road - 1.3, max(1.9, side.road * 0.5))

    def kerbside(side) -> float:
        return side.sign * (side.road - 1.1)

    for draw, chance, reach in ((vehicles.train, 0.42, 26), (vehicles.bus, 0.5, 12), (vehicles.truck, 0.55, 9)):
        while rng.random() < chance:
            chance *= 0.35
            side = right if rng.random() < 0.5 else left
            if layout.junction[0] < 80 and rng.random() < 0.3:
                z = rng.uniform(*layout.junction)
                if not any(b < z + 2 and z - 2 < b + c for _, b, c in taken):
                    x = rng.uniform(-0.35, 0.35) * z
                    taken.extend((float(x + d), z - 2, 5.0) for d in (-8, -4, 0, 4, 8))
                    add(draw, x, z, False, True)
                continue
            z = 10 ** rng.uniform(1.0, 1.9)
            x = lane(side) if rng.random() < 0.6 else kerbside(side)
            if free(x, z, reach):
                add(draw, x, z, side.sign > 0)
    for side in layout.sides:
        if rng.random() < 0.6:  # parked cars
            z = rng.uniform(5, 25)
            for _ in range(int(rng.integers(1, 9))):
                if not layout.junction[0] - 5 < z < layout.junction[1] and free(kerbside(side), z, 4.8):
                    add(vehicles.car, kerbside(side), z, side.sign > 0)
                z += rng.uniform(5.2, 11)
        for _ in range(int(rng.integers(0, 5))):  # moving cars
            z = 10 ** rng.uniform(0.9, 2.0)
            if free(lane(side), z, 4.8):
                add(vehicles.car, lane(side), z, side.sign > 0)
    if layout.junction[0] < 80:
        for _ in range(int(rng.integers(0, 3))):
            x, z = rng.uniform(-12, 12), rng.uniform(*layout.junction)
            if free(x, z - 1, 4):
                add(vehicles.car, x, z, False, True)
    for cycle, chance in ((people.bicycle, 0.5), (people.motorcycle, 0.42)):
        for ridden in (True, False):
            while rng.random() < chance + 0.08 * ridden:
                side = right if rng.random() < 0.5 else left
                z, group = 10 ** rng.uniform(1.0, 1.8), 1 if ridden else int(rng.integers(1, 4))
                x = side.road - rng.uniform(0.4, 2.4) if ridden else side.road + rng.uniform(0.3, 1.4)
                for i in range(group):
                    add(cycle, side.sign * x + i * rng.uniform(0.3, 0.8), z + i * rng.uniform(0.2, 1.5), ridden)
    for _ in range(int(rng.integers(0, 4))):  # people on the road
        z = layout.junction[0] - 2.5 if layout.junction[0] < 60 else 10 ** rng.uniform(1.2, 1.9)
        add(people.person, rng.uniform(-left.road, right.road), z + rng.normal(0, 0.8))


def _bonnet(canvas: Canvas, hood: float) -> None:
    height, width = canvas.labels.shape
    top = round(height * (1 - hood))
    centre, axes = (width // 2, height + int(0.02 * height)), (int(0.56 * width), height - top + int(0.02 * height))
    colour = canvas.shade((46, 48, 52), 0.0)
    cv2.ellipse(canvas.image, centre, axes, 0, 180, 360, colour, -1, cv2.LINE_AA)
    cv2.ellipse(canvas.labels, centre, axes, 0, 180, 360, (EGO,), -1, cv2.LINE_8)


def _photograph(canvas: Canvas, layout: Layout, noise: Noise, rng: np.random.Generator) -> np.ndarray:
    """Surface texture by label, colour cast, vignette, a slight blur and the sensor's noise."""
    height, width = canvas.labels.shape
    amount = np.full(256, 0.02, np.float32)
    amount[[VEGETATION, TERRAIN]] = 0.10
    amount[[PERSON, RIDER, BICYCLE]] = 0.06
    amount[CAR] = 0.03
    value = 1 + amount[canvas.labels] * Noise.spread(np.roll(noise.fine, 97, 0), height, width)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    value *= 1 - 0.14 * (x * x + y * y)
    image = canvas.image * value[..., None] * np.asarray(layout.cast, np.float32)
    sensor = rng.standard_normal((height, width), dtype=np.float32) * np.float32(layout.noise)
    for channel, shift in enumerate((0, 17, 41)):  # one field, shifted: the channels' noises are unlike at a pixel
        image[..., channel] += np.roll(sensor, (shift, 3 * shift), (0, 1))
    return np.minimum(np.maximum(image, 0, out=image), 255, out=image).astype(np.uint8)
