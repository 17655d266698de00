"""Color temperature of the light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from .. import published
from ..camera import LIMITS, Camera
from ..colorimetry import kelvin_gains
from ..setting import CameraSetting, Published


def white_gains(cameras: Sequence[Camera], base: Camera, size: tuple[int, int]) -> Tensor:
    """Linear RGB of what the base camera saw as white, (F,3,H,W)."""
    gains = [kelvin_gains(c.color_temperature_k, base.color_temperature_k, c.tint_duv, base.tint_duv) for c in cameras]
    return torch.stack(gains).float()[:, :, None, None].expand(-1, -1, *size)


COLOR_TEMPERATURE = CameraSetting(
    name="color_temperature",
    label="Color temperature",
    unit="K",
    description="Correlated color temperature of the light: 2000 K is candle-orange, 6504 K neutral, 10000 K blue.",
    domain=(2000.0, 10000.0),
    limits=LIMITS["color_temperature_k"][1:],
    read=lambda camera: camera.color_temperature_k,
    write=lambda camera, kelvin: replace(camera, color_temperature_k=kelvin),
    format=lambda kelvin: f"{kelvin:.0f} K",
    prompt=published.color_temperature_prompt,
    phrase=lambda kelvin: f"with temperature {kelvin:g} kelvin",
    prior=white_gains,
    sample=published.color_temperature_sample,
    published=Published(
        published.color_temperature_prior,
        published.of_each_pixel(published.color_temperature_frame),
    ),
    units={"K": 1.0, "°K": 1.0},
)
