"""Focal length: the angle of view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from .. import published
from ..camera import LIMITS, Camera
from ..setting import CameraSetting, Published


def field_of_view(cameras: Sequence[Camera], base: Camera, size: tuple[int, int]) -> Tensor:
    """Share of each pixel of the base frame that a frame sees, (F,3,H,W): the base frame's central f_base / f."""
    masks = []
    for camera in cameras:
        ratio = base.focal_length_mm / camera.focal_length_mm
        rows, columns = ((ratio * n / 2 + 0.5 - (torch.arange(n) + 0.5 - n / 2).abs()).clamp(0, 1) for n in size)
        masks.append(rows[:, None] * columns)
    return torch.stack(masks)[:, None].expand(-1, 3, -1, -1)


FOCAL_LENGTH = CameraSetting(
    name="focal_length",
    label="Focal length",
    unit="mm",
    description="The angle of view: a longer focal length sees a smaller part of the scene, larger.",
    domain=(24.0, 70.0),
    limits=LIMITS["focal_length_mm"][1:],
    read=lambda camera: camera.focal_length_mm,
    write=lambda camera, mm: replace(camera, focal_length_mm=mm),
    format=lambda mm: f"{mm:g} mm",
    prompt=published.focal_length_prompt,
    phrase=lambda mm: f"with {mm:g}mm lens",
    prior=field_of_view,
    sample=published.focal_length_sample,
    magnification=lambda mm: mm,
    published=Published(
        published.focal_length_prior,
        lambda photo, mm, size, _: published.focal_length_frame(photo.image, mm, size=size),
    ),
    units={"mm": 1.0, "cm": 10.0},
)
