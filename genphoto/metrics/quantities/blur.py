"""Blur: how the blur of a sequence follows the aperture that was asked for, relative to its sharpest frame.

Radii of successive blurs add as squares, so the blur that a frame of radius R has gained over one of radius R_ref is
sign sqrt(|R^2 - R_ref^2|), below 0 where the frame is the sharper one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from ...camera.camera import Camera
from ...camera.defocus import defocus
from ...camera.optics import blur_parameter, blur_radius_px
from ...camera.progress import Progress
from ..frames import Pair, center, requested_zooms, sampled_down
from ..measurement import NO_CHANGE, Measurement, Reading
from ..patch_blur import NOTICED_PX, PatchBlur, blurred_as, patch_means, patch_radii, patch_ranges
from ..progress import reported
from ..quantity import Quantity
from ..sequence import FrameSequence

LEAST_PATCHES = 6
# Of the textured patches of blurred photographs at least 0.84 were measurable, of 60 pairs of unrelated ones 0.23.
LEAST_SHARE = 0.3
BLUR_CHANGES_K = 1.0  # a smaller change of the blur parameter asks for no visible blur
ROUNDS = 8  # of the factorization
DEPTH_STEP_PX, DEPTH_STEP_SHARE = 0.75, 0.08  # range of the expected radius in a patch of one depth, at most
NO_DEPTH = "without depth, blur cannot be compared between zooms: give a disparity map of the first frame"

Radius = TypeVar("Radius", float, Tensor)


def sharpest(cameras: Sequence[Camera]) -> int:
    """Index of the frame for which the sweep asks the least blur."""
    return int(np.argmin([blur_parameter(camera) for camera in cameras]))


def added(radius: Radius, present: Radius) -> Radius:
    """Blur that leads from radius `present` to `radius`; below 0 where it has to be taken away."""
    difference = radius**2 - present**2
    return (1 - 2 * (difference < 0)) * abs(difference) ** 0.5


def requested_k(cameras: Sequence[Camera]) -> tuple[float, ...]:
    """Blur parameter K that every camera adds to that of the sharpest."""
    k = [blur_parameter(camera) for camera in cameras]
    return tuple(float(added(value, min(k))) for value in k)


def measure_blur(sequence: FrameSequence, progress: Progress) -> Measurement:
    """Blur added since the sharpest requested frame.

    With a disparity map: radius [px], root mean square over the patches. Without: blur parameter K, up to one factor
    fitted to the request, because the depth of each patch is unknown. Without, where no change of blur is asked for:
    the median radius [px], which should be 0.
    """
    cameras, disparity = sequence.cameras, sequence.disparity
    requested, reference, zooms = requested_k(cameras), sharpest(cameras), requested_zooms(cameras)
    if disparity is None and len(set(zooms)) == 1 and max(requested) >= BLUR_CHANGES_K:
        # One depth per patch is fitted over all frames, for which all must have the same patches.
        sequence = replace(sequence, zooms=zooms)
    if sequence.zooms[reference] != 1:
        disparity = None  # it is that of the first frame, which shows another part of the scene
    frames = range(len(cameras))
    blurs = [patch_radii(sequence.pair(index, reference)) for index in reported(frames, progress)]
    if disparity is not None:
        return _against_disparity(blurs, sequence, disparity, reference)
    if max(requested) < BLUR_CHANGES_K:
        readings = [_typical(blur) for blur in blurs]
        return Measurement.of(BLUR.name, "px", [0.0] * len(blurs), readings, reference=reference)
    if len({blur.radius.shape for blur in blurs}) > 1:
        readings = [NO_CHANGE if index == reference else Reading(None, None, NO_DEPTH) for index in frames]
        return Measurement.of(BLUR.name, BLUR.unit, requested, readings, reference=reference, scaled=False)
    return _against_k(blurs, requested, reference)


def _against_disparity(
    blurs: Sequence[PatchBlur], sequence: FrameSequence, disparity: Tensor, reference: int
) -> Measurement:
    """Radii [px] beside those that the depth of the patches demands."""
    requested, readings = [], []
    for index, blur in enumerate(blurs):
        pair, sharp = sequence.pair(index, reference), sequence.cameras[reference]
        radius = _added_radius_px(pair, sharp, sequence.cameras[index], disparity, sequence.frame_px)
        expected, span = patch_means(radius, blur.side), patch_ranges(radius, blur.side)
        at_one_depth = span <= DEPTH_STEP_PX + DEPTH_STEP_SHARE * expected.abs()
        rms, reading = (0.0, NO_CHANGE) if index == reference else _against_depth(blur, expected, at_one_depth)
        requested.append(rms)
        readings.append(reading)
    return Measurement.of(BLUR.name, "px", requested, readings, reference=reference)


def _added_radius_px(pair: Pair, first: Camera, camera: Camera, disparity: Tensor, frame_px: int) -> Tensor:
    """Blur radius (h,w) that the frame adds to the reference [px of the pair], by the disparity of the reference."""
    seen = sampled_down(disparity[None], pair.reference_step, nearest=True)[0]
    seen = center(seen, pair.frame.shape[1:])
    blurred = blur_radius_px(seen, camera, frame_px) / pair.frame_step
    return added(blurred, blur_radius_px(seen, first, frame_px) / pair.reference_step)


def _different(blur: PatchBlur) -> Reading | None:
    """Why radii of patches are no measurement; None where they are one."""
    if not blur.radius.numel():
        return Reading(None, None, "the frames share too small a part of the scene to measure blur in")
    if not bool(blur.textured.any()):
        return Reading(None, None, "both frames are flat: blur would change nothing")
    if blur.share >= LEAST_SHARE and int(blur.known.sum()) >= LEAST_PATCHES:
        return None
    share = f"only {100 * blur.share:.0f} % of the structure"
    return Reading(None, None, f"{share} resembles a blurred or sharper version of the sharpest frame")


def _typical(blur: PatchBlur) -> Reading:
    """Median radius of the patches."""
    if different := _different(blur):
        return different
    radius = blur.radius[blur.known]
    return Reading(float(radius.median()), float((radius - radius.median()).abs().median()))


def _against_depth(blur: PatchBlur, expected: Tensor, at_one_depth: Tensor) -> tuple[float, Reading]:
    """The requested radius, root mean square over the measured patches, and the measured one; scatter per patch."""
    known = at_one_depth & blur.known
    different = _different(blur)
    if different is None and int(known.sum()) < LEAST_PATCHES:
        different = Reading(None, None, "too few patches lie at one depth each")
    if different:
        return float(expected.square().mean().sqrt()), different
    radius, expected = blur.radius[known], expected[known]
    requested = float(expected.square().mean().sqrt())
    spread = float((radius - expected).abs().median())
    noticed = expected.abs() >= NOTICED_PX
    if int(noticed.sum()) < LEAST_PATCHES:
        return requested, Reading(requested + float((radius - expected).median()), spread)
    factor = _weighted_median((radius / expected)[noticed], expected[noticed].abs())
    return requested, Reading(requested * factor, spread)


def _against_k(blurs: Sequence[PatchBlur], requested: Sequence[float], reference: int) -> Measurement:
    """One defocus per patch times one blur per frame, fitted to all radii.

    Squares of radii: R_pi^2 - R_pr^2 = d_p^2 (K_i^2 - K_r^2), linear in what is sought, with patches p and frames i.
    """
    radius = torch.stack([blur.radius.flatten() for blur in blurs])
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
        for blur, value, scatter in zip(blurs, k, spread, strict=True)
    ]
    readings[reference] = NO_CHANGE
    return Measurement.of(BLUR.name, BLUR.unit, requested, readings, reference=reference, scaled=False)


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


def _at_the_stronger_blur(pair: Pair, first: Camera, camera: Camera, sequence: FrameSequence) -> Pair:
    """The sharper of both blurred like the other: as the depth demands, or as the frames show."""
    least = min(map(blur_parameter, sequence.cameras))
    present, blurred = (added(blur_parameter(each), least) for each in (first, camera))
    if abs(blurred - present) < BLUR_CHANGES_K:
        return pair
    if sequence.disparity is None:
        return blurred_as(pair)
    radius = _added_radius_px(pair, first, camera, sequence.disparity, sequence.frame_px)
    reference = defocus(pair.reference, radius.clamp(min=0)) if bool((radius > 0).any()) else pair.reference
    frame = defocus(pair.frame, -radius.clamp(max=0)) if bool((radius < 0).any()) else pair.frame
    return pair._replace(reference=reference, frame=frame)


BLUR = Quantity(
    name="blur",
    unit="K",
    stages=("lens",),
    requested=requested_k,
    noticeable=BLUR_CHANGES_K,
    measure=measure_blur,
    undo=_at_the_stronger_blur,
    pixelwise=False,
)
