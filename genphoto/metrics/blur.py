"""Blur: how the blur of a sequence follows the aperture that was asked for, relative to its sharpest frame.

Radii of successive blurs add as squares, so the blur that a frame of radius R has gained over one of radius R_ref is
sign sqrt(|R^2 - R_ref^2|), below 0 where the frame is the sharper one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..camera.camera import Camera
from ..camera.optics import blur_parameter, blur_radius_px
from .frames import Pair, center, sampled_down
from .measurement import NO_CHANGE, Measurement, Reading
from .patch_blur import PatchBlur, patch_means, patch_radii, patch_ranges

LEAST_PATCHES = 6
# Of the textured patches of blurred photographs at least 0.84 were measurable, of 60 pairs of unrelated ones 0.23.
LEAST_SHARE = 0.3
BLUR_CHANGES_K = 1.0  # a smaller change of the blur parameter asks for no visible blur
ROUNDS = 8  # of the factorization
NOTICED_PX = 1.0  # a smaller blur is not told from none where patches are picked
DEPTH_STEP_PX, DEPTH_STEP_SHARE = 0.75, 0.08  # range of the expected radius in a patch of one depth, at most
NO_DEPTH = "without depth, blur cannot be compared between zooms: give a disparity map of the first frame"


def sharpest(cameras: Sequence[Camera]) -> int:
    """Index of the frame for which the sweep asks the least blur."""
    return int(np.argmin([blur_parameter(camera) for camera in cameras]))


def added(radius, present):
    """Blur that leads from radius `present` to `radius`, numbers or tensors; below 0 where it has to be taken away."""
    difference = radius**2 - present**2
    return (1 - 2 * (difference < 0)) * abs(difference) ** 0.5


def requested_k(cameras: Sequence[Camera]) -> tuple[float, ...]:
    """Blur parameter K that every camera adds to that of the sharpest."""
    k = [blur_parameter(camera) for camera in cameras]
    return tuple(float(added(value, min(k))) for value in k)


def measure_blur(
    pairs: Sequence[Pair], cameras: Sequence[Camera], disparity: Tensor | None = None, frame_px: int | None = None
) -> Measurement:
    """Blur added since the sharpest requested frame.

    With a disparity map: radius [px], root mean square over the patches. Without: blur parameter K, up to one factor
    fitted to the request, because the depth of each patch is unknown. Without, where no change of blur is asked for:
    the median radius [px], which should be 0.

    Args:
        pairs: every frame beside the sharpest requested one.
        disparity: (H,W) [1/m] of what that one shows.
        frame_px: longer side of the frames [px]; of the reference picture when None.
    """
    reference = sharpest(cameras)
    found = [patch_radii(pair) for pair in pairs]
    if disparity is None:
        if max(requested_k(cameras)) < BLUR_CHANGES_K:
            return Measurement.of("blur", "px", [0.0] * len(pairs), [_typical(f) for f in found], reference=reference)
        if len({f.radius.shape for f in found}) > 1:
            readings = [NO_CHANGE if i == reference else Reading(None, None, NO_DEPTH) for i in range(len(pairs))]
            return Measurement.of("blur", "K", requested_k(cameras), readings, reference=reference, scaled=False)
        return _against_k(found, requested_k(cameras), reference)
    frame_px = frame_px or max(pairs[reference].reference.shape[1:])
    requested, readings = [], []
    for index, (pair, blur) in enumerate(zip(pairs, found, strict=True)):
        expected, at_one_depth = _expected(pair, cameras[index], cameras[reference], disparity, frame_px, blur.side)
        rms, reading = (0.0, NO_CHANGE) if index == reference else _against_depth(blur, expected, at_one_depth)
        requested.append(rms)
        readings.append(reading)
    return Measurement.of("blur", "px", requested, readings, reference=reference)


def _expected(
    pair: Pair, camera: Camera, sharp: Camera, disparity: Tensor, frame_px: int, side: float
) -> tuple[Tensor, Tensor]:
    """Added blur radius [px of the pair] per patch, and which patches lie at one depth."""
    seen = sampled_down(disparity.float()[None], pair.reference_step, nearest=True)[0]
    seen = center(seen, pair.frame.shape[1:])
    blurred = blur_radius_px(seen, camera, frame_px) / pair.frame_step
    present = blur_radius_px(seen, sharp, frame_px) / pair.reference_step
    radius = added(blurred, present)
    mean, span = patch_means(radius, side), patch_ranges(radius, side)
    return mean, span <= DEPTH_STEP_PX + DEPTH_STEP_SHARE * mean.abs()


def _different(found: PatchBlur) -> Reading | None:
    """Why radii of patches are no measurement; None where they are one."""
    if not found.radius.numel():
        return Reading(None, None, "the frames share too small a part of the scene to measure blur in")
    if not bool(found.textured.any()):
        return Reading(None, None, "both frames are flat: blur would change nothing")
    if found.share >= LEAST_SHARE and int(found.known.sum()) >= LEAST_PATCHES:
        return None
    share = f"only {100 * found.share:.0f} % of the structure"
    return Reading(None, None, f"{share} resembles a blurred or sharper version of the sharpest frame")


def _typical(found: PatchBlur) -> Reading:
    """Median radius of the patches."""
    if different := _different(found):
        return different
    radius = found.radius[found.known]
    return Reading(float(radius.median()), float((radius - radius.median()).abs().median()))


def _against_depth(found: PatchBlur, expected: Tensor, at_one_depth: Tensor) -> tuple[float, Reading]:
    """The requested radius, root mean square over the measured patches, and the measured one; scatter per patch."""
    known = at_one_depth & found.known
    different = _different(found)
    if different is None and int(known.sum()) < LEAST_PATCHES:
        different = Reading(None, None, "too few patches lie at one depth each")
    if different:
        return float(expected.square().mean().sqrt()), different
    radius, expected = found.radius[known], expected[known]
    requested = float(expected.square().mean().sqrt())
    spread = float((radius - expected).abs().median())
    noticed = expected.abs() >= NOTICED_PX
    if int(noticed.sum()) < LEAST_PATCHES:
        return requested, Reading(requested + float((radius - expected).median()), spread)
    factor = _weighted_median((radius / expected)[noticed], expected[noticed].abs())
    return requested, Reading(requested * factor, spread)


def _against_k(found: Sequence[PatchBlur], requested: Sequence[float], reference: int) -> Measurement:
    """One defocus per patch times one blur per frame, fitted to all radii.

    Squares of radii: R_pi^2 - R_pr^2 = d_p^2 (K_i^2 - K_r^2), linear in what is sought, with patches p and frames i.
    """
    radius = torch.stack([blur.radius.flatten() for blur in found])
    known = radius.isfinite()
    square = torch.where(known, radius * radius.abs(), 0)
    blurred = (square.abs().amax(0) >= NOTICED_PX**2) & (known.sum(0) > len(radius) / 2)
    if int(blurred.sum()) < LEAST_PATCHES:
        # Nothing blurs: whatever the factor, the request is not followed.
        factors = spread = square.new_zeros(len(radius))
    else:
        factors, spread = _factorized(square[:, blurred], known[:, blurred])
        scale = square.new_tensor(requested).square().norm() / factors.norm().clamp(min=1e-9)
        factors, spread = factors * scale, spread * scale
    k = factors.sign() * factors.abs().sqrt()
    readings = [
        _different(blur) or Reading(float(value), float(scatter / (2 * value.abs()).clamp(min=1)))
        for blur, value, scatter in zip(found, k, spread, strict=True)
    ]
    readings[reference] = NO_CHANGE
    return Measurement.of("blur", "K", requested, readings, reference=reference, scaled=False)


def _factorized(square: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Factors (F,) of squares (F,P) = factor x patch, patch >= 0, by alternating robust fits; and their scatter."""
    weights = torch.ones_like(square[0])
    factors = _medians(square, known, weights)
    for _ in range(ROUNDS):
        norm = (factors[:, None].square() * known).sum(0).clamp(min=1e-9)
        weights = ((factors[:, None] * square).sum(0) / norm).clamp(min=1e-6)
        factors = _medians(square / weights, known, weights)
    return factors, _medians((square / weights - factors[:, None]).abs(), known, weights)


def _medians(values: Tensor, known: Tensor, weights: Tensor) -> Tensor:
    """Weighted median of every row (F,P) over what is known in it; 0 where nothing is."""
    rows = [_weighted_median(v[k], weights[k]) if bool(k.any()) else 0.0 for v, k in zip(values, known, strict=True)]
    return values.new_tensor(rows)


def _weighted_median(values: Tensor, weights: Tensor) -> float:
    order = values.argsort()
    share = weights[order].cumsum(0)
    return float(values[order][int((share >= share[-1] / 2).float().argmax())])
