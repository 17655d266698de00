"""Exposure: how many stops brighter one frame is than another."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..camera.camera import Camera
from ..camera.optics import light_ev
from .frames import Pair, away_from, clipped, in_the_warmer_light, lights, luminance, moved_at_most, smooth
from .measurement import NO_CHANGE, Measurement, Reading

DARKEST, BRIGHTEST = 0.01, 0.92  # linear: above the noise and the rounding of 8 bits, below clipping
NOISE_BLUR_PX = 1.5
LEAST_PIXELS = 50
SAME_CONTENT_EV = 0.35  # scatter of the pixels' ratios above which they do not show the same thing
SAME_HISTOGRAM_EV = 0.15  # scatter of the quantiles' ratios above which not even the histograms are alike
QUANTILES = 200
# Camera JPEGs of 3 EV read as 3.8: their tone curves are steeper than sRGB in the middle, about as a power of light.
STRETCHED_BY_A_TONE_CURVE = (1.1, 1.7)
DIFFERENT = "the frames show different scenes"


def requested_ev(cameras: Sequence[Camera]) -> tuple[float, ...]:
    """Signal of every camera relative to the first [EV]: light and ISO."""
    return tuple(light_ev(c, cameras[0]) + math.log2(c.iso / cameras[0].iso) for c in cameras)


def measure_exposure(pairs: Sequence[Pair], cameras: Sequence[Camera], dial: bool = False) -> Measurement:
    """Exposure of every frame relative to the first [EV], in the light that the camera asks for.

    A change of light makes an orange thing brighter or darker than a gray one; that is no change of exposure. A frame
    that shares no usable brightness with the first is measured against the frame nearest to it in between.
    """

    def change(near: int, far: int) -> Reading:
        pair = pairs[far] if near == 0 else pairs[far]._replace(reference=pairs[near].frame)
        return exposure_change(in_the_warmer_light(pair, *lights(cameras[near], cameras[far], dial)))

    requested = requested_ev(cameras)
    readings = [NO_CHANGE, *(change(0, index) for index in range(1, len(pairs)))]
    for index in sorted(range(len(pairs)), key=lambda i: abs(requested[i])):
        if readings[index].value is not None:
            continue
        known = (i for i in _between(requested, index) if readings[i].value is not None)
        near = next((i for i in known if _comparable(pairs, i, index)), None)
        if near is not None:
            readings[index] = _chained(readings[near], change(near, index), readings[index])
    readings = [_remarked(reading, ev) for reading, ev in zip(readings, requested, strict=True)]
    return Measurement.of("exposure", "EV", requested, readings)


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


def _comparable(pairs: Sequence[Pair], one: int, other: int) -> bool:
    """Both frames were sampled the same way, so that their pixels show the same points."""
    a, b = pairs[one], pairs[other]
    return a.frame.shape == b.frame.shape and (a.frame_step, a.reference_step) == (b.frame_step, b.reference_step)


def _chained(first: Reading, then: Reading, direct: Reading) -> Reading:
    if then.value is None:
        return direct
    return Reading(first.value + then.value, math.hypot(first.spread, then.spread))


def exposure_change(pair: Pair) -> Reading:
    """log2(frame / reference) [EV] of the luminance: over pixels, or over the histogram where the content moved."""
    reference, frame = (smooth(luminance(x), NOISE_BLUR_PX).flatten() for x in (pair.reference, pair.frame))
    usable = away_from(clipped(pair)).flatten()
    reading = stops_between(reference[usable], frame[usable])
    if reading.value is None or reading.spread <= SAME_CONTENT_EV:
        return reading
    if not moved_at_most(pair):
        return Reading(None, None, DIFFERENT)
    return stops_between_histograms(reference, frame)


def stops_between(reference: Tensor, frame: Tensor) -> Reading:
    """Median log2 ratio of linear values (N,) of the same points; its spread is their median absolute deviation.

    Points are selected by the mean of both logarithms, so that noise at the limits does not shift the median.
    """
    usable = (reference > DARKEST / 4) & (frame > DARKEST / 4)
    a, b = torch.log2(reference[usable]), torch.log2(frame[usable])
    low, high = math.log2(DARKEST), math.log2(BRIGHTEST)
    change = 0.0
    for _ in range(3):
        mean = (a + b) / 2
        kept = (mean > low + abs(change) / 2) & (mean < high - abs(change) / 2)
        if int(kept.sum()) < LEAST_PIXELS:
            return Reading(None, None, "too few pixels are neither clipped nor black in both frames")
        ratio = (b - a)[kept]
        change = float(ratio.median())
    return Reading(change, float((ratio - change).abs().median()))


def stops_between_histograms(reference: Tensor, frame: Tensor) -> Reading:
    """Median log2 ratio of matched quantiles of linear values (N,), for frames whose content has moved.

    Quantiles that are clipped or black in one frame are left out; the others must agree on one ratio.
    """
    shares = (torch.arange(QUANTILES, device=frame.device) + 0.5) / QUANTILES
    a, b = (torch.quantile(_thinned(x), shares.to(x)) for x in (reference, frame))
    kept = (a > DARKEST) & (b > DARKEST) & (a < BRIGHTEST) & (b < BRIGHTEST)
    if int(kept.sum()) < QUANTILES // 10:
        return Reading(None, None, "too few brightness levels are neither clipped nor black in both frames")
    ratio = torch.log2(b[kept] / a[kept])
    change = float(ratio.median())
    spread = float((ratio - change).abs().median())
    if spread > SAME_HISTOGRAM_EV:
        return Reading(None, None, f"{DIFFERENT} (brightness levels disagree by {spread:.2f} EV)")
    return Reading(change, spread)


def _thinned(values: Tensor) -> Tensor:
    """At most 2^20 of the values: torch.quantile takes no more than 2^24."""
    return values[:: max(1, values.numel() >> 20)]
