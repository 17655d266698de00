"""Blur radius patch by patch: which disc turns the sharper of two frames into the other.

The sharper frame is blurred by a stack of discs, in linear light as a lens does; the disc that comes closest is the
radius. Both directions are tried: a frame that is sharper than the reference has a radius below 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..camera.aperture import Aperture, iris_kernel
from ..camera.colorimetry import linear_to_srgb
from .exposure_change import exposure_change
from .frames import Pair, luminance, sampled_down, smooth

WORKING_SIDE_PX = 384
PATCH_PX = 16
NOISE_BLUR_PX = 0.7  # of both frames alike, so that the discs between them stay
STEP_PX, GROWTH = 0.5, 1.1  # between the radii of the stack
LARGEST_SHARE = 1 / 6  # of the shorter side
LEAST_DIP = 0.15  # smallest squared error of a patch over the median of its stack, at most: docs/OPTICS.md
FLAT = 1 / 255  # root mean square change [sRGB] of a patch under typical blur, below which it is flat
NOTICED_PX = 1.0  # a smaller blur is not told from none where patches are picked
CIRCLE = Aperture()


class PatchBlur(NamedTuple):
    """What blur explains the difference of two frames, patch by patch.

    Args:
        radius: (rows, columns) by which the frame is blurrier than the reference [px of the pair]; NaN where a patch is
            flat, or no blur of one frame resembles the other.
        textured: (rows, columns) bool, the patches that blur could change at all.
        side: of a patch [px of the pair].
    """

    radius: Tensor
    textured: Tensor
    side: float

    @property
    def known(self) -> Tensor:
        """Patches (rows, columns) bool with a radius."""
        return self.radius.isfinite()

    @property
    def share(self) -> float:
        """Share of the textured patches with a radius: how much of the frame is a blurred version of the reference."""
        return float(self.known.sum()) / max(float(self.textured.sum()), 1.0)


def patch_radii(pair: Pair) -> PatchBlur:
    """Blur radius of every patch of the frame over the reference, once their brightness is matched."""
    step = max(1.0, max(pair.frame.shape[1:]) / WORKING_SIDE_PX)
    reference, frame = (sampled_down(luminance(x)[None], step)[0] for x in (pair.reference, pair.frame))
    frame = frame * 2 ** -(exposure_change(pair).value or 0.0)
    sharp = torch.stack([reference, frame])
    radii = _radii(LARGEST_SHARE * min(frame.shape))
    targets = _coded(sharp.flip(0))
    errors = [_patches((_coded(blurred) - targets).square()) for blurred in _blurred(sharp, radii)]
    forward, backward = torch.stack(errors, 1)
    # Radii from the largest below 0, through 0 once, to the largest above.
    stack = torch.cat([backward.flip(0)[:-1], forward])
    axis = torch.tensor([-r for r in radii[:0:-1]] + radii).to(stack)
    best = stack.argmin(0)
    inner = (best > 0) & (best < len(axis) - 1)
    typical = stack.median(0).values
    textured = typical > FLAT**2
    radius = _vertex(axis, stack, best.clamp(1, len(axis) - 2))
    clear = inner & textured & (stack.min(0).values < LEAST_DIP * typical)
    return PatchBlur(torch.where(clear, radius * step, torch.nan), textured, PATCH_PX * step)


def patch_means(plane: Tensor, side: float) -> Tensor:
    """Means (rows, columns) of a map (H,W) over the patches of `patch_radii`."""
    step = side / PATCH_PX
    return _patches(sampled_down(plane[None], step, nearest=True))[0]


def patch_ranges(plane: Tensor, side: float) -> Tensor:
    """Largest less smallest value of a map (H,W) in each patch, (rows, columns)."""
    x = sampled_down(plane[None], side / PATCH_PX, nearest=True)
    if not _holds_patches(x):
        return x.new_zeros(0, 0)
    return (F.max_pool2d(x, PATCH_PX) + F.max_pool2d(-x, PATCH_PX))[0]


def _radii(largest: float) -> list[float]:
    radii = [0.0]
    while radii[-1] < largest:
        radii.append(max(radii[-1] + STEP_PX, radii[-1] * GROWTH))
    return radii


def _blurred(planes: Tensor, radii: list[float]) -> Iterator[Tensor]:
    """The planes (N,H,W) behind each disc in turn, normalized at the border by what is known there."""
    height, width = planes.shape[1:]
    reach = int(max(radii)) + 2
    size = [_even(n + reach) for n in (height, width)]
    spectra = torch.fft.rfft2(torch.cat([planes, torch.ones_like(planes[:1])]), s=size)
    for radius in radii:
        if radius == 0:
            yield planes
            continue
        kernel = iris_kernel(radius, CIRCLE, 0.0).to(planes)
        half = kernel.shape[0] // 2
        centered = F.pad(kernel, (0, size[1] - kernel.shape[1], 0, size[0] - kernel.shape[0])).roll(
            (-half, -half), (0, 1)
        )
        blurred = torch.fft.irfft2(spectra * torch.fft.rfft2(centered), s=size)[:, :height, :width]
        yield (blurred[:-1] / blurred[-1].clamp(min=1e-3)).clamp(min=0)


def _even(length: int) -> int:
    """A length that is a multiple of 32, at least this: quick to transform."""
    return -(-length // 32) * 32


def _coded(light: Tensor) -> Tensor:
    return linear_to_srgb(smooth(light, NOISE_BLUR_PX))


def _patches(planes: Tensor) -> Tensor:
    """Means of whole patches, (N,H,W) -> (N,rows,columns); none in a picture smaller than a patch."""
    return F.avg_pool2d(planes, PATCH_PX) if _holds_patches(planes) else planes.new_zeros(len(planes), 0, 0)


def _holds_patches(planes: Tensor) -> bool:
    return min(planes.shape[1:]) >= PATCH_PX


def _vertex(axis: Tensor, stack: Tensor, at: Tensor) -> Tensor:
    """Position of the minimum of the parabola through three neighbors of a stack (R,...) around index `at`."""
    around = at - 1, at, at + 1
    x0, x1, x2 = (axis[i] for i in around)
    y0, y1, y2 = (stack.gather(0, i[None])[0] for i in around)
    left, right = (y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1)
    curvature = ((right - left) / (x2 - x0)).clamp(min=1e-12)
    vertex = (x0 + x1) / 2 - left / (2 * curvature)
    return torch.minimum(torch.maximum(vertex, x0), x2)


def blurred_as(pair: Pair, blur: PatchBlur | None = None) -> Pair:
    """Both frames at the blur of the blurrier one, patch by patch; unknown patches stay.

    Args:
        blur: `patch_radii` of the pair, where that is known already.
    """
    blur = blur or patch_radii(pair)
    radius, side, known = blur.radius, blur.side, blur.known
    if not bool(known.any()):
        return pair
    height, width = pair.frame.shape[1:]
    # Unknown patches take the radius of what surrounds them, so that no seams arise.
    weight = smooth(known.float(), 1.0).clamp(min=1e-6)
    filled = torch.where(known, radius, smooth(radius.nan_to_num(0.0), 1.0) / weight).cpu()  # a few hundred patches
    rows, columns = (
        ((torch.arange(n) + 0.5) / side - 0.5).clamp(0, m - 1)
        for n, m in zip((height, width), radius.shape, strict=True)
    )
    grid = torch.stack(
        torch.broadcast_tensors(
            columns[None, :] * 2 / max(radius.shape[1] - 1, 1) - 1, rows[:, None] * 2 / max(radius.shape[0] - 1, 1) - 1
        ),
        -1,
    )
    per_pixel = F.grid_sample(filled[None, None], grid[None], "bilinear", "border", align_corners=True)[0, 0]
    per_pixel = per_pixel.to(pair.frame)
    return pair._replace(
        reference=_blurred_by(pair.reference, per_pixel.clamp(min=0)),
        frame=_blurred_by(pair.frame, (-per_pixel).clamp(min=0)),
    )


def _blurred_by(light: Tensor, radius: Tensor) -> Tensor:
    """(3,H,W) gathered through a disc per pixel of radius (H,W): a blend of the two nearest discs of a stack."""
    if float(radius.max()) < STEP_PX / 2:
        return light
    radii = _radii(float(radius.max()))
    result = torch.zeros_like(light)
    for i, plane in enumerate(_blurred(light, radii)):
        below = (radius - radii[i - 1]) / (radii[i] - radii[i - 1]) if i else torch.ones_like(radius)
        above = (radii[i + 1] - radius) / (radii[i + 1] - radii[i]) if i + 1 < len(radii) else torch.ones_like(radius)
        result += torch.minimum(below, above).clamp(0, 1) * plane
    return result
