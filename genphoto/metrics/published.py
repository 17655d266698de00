"""The paper's accuracy metrics exactly (Yuan et al., CVPR 2025): correlation of frame-to-frame changes.

One number per frame, differences of neighbors, Pearson's r with the same of a reference sequence. It ignores the size
and the offset of every change, and with five frames correlates four numbers: see `measure_sweep` for absolute ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ..optional_packages import BROKEN


@dataclass(frozen=True, slots=True)
class PublishedScore:
    """Pearson's r of a sequence with its reference, or None and why it is undefined.

    Args:
        correlation: the score, -1 to 1; of color temperature the mean over R, G and B.
        reason: why there is none.
        changes: changes from frame to frame of the sequence, (channels, F-1).
        reference_changes: the same of the reference.
    """

    correlation: float | None
    reason: str | None
    changes: tuple[tuple[float | None, ...], ...]
    reference_changes: tuple[tuple[float | None, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, ready for JSON."""
        return asdict(self)


def blur_degrees(frames: Tensor) -> np.ndarray:
    """Variance of the Laplacian of 8-bit gray frames, (F,3,H,W) -> (F,)."""
    return np.array([_laplacian(_gray(frame)).var() for frame in frames])


def mean_brightness(frames: Tensor) -> np.ndarray:
    """Mean of 8-bit gray frames, (F,3,H,W) -> (F,)."""
    return np.array([_gray(frame).mean() for frame in frames])


def mean_colors(frames: Tensor) -> np.ndarray:
    """Mean 8-bit R, G and B of frames, (F,3,H,W) -> (F,3)."""
    return np.array([_codes(frame).mean((0, 1)) for frame in frames])


def zoom_scales(frames: Tensor) -> list[float | None]:
    """Scale between neighboring frames by SIFT and RANSAC, (F,3,H,W) -> F-1 values; None where it is not found.

    Raises:
        ImportError: opencv is not installed.
    """
    cv2 = _opencv()
    grays = [cv2.cvtColor(_codes(frame), cv2.COLOR_RGB2GRAY) for frame in frames]
    features = [cv2.SIFT_create().detectAndCompute(gray, None) for gray in grays]
    return [_scale(cv2, *pair) for pair in pairwise(features)]


def published_scores(frames: Tensor, reference: Tensor, settings: Sequence[str]) -> dict[str, PublishedScore]:
    """The paper's score for each of the settings that it knows; frames and reference are (F,3,H,W), any sizes.

    Without OpenCV, which ComfyUI does not bring, that of the zoom is None and says so.
    """
    scores = {}
    for name in settings:
        if name in CHANGES:
            try:
                scores[name] = published_score(frames, reference, name)
            except ImportError as missing:
                scores[name] = PublishedScore(None, str(missing).rstrip("."), (), ())
    return scores


def published_score(frames: Tensor, reference: Tensor, setting: str) -> PublishedScore:
    """The paper's score of one setting: bokeh, focal_length, shutter_speed or color_temperature."""
    if setting not in CHANGES:
        raise ValueError(f"The paper has no score for {setting!r}. It scores {', '.join(CHANGES)}.")
    if len(frames) != len(reference):
        raise ValueError(
            f"{len(frames)} frames and {len(reference)} of the reference cannot be correlated. Give a reference of "
            "the same sweep."
        )
    changes, reference_changes = (tuple(map(tuple, CHANGES[setting](x))) for x in (frames, reference))
    correlations = []
    for ours, theirs in zip(changes, reference_changes, strict=True):
        reason = _undefined(ours, "the sequence") or _undefined(theirs, "the reference")
        if reason:
            return PublishedScore(None, reason, changes, reference_changes)
        correlations.append(float(np.corrcoef(np.array([ours, theirs], float))[0, 1]))
    return PublishedScore(float(np.mean(correlations)), None, changes, reference_changes)


def _undefined(changes: Sequence[float | None], whose: str) -> str | None:
    if len(changes) < 2:
        return f"{whose} has too few frames: a correlation needs at least 3"
    if None in changes:
        pairs = ", ".join(f"{i + 1} and {i + 2}" for i, change in enumerate(changes) if change is None)
        return f"no zoom was found between frames {pairs} of {whose}"
    if np.ptp(np.array(changes, float)) == 0:
        return f"every step of {whose} is equal ({changes[0]:g}): its correlation is not defined"
    return None


# What is correlated: frames -> changes of every channel

Changes = list[list[float | None]]


def _differences(per_frame: Callable[[Tensor], np.ndarray]) -> Callable[[Tensor], Changes]:
    def changes(frames: Tensor) -> Changes:
        return np.diff(per_frame(frames).reshape(len(frames), -1), axis=0).T.tolist()

    return changes


CHANGES: dict[str, Callable[[Tensor], Changes]] = {
    "bokeh": _differences(blur_degrees),
    "focal_length": lambda frames: [zoom_scales(frames)],
    "shutter_speed": _differences(mean_brightness),
    "color_temperature": _differences(mean_colors),
}


# Pixels

Features = tuple[Any, Any]  # key points of OpenCV, and their descriptors or None


def _codes(frame: Tensor) -> np.ndarray:
    """8-bit codes (H,W,3) of a frame (3,H,W) in [0,1]."""
    return (frame.detach().cpu().float().clamp(0, 1) * 255).round().byte().movedim(0, -1).numpy()


def _gray(frame: Tensor) -> np.ndarray:
    """Pillow's 8-bit luma (H,W), as float64."""
    return np.asarray(Image.fromarray(_codes(frame)).convert("L"), dtype=np.float64)


def _laplacian(gray: np.ndarray) -> np.ndarray:
    """Four neighbors less four times the pixel; the border reflects without repeating the edge, as in OpenCV."""
    x = np.pad(gray, 1, mode="reflect")
    return x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:] - 4 * gray


def _scale(cv2: Any, first: Features, second: Features) -> float | None:
    """Mean length of the rows of the similarity that RANSAC finds between two sets of SIFT features."""
    (points, descriptors), (other_points, other_descriptors) = first, second
    if descriptors is None or other_descriptors is None:
        return None
    matches = cv2.BFMatcher(cv2.NORM_L2, crossCheck=True).match(descriptors, other_descriptors)
    if len(matches) < 2:
        return None
    # The order of the matches decides which samples RANSAC draws.
    matches = sorted(matches, key=lambda match: match.distance)
    source = np.array([points[m.queryIdx].pt for m in matches], np.float32)
    target = np.array([other_points[m.trainIdx].pt for m in matches], np.float32)
    transform, _ = cv2.estimateAffinePartial2D(source, target)
    return None if transform is None else float(np.linalg.norm(transform[:, :2], axis=1).mean())


def _opencv() -> Any:
    try:
        import cv2
    except BROKEN as error:
        raise ImportError(
            "The paper's zoom score needs OpenCV (SIFT), which is not installed or cannot be imported "
            f"({' '.join(str(error).split())}): pip install opencv-python-headless. "
            "The measured zoom in percent works without it."
        ) from None
    return cv2
