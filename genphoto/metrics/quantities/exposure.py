"""Exposure: how many stops brighter every frame is than the first."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...camera.camera import Camera
from ...camera.optics import light_ev
from ...camera.progress import Progress
from ..exposure_change import exposure_change
from ..frames import Pair
from ..measurement import NO_CHANGE, Measurement, Reading
from ..progress import reported
from ..quantity import Quantity, undone
from ..sequence import FrameSequence

# Camera JPEGs of 3 EV read as 3.8: their tone curves are steeper than sRGB in the middle, about as a power of light.
STRETCHED_BY_A_TONE_CURVE = (1.1, 1.7)


def requested_ev(cameras: Sequence[Camera]) -> tuple[float, ...]:
    """Signal of every camera relative to the first [EV]: light and ISO."""
    return tuple(light_ev(c, cameras[0]) + math.log2(c.iso / cameras[0].iso) for c in cameras)


def measure_exposure(sequence: FrameSequence, progress: Progress) -> Measurement:
    """Exposure of every frame relative to the first [EV], with what else the cameras change in each pixel undone.

    A change of light makes an orange thing brighter or darker than a gray one; that is no change of exposure. A frame
    that shares no usable brightness with the first is measured against the frame nearest to it in between.
    """
    cameras = sequence.cameras
    others = [quantity for quantity in sequence.quantities if quantity.pixelwise and quantity is not EXPOSURE]

    def change(near: int, far: int) -> Reading:
        pair = sequence.pair(far)
        if near:
            before = sequence.pair(near)
            pair = Pair.of(before.frame, pair.frame, before.frame_step, pair.frame_step)
        return exposure_change(undone(pair, cameras[near], cameras[far], sequence, others))

    requested = requested_ev(cameras)
    readings = [NO_CHANGE, *(change(0, index) for index in reported(range(1, len(cameras)), progress))]
    for index in sorted(range(len(cameras)), key=lambda i: abs(requested[i])):
        if readings[index].value is not None:
            continue
        known = (i for i in _between(requested, index) if readings[i].value is not None)
        near = next((i for i in known if _comparable(sequence.pair(i), sequence.pair(index))), None)
        if near is not None:
            readings[index] = _chained(readings[near], change(near, index)) or readings[index]
    readings = [_remarked(reading, ev) for reading, ev in zip(readings, requested, strict=True)]
    return Measurement.of(EXPOSURE.name, EXPOSURE.unit, requested, readings)


def _remarked(reading: Reading, requested: float) -> Reading:
    """The reading, with a word where the pictures' own tone curve may be what it differs by."""
    low, high = STRETCHED_BY_A_TONE_CURVE
    if reading.value is None or not (abs(requested) > 0.5 and low < reading.value / requested < high):
        return reading
    return reading._replace(
        remark=f"{reading.value:+.2f} EV where {requested:+.2f} EV were asked for, as of sRGB codes; pictures with the "
        "tone curve of a camera or an editor read 1.1 to 1.7 times too much, so develop photographs without one"
    )


def _between(requested: Sequence[float], index: int) -> list[int]:
    """Frames whose request lies between that of the first and that of this one, the nearest to this one first."""
    low, high = sorted((0.0, requested[index]))
    inside = [i for i, ev in enumerate(requested) if i not in (0, index) and low < ev < high]
    return sorted(inside, key=lambda i: abs(requested[i] - requested[index]))


def _comparable(a: Pair, b: Pair) -> bool:
    """Both frames were sampled the same way, so that their pixels show the same points."""
    return a.frame.shape == b.frame.shape and (a.frame_step, a.reference_step) == (b.frame_step, b.reference_step)


def _chained(first: Reading, then: Reading) -> Reading | None:
    """Both changes in a row; None where one of them is not known."""
    if first.value is None or then.value is None:
        return None
    return Reading(first.value + then.value, math.hypot(first.spread or 0.0, then.spread or 0.0))


def _brighter(pair: Pair, first: Camera, camera: Camera, sequence: FrameSequence) -> Pair:
    """Both frames at the brighter exposure of the two.

    Dark pictures all look alike to SSIM, and what the brighter exposure clips is not valid.
    """
    _, stops = requested_ev((first, camera))
    return pair._replace(reference=pair.reference * 2 ** max(stops, 0.0), frame=pair.frame * 2 ** max(-stops, 0.0))


EXPOSURE = Quantity(
    name="exposure",
    unit="EV",
    stages=("exposure",),
    requested=requested_ev,
    noticeable=0.01,
    measure=measure_exposure,
    undo=_brighter,
)
