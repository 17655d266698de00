"""Registration: the similarity transform between a wide picture and a closer one of the same scene, to sub-pixels.

Works on lightness with the local mean and contrast taken out, so that exposure, light and clipping matter little.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .frames import smooth

FLOOR = 0.01  # local contrast [sRGB code] below which a region counts as flat
CONTRAST_WINDOW = 4.0  # sigma of the local mean and contrast over that of the noise filter
ITERATIONS = 20
BORDER_PX = 4  # margin in which the surroundings that `structure` did not see would shift the fit
HUBER = 1.0  # residual, in local standard deviations, from which a pixel counts as changed content
CORRELATED_PX = 4.0  # area over which band-passed noise is one sample, in squares of the filter's sigma


class Similarity(NamedTuple):
    """x_wide = scale R(turn) x_close + shift, pixels from both centers, with its quality.

    `match` is the correlation of the two over their overlap, `scale_error` the predicted standard error of `scale`.
    """

    scale: float
    turn_rad: float
    shift: tuple[float, float]
    match: float
    scale_error: float


START = Similarity(1.0, 0.0, (0.0, 0.0), 0.0, math.inf)


def structure(lightness: Tensor, sigma_px: float) -> Tensor:
    """Local contrast (H,W) of zero mean and about unit deviation, near 0 where the picture (H,W) is flat."""
    fine = smooth(lightness, sigma_px)
    band = fine - smooth(fine, CONTRAST_WINDOW * sigma_px)
    energy = smooth(band.square(), CONTRAST_WINDOW * sigma_px)
    return band / (energy + FLOOR**2).sqrt()


def register(wide: Tensor, close: Tensor, start: Similarity) -> Similarity | None:
    """Refine `start` by Gauss-Newton with Huber weights; wide (H,W) and close (h,w) are `structure` pictures.

    None where the iteration leaves the picture or finds nothing to hold on to. Runs on the CPU: twenty small steps in
    turn, solved in float64, of which each would wait for another device.
    """
    wide, close = wide.cpu(), close.cpu()
    y, x = (torch.arange(n, dtype=torch.float32) - (n - 1) / 2 for n in close.shape)
    y, x = (axis.reshape(-1) for axis in torch.meshgrid(y, x, indexing="ij"))
    planes = torch.stack([wide, *torch.gradient(wide)])
    target = close.reshape(-1)
    away = ((x.abs() < close.shape[1] / 2 - BORDER_PX) & (y.abs() < close.shape[0] / 2 - BORDER_PX)).to(close)
    # The scale is a factor on lengths: in units of the radius all four parameters are pixels.
    radius = max(close.shape) / 2
    a, b = start.scale * math.cos(start.turn_rad), start.scale * math.sin(start.turn_rad)
    p = torch.tensor([a * radius, b * radius, *start.shift], dtype=torch.float64)
    for _ in range(ITERATIONS):
        a, b, tx, ty = (p / p.new_tensor([radius, radius, 1, 1])).tolist()
        (value, dy, dx), inside = _sample(planes, a * x - b * y + tx, b * x + a * y + ty)
        inside = inside * away
        if float(inside.mean()) < 0.3:
            return None
        gain = (value * target * inside).sum() / (value * value * inside).sum().clamp(min=1e-6)
        residual = (gain * value - target) * inside
        weight = inside * (HUBER / residual.abs().clamp(min=HUBER))
        columns = torch.stack([(dx * x + dy * y) / radius, (dy * x - dx * y) / radius, dx, dy]) * gain
        normal = ((columns * weight) @ columns.T).double()
        if not float(torch.linalg.cond(normal)) < 1e8:  # also NaN
            return None
        step = torch.linalg.solve(normal, -((columns * weight) @ residual).double())
        p = p + step
        if float(step.abs().max()) < 1e-4:
            break
    a, b, tx, ty = (p / p.new_tensor([radius, radius, 1, 1])).tolist()
    match = float((value * target * inside).sum() / (value.square() * inside).sum().sqrt().clamp(min=1e-6))
    match /= float((target.square() * inside).sum().sqrt().clamp(min=1e-6))
    noise = float((weight * residual.square()).sum() / weight.sum())
    scale_error = math.sqrt(noise * CORRELATED_PX * float(torch.linalg.inv(normal)[0, 0])) / radius
    return Similarity(math.hypot(a, b), math.atan2(b, a), (tx, ty), match, scale_error)


def _sample(planes: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Planes (N,H,W) at points (P,) in pixels from the center, bicubic, and which points lie inside as 0 or 1."""
    height, width = planes.shape[1:]
    grid = torch.stack([2 * x / width, 2 * y / height], -1)
    inside = ((x.abs() <= (width - 3) / 2) & (y.abs() <= (height - 3) / 2)).to(planes)
    sampled = F.grid_sample(planes[None], grid[None, None], "bicubic", "border", align_corners=False)
    return sampled[0, :, 0], inside
