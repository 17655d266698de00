"""Tint: how much greener the light of every frame looks than that of the first."""

from __future__ import annotations

from collections.abc import Sequence

from ...camera.camera import Camera
from ...camera.progress import Progress
from ..measurement import Measurement
from ..quantity import Quantity
from ..sequence import FrameSequence
from .color_temperature import in_the_warmer_light, read_light


def requested_duv(cameras: Sequence[Camera]) -> tuple[float, ...]:
    """Tint of every camera's light less that of the first [Duv]."""
    return tuple(c.tint_duv - cameras[0].tint_duv for c in cameras)


def measure_duv(sequence: FrameSequence, progress: Progress) -> Measurement:
    """Tint of every frame relative to the first [Duv]."""
    readings = [tint for _, tint in sequence.once(read_light, progress)]
    return Measurement.of(TINT.name, TINT.unit, requested_duv(sequence.cameras), readings)


TINT = Quantity(
    name="tint",
    unit="Duv",
    stages=("balance",),
    requested=requested_duv,
    noticeable=0.0005,
    measure=measure_duv,
    undo=in_the_warmer_light,
)
