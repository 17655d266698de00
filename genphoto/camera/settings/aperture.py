"""Aperture: depth of field, as an f-number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Generator, Tensor

from ..camera import LIMITS, Camera
from ..optics import blur_parameter
from ..setting import CameraSetting

PORTRAIT = Camera(focal_length_mm=85.0)


def with_f_number(camera: Camera, f_number: float) -> Camera:
    """The camera at another f-number in aperture priority: the shutter compensates, so the brightness stays."""
    time_s = camera.exposure_time_s * (f_number / camera.f_number) ** 2
    return replace(camera, f_number=f_number, exposure_time_s=time_s)


def blur_map(cameras: Sequence[Camera], base: Camera, size: tuple[int, int]) -> Tensor:
    """Blur radius of a point at infinity over 30 px in a frame of 384 px, (F,3,H,W): linear in K, in 1 / f-number."""
    radii = torch.tensor([blur_parameter(camera) / 30 for camera in cameras], dtype=torch.float32)
    return radii[:, None, None, None].expand(-1, 3, *size)


def _stops(count: int, generator: Generator) -> Tensor:
    """f-numbers, uniform in stops over the domain."""
    low, high = APERTURE.domain
    return low * (high / low) ** torch.rand(count, generator=generator)


APERTURE = CameraSetting(
    name="aperture",
    label="Aperture",
    unit="f-number",
    description="Depth of field: a lower f-number blurs more of what is nearer or farther than the focus.",
    domain=(1.4, 16.0),
    limits=LIMITS["f_number"][1:],
    base=PORTRAIT,
    read=lambda camera: camera.f_number,
    write=with_f_number,
    format=lambda n: f"f/{n:.2g}" if n < 10 else f"f/{n:.0f}",
    prompt=lambda n: f"<aperture: f/{n:g}>",
    phrase=lambda n: f"with aperture f/{n:g}",
    prior=blur_map,
    sample=_stops,
    prefix="f/",
)
