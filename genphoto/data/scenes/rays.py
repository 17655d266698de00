"""Rays of a pinhole camera above a floor, and where they meet spheres, frustums and convex solids.

World: x right, y up, z forward [m], the camera at (0, height_m, 0), pitched down. A ray's parameter is its distance
along the optical axis, so that 1 / parameter is the disparity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

PITCH_RAD = math.atan(0.1)  # the horizon lies at 0.5 - 0.1 of the height from the top
SIN, COS = math.sin(PITCH_RAD), math.cos(PITCH_RAD)
MISS = math.inf
Vector = tuple[float, float, float]
# The first sample is the pixel's center, where disparity is exact; the others, a rotated square, smooth the edges.
SAMPLES = torch.tensor([[0.0, 0.0], [-0.375, -0.125], [0.125, -0.375], [0.375, 0.125], [-0.125, 0.375]])


@dataclass(frozen=True, slots=True, eq=False)
class Rays:
    """Directions x (S,1,W), y and z (S,H,1) of S samples per pixel, and the height [m] of the camera."""

    x: Tensor
    y: Tensor
    z: Tensor
    height_m: float

    def along(self, vector: Vector) -> Tensor:
        """Dot product of directions and a vector, (S,H,W)."""
        return self.x * vector[0] + (self.y * vector[1] + self.z * vector[2])


def rays_through(u: Tensor, v: Tensor, height_m: float, pixel: float) -> Rays:
    """Rays through columns u (W,) and rows v (H,): right and down from the center in focal lengths."""
    u = (u + SAMPLES[:, :1] * pixel)[:, None, :]
    v = (v + SAMPLES[:, 1:] * pixel)[:, :, None]
    return Rays(u, -(v * COS + SIN), COS - v * SIN, height_m)


def project(point: Vector, height_m: float) -> tuple[float, float, float]:
    """(u, v, distance along the optical axis) of a point in the world."""
    x, below, z = point[0], height_m - point[1], point[2]
    depth = z * COS + below * SIN
    return x / depth, (below * COS - z * SIN) / depth, depth


def dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def sphere(rays: Rays, center: Vector, radius: float, light: Vector) -> tuple[Tensor, Tensor]:
    """Where rays meet a sphere, inf where they miss, and the cosine between its normal and the light, (S,H,W)."""
    e = (-center[0], rays.height_m - center[1], -center[2])
    a = rays.x**2 + (rays.y**2 + rays.z**2)
    b = rays.along(e)
    root = b * b - a * (dot(e, e) - radius**2)
    hit = root > 0
    t = (-b - root.clamp_(min=0).sqrt_()) / a
    cosine = (t * rays.along(light)).add_(dot(e, light)).div_(radius)
    return t.masked_fill_(~hit, MISS), cosine


def frustum(rays: Rays, base: Vector, height: float, bottom: float, top: float, light: Vector) -> tuple[Tensor, Tensor]:
    """As `sphere`, of an upright cone frustum with radii `bottom` and `top` on the center `base` of its bottom."""
    ex, ey, ez = -base[0], rays.height_m - base[1], -base[2]
    slope = (top - bottom) / height
    a = rays.x**2 + (rays.z**2 - (slope * rays.y) ** 2)
    b = rays.x * ex + (rays.z * ez - slope * (bottom + slope * ey) * rays.y)
    root = b * b - a * (ex**2 + ez**2 - (bottom + slope * ey) ** 2)
    hit = root > 0
    t = (-b - root.clamp_(min=0).sqrt_()) / a
    y = t * rays.y + ey
    hit &= (y >= 0) & (y <= height)
    radius = (y * slope + bottom).clamp_(min=1e-6)
    sideways = t * (rays.x * light[0] + rays.z * light[2]) + (ex * light[0] + ez * light[2])
    cosine = (sideways / radius - slope * light[1]) / math.sqrt(1 + slope**2)
    t = t.masked_fill_(~hit, MISS)
    cap_y, cap_radius, normal = (height, top, light[1]) if ey > height else (0.0, bottom, -light[1])
    if cap_radius > 0 and (ey > height or ey < 0):
        t_cap = (cap_y - ey) / rays.y
        reached = (t_cap > 0) & ((t_cap * rays.x + ex) ** 2 + (t_cap * rays.z + ez) ** 2 < cap_radius**2)
        t = torch.where(reached, t_cap, t)
        cosine = cosine.masked_fill_(reached, normal)
    return t, cosine


def solid(
    rays: Rays, center: Vector, planes: list[tuple[Vector, float]], light: Vector
) -> tuple[Tensor, Tensor, Tensor]:
    """As `sphere`, of the convex solid {p: n (p - center) <= d for (n, d) in planes}; also the plane's index met."""
    e = (-center[0], rays.height_m - center[1], -center[2])
    shape = torch.broadcast_shapes(rays.x.shape, rays.y.shape)
    enter, leave = torch.zeros(shape), torch.full(shape, MISS)
    cosine, face = torch.zeros(shape), torch.zeros(shape, dtype=torch.uint8)
    for index, (normal, offset) in enumerate(planes):
        gap, speed = offset - dot(normal, e), rays.along(normal)
        if gap < 0:  # the camera is outside of this plane
            t = torch.where(speed < 0, gap / speed, MISS)
            later = t > enter
            enter = torch.maximum(enter, t)
            cosine.masked_fill_(later, dot(normal, light))
            face.masked_fill_(later, index)
        else:
            leave = torch.minimum(leave, torch.where(speed > 0, gap / speed, MISS))
    return enter.masked_fill_(enter >= leave, MISS), cosine, face
