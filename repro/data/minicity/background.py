"""Sky, ground and the fronts along the street: everything drawn per pixel before the single objects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from repro.data.minicity.canvas import Canvas
from repro.data.minicity.labels import BUILDING, FENCE, ROAD, SIDEWALK, SKY, TERRAIN, VEGETATION, WALL
from repro.data.minicity.layout import Front, Layout, Side
from repro.data.minicity.palette import Noise

LABELS = {"building": BUILDING, "wall": WALL, "fence": FENCE, "hedge": VEGETATION}
GRAIN = 14  # texels per metre of the ground and of fronts


def _haze(canvas: Canvas, colour: np.ndarray, z) -> np.ndarray:
    clear = np.exp(np.asarray(z, np.float32) * np.float32(-canvas.density))[..., None]
    colour = colour * clear
    colour += canvas.haze * (1 - clear)
    return np.minimum(np.maximum(colour, 0, out=colour), 255, out=colour)


def _part(value):
    """Fractional part; several times faster than np.mod."""
    return value - np.floor(value)


def draw_sky(canvas: Canvas, layout: Layout, noise: Noise) -> None:
    """Sky down to a little below the horizon, where the ground begins: a gradient with clouds."""
    width = canvas.labels.shape[1]
    height = _ground_row(canvas, layout)
    low, high = (np.asarray(c, np.float32) for c in layout.sky)
    t = np.clip(1 - np.arange(height, dtype=np.float32) / max(1.0, canvas.camera.cy), 0, 1)[:, None, None]
    clouds = Noise.spread(noise.clouds + 0.5 * noise.broad, canvas.labels.shape[0], width)[:height, :, None]
    sky = (low * (1 - t) + high * t) * (1 + np.float32(layout.clouds) * clouds)
    canvas.image[:height] = np.minimum(np.maximum(sky, 0), 255)
    canvas.labels[...] = SKY


def _ground_row(canvas: Canvas, layout: Layout) -> int:
    """First row of the ground, which lies before the street's end."""
    camera = canvas.camera
    row = int(np.ceil(camera.cy + camera.focal * camera.height / layout.end))
    return min(max(0, row), canvas.labels.shape[0])


def draw_ground(canvas: Canvas, layout: Layout, noise: Noise, rng: np.random.Generator) -> None:
    """Road with lane marks, kerbs, walks, verges, the crossing street, and the shadow of the sunny side."""
    camera = canvas.camera
    height, width = canvas.labels.shape
    top = _ground_row(canvas, layout)
    if top >= height:
        return
    z = (camera.focal * camera.height / (np.arange(top, height, dtype=np.float32) - camera.cy))[:, None]
    x = ((np.arange(width, dtype=np.float32) - camera.cx) / camera.focal)[None, :] * z
    left, right = layout.sides
    side_road = np.where(x < 0, np.float32(left.road), np.float32(right.road))
    side_walk = np.where(x < 0, np.float32(left.walk), np.float32(right.walk))
    distance = np.abs(x)
    crossing = (z > layout.junction[0]) & (z < layout.junction[1])
    road = (distance < side_road) | crossing
    paved = np.where(x < 0, not left.verge, not right.verge)
    walk = ~road & ((distance < side_walk) | paved)
    labels = np.where(road, ROAD, np.where(walk, SIDEWALK, TERRAIN)).astype(np.uint8)
    colours = np.zeros((40, 3), np.float32)
    colours[ROAD], colours[SIDEWALK], colours[TERRAIN] = layout.asphalt, layout.paving, layout.soil
    tones = colours[labels]
    grain = Noise.at(noise.mixed, z * GRAIN, x * GRAIN)
    patches = Noise.at(noise.broad, z * 2.0, x * 5.0)
    strength = np.where(labels == TERRAIN, np.float32(0.16), np.float32(0.05))
    value = 1 + strength * grain + 0.05 * patches
    pixel = z / camera.focal  # metres per pixel across
    slabs = walk & ((_part(x * 1.25) < np.maximum(0.06, pixel)) | (_part(z * 1.25) < 0.08)) & (z < 25)
    value = value - 0.13 * slabs
    kerb = np.clip((0.16 - np.abs(distance - side_road)) / pixel + 0.5, 0, 1) * ~crossing
    value = value + kerb * 0.16
    marks = np.zeros_like(value)
    for i, lane in enumerate(layout.lanes):
        dash = np.mod(z + 3 * i, 9.0) < (4.5 if i != len(layout.lanes) // 2 else 9.0)
        marks = np.maximum(marks, np.clip((0.08 - np.abs(x - lane)) / pixel + 0.5, 0, 1) * dash)
    near = layout.junction[0]
    if near < 60 and rng.random() < 0.6:
        zebra = (z > near - 4) & (z < near - 1) & (_part(x * 0.9) < 0.48) & (distance < side_road)
        marks = np.maximum(marks, zebra)
    if near < 1e3:
        marks = np.where(crossing, 0, marks)
    value = value + 0.6 * marks * (0.85 + 0.15 * grain) * road
    reach = abs(layout.sun) * 7.0
    if reach > 1.5 and layout.ambient > 0.7:
        dark = (distance > side_road - reach + 0.6 * np.sin(z * 0.4)) & (np.sign(x) == np.sign(layout.sun)) & ~crossing
        value = value * np.where(dark, np.float32(0.62), np.float32(1))
    canvas.image[top:] = _haze(canvas, tones * (value * np.float32(layout.ambient))[..., None], z)
    canvas.labels[top:] = labels


def _face(canvas: Canvas, front: Front, noise: Noise, rows: slice, columns: slice, u, y, z, light: float) -> None:
    """Paint the pixels rows x columns whose height `y` lies on the front; `u` runs along it (both m)."""
    height: float | np.ndarray = front.height
    if front.kind == "hedge":
        crown = Noise.at(noise.broad, u * 6 + front.salt, u * 0) * 0.22 + Noise.at(noise.mid, u * 9, u * 0 + 7) * 0.1
        height = height * (1 + crown)
    mask = (y > 0) & (y < height)
    if not mask.any():
        return
    pixel = np.maximum(z / canvas.camera.focal, 1e-3)
    grain = Noise.at(noise.mixed, y * GRAIN + front.salt, u * GRAIN)
    colour = np.asarray(front.colour, np.float32)
    trim = np.asarray(front.trim, np.float32)
    fade = np.clip(1.6 - pixel / 0.35, 0.15, 1)  # detail under a pixel averages out
    alpha = mask
    if front.kind == "hedge":
        clump = Noise.at(noise.broad, y * 18 + front.salt, u * 18)
        leaf = Noise.at(noise.mid, y * 30, u * 30 + front.salt)
        tone = colour * (0.85 + 0.22 * leaf + 0.16 * clump + 0.12 * y / np.maximum(height, 0.5))[..., None]
    elif front.kind == "fence":
        bars = _part(u / front.bay) < 0.42
        rails = (np.abs(y - 0.25) < 0.08) | (np.abs(y - front.height + 0.12) < 0.08)
        if front.style == 0:
            bars = _part(y / front.bay * 0.8) < 0.4
        alpha = mask & (bars | rails | (_part(u / 2.4) < 0.06))
        tone = colour * (1 + 0.08 * grain + 0.15 * rails)[..., None]
    elif front.kind == "wall":
        course = _part(y / 0.3) < 0.2
        joint = _part(u / front.bay + 0.5 * np.floor(y / 0.3)) * front.bay < 0.06
        tone = colour * (1 + 0.09 * grain - 0.22 * fade * (course | joint))[..., None]
        tone = np.where((y > front.height - 0.18)[..., None], trim, tone)
    else:
        tone = _facade(front, noise, u, y, grain, fade, colour, trim)
    shown = _haze(canvas, tone * np.float32(light), z).astype(np.uint8)
    np.copyto(canvas.image[rows, columns], shown, where=alpha[..., None])
    np.copyto(canvas.labels[rows, columns], LABELS[front.kind], where=mask)


def _facade(front: Front, noise: Noise, u, y, grain, fade, colour, trim) -> np.ndarray:
    bay, storey = np.floor(u / front.bay), np.floor(y / front.storey)
    across, up = u / front.bay - bay, y / front.storey - storey
    value = 1 + 0.06 * grain
    if front.style == 0:
        brick = (_part(y / 0.24) < 0.25) | (_part(u * 2 + 0.5 * np.floor(y / 0.24)) < 0.12)
        value = value - 0.18 * brick * fade
    elif front.style == 1:
        value = value - 0.25 * (up < 0.06) * fade
    half = 0.5 * front.fill
    offset, rise = np.abs(across - 0.5), np.abs(up - 0.55)
    inside = (front.height - y > 0.8) & (y > 0.4)
    frame = (offset < half + 0.05) & (rise < 0.36) & inside
    pane = (offset < half) & (rise < 0.31) & (offset > 0.025) & inside
    shop = (storey == 0) & (front.style != 2)
    pane = pane | (shop & (offset < 0.44) & (y > 0.5) & (up < 0.8))
    lit = Noise.at(noise.fine, storey * 5 + front.salt, bay * 3 + storey)  # each window its own brightness
    glass = np.maximum(0.25, np.minimum(2.6, 1 + 0.4 * lit + 0.28 * across))
    tone = colour * (value * (1 - fade * np.where(pane, 1, np.where(frame, np.float32(0.8), 0))))[..., None]
    tone += trim * (np.float32(0.8) * fade * (frame & ~pane))[..., None]
    tone += np.asarray((60, 66, 76), np.float32) * (glass * fade * pane)[..., None]
    return tone


def _tallest(front: Front) -> float:
    return front.height * (1.8 if front.kind == "hedge" else 1.0)


def draw_end(canvas: Canvas, layout: Layout, noise: Noise) -> None:
    """Close the street at its far end."""
    if layout.end_kind != "open":
        front = layout.end_front
        if layout.end_kind == "hedge":
            front = replace(front, kind="hedge", height=9.0, colour=(72.0, 88.0, 58.0))
        _across(canvas, front, noise, -80.0, 80.0, layout.end)


def _across(canvas: Canvas, front: Front, noise: Noise, x0: float, x1: float, z: float) -> None:
    """Draw a front that faces the camera at distance z."""
    camera = canvas.camera
    height, width = canvas.labels.shape
    (left, top), (right, bottom) = camera.project(x0, _tallest(front), z), camera.project(x1, 0, z)
    rows = slice(max(0, int(top)), min(height, int(bottom) + 1))
    columns = slice(max(0, round(left)), min(width, round(right)))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    row, column = np.arange(rows.start, rows.stop), np.arange(columns.start, columns.stop)
    y = (camera.height - (row - camera.cy) * z / camera.focal).astype(np.float32)[:, None]
    u = ((column - camera.cx) * z / camera.focal + 200).astype(np.float32)[None, :]
    _face(canvas, front, noise, rows, columns, u, y, np.full((1, 1), z, np.float32), canvas.light())


def _along(canvas: Canvas, side: Side, front: Front, at: float, noise: Noise) -> None:
    """Draw a front parallel to the street at X = sign * at."""
    camera = canvas.camera
    height, width = canvas.labels.shape
    x = side.sign * at
    edges = sorted((camera.project(x, 0, front.z0)[0], camera.project(x, 0, front.z1)[0]))
    columns = slice(max(0, round(edges[0])), min(width, round(edges[1])))
    if columns.start >= columns.stop:
        return
    z = (camera.focal * x / (np.arange(columns.start, columns.stop) + 0.5 - camera.cx)).astype(np.float32)
    z = np.clip(z, front.z0, front.z1)[None, :]
    nearest = float(z.min())
    top = camera.project(x, _tallest(front), nearest)[1]
    bottom = camera.project(x, 0, nearest)[1]
    rows = slice(max(0, int(top)), min(height, int(bottom) + 2))
    if rows.start >= rows.stop:
        return
    y = camera.height - (np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - camera.cy) * z / camera.focal
    _face(canvas, front, noise, rows, columns, z - np.float32(front.z0), y, z, canvas.light(-side.sign))


def draw_front(canvas: Canvas, side: Side, front: Front, behind: bool, noise: Noise) -> None:
    """One front of a side or of the row behind; buildings show the end wall that faces the camera."""
    at = side.back if behind else side.front
    if front.kind in ("building", "hedge") and front.z0 > 2:
        depth = 9.0 if front.kind == "building" else 2.0
        x0, x1 = sorted((side.sign * at, side.sign * (at + depth)))
        _across(canvas, front, noise, x0, x1, front.z0)
    _along(canvas, side, front, at, noise)
