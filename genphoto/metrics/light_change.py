"""Change of the light's color, in mired and in tint, by the project's own model of a change of light."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from ..camera.colorimetry import MAX_KELVIN, MAX_TINT_DUV, MIN_KELVIN, apply_matrix, white_balance_matrix
from .exposure_change import DIFFERENT, LEAST_PIXELS, NOISE_BLUR_PX, QUANTILES, SAME_CONTENT_EV, SAME_HISTOGRAM_EV
from .frames import CLIPPED_BELOW, Pair, away_from, clipped, moved_at_most, smooth
from .measurement import Reading

SAMPLES = 20000
FAINTEST = 0.003  # linear, of channels whose ratio is taken
COOLEST_MIRED, WARMEST_MIRED = 1e6 / MAX_KELVIN, 1e6 / MIN_KELVIN
STARTS_MIRED = (60, 100, 150, 200, 260, 330, 410, 500, 620, 800)
VISIBLE, BLUE_LOST_SHARE = 0.03, 0.45
LARGEST_RESIDUAL = 0.02  # [EV] between the channels, of a light that explains the change

Change = Callable[[float, float], Tensor]  # mired and Duv of the frame -> color error (2,) [EV] and scatter [EV], (3,)

Ratios = Callable[[Tensor, Tensor], Tensor]  # expected and frame (C,N) -> log2 ratio [EV] per channel, and scatter

OUT_OF_MODEL = "the colors change as no change of light between 1000 K and 40000 K would change them"
CRUSHED = "too few pixels are neither clipped nor black in any channel of both frames"


def light_change(pair: Pair, kelvin: float, tint_duv: float = 0.0) -> tuple[Reading, Reading]:
    """Change of the light from the reference, lit by `kelvin` and `tint_duv`, to the frame: mired and Duv.

    The light is sought under which `white_balance_matrix` explains the medians of all three channels, up to one
    common exposure. Where warm light leaves no blue, red and green alone give the temperature, at an unchanged tint.
    """
    points = _Points(pair)
    both = points.unclipped(3, 3)
    if both is None or points.blue_lost:
        return _by_red_and_green(points, kelvin, tint_duv)
    for ratios, limit in ((_of_points, SAME_CONTENT_EV), (_of_histograms, SAME_HISTOGRAM_EV)):
        change = partial(_color_error, *both, kelvin, tint_duv, ratios)
        light = _solve(change, tint_duv)
        if light is None:
            return _neither(OUT_OF_MODEL)
        mired, duv, spread = light
        if spread <= limit:
            scatter = torch.linalg.inv(_jacobian(change, mired, duv)).abs().sum(1) * spread
            return Reading(mired - 1e6 / kelvin, float(scatter[0])), Reading(duv - tint_duv, float(scatter[1]))
        if not moved_at_most(pair):
            break
    return _neither(f"{DIFFERENT} (colors disagree by {spread:.2f} EV)")


def _neither(reason: str) -> tuple[Reading, Reading]:
    return Reading(None, None, reason), Reading(None, None, reason)


class _Points:
    """Smoothed linear colors (3,N) of reference and frame, and where they are not clipped."""

    def __init__(self, pair: Pair) -> None:
        self.raw = pair
        self.reference, self.frame = (smooth(x, NOISE_BLUR_PX).flatten(1) for x in (pair.reference, pair.frame))

    @property
    def blue_lost(self) -> bool:
        """Much of what is not dark has no blue left in one of the frames, as in warm light, where sRGB ends."""
        red, _, blue = torch.minimum(self.raw.reference, self.raw.frame)
        seen = red > VISIBLE
        return float((seen & (blue < CLIPPED_BELOW)).sum()) > BLUE_LOST_SHARE * float(seen.sum())

    def unclipped(self, channels: int, frame_channels: int) -> tuple[Tensor, Tensor] | None:
        """Colors (3,n) of points with that many channels (RGB) above black; None where they are too few.

        Float64 on the CPU, where the light is sought in many small steps: no more than SAMPLES points of each.
        """
        dark = (
            torch.minimum(self.raw.reference[:channels].amin(0), self.raw.frame[:frame_channels].amin(0))
            < CLIPPED_BELOW
        )
        usable = away_from(clipped(self.raw) | dark).flatten()
        count = int(usable.sum())
        if count < LEAST_PIXELS:
            return None
        thin = max(1, count // SAMPLES)
        reference, frame = (x[:, usable][:, ::thin].cpu().double() for x in (self.reference, self.frame))
        return reference, frame


# All three channels: two unknowns, two color errors, Newton's method


def _solve(change: Change, tint_duv: float) -> tuple[float, float, float] | None:
    """(mired, Duv, spread [EV]) at which the color error vanishes; None where there is no such light."""
    duv = tint_duv
    mired: float = min(STARTS_MIRED, key=lambda start: float(change(start, duv)[:2].abs().max().nan_to_num(torch.inf)))
    for _ in range(30):
        error, slope = change(mired, duv)[:2], _jacobian(change, mired, duv)
        if not bool(torch.isfinite(slope).all()) or abs(float(torch.linalg.det(slope))) < 1e-12:
            return None
        step = torch.linalg.solve(slope, -error)
        previous = mired, duv
        mired = min(max(mired + float(step[0].clamp(-60, 60)), COOLEST_MIRED), WARMEST_MIRED)
        duv = min(max(duv + float(step[1].clamp(-0.02, 0.02)), -MAX_TINT_DUV), MAX_TINT_DUV)
        if abs(mired - previous[0]) < 1e-3 and abs(duv - previous[1]) < 1e-7:
            break
    *residuals, spread = change(mired, duv).tolist()
    at_limit = mired in (COOLEST_MIRED, WARMEST_MIRED) or abs(duv) == MAX_TINT_DUV
    return None if at_limit or not max(map(abs, residuals)) < LARGEST_RESIDUAL else (mired, duv, spread)


def _jacobian(change: Change, mired: float, duv: float) -> Tensor:
    """Derivatives (2,2) of the color errors by mired and Duv."""
    here = change(mired, duv)[:2]
    d_mired = -1.0 if mired + 1 > WARMEST_MIRED else 1.0
    d_duv = -1e-3 if duv + 1e-3 > MAX_TINT_DUV else 1e-3
    by_mired, by_duv = change(mired + d_mired, duv)[:2] - here, change(mired, duv + d_duv)[:2] - here
    return torch.stack([by_mired / d_mired, by_duv / d_duv], 1)


def _color_error(
    reference: Tensor, frame: Tensor, kelvin: float, tint_duv: float, ratios: Ratios, mired: float, duv: float
) -> Tensor:
    """log2 of red / green and of blue / green of the frame over what the model expects, and the scatter, (3,)."""
    matrix = white_balance_matrix(1e6 / mired, kelvin, duv, tint_duv)
    expected = apply_matrix(reference[:, :, None], matrix)[:, :, 0]
    red, green, blue, spread = ratios(expected, frame)
    return torch.stack([red - green, blue - green, spread])


def _of_points(expected: Tensor, frame: Tensor) -> Tensor:
    """Median log2 ratio of every channel and their median absolute deviation, (C+1,), over the points."""
    usable = torch.minimum(frame, expected).amin(0) > FAINTEST
    if int(usable.sum()) < LEAST_PIXELS:
        return expected.new_full((len(expected) + 1,), torch.nan)
    return _medians(torch.log2(frame[:, usable] / expected[:, usable]))


def _of_histograms(expected: Tensor, frame: Tensor) -> Tensor:
    """The same from matched quantiles of each channel, for frames whose content has moved."""
    shares = (torch.arange(QUANTILES, dtype=frame.dtype, device=frame.device) + 0.5) / QUANTILES
    ours, theirs = (torch.quantile(x, shares, dim=1).T.clamp(min=FAINTEST) for x in (frame, expected))
    return _medians(torch.log2(ours / theirs))


def _medians(ratios: Tensor) -> Tensor:
    medians = ratios.median(1).values
    return torch.cat([medians, (ratios - medians[:, None]).abs().median()[None]])


# Red and green: one unknown, bisection


def _by_red_and_green(points: _Points, kelvin: float, tint_duv: float) -> tuple[Reading, Reading]:
    """The light change where one frame has no blue left: the other one, which has, is carried into its light."""
    no_tint = Reading(None, None, "warm light leaves no blue to tell tint from temperature")
    forward = _blue_share(points.reference) >= _blue_share(points.frame)
    colors = points.unclipped(3, 2) if forward else points.unclipped(2, 3)
    if colors is None:
        return _neither(CRUSHED)
    source, target = colors if forward else colors[::-1]

    def error(mired: float) -> tuple[float, float]:
        """log2 of red / green of the frame over what the model expects, falling with mired, and its scatter [EV]."""
        lights = (1e6 / mired, kelvin) if forward else (kelvin, 1e6 / mired)
        expected = apply_matrix(source[:, :, None], white_balance_matrix(*lights, tint_duv, tint_duv))
        red, green, spread = _of_points(expected[:2, :, 0], target[:2]).tolist()
        return (red - green if forward else green - red), spread

    scale = [m for m in (COOLEST_MIRED, *STARTS_MIRED, WARMEST_MIRED) if error(m)[0] == error(m)[0]]  # where not NaN
    cool = max((m for m in scale if error(m)[0] > 0), default=None)
    warm = min((m for m in scale if cool is not None and m > cool), default=None)
    if cool is None or warm is None:
        return _neither(OUT_OF_MODEL)
    while warm - cool > 1e-3:
        middle = (cool + warm) / 2
        cool, warm = (middle, warm) if error(middle)[0] > 0 else (cool, middle)
    slope = (error(cool)[0] - error(min(cool + 5, WARMEST_MIRED))[0]) / 5
    spread = error(cool)[1]
    if spread > SAME_CONTENT_EV:
        return _neither(f"{DIFFERENT} (colors disagree by {spread:.2f} EV)")
    return Reading(cool - 1e6 / kelvin, spread / max(abs(slope), 1e-6)), no_tint


def _blue_share(color: Tensor) -> float:
    return float(color[2].mean() / color.mean())
