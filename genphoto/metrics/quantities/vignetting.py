"""Vignetting: how much more light every frame loses toward its corners than the first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...camera.camera import LIMITS, Camera
from ...camera.progress import Progress
from ...camera.stages.vignetting import falloff
from ..exposure_change import DIFFERENT
from ..frames import Pair, away_from, clipped, luminance, smooth
from ..measurement import NO_CHANGE, Measurement, Reading
from ..progress import reported
from ..quantity import Quantity, undone
from ..sequence import FrameSequence

DARKEST = 0.005  # linear: above the noise and the rounding of 8 bits
NOISE_BLUR_PX = 1.5
LEAST_PIXELS, SAMPLES = 200, 20000
LEAST_SPAN = 0.25  # of the half diagonal squared, between the usable pixels: less does not tell a falloff from exposure
LARGEST_SCATTER_EV = 0.35  # above which the pixels do not show the same thing
ROUNDS = 40  # of a golden-section search: to 1e-8 of its range
GOLDEN = (math.sqrt(5) - 1) / 2


def requested_corner_ev(cameras: Sequence[Camera]) -> tuple[float, ...]:
    """Light that every camera loses in its corners more than the first [EV]."""
    return tuple(camera.vignetting_ev - cameras[0].vignetting_ev for camera in cameras)


def _radius_squared(pair: Pair, step: float, sequence: FrameSequence) -> Tensor:
    """Squared distance (h,w) of a pair's pixels from the middle, in half diagonals of a frame, `step` px for each."""
    height, width = pair.frame.shape[1:]
    share = step * math.hypot(height, width) / math.hypot(*sequence.light.shape[2:])
    return (falloff((height, width), 2.0, share) ** -0.5 - 1).to(pair.frame)  # 2 EV: 1 / (1 + r^2)^2


def _lost_ev(radius_squared: Tensor, corner_ev: float) -> Tensor:
    """Light [EV] that is lost there: the law of `falloff`."""
    return 2 * torch.log2(1 + (2 ** (corner_ev / 2) - 1) * radius_squared)


def measure_vignetting(sequence: FrameSequence, progress: Progress) -> Measurement:
    """Falloff to the corners of every frame relative to the first [EV], whatever their exposures are.

    The first frame is taken to show what was asked for: a picture alone does not tell a dark corner from a dark thing.
    """
    cameras = sequence.cameras
    others = [quantity for quantity in sequence.quantities if quantity.pixelwise and quantity is not VIGNETTING]
    readings = [NO_CHANGE]
    for index in reported(range(1, len(cameras)), progress):
        pair = undone(sequence.pair(index), cameras[0], cameras[index], sequence, others)
        readings.append(_change(pair, cameras[0], sequence))
    return Measurement.of(VIGNETTING.name, VIGNETTING.unit, requested_corner_ev(cameras), readings)


def _change(pair: Pair, first: Camera, sequence: FrameSequence) -> Reading:
    """The falloff with which the pair's ratio is as even as it gets, less that of the first camera."""
    reference, frame = (smooth(luminance(light), NOISE_BLUR_PX) for light in (pair.reference, pair.frame))
    usable = away_from(clipped(pair) | ~pair.valid) & (torch.minimum(reference, frame) > DARKEST)
    count = int(usable.sum())
    if count < LEAST_PIXELS:
        return Reading(None, None, "too few pixels are neither clipped nor black in both frames")
    thin = slice(None, None, max(1, count // SAMPLES))
    radius = _radius_squared(pair, pair.frame_step, sequence)[usable][thin]
    if float(radius.max() - radius.min()) < LEAST_SPAN:
        return Reading(None, None, "the pixels that can be compared lie too close together to show a falloff")
    first_radius = _radius_squared(pair, pair.reference_step, sequence)[usable][thin]
    gained = torch.log2(frame / reference)[usable][thin] - _lost_ev(first_radius, first.vignetting_ev)

    def scatter(corner_ev: float) -> float:
        even = gained + _lost_ev(radius, corner_ev)
        return float((even - even.median()).abs().mean())

    _, low, high = LIMITS["vignetting_ev"]
    corner_ev = _lowest(scatter, low, high)
    if scatter(corner_ev) > LARGEST_SCATTER_EV:
        return Reading(None, None, DIFFERENT)
    return Reading(corner_ev - first.vignetting_ev, scatter(corner_ev) / math.sqrt(len(radius)))


def _lowest(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function of one valley is lowest, by golden section."""
    inner = [high - GOLDEN * (high - low), low + GOLDEN * (high - low)]
    values = [function(x) for x in inner]
    for _ in range(ROUNDS):
        if values[0] <= values[1]:
            high, inner[1], values[1] = inner[1], inner[0], values[0]
            inner[0] = high - GOLDEN * (high - low)
            values[0] = function(inner[0])
        else:
            low, inner[0], values[0] = inner[0], inner[1], values[1]
            inner[1] = low + GOLDEN * (high - low)
            values[1] = function(inner[1])
    return (low + high) / 2


def _as_dark(pair: Pair, first: Camera, camera: Camera, sequence: FrameSequence) -> Pair:
    """Both frames with the darker corners of the two."""
    of_reference = _lost_ev(_radius_squared(pair, pair.reference_step, sequence), first.vignetting_ev)
    of_frame = _lost_ev(_radius_squared(pair, pair.frame_step, sequence), camera.vignetting_ev)
    darker = torch.maximum(of_reference, of_frame)
    return pair._replace(
        reference=pair.reference * torch.exp2(of_reference - darker),
        frame=pair.frame * torch.exp2(of_frame - darker),
    )


VIGNETTING = Quantity(
    name="vignetting",
    unit="EV",
    stages=("vignetting",),
    requested=requested_corner_ev,
    noticeable=0.02,
    measure=measure_vignetting,
    undo=_as_dark,
)
