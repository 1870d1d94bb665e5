"""Poles, lamps, traffic lights and signs, trees, and things that look like them but are not."""

from __future__ import annotations

import numpy as np

from repro.data.minicity.canvas import Canvas
from repro.data.minicity.labels import LIGHT, POLE, SIGN, STATIC, VEGETATION
from repro.data.minicity.palette import CLOTH, LEAVES, METAL, PAINT, SKIN, STONE, Noise, pick

BARK = ((85, 70, 55), (110, 100, 88), (60, 52, 45))


def _post(canvas: Canvas, rng, at, height: float, width: float) -> None:
    """Draw a round post: bright along one edge, dark along the other."""
    colour = pick(rng, METAL)
    lit = 1.35 if canvas.sun <= 0 else 0.7
    canvas.rect(-width / 2, 0, width / 2, height, at, colour, POLE)
    canvas.line([(-width / 4, 0), (-width / 4, height)], width / 2, at, tuple(lit * c for c in colour), POLE)
    canvas.line([(width / 4, 0), (width / 4, height)], width / 2, at, tuple((2.05 - lit) * c for c in colour), POLE)


def lamp(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Draw a street lamp: a tall pole whose arm reaches over the road."""
    at, height, arm = (x, z), rng.uniform(5, 8), (-1 if x > 0 else 1) * rng.uniform(0.6, 1.8)
    _post(canvas, rng, at, height, rng.uniform(0.14, 0.24))
    canvas.line([(0, height), (arm, height + 0.25)], 0.1, at, METAL[1], POLE)
    canvas.rect(arm - 0.3, height + 0.12, arm + 0.3, height + 0.32, at, METAL[2], POLE)


def _head(canvas: Canvas, rng, x, y, at, back: bool) -> None:
    canvas.rect(x - 0.24, y, x + 0.24, y + 1.05, at, (34, 38, 36) if not back else (60, 64, 60), LIGHT)
    if not back:
        on = int(rng.integers(3))
        for i, colour in enumerate(((70, 230, 120), (250, 200, 60), (250, 50, 40))):
            dim = tuple(0.25 * c for c in colour)
            canvas.disc(x, y + 0.2 + 0.3 * i, 0.13, at, colour if i == on else dim, None, 1.1 if i == on else None, n=8)


def traffic_light(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Draw a signal head on a post, sometimes a second one on an arm over the road."""
    at, back = (x, z), bool(rng.random() < 0.2)
    _post(canvas, rng, at, 3.2, 0.16)
    if rng.random() < 0.4:
        arm = (-1 if x > 0 else 1) * rng.uniform(2.0, 4.0)
        canvas.line([(0, 3.2), (0, 5.4), (arm, 5.5)], 0.13, at, METAL[1], POLE)
        _head(canvas, rng, arm, 4.7, at, back)
    _head(canvas, rng, 0.0, 2.2, at, back)


def sign(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Draw a traffic sign: a bright plate with a rim of another colour and a mark, one or two on a post."""
    at, y = (x, z), rng.uniform(2.0, 2.7)
    _post(canvas, rng, at, y + 0.6, 0.1)
    for _ in range(1 + int(rng.random() < 0.35)):
        kind, r = int(rng.integers(5)), rng.uniform(0.3, 0.42)
        red, blue, white = (190, 35, 35), (35, 75, 160), (235, 235, 230)
        if kind == 0:
            canvas.disc(0, y, r, at, red, SIGN)
            canvas.disc(0, y, r * 0.68, at, white)
            canvas.rect(-0.1, y - 0.1, 0.1, y + 0.1, at, (40, 40, 40))
        elif kind == 1:
            canvas.flat([(-r * 1.1, y - r * 0.8), (r * 1.1, y - r * 0.8), (0, y + r * 1.1)], at, red, SIGN)
            canvas.flat([(-r * 0.6, y - r * 0.5), (r * 0.6, y - r * 0.5), (0, y + r * 0.6)], at, white)
        elif kind == 2:
            canvas.rect(-r, y - r, r, y + r, at, white, SIGN)
            canvas.rect(-r * 0.78, y - r * 0.78, r * 0.78, y + r * 0.78, at, blue)
            canvas.rect(-0.08, y - r * 0.5, 0.08, y + r * 0.5, at, white)
        elif kind == 3:
            w = rng.uniform(0.8, 1.6)
            canvas.rect(-w, y - 0.35, w, y + 0.35, at, white, SIGN)
            canvas.rect(-w + 0.08, y - 0.27, w - 0.08, y + 0.27, at, pick(rng, ((35, 75, 160), (200, 160, 30))))
            canvas.rect(-w * 0.6, y - 0.08, w * 0.6, y + 0.08, at, white)
        else:
            canvas.rect(-r, y - r * 0.9, r, y + r * 0.9, at, tuple(0.7 * c for c in METAL[2]), SIGN)
        y -= 0.85


def tree(canvas: Canvas, rng: np.random.Generator, x: float, z: float, noise: Noise) -> None:
    """Draw a trunk and a leafy crown, both vegetation, as in Cityscapes."""
    height, radius = rng.uniform(3.5, 9.0), rng.uniform(1.1, 2.8)
    trunk = height - radius
    canvas.shadow(x - radius * 0.6, z - 0.3, x + radius * 0.6 + canvas.sun * 2, z + 1.2, 0.35)
    canvas.rect(-0.15, 0, 0.15, trunk, (x, z), pick(rng, BARK), VEGETATION)
    camera = canvas.camera
    rows, columns = canvas.labels.shape
    left, top = camera.project(x - 1.4 * radius, height + 1.6 * radius, z)
    right, bottom = camera.project(x + 1.4 * radius, height - 1.6 * radius, z)
    x0, x1, y0, y1 = (max(0, int(left)), min(columns, int(right) + 1), max(0, int(top)), min(rows, int(bottom) + 1))
    base, salt, squash = (np.asarray(pick(rng, LEAVES), np.float32), int(rng.integers(256)), rng.uniform(0.8, 1.25))
    if x0 >= x1 or y0 >= y1:
        return
    u = ((np.arange(x0, x1, dtype=np.float32) - camera.cx) * z / camera.focal - x)[None, :]
    v = (camera.height - (np.arange(y0, y1, dtype=np.float32) - camera.cy) * z / camera.focal - height)[:, None]
    clump = Noise.at(noise.broad, v * 20 + salt, u * 20)
    leaf = Noise.at(noise.mid, v * 36, u * 36 + salt)
    reach = np.sqrt((u / radius) ** 2 + (v / (radius * squash)) ** 2)
    inside = reach + 0.12 * clump + 0.08 * leaf < 1
    tone = 0.85 + 0.2 * leaf + 0.18 * clump + 0.16 * v / radius - 0.15 * canvas.sun * u / radius
    colour = base * (np.minimum(np.maximum(tone, 0.2), 1.8) * np.float32(canvas.ambient))[..., None]
    clear = np.float32(np.exp(-z * canvas.density))
    colour = np.minimum(np.maximum(colour * clear + canvas.haze * (1 - clear), 0), 255)
    np.copyto(canvas.image[y0:y1, x0:x1], colour.astype(np.uint8), where=inside[..., None])
    np.copyto(canvas.labels[y0:y1, x0:x1], VEGETATION, where=inside)


def poster(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Not a person: the likeness of one printed on a facade, without legs and arms."""
    at = (x, z)
    canvas.rect(-0.5, 0.4, 0.5, 2.1, at, pick(rng, STONE))
    body, head = pick(rng, CLOTH), pick(rng, SKIN)
    canvas.rect(-0.22, 0.5, 0.22, 1.5, at, body)
    canvas.rect(-0.12, 1.5, 0.12, 1.75, at, head)


def pipe(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Not a pole: a drain pipe, flat in colour, on a facade."""
    canvas.rect(-0.09, 0, 0.09, rng.uniform(4, 7), (x, z), pick(rng, METAL))


def plate(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Not a sign or a signal: a plain plate or box hung on a facade."""
    y, size = rng.uniform(2.2, 3.4), rng.uniform(0.25, 0.7)
    canvas.rect(-size, y - 0.35, size, y + 0.35, (x, z), pick(rng, PAINT + ((150, 60, 55), (60, 85, 140))))


def streak(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Not a thing at all: the long shadow of something thin on the ground, or a dark repair."""
    if rng.random() < 0.5:
        canvas.shadow(x - 0.12, z, x + 0.12, z * 1.35, 0.45)
    else:
        canvas.shadow(x - rng.uniform(0.5, 2), z, x + rng.uniform(0.5, 2), z + rng.uniform(0.3, 2.5), 0.2)


def bin_or_box(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Draw a litter bin, cabinet or bollard: static, which is not evaluated."""
    w, h = rng.uniform(0.12, 0.6), rng.uniform(0.7, 1.4)
    canvas.rect(-w / 2, 0, w / 2, h, (x, z), pick(rng, METAL + PAINT), STATIC)
