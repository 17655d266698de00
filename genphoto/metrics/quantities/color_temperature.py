"""Color temperature: how much warmer the light of every frame looks than that of the first."""

from __future__ import annotations

from collections.abc import Sequence

from ...camera.camera import Camera
from ...camera.colorimetry import apply_matrix, white_balance_matrix
from ...camera.progress import Progress
from ..frames import Pair
from ..light_change import light_change
from ..measurement import NO_CHANGE, Measurement, Reading
from ..progress import reported
from ..quantity import Quantity
from ..sequence import FrameSequence


def requested_mired(cameras: Sequence[Camera]) -> tuple[float, ...]:
    """Reciprocal color temperature of every camera's light less that of the first [mired]: above 0 is warmer."""
    return tuple(1e6 / c.color_temperature_k - 1e6 / cameras[0].color_temperature_k for c in cameras)


def read_light(sequence: FrameSequence, progress: Progress) -> list[tuple[Reading, Reading]]:
    """Change of the light from the first frame to every frame: mired and Duv, which are only told apart together.

    The first frame is taken to show what was asked for: a picture alone does not tell its light from its paint. Of a
    dial the cameras say what it was set to: the first frame then looks lit by the other's setting.
    """
    first = sequence.cameras[0].color_temperature_k, sequence.cameras[0].tint_duv
    readings = [(NO_CHANGE, NO_CHANGE)]
    for index in reported(range(1, len(sequence.cameras)), progress):
        pair = sequence.pair(index)
        if sequence.dial:
            pair = pair._replace(reference=pair.frame, frame=pair.reference)
        readings.append(light_change(pair, *first))
    return readings


def in_the_warmer_light(pair: Pair, first: Camera, camera: Camera, sequence: FrameSequence) -> Pair:
    """Both frames in the warmer of both lights, temperature and tint, in [0,1]: warm light loses blue for good."""
    # Of two pictures of one light, the one with the higher dial looks warmer.
    of_reference, of_frame = (camera, first) if sequence.dial else (first, camera)
    changes_reference = of_frame.color_temperature_k <= of_reference.color_temperature_k
    cooler, warmer = (of_reference, of_frame) if changes_reference else (of_frame, of_reference)
    matrix = white_balance_matrix(
        warmer.color_temperature_k, cooler.color_temperature_k, warmer.tint_duv, cooler.tint_duv
    )
    changed = apply_matrix(pair.reference if changes_reference else pair.frame, matrix).clamp(0, 1)
    return pair._replace(reference=changed) if changes_reference else pair._replace(frame=changed)


def measure_mired(sequence: FrameSequence, progress: Progress) -> Measurement:
    """Color temperature of every frame relative to the first [mired]."""
    readings = [temperature for temperature, _ in sequence.once(read_light, progress)]
    return Measurement.of(COLOR_TEMPERATURE.name, COLOR_TEMPERATURE.unit, requested_mired(sequence.cameras), readings)


COLOR_TEMPERATURE = Quantity(
    name="color_temperature",
    unit="mired",
    stages=("balance",),
    requested=requested_mired,
    noticeable=1.0,
    measure=measure_mired,
    undo=in_the_warmer_light,
)
