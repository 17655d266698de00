"""Change of exposure: how many stops brighter one frame is than another."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .frames import Pair, away_from, clipped, luminance, moved_at_most, smooth
from .measurement import Reading

DARKEST, BRIGHTEST = 0.01, 0.92  # linear: above the noise and the rounding of 8 bits, below clipping
NOISE_BLUR_PX = 1.5
LEAST_PIXELS = 50
SAME_CONTENT_EV = 0.35  # scatter of the pixels' ratios above which they do not show the same thing
SAME_HISTOGRAM_EV = 0.15  # scatter of the quantiles' ratios above which not even the histograms are alike
QUANTILES = 200
DIFFERENT = "the frames show different scenes"


def exposure_change(pair: Pair) -> Reading:
    """log2(frame / reference) [EV] of the luminance: over pixels, or over the histogram where the content moved."""
    reference, frame = (smooth(luminance(x), NOISE_BLUR_PX).flatten() for x in (pair.reference, pair.frame))
    usable = away_from(clipped(pair)).flatten()
    reading = stops_between(reference[usable], frame[usable])
    if reading.spread is None or reading.spread <= SAME_CONTENT_EV:
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
        inside = (mean > low + abs(change) / 2) & (mean < high - abs(change) / 2)
        if int(inside.sum()) < LEAST_PIXELS:
            return Reading(None, None, "too few pixels are neither clipped nor black in both frames")
        ratio = (b - a)[inside]
        change = float(ratio.median())
    return Reading(change, float((ratio - change).abs().median()))


def stops_between_histograms(reference: Tensor, frame: Tensor) -> Reading:
    """Median log2 ratio of matched quantiles of linear values (N,), for frames whose content has moved.

    Quantiles that are clipped or black in one frame are left out; the others must agree on one ratio.
    """
    shares = (torch.arange(QUANTILES, device=frame.device) + 0.5) / QUANTILES
    a, b = (torch.quantile(_thinned(x), shares.to(x)) for x in (reference, frame))
    inside = (a > DARKEST) & (b > DARKEST) & (a < BRIGHTEST) & (b < BRIGHTEST)
    if int(inside.sum()) < QUANTILES // 10:
        return Reading(None, None, "too few brightness levels are neither clipped nor black in both frames")
    ratio = torch.log2(b[inside] / a[inside])
    change = float(ratio.median())
    spread = float((ratio - change).abs().median())
    if spread > SAME_HISTOGRAM_EV:
        return Reading(None, None, f"{DIFFERENT} (brightness levels disagree by {spread:.2f} EV)")
    return Reading(change, spread)


def _thinned(values: Tensor) -> Tensor:
    """At most 2^20 of the values: torch.quantile takes no more than 2^24."""
    return values[:: max(1, values.numel() >> 20)]
