"""Compensated consistency: is it the same scene once the requested camera change is undone?

A frozen sequence does not win, because the change that was asked for is applied to one side all the same; a right one
does not lose. Both frames are brought to the worse of the two in every respect: the wider view, the stronger blur,
the warmer light, the brighter exposure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..camera.colorimetry import linear_to_srgb
from ..camera.progress import Progress, unreported
from .progress import reported
from .quantity import undone
from .sequence import FrameSequence
from .ssim import ssim

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
        known = [value for value in self.ssim[1:] if value is not None]
        return sum(known) / len(known) if known else None

    @property
    def mean_psnr_db(self) -> float | None:
        """Mean PSNR [dB] of the frames after the first that differ at all."""
        known = [value for value in self.psnr_db[1:] if value is not None]
        return sum(known) / len(known) if known else None

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


def compensated_consistency(sequence: FrameSequence, progress: Progress = unreported) -> Consistency:
    """Compare every frame with the first after undoing what the cameras change.

    With a disparity, blur is rendered as requested.
    """
    scores: list[tuple[float | None, float | None, float, str | None]] = []
    for index in reported(range(len(sequence.cameras)), progress):
        first, second, valid = compensated_pair(sequence, index)
        share = float(valid.float().mean())
        score = ssim(first, second, valid) if share >= LEAST_VALID else None
        if score is None:
            scores.append((None, None, share, "too little is neither clipped nor outside the other frame"))
            continue
        error = float((first - second).square().mean(0)[valid].mean())
        scores.append((score, -10 * math.log10(error) if error > 0 else None, share, None))
    ssims, psnrs, shares, reasons = zip(*scores, strict=True)
    return Consistency(ssims, psnrs, shares, reasons, depth_known=sequence.disparity is not None)


def compensated_pair(sequence: FrameSequence, index: int) -> tuple[Tensor, Tensor, Tensor]:
    """(first frame, frame, valid) sRGB (3,h,w), (3,h,w), (h,w), alike if the frame obeys its camera."""
    cameras = sequence.cameras
    pair = undone(sequence.recorded(index), cameras[0], cameras[index], sequence, sequence.quantities)
    first, second = (linear_to_srgb(light.clamp(0, 1)) for light in (pair.reference, pair.frame))
    return first, second, pair.valid
