"""Floors, walls and skies: textures in meters, filtered to the size of a pixel so that they do not alias."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

RGB = tuple[float, float, float]
WALL_TINTS: tuple[RGB, ...] = (
    (0.90, 0.87, 0.80),
    (0.80, 0.87, 0.90),
    (0.84, 0.89, 0.80),
    (0.90, 0.82, 0.81),
    (0.86, 0.83, 0.91),
    (0.88, 0.88, 0.86),
)


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """Pixels of a plane: place `a` (H,W) across, `b` (H,1) along it [m], and the size of a pixel there (H,1) [m]."""

    a: Tensor
    b: Tensor
    pixel_a: Tensor
    pixel_b: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Details:
    """What a seed varies: numbers in [0,1) and a tile (129,129) of noise in [0,1) that repeats without a seam."""

    numbers: list[float]
    noise: Tensor

    @classmethod
    def drawn(cls, seed: int) -> Details:
        generator = torch.Generator().manual_seed(seed)
        numbers = torch.rand(128, generator=generator).tolist()
        noise = torch.rand(128, 128, generator=generator)
        return cls(numbers, torch.cat([torch.cat([noise, noise[:, :1]], 1), torch.cat([noise[:1], noise[:1, :1]], 1)]))

    def noise_at(self, a: Tensor, b: Tensor) -> Tensor:
        """Noise in [-1,1) whose grains are of size 1 in a and b, (H,W)."""
        a, b = torch.broadcast_tensors(a / 128, b / 128)
        grid = torch.stack([a - a.floor(), b - b.floor()], -1).mul_(2).sub_(1)
        return grid_sample(self.noise[None, None], grid[None], align_corners=True)[0, 0].mul_(2).sub_(1)

    def table(self, index: Tensor) -> Tensor:
        """A number in [-1,1) for every integer."""
        return self.noise.flatten()[index.long() % 16384].mul_(2).sub_(1)


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


def wooden(plane: Plane, details: Details) -> Tensor:
    n = details.numbers
    width = 0.13 + 0.08 * n[0]
    base = torch.lerp(_rgb((0.62, 0.43, 0.27)), _rgb((0.78, 0.60, 0.41)), n[1])
    plank = (plane.a / width).floor()
    length = 1.6
    end = plane.b + details.table(plank) * length
    board = details.table(plank * 17 + (end / length).floor() * 131) * _fade(width, 2 * plane.pixel_a)
    grain = details.noise_at(plane.a / 0.012, plane.b / 0.35 + plank * 7.3) * _fade(0.012, plane.pixel_a)
    seam = torch.maximum(_line(plane.a, width, 0.008, plane.pixel_a), 0.8 * _line(end, length, 0.01, plane.pixel_b))
    return base * ((1 + 0.11 * board + 0.07 * grain) * (1 - 0.62 * seam))


def tiled(plane: Plane, details: Details) -> Tensor:
    n = details.numbers
    size = 0.28 + 0.16 * n[0]
    tone = _rgb([(0.62, 0.70, 0.76), (0.70, 0.62, 0.58), (0.60, 0.69, 0.64), (0.66, 0.64, 0.72)][int(n[1] * 4)])
    check = _square(plane.a + size / 2, 2 * size, plane.pixel_a) * _square(plane.b + size / 2, 2 * size, plane.pixel_b)
    grout = torch.maximum(
        _line(plane.a, size, 0.014, plane.pixel_a), _line(plane.b, size, 0.014, plane.pixel_b).expand_as(plane.a)
    )
    cloud = details.noise_at(plane.a / 0.11, plane.b / 0.11) * _fade(0.11, plane.pixel_b)
    color = torch.lerp(tone, _rgb((0.93, 0.93, 0.91)), check * 0.5 + 0.5)
    return torch.lerp(color * (1 + 0.025 * cloud), _rgb((0.52, 0.51, 0.50)), 0.75 * grout)


def grassy(plane: Plane, details: Details) -> Tensor:
    base = torch.lerp(_rgb((0.36, 0.52, 0.20)), _rgb((0.47, 0.60, 0.26)), details.numbers[0])
    blades = details.noise_at(plane.a / 0.010, plane.b / 0.045) * _fade(0.010, plane.pixel_a)
    tufts = details.noise_at(plane.a / 0.09 + 31, plane.b / 0.22) * _fade(0.22, plane.pixel_b)
    meadow = details.noise_at(plane.a / 0.7 + 57, plane.b / 1.4)
    color = base * (1 + 0.30 * blades + 0.12 * tufts)
    return color + _rgb((0.06, 0.02, -0.02)) * meadow


def sandy(plane: Plane, details: Details) -> Tensor:
    base = torch.lerp(_rgb((0.86, 0.75, 0.54)), _rgb((0.92, 0.82, 0.63)), details.numbers[0])
    bend = details.noise_at(plane.a / 0.45, plane.b / 0.6)
    ripples = torch.sin(plane.b * 52 + bend * 3.5) * _fade(0.06, plane.pixel_b)
    grains = details.noise_at(plane.a / 0.006, plane.b / 0.014 + 11) * _fade(0.006, plane.pixel_a)
    return base * (1 + 0.055 * ripples + 0.08 * grains + 0.03 * bend)


def plain_wall(plane: Plane, details: Details) -> Tensor:
    tint = _rgb(WALL_TINTS[int(details.numbers[2] * len(WALL_TINTS))])
    plaster = details.noise_at(plane.a / 0.05, plane.b / 0.05) * _fade(0.05, plane.pixel_a)
    return tint * (1 + 0.012 * plaster)


def brick_wall(plane: Plane, details: Details) -> Tensor:
    length, height = 0.34, 0.125
    row = (plane.b / height).floor()
    a = plane.a + (row % 2) * (length / 2)
    brick = details.table((a / length).floor() + row * 37)
    mortar = torch.maximum(
        _line(a, length, 0.018, plane.pixel_a), _line(plane.b, height, 0.018, plane.pixel_b).expand_as(a)
    )
    rough = details.noise_at(plane.a / 0.03, plane.b / 0.02) * _fade(0.03, plane.pixel_a)
    base = torch.lerp(_rgb((0.66, 0.44, 0.36)), _rgb((0.74, 0.56, 0.46)), details.numbers[2])
    return torch.lerp(base * (1 + 0.12 * brick + 0.05 * rough), _rgb((0.86, 0.82, 0.77)), mortar)


def striped_wall(plane: Plane, details: Details) -> Tensor:
    tint = _rgb(WALL_TINTS[int(details.numbers[2] * (len(WALL_TINTS) - 1))])
    stripe = _square(plane.a, 0.5 + 0.3 * details.numbers[3], plane.pixel_a)
    return torch.lerp(tint * tint * 0.9, _rgb((0.95, 0.94, 0.92)), stripe * 0.5 + 0.5)


def clear_sky(u: Tensor, up: Tensor, details: Details) -> Tensor:
    return torch.lerp(_rgb((0.80, 0.90, 0.97)), _rgb((0.30, 0.56, 0.90)), _rise(up, 0.45)).expand(3, len(up), len(u))


def cloudy_sky(u: Tensor, up: Tensor, details: Details) -> Tensor:
    sky = torch.lerp(_rgb((0.80, 0.87, 0.93)), _rgb((0.45, 0.62, 0.84)), _rise(up, 0.45))
    flat = up + 0.16
    a, b = u / flat * 1.5 + 40 * details.numbers[4], 1.5 / flat
    cloud = details.noise_at(a, b) * 0.62 + details.noise_at(a * 2.3, b * 2.3) * 0.26
    cloud += details.noise_at(a * 5.3, b * 5.3) * 0.12
    cloud = ((cloud + 0.20) * 2.6).clamp_(0, 1)
    cloud = cloud * cloud * (3 - 2 * cloud)
    cover = torch.lerp(_rgb((0.98, 0.98, 0.99)), _rgb((0.84, 0.86, 0.90)), cloud)
    return torch.lerp(sky, cover, cloud * 0.94)


def sunset_sky(u: Tensor, up: Tensor, details: Details) -> Tensor:
    low = torch.lerp(_rgb((1.0, 0.72, 0.36)), _rgb((0.93, 0.45, 0.42)), _rise(up, 0.16))
    sky = torch.lerp(low, _rgb((0.38, 0.30, 0.55)), _rise(up - 0.08, 0.4))
    to_sun = ((u - (details.numbers[4] - 0.5) * 0.8) ** 2 + (up - 0.07) ** 2).sqrt_()
    glow = torch.exp(-to_sun * 9) * 0.55
    bands = details.noise_at(u * 6 + 40 * details.numbers[5], up * 42)
    sky = sky * (1 + 0.06 * bands)
    sky = torch.lerp(sky, _rgb((1.0, 0.90, 0.62)), glow)
    return torch.lerp(sky, _rgb((1.0, 0.98, 0.86)), ((0.034 - to_sun) / float(u[1] - u[0]) + 0.5).clamp_(0, 1))


def night_sky(u: Tensor, up: Tensor, details: Details) -> Tensor:
    """Stars above, a town's dark roofs with lights at the horizon."""
    pixel = float(u[1] - u[0])
    sky = torch.lerp(_rgb((0.17, 0.18, 0.36)), _rgb((0.03, 0.04, 0.13)), _rise(up, 0.4))
    column = (u / 0.035 + 400).floor()
    roof = 0.018 + 0.045 * (details.table(column) * 0.5 + 0.5)
    sky = torch.lerp(sky, _rgb((0.05, 0.05, 0.10)), ((roof - up) / pixel + 0.5).clamp_(0, 1)).contiguous()
    places = details.noise[:6, :128]
    n_town, n_all = 56, 128
    light_u = (places[0] - 0.5) * 1.5
    light_up = torch.cat([0.004 + 0.05 * places[1, :n_town], 0.07 + 0.34 * places[1, n_town:]])
    radius = torch.cat([0.0032 + 0.0028 * places[2, :n_town], 0.0012 + 0.0012 * places[2, n_town:]])
    warm = torch.stack([torch.ones(n_all), 0.72 + 0.28 * places[3], 0.35 + 0.65 * places[4]])
    warm[:, n_town:] = torch.tensor([[0.95], [0.97], [1.0]])
    # Discs, antialiased, in a patch of pixels around each.
    reach = math.ceil(0.006 / pixel) + 1
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
