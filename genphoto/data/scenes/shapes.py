"""Things that stand on the floor: each knows its solids and paints itself onto a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .rays import Rays, Vector, dot, frustum, project, rays_through, solid, sphere

COLORS: dict[str, tuple[float, float, float]] = {
    "red": (0.87, 0.12, 0.11),
    "orange": (0.98, 0.50, 0.05),
    "yellow": (0.98, 0.86, 0.14),
    "green": (0.10, 0.60, 0.20),
    "blue": (0.10, 0.30, 0.85),
    "purple": (0.49, 0.17, 0.68),
    "pink": (0.98, 0.53, 0.72),
    "white": (0.95, 0.95, 0.94),
    "black": (0.12, 0.12, 0.13),
}
# Half of the width (and depth) as a share of the height.
HALF_WIDTH = {"ball": 0.5, "box": 0.56, "cone": 0.42, "cylinder": 0.36, "tree": 0.38, "lamp": 0.27, "house": 0.6}
SHAPES = tuple(HALF_WIDTH)
BROWN = (0.42, 0.27, 0.15)
ROOF = (0.30, 0.16, 0.13)
DOOR = (0.27, 0.16, 0.10)
WINDOW = (1.0, 0.93, 0.66)
RGB = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Thing:
    """One object that stands on the floor.

    Args:
        color: one of COLORS.
        shape: one of SHAPES.
        x_m: its axis, right of the camera [m].
        distance_m: its axis, forward of the camera along the floor [m].
        size_m: its height [m].
    """

    color: str
    shape: str
    x_m: float
    distance_m: float
    size_m: float

    def __post_init__(self) -> None:
        if self.color not in COLORS or self.shape not in SHAPES:
            raise ValueError(f"No thing is {self.color!r} {self.shape!r}. Use {list(COLORS)} and {list(SHAPES)}.")
        if not self.size_m > 0 or not self.distance_m > self.radius_m:
            raise ValueError(f"A thing of {self.size_m:g} m at {self.distance_m:g} m is not in front of the camera.")

    @property
    def radius_m(self) -> float:
        """Half of its width and depth [m]."""
        return HALF_WIDTH[self.shape] * self.size_m


@dataclass(frozen=True, slots=True)
class Light:
    """Light on things: direction to it, its sRGB tint, and the shares of ambient and direct light."""

    direction: Vector
    tint: RGB
    ambient: float
    direct: float


class _Layer:
    """The nearest hit of several solids: distance (S,H,W) and color (3,S,H,W)."""

    def __init__(self, rays: Rays, light: Light) -> None:
        self.rays, self.light = rays, light
        shape = torch.broadcast_shapes(rays.x.shape, rays.y.shape)
        self.t = torch.full(shape, math.inf)
        self.color = torch.zeros(3, *shape)

    def add(self, t: Tensor, color: Tensor) -> None:
        nearer = t < self.t
        self.color = torch.where(nearer, color, self.color)
        self.t = torch.minimum(t, self.t)

    def lit(self, cosine: Tensor, albedo: RGB | Tensor) -> Tensor:
        """Lambert's law with ambient light, wrapped a little around the terminator."""
        shade = ((cosine + 0.25) / 1.25).clamp_(min=0).mul_(self.light.direct).add_(self.light.ambient)
        if not isinstance(albedo, Tensor):
            albedo = torch.tensor(albedo)[:, None, None, None]
        tint = torch.tensor(self.light.tint)[:, None, None, None]
        return (0.03 + 0.97 * albedo) * tint * shade


def paint(
    thing: Thing, details: list[float], light: Light, u: Tensor, v: Tensor, height_m: float
) -> tuple[slice, slice, Tensor, Tensor, Tensor] | None:
    """Rows, columns, color (3,h,w) times coverage, coverage (h,w) and disparity (h,w) of a thing; None when unseen.

    Args:
        thing: what to paint.
        details: at least 24 numbers in [0,1) that vary it.
        light: the light on it.
        u: (W,) columns right of the center in focal lengths.
        v: (H,) rows below the center in focal lengths.
        height_m: of the camera [m].
    """
    pixel = float(u[1] - u[0])
    box = _bounds(thing, u, v, height_m, pixel)
    if box is None:
        return None
    rows, columns = box
    layer = _Layer(rays_through(u[columns], v[rows], height_m, pixel), light)
    _SOLIDS[thing.shape](layer, thing, COLORS[thing.color], details)
    hit = torch.isfinite(layer.t)
    color = layer.color.clamp_(0, 1).mul_(hit).mean(1)
    return rows, columns, color, hit.float().mean(0), 1 / layer.t[0]


def _bounds(thing: Thing, u: Tensor, v: Tensor, height_m: float, pixel: float) -> tuple[slice, slice] | None:
    r = thing.radius_m * 1.05
    corners = [
        project((thing.x_m + dx, y, thing.distance_m + dz), height_m)
        for dx in (-r, r)
        for y in (0.0, thing.size_m * 1.02)
        for dz in (-r, r)
    ]
    spans = []
    for axis, grid in enumerate((v, u)):
        places = [corner[1 - axis] for corner in corners]
        first = math.floor((min(places) - float(grid[0])) / pixel) - 1
        last = math.ceil((max(places) - float(grid[0])) / pixel) + 2
        spans.append(slice(max(first, 0), min(last, len(grid))))
    return (spans[0], spans[1]) if all(span.start < span.stop for span in spans) else None


def _ball(layer: _Layer, thing: Thing, color: RGB, details: list[float]) -> None:
    r = thing.size_m / 2
    center = (thing.x_m, r, thing.distance_m)
    t, cosine = sphere(layer.rays, center, r, layer.light.direction)
    gloss = cosine.clamp(0, 1).pow(24).mul_(0.75 * layer.light.direct)
    layer.add(t, layer.lit(cosine, color).add_(gloss))


def _box(layer: _Layer, thing: Thing, color: RGB, details: list[float]) -> None:
    s = thing.size_m
    center, planes, _ = _turned_box(thing, _yaw(details), s * 0.42, s * 0.42, 0.0, s)
    t, cosine, _ = solid(layer.rays, center, planes, layer.light.direction)
    layer.add(t, layer.lit(cosine, color))


def _yaw(details: list[float]) -> float:
    """An angle [rad] at which two faces are seen."""
    return math.copysign(0.35 + 0.4 * details[0], details[1] - 0.5)


def _turned_box(
    thing: Thing, yaw: float, half_x: float, half_z: float, bottom: float, top: float
) -> tuple[Vector, list[tuple[Vector, float]], tuple[Vector, Vector]]:
    """Center, planes (front, back, right, left, top, bottom) and the horizontal axes of a box turned by yaw [rad]."""
    right, ahead = (math.cos(yaw), 0.0, math.sin(yaw)), (-math.sin(yaw), 0.0, math.cos(yaw))
    planes = [
        (_negative(ahead), half_z),
        (ahead, half_z),
        (right, half_x),
        (_negative(right), half_x),
        ((0.0, 1.0, 0.0), top),
        ((0.0, -1.0, 0.0), -bottom),
    ]
    return (thing.x_m, 0.0, thing.distance_m), planes, (right, ahead)


def _negative(a: Vector) -> Vector:
    return (-a[0], -a[1], -a[2])


def _cone(layer: _Layer, thing: Thing, color: RGB, details: list[float]) -> None:
    base = (thing.x_m, 0.0, thing.distance_m)
    t, cosine = frustum(layer.rays, base, thing.size_m, thing.radius_m, 0.0, layer.light.direction)
    layer.add(t, layer.lit(cosine, color))


def _cylinder(layer: _Layer, thing: Thing, color: RGB, details: list[float]) -> None:
    base = (thing.x_m, 0.0, thing.distance_m)
    t, cosine = frustum(layer.rays, base, thing.size_m, thing.radius_m, thing.radius_m, layer.light.direction)
    layer.add(t, layer.lit(cosine, color))


def _tree(layer: _Layer, thing: Thing, color: RGB, details: list[float]) -> None:
    s, (x, z) = thing.size_m, (thing.x_m, thing.distance_m)
    light = layer.light.direction
    t, cosine = frustum(layer.rays, (x, 0.0, z), s * 0.5, s * 0.07, s * 0.045, light)
    layer.add(t, layer.lit(cosine, BROWN))
    clumps = [(0.0, 0.66, 0.0, 0.27)]
    for k in range(5):
        angle = (k + 0.6 * details[2 * k]) * 2 * math.pi / 5
        clumps.append((0.19 * math.cos(angle), 0.55 + 0.24 * details[2 * k + 1], 0.19 * math.sin(angle), 0.18))
    clumps.append((0.02, 0.83, 0.0, 0.165))
    for cx, cy, cz, r in clumps:
        center = (x + cx * s, cy * s, z + cz * s)
        t, cosine = sphere(layer.rays, center, r * s, light)
        across = (t * layer.rays.x) * (61 / s)
        up = (t * layer.rays.y + (layer.rays.height_m - 0.62 * s)) / s
        bent = across + 2.3 * torch.sin(43 * up + 40 * r)
        leaves = torch.sin(bent) * torch.sin(57 * up + 1.9 * torch.sin(across * 0.73) + 9 * details[10])
        layer.add(t, layer.lit((cosine + 0.15 * leaves + 0.5 * up).nan_to_num_(0, 0, 0), color))


def _lamp(layer: _Layer, thing: Thing, color: RGB, details: list[float]) -> None:
    s, (x, z), light = thing.size_m, (thing.x_m, thing.distance_m), layer.light.direction
    for bottom, height, low, high in ((0.0, 0.05, 0.2, 0.17), (0.05, 0.55, 0.035, 0.03)):
        t, cosine = frustum(layer.rays, (x, bottom * s, z), height * s, low * s, high * s, light)
        layer.add(t, layer.lit(cosine, color))
    # The shade glows: white and clipped where the bulb is near, in its color toward the rims.
    bottom, height = 0.56 * s, 0.43 * s
    t, facing = frustum(layer.rays, (x, bottom, z), height, 0.27 * s, 0.15 * s, (0.0, 0.0, -1.0))
    y = ((t * layer.rays.y + (layer.rays.height_m - bottom)) / height).nan_to_num_(0, 0, 0).clamp_(0, 1)
    glow = (1.55 - (y - 0.45).abs() * 2.3 - (1 - facing.clamp(0, 1)) * 0.7).clamp_(0.0, 1.0)
    glowing = 0.12 + 0.88 * torch.tensor(color)[:, None, None, None]
    layer.add(t, torch.lerp(glowing.expand(3, *glow.shape), torch.ones(()), glow))


def _house(layer: _Layer, thing: Thing, color: RGB, details: list[float]) -> None:
    s, yaw, light = thing.size_m, 0.8 * _yaw(details), layer.light.direction
    half_x, half_z, eaves = 0.44 * s, 0.34 * s, 0.56 * s
    center, planes, (right, ahead) = _turned_box(thing, yaw, half_x, half_z, 0.0, eaves)
    t, cosine, face = solid(layer.rays, center, planes, light)
    e = (-center[0], layer.rays.height_m, -center[2])
    a = (t * layer.rays.along(right) + dot(e, right)) / s
    y = (t * layer.rays.y + layer.rays.height_m) / s
    front = face == 0
    door = front & (a.abs() < 0.075) & (y < 0.34)
    window = front & ((a.abs() - 0.26).abs() < 0.085) & ((y - 0.32).abs() < 0.085)
    wall = layer.lit(cosine, color)
    wall = torch.where(door, layer.lit(cosine, DOOR), wall)
    layer.add(t, torch.where(window, torch.tensor(WINDOW)[:, None, None, None], wall))
    # The ridge runs along the front, so the front shows a roof slope and the sides show gables.
    rise, over = s - eaves, 1.12
    norm = math.hypot(rise, half_z * over)
    slopes = []
    for side in (-1.0, 1.0):
        normal = tuple(
            side * w * rise / norm + up for w, up in zip(ahead, (0.0, half_z * over / norm, 0.0), strict=True)
        )
        slopes.append((normal, s * half_z * over / norm))
    roof = [*slopes, (right, half_x * over), (_negative(right), half_x * over), ((0.0, -1.0, 0.0), -eaves)]
    t, cosine, face = solid(layer.rays, center, roof, light)
    mixed = (
        tuple(0.25 * c + 0.75 * r for c, r in zip(color, ROOF, strict=True)) if sum(color) > 0.5 else (0.45, 0.42, 0.42)
    )
    layer.add(t, torch.where((face == 2) | (face == 3), layer.lit(cosine, color), layer.lit(cosine, mixed)))


_SOLIDS = {
    "ball": _ball,
    "box": _box,
    "cone": _cone,
    "cylinder": _cylinder,
    "tree": _tree,
    "lamp": _lamp,
    "house": _house,
}
