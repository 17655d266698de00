"""Shutter speed: the exposure time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from .. import published
from ..camera import LIMITS, Camera
from ..optics import light_ev
from ..setting import CameraSetting, Published


def exposure_scale(cameras: Sequence[Camera], base: Camera, size: tuple[int, int]) -> Tensor:
    """Light relative to the base camera, (F,3,H,W): doubles with the time."""
    scales = torch.tensor([2.0 ** light_ev(camera, base) for camera in cameras], dtype=torch.float32)
    return scales[:, None, None, None].expand(-1, 3, *size)


def spoken(seconds: float) -> str:
    """1/125 s, 0.3 s, 2 s: as a camera shows it, unless that would be more than 2 % off."""
    if seconds < 0.3 and abs(round(1 / seconds) * seconds - 1) < 0.02:
        return f"1/{1 / seconds:.0f} s"
    return f"{seconds:.3g} s"


SHUTTER_SPEED = CameraSetting(
    name="shutter_speed",
    label="Shutter speed",
    unit="s",
    description="Exposure time: doubling it is one stop (EV) brighter.",
    domain=(0.1, 1.0),
    limits=LIMITS["exposure_time_s"][1:],
    read=lambda camera: camera.exposure_time_s,
    write=lambda camera, seconds: replace(camera, exposure_time_s=seconds),
    format=spoken,
    prompt=published.shutter_speed_prompt,
    phrase=lambda seconds: f"with shutter speed {seconds:g} second",
    prior=exposure_scale,
    sample=published.shutter_speed_sample,
    published=Published(
        published.shutter_speed_prior,
        published.of_each_pixel(published.shutter_speed_frame),
    ),
    units={"s": 1.0, "sec": 1.0, '"': 1.0, "ms": 1e-3},
)
