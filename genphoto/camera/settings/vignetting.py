"""Vignetting of the lens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Generator, Tensor

from ..camera import LIMITS, Camera
from ..setting import CameraSetting
from ..stages.vignetting import falloff


def light_lost(cameras: Sequence[Camera], base: Camera, size: tuple[int, int]) -> Tensor:
    """Share of the light that reaches each pixel, over that of the base camera, (F,3,H,W)."""
    maps = [falloff(size, camera.vignetting_ev) / falloff(size, base.vignetting_ev) for camera in cameras]
    return torch.stack(maps)[:, None].expand(-1, 3, -1, -1)


def _uniform(count: int, generator: Generator) -> Tensor:
    low, high = VIGNETTING.domain
    return low + (high - low) * torch.rand(count, generator=generator)


VIGNETTING = CameraSetting(
    name="vignetting",
    label="Vignetting",
    unit="EV",
    description="Light that the lens loses toward the corners: 1 EV is half of it in the very corner.",
    domain=(0.0, 3.0),
    limits=LIMITS["vignetting_ev"][1:],
    read=lambda camera: camera.vignetting_ev,
    write=lambda camera, ev: replace(camera, vignetting_ev=ev),
    format=lambda ev: f"{ev:.3g} EV",
    prompt=lambda ev: f"<vignetting: {ev:g}>",
    phrase=lambda ev: f"with {ev:g} EV of vignetting",
    prior=light_lost,
    sample=_uniform,
    units={"EV": 1.0, "stops": 1.0},
)
