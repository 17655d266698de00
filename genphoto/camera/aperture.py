"""Aperture: the shape of the iris, and with it of a blur disc."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

MOST_BLADES = 64  # of a polygon: one with more is a circle


@dataclass(frozen=True, slots=True)
class Aperture:
    """Shape of the iris: a circle, or a regular polygon inscribed in the circle of the blur radius.

    `blades` is 0 (circle) or >= 3; `curvature` goes from 0 (straight edges) to 1 (circle); `rotation_deg` turns the
    first vertex from +x toward +y (down). Vertices lie at the blur radius, as blades close inside the round opening:
    no blur reaches beyond coc_px, and a polygon of straight edges covers less than the disc. The light is the same for
    every shape. Points nearer than the focus plane show the shape turned by 180 degrees, as in a real lens.
    """

    blades: int = 0
    curvature: float = 0.0
    rotation_deg: float = 0.0

    def __post_init__(self) -> None:
        if self.blades != 0 and not 3 <= self.blades <= MOST_BLADES:
            raise ValueError(f"blades is {self.blades}; use 0 for a circle, or 3 to {MOST_BLADES} for a polygon")
        if not 0.0 <= self.curvature <= 1.0:
            raise ValueError(f"curvature is {self.curvature}; allowed: 0 (straight edges) to 1 (circle)")
        if not math.isfinite(self.rotation_deg):
            raise ValueError(f"rotation_deg is {self.rotation_deg}; it must be a finite angle in degrees")


def iris_kernel(radius_px: float, aperture: Aperture, turn_rad: float) -> Tensor:
    """Point spread function (2r+1, 2r+1) of a blur radius: the share of each pixel that the iris covers, of sum 1."""
    radius = _drawn_radius(radius_px)
    reach = max(math.ceil(radius - 0.501), 0)
    samples = 16 if reach <= 4 else 4 if reach <= 16 else 2
    axis = (torch.arange((2 * reach + 1) * samples) + 0.5) / samples - (reach + 0.5)
    y, x = axis[:, None], axis[None, :]
    inside = radius - torch.hypot(y, x)
    if aperture.blades:
        sector = 2 * math.pi / aperture.blades
        angle = torch.remainder(torch.atan2(y, x) - turn_rad, sector) - sector / 2
        edge = radius * math.cos(sector / 2) - torch.hypot(y, x) * torch.cos(angle)
        inside = torch.lerp(edge, inside, aperture.curvature)
    coverage = F.avg_pool2d((0.5 + inside * samples).clamp(0, 1)[None], samples)[0]
    return coverage / coverage.sum()


def _drawn_radius(radius: float) -> float:
    """Radius [px] of the disc whose pixel coverage has the second moment radius^2 / 4 of the wanted disc."""
    if radius >= 4:
        return math.sqrt(radius * radius - 1 / 3)

    def moment(drawn: float) -> float:
        def area_left_of(x: float) -> float:
            x = min(max(x / drawn, -1.0), 1.0)
            return (x * math.sqrt(1 - x * x) + math.asin(x)) / math.pi

        return sum(2 * j * j * (area_left_of(j + 0.5) - area_left_of(j - 0.5)) for j in range(1, 6))

    low, high = 0.5, 4.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if moment(middle) < radius * radius / 4 else (low, middle)
    return low
