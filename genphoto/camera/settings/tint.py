"""Tint of the light: its distance from the Planckian locus."""

from dataclasses import replace

import torch
from torch import Generator, Tensor

from ..camera import LIMITS
from ..setting import CameraSetting
from .color_temperature import white_gains


def _uniform(count: int, generator: Generator) -> Tensor:
    low, high = TINT.domain
    return low + (high - low) * torch.rand(count, generator=generator)


TINT = CameraSetting(
    name="tint",
    label="Tint",
    unit="Duv",
    description="Distance of the light from that of a glowing body: above 0 is greener, below is more magenta.",
    domain=(-0.02, 0.02),
    limits=LIMITS["tint_duv"][1:],
    read=lambda camera: camera.tint_duv,
    write=lambda camera, duv: replace(camera, tint_duv=duv),
    format=lambda duv: f"Duv {duv:+.3g}",
    prompt=lambda duv: f"<tint: {duv:g}>",
    phrase=lambda duv: f"with tint {duv:g} Duv",
    prior=white_gains,
    sample=_uniform,
    units={"Duv": 1.0},
    prefix="duv",
)
