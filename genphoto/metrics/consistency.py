"""Compensated consistency: is it the same scene once the requested camera change is undone?

A frozen sequence does not win, because the change that was asked for is applied to one side all the same; a right one
does not lose. Both frames are brought to the worse of the two in every respect: the wider view, the stronger blur,
the warmer light, the brighter exposure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..camera.camera import Camera
from ..camera.colorimetry import linear_to_srgb
from ..camera.defocus import defocus
from ..camera.optics import blur_radius_px
from .blur import BLUR_CHANGES_K, added, requested_k
from .exposure import requested_ev
from .frames import Pair, center, in_the_warmer_light, lights, pairs_at_one_scale, requested_zooms, sampled_down
from .patch_blur import blurred_as
from .ssim import ssim

CLIPPED = 0.98  # linear; what lies above may be anything
LEAST_VALID = 0.03  # of the pixels


@dataclass(frozen=True, slots=True)
class Consistency:
    """How alike the frames are after compensation, per frame (F,); the first is compared with itself.

    Args:
        ssim: structural similarity, 1 is equal.
        psnr_db: peak signal to noise ratio [dB]; None where the difference is 0. Unlike SSIM it feels brightness.
        valid: share of the picture that could be compared.
        reasons: why a frame could not be compared; None where it could.
        depth_known: blur was applied by a disparity map. Otherwise it was matched to what the frames show, so that a
            missing blur is not held against them.
    """

    ssim: tuple[float | None, ...]
    psnr_db: tuple[float | None, ...]
    valid: tuple[float, ...]
    reasons: tuple[str | None, ...]
    depth_known: bool = False

    @property
    def mean(self) -> float | None:
        """Mean SSIM of the frames after the first; None if none could be compared."""
        found = [value for value in self.ssim[1:] if value is not None]
        return sum(found) / len(found) if found else None

    @property
    def mean_psnr_db(self) -> float | None:
        """Mean PSNR [dB] of the frames after the first that differ at all."""
        found = [value for value in self.psnr_db[1:] if value is not None]
        return sum(found) / len(found) if found else None

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, ready for JSON."""
        return {
            "mean_ssim": self.mean,
            "mean_psnr_db": self.mean_psnr_db,
            "ssim": list(self.ssim),
            "psnr_db": list(self.psnr_db),
            "valid": list(self.valid),
            "reasons": list(self.reasons),
            "depth_known": self.depth_known,
        }


def compensated_consistency(
    frames: Tensor, cameras: Sequence[Camera], disparity: Tensor | None = None, dial: bool = False
) -> Consistency:
    """Compare every frame (F,3,H,W) sRGB with the first after undoing what the cameras change.

    Args:
        disparity: (H,W) [1/m] of what the first frame shows: blur is then rendered as requested.
        dial: the cameras' color temperatures are those of their white-balance dials.
    """
    scores = []
    for first, second, valid in compensated_pairs(frames, cameras, disparity, dial):
        share = float(valid.float().mean())
        score = ssim(first, second, valid) if share >= LEAST_VALID else None
        if score is None:
            scores.append((None, None, share, "too little is neither clipped nor outside the other frame"))
            continue
        error = float((first - second).square().mean(0)[valid].mean())
        scores.append((score, -10 * math.log10(error) if error > 0 else None, share, None))
    return Consistency(*zip(*scores, strict=True), depth_known=disparity is not None)


def compensated_pairs(
    frames: Tensor, cameras: Sequence[Camera], disparity: Tensor | None = None, dial: bool = False
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """(first frame, frame, valid) sRGB (3,h,w), (3,h,w), (h,w) for every frame, alike if the sequence obeys."""
    frame_px = max(frames.shape[2:])
    stops, k = requested_ev(cameras), requested_k(cameras)
    pairs = pairs_at_one_scale(frames, requested_zooms(cameras))
    result = []
    for camera, pair, ev, blur in zip(cameras, pairs, stops, k, strict=True):
        valid = torch.maximum(pair.reference, pair.frame).amax(0) < CLIPPED
        if abs(blur - k[0]) >= BLUR_CHANGES_K:
            pair = _equally_blurred(pair, camera, cameras[0], disparity, frame_px)
        first, second = _equally_lit(pair, *lights(cameras[0], camera, dial), ev)
        result.append((linear_to_srgb(first.clamp(0, 1)), linear_to_srgb(second.clamp(0, 1)), valid))
    return result


def _equally_lit(pair: Pair, first: Camera, camera: Camera, stops: float) -> tuple[Tensor, Tensor]:
    """Both in the warmer light and at the brighter exposure of the two.

    Dark pictures all look alike to SSIM, and what the brighter exposure clips has been left out before.
    """
    brighter = pair._replace(reference=pair.reference * 2 ** max(stops, 0.0), frame=pair.frame * 2 ** max(-stops, 0.0))
    lit = in_the_warmer_light(brighter, first, camera)
    return lit.reference, lit.frame


def _equally_blurred(pair: Pair, camera: Camera, first: Camera, disparity: Tensor | None, frame_px: int) -> Pair:
    """The sharper of both blurred like the other: as the depth demands, or as the frames show."""
    if disparity is None:
        return blurred_as(pair)
    seen = center(sampled_down(disparity.float()[None], pair.reference_step, nearest=True)[0], pair.frame.shape[1:])
    radius = added(
        blur_radius_px(seen, camera, frame_px) / pair.frame_step,
        blur_radius_px(seen, first, frame_px) / pair.reference_step,
    )
    reference = defocus(pair.reference, radius.clamp(min=0)) if bool((radius > 0).any()) else pair.reference
    frame = defocus(pair.frame, -radius.clamp(max=0)) if bool((radius < 0).any()) else pair.frame
    return pair._replace(reference=reference, frame=frame)
