"""Floors, walls and skies: textures in meters, filtered to the size of a pixel so that they do not alias."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

RGB = tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """Pixels of a plane: place `a` (H,W) across, `b` (H,1) along it [m], and the size of a pixel there (H,1) [m]."""

    a: Tensor
    b: Tensor
    pixel_a: Tensor
    pixel_b: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What surfaces share: the light's side, 1 for right and -1 for left, and a tile (129,129) of noise in [0,1)."""

    side: float
    noise: Tensor

    def noise_at(self, a: Tensor, b: Tensor) -> Tensor:
        """Noise in [-1,1) whose grains are of size 1 in a and b, (H,W)."""
        a, b = torch.broadcast_tensors(a / 128, b / 128)
        grid = torch.stack([a - a.floor(), b - b.floor()], -1).mul_(2).sub_(1)
        return grid_sample(self.noise[None, None], grid[None], align_corners=True)[0, 0].mul_(2).sub_(1)

    def table(self, index: Tensor) -> Tensor:
        """A number in [-1,1) for every integer."""
        return self.noise.flatten()[index.long() % 16384].mul_(2).sub_(1)


def tile_of_noise() -> Tensor:
    """Always the same noise (129,129) in [0,1), which repeats without a seam: a surface looks as its name says."""
    noise = torch.rand(128, 128, generator=torch.Generator().manual_seed(0))
    return torch.cat([torch.cat([noise, noise[:, :1]], 1), torch.cat([noise[:1], noise[:1, :1]], 1)])


def _rgb(color: RGB) -> Tensor:
    return torch.tensor(color)[:, None, None]


def _line(place: Tensor, period: float, width: float, pixel: Tensor) -> Tensor:
    """Share of a pixel that lines of a width cover, one per period."""
    pixel = pixel.clamp(max=period)
    d = (place / period + 0.5).floor_().mul_(-period).add_(place)
    covered = (d + pixel / 2).clamp_(max=width / 2) - (d - pixel / 2).clamp_(min=-width / 2)
    return covered.clamp_(min=0) / pixel


def _square(place: Tensor, period: float, pixel: Tensor) -> Tensor:
    """Square wave between -1 and 1, filtered to a pixel."""
    f = place / period
    edge = 0.25 - (f - f.floor() - 0.5).abs()
    sharp = (2 * period) / pixel
    return (edge * sharp).clamp_(-1, 1) * (sharp / 2 - 0.6).clamp(0, 1)


def _fade(grain: float, pixel: Tensor) -> Tensor:
    """Contrast that is left of grains of a size [m]."""
    return (grain / pixel).clamp(max=1)


def wooden(plane: Plane, look: Look) -> Tensor:
    width, length = 0.34, 2.4
    plank = (plane.a / width + 0.5).floor()
    end = plane.b + look.table(plank) * length
    board = look.table(plank * 17 + (end / length).floor() * 131)
    board = board * _fade(width, 2 * plane.pixel_a) * _fade(length, 2 * plane.pixel_b)
    grain = look.noise_at(plane.a / 0.085, plane.b / 1.1 + plank * 7.3) * _fade(0.06, plane.pixel_a)
    seam = torch.maximum(
        _line(plane.a + width / 2, width, 0.022, plane.pixel_a), _line(end, length, 0.03, plane.pixel_b)
    )
    return _rgb((0.72, 0.50, 0.31)) * ((1 + 0.17 * board + 0.10 * grain) * (1 - 0.65 * seam))


def tiled(plane: Plane, look: Look) -> Tensor:
    size = 0.5
    a, b = plane.a + size / 2, plane.b
    check = _square(a, 2 * size, plane.pixel_a) * _square(b, 2 * size, plane.pixel_b)
    return torch.lerp(_rgb((0.46, 0.58, 0.68)), _rgb((0.93, 0.93, 0.91)), check * 0.5 + 0.5)


def grassy(plane: Plane, look: Look) -> Tensor:
    tufts = look.noise_at(plane.a / 0.13 + 31, plane.b / 0.17) * _fade(0.17, plane.pixel_b)
    clumps = look.noise_at(plane.a / 0.35 + 11, plane.b / 0.45) * _fade(0.45, plane.pixel_b)
    meadow = look.noise_at(plane.a / 1.1 + 57, plane.b / 2)
    color = _rgb((0.40, 0.57, 0.22)) * (1 + 0.26 * torch.tanh(2.2 * tufts + 1.2 * clumps))
    return color + _rgb((0.06, 0.02, -0.02)) * meadow


def sandy(plane: Plane, look: Look) -> Tensor:
    period = 0.36
    bend = look.noise_at(plane.a / 0.8, plane.b / 1.1)
    phase = plane.b / period + 0.22 * torch.sin(2.4 * plane.a) + 0.7 * bend
    ripples = torch.sin(2 * math.pi * phase) * _fade(period / 3, plane.pixel_b)
    return _rgb((0.86, 0.74, 0.53)) * (1 + 0.13 * ripples + 0.05 * bend)


def plain_wall(plane: Plane, look: Look) -> Tensor:
    patches = look.noise_at(plane.a / 0.28, plane.b / 0.28)
    return _rgb((0.84, 0.88, 0.84)) * (1 + 0.035 * patches)


def brick_wall(plane: Plane, look: Look) -> Tensor:
    length, height, joint = 0.62, 0.24, 0.045
    row = (plane.b / height).floor()
    a = plane.a + (row % 2) * (length / 2)
    brick = look.table((a / length + 0.5).floor() + row * 37)
    mortar = torch.maximum(
        _line(a + length / 2, length, joint, plane.pixel_a),
        _line(plane.b, height, joint, plane.pixel_b).expand_as(a),
    )
    base = _rgb((0.66, 0.42, 0.34)) * (1 + 0.16 * brick)
    return torch.lerp(base, _rgb((0.88, 0.84, 0.79)), mortar)


def striped_wall(plane: Plane, look: Look) -> Tensor:
    stripe = _square(plane.a, 0.7, plane.pixel_a)
    return torch.lerp(_rgb((0.55, 0.62, 0.74)), _rgb((0.95, 0.94, 0.92)), stripe * 0.5 + 0.5)


def clear_sky(u: Tensor, up: Tensor, look: Look) -> Tensor:
    return torch.lerp(_rgb((0.80, 0.90, 0.97)), _rgb((0.30, 0.56, 0.90)), _rise(up, 0.45)).expand(3, len(up), len(u))


def cloudy_sky(u: Tensor, up: Tensor, look: Look) -> Tensor:
    sky = torch.lerp(_rgb((0.78, 0.86, 0.93)), _rgb((0.36, 0.57, 0.84)), _rise(up, 0.45))
    flat = up + 0.22
    a, b = u / flat * 1.4 + 21, 1.4 / flat
    cloud = look.noise_at(a, b) * 0.68 + look.noise_at(a * 2.3, b * 2.3) * 0.32
    cloud = ((cloud + 0.12) * 2.4).clamp_(0, 1)
    cloud = cloud * cloud * (3 - 2 * cloud)
    cover = torch.lerp(_rgb((0.98, 0.98, 0.99)), _rgb((0.82, 0.84, 0.89)), cloud)
    return torch.lerp(sky, cover, cloud * 0.94)


def sunset_sky(u: Tensor, up: Tensor, look: Look) -> Tensor:
    low = torch.lerp(_rgb((1.0, 0.72, 0.36)), _rgb((0.93, 0.45, 0.42)), _rise(up, 0.16))
    sky = torch.lerp(low, _rgb((0.38, 0.30, 0.55)), _rise(up - 0.08, 0.4))
    to_sun = ((u - 0.42 * look.side) ** 2 + (up - 0.085) ** 2).sqrt_()
    glow = torch.exp(-to_sun * 7) * 0.6
    bands = look.noise_at(u * 4 + 8, up * 26 + 3)
    sky = torch.lerp(sky * (1 + 0.09 * bands), _rgb((1.0, 0.90, 0.62)), glow)
    return torch.lerp(sky, _rgb((1.0, 0.98, 0.86)), ((0.042 - to_sun) / float(u[1] - u[0]) + 0.5).clamp_(0, 1))


def night_sky(u: Tensor, up: Tensor, look: Look) -> Tensor:
    """Stars above, a town's dark roofs with lights at the horizon."""
    pixel = float(u[1] - u[0])
    sky = torch.lerp(_rgb((0.17, 0.18, 0.36)), _rgb((0.03, 0.04, 0.13)), _rise(up, 0.4))
    column = (u / 0.07 + 400.5).floor()
    roof = 0.035 + 0.05 * (look.table(column) * 0.5 + 0.5)
    sky = torch.lerp(sky, _rgb((0.05, 0.05, 0.10)), ((roof - up) / pixel + 0.5).clamp_(0, 1)).contiguous()
    places = look.noise[:6, :64]
    n_town, n_all = 26, 64
    light_u = ((torch.arange(n_all) * 0.618034 + 0.15) % 1 - 0.5) * 1.5
    light_up = torch.cat([0.012 + 0.035 * places[1, :n_town], 0.11 + 0.30 * places[1, n_town:]])
    radius = torch.cat([0.0075 + 0.002 * places[2, :n_town], 0.0038 + 0.0014 * places[2, n_town:]])
    warm = torch.stack([torch.ones(n_all), 0.72 + 0.28 * places[3], 0.35 + 0.5 * places[4]])
    warm[:, n_town:] = torch.tensor([[0.95], [0.97], [1.0]])
    # Discs, antialiased, in a patch of pixels around each.
    reach = math.ceil(0.01 / pixel) + 1
    step = torch.arange(-reach, reach + 1)
    column = (((light_u - u[0]) / pixel).round().long()[:, None] + step)[:, None, :]
    row = (((up[0, 0] - light_up) / pixel).round().long()[:, None] + step)[:, :, None]
    inside = (column >= 0) & (column < len(u)) & (row >= 0) & (row < len(up))
    column, row = column.clamp(0, len(u) - 1), row.clamp(0, len(up) - 1)
    distance = ((u[column] - light_u[:, None, None]) ** 2 + (up[row, 0] - light_up[:, None, None]) ** 2).sqrt_()
    cover = ((radius[:, None, None] - distance) / pixel + 0.5).clamp_(0, 1) * inside
    index = (row * len(u) + column).flatten()
    light = (warm[:, :, None, None] * cover).flatten(1)
    sky.view(3, -1).index_add_(1, index, light)
    return sky.clamp_(max=1)


def _rise(up: Tensor, height: float) -> Tensor:
    return (up / height).clamp(0, 1)


FLOOR_TEXTURES = {"wooden": wooden, "tiled": tiled, "grassy": grassy, "sandy": sandy}
WALL_TEXTURES = {"plain wall": plain_wall, "brick wall": brick_wall, "striped wall": striped_wall}
SKY_TEXTURES = {
    "cloudy sky": cloudy_sky,
    "clear sky": clear_sky,
    "sunset sky": sunset_sky,
    "night sky": night_sky,
}
