"""Vignetting: light that a lens loses toward the corners."""

from __future__ import annotations

import torch
from torch import Tensor

from .stage import PixelStage, Shot
from .strips import Change

ALL = slice(None)


def falloff(size: tuple[int, int], corner_ev: float, share: float = 1.0, rows: slice = ALL) -> Tensor:
    """Share (r,W) of the light that reaches the pixels of those rows of a picture of (height, width).

    The cosine-fourth law, cos^4 = (1 + tan^2)^-2, of a lens that loses `corner_ev` [EV] in its corners. The picture is
    the middle `share` of what it shows.
    """
    height, width = size
    y = (torch.arange(height)[rows] + 0.5) * 2 - height
    x = (torch.arange(width) + 0.5) * 2 - width
    radius_squared = (y.square()[:, None] + x.square()) * (share**2 / (height**2 + width**2))
    return (1 + (2 ** (corner_ev / 2) - 1) * radius_squared) ** -2


def _acts(shot: Shot) -> bool:
    camera, taken = shot.camera.vignetting_ev, shot.taken.vignetting_ev
    return camera != taken or (taken > 0 and shot.ratio != 1)


def _relative(shot: Shot, rows: slice) -> Tensor:
    """What the camera's lens lets through over what that of the photograph did there already, (r,W)."""
    lost = falloff(shot.size, shot.taken.vignetting_ev, shot.ratio, rows)
    return falloff(shot.size, shot.camera.vignetting_ev, rows=rows) / lost


def _darkened(shot: Shot) -> Change:
    return lambda light, rows: light * _relative(shot, rows).to(light)


def _brightened(shot: Shot) -> Change:
    return lambda light, rows: light / _relative(shot, rows).to(light)


VIGNETTING = PixelStage("vignetting", _acts, _darkened, _brightened)
