"""Zoom: how much larger every frame shows the scene than the first."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from ...camera.camera import Camera
from ...camera.progress import Progress
from ..frames import Pair, pair_at_one_scale, requested_zooms
from ..magnification import zoom_between
from ..measurement import Measurement, Reading
from ..patch_blur import NOTICED_PX, blurred_as, patch_radii
from ..progress import reported
from ..quantity import Quantity
from ..sequence import FrameSequence

FAKED_BY_BLUR = 0.05  # of a zoom, at most
NOTICED_SHARE = 0.1  # of the patches, that must be blurred to fake one
SAME_ZOOM = 0.01  # relative difference that needs no resampling


def measure_zoom(sequence: FrameSequence, progress: Progress) -> Measurement:
    """Magnification of every frame relative to the first; errors in percent."""
    light, asked = sequence.light, requested_zooms(sequence.cameras)
    readings = [Reading(1.0, 0.0)]
    for index in reported(range(1, len(light)), progress):
        reading = zoom_between(light[0], light[index])
        if reading.value is not None:
            about = asked[index] if abs(reading.value / asked[index] - 1) < FAKED_BY_BLUR else reading.value
            reading = _equally_blurred(light[0], light[index], about) or reading
        readings.append(reading)
    return Measurement.of(ZOOM.name, ZOOM.unit, asked, readings, percent=True)


def _equally_blurred(reference: Tensor, frame: Tensor, about: float) -> Reading | None:
    """The zoom with both frames at the blur of the blurrier one; `about` so large.

    Blur that differs over the picture shifts its structure by percents, whether it was asked for or not. None where
    the frames are equally sharp, or there is no match.
    """
    pair = pair_at_one_scale(reference, frame, 1.0, about)
    blur = patch_radii(pair)
    radius = blur.radius[blur.known].abs()
    if int((radius >= NOTICED_PX).sum()) <= NOTICED_SHARE * len(radius):
        return None
    blurred = blurred_as(pair, blur)
    reading = zoom_between(blurred.reference, blurred.frame)
    if reading.value is None or reading.spread is None:
        return None
    return Reading(about * reading.value, about * reading.spread)


def _as_shown(sequence: FrameSequence, measurement: Measurement) -> FrameSequence:
    """The sequence at the magnifications that were measured: other quantities are read where frames show the same."""
    pairs = zip(measurement.requested, measurement.measured, strict=True)
    zooms = tuple(asked if is_ is None or abs(is_ / asked - 1) < SAME_ZOOM else is_ for asked, is_ in pairs)
    return replace(sequence, zooms=zooms)


def _in_the_wider_view(pair: Pair, first: Camera, camera: Camera, sequence: FrameSequence) -> Pair:
    """What both frames show, at the scale of the wider one."""
    return pair_at_one_scale(pair.reference, pair.frame, *requested_zooms((first, camera)))


ZOOM = Quantity(
    name="zoom",
    unit="x",
    stages=("geometry",),
    requested=requested_zooms,
    noticeable=0.005,
    measure=measure_zoom,
    undo=_in_the_wider_view,
    pixelwise=False,
    registered=_as_shown,
)
