"""Frames as the metrics take them: one check of the input, and pairs brought to one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..camera.camera import Camera
from ..camera.colorimetry import linear_to_srgb
from ..camera.optics import zoom, zoom_step

LEAST_SIDE_PX = 64
BLACK = 4 / 255  # a frame whose brightest code is below shows nothing
CLIPPED_BELOW, CLIPPED_ABOVE = 0.003, 0.92  # linear: code 9 of 255, and 245
VALID_BELOW = 0.98  # linear
NEIGHBORHOOD_PX = 3  # that a pixel shares after `smooth` against noise
# 15 pairs of unrelated photographs correlate by up to 0.52 at this size, photographs moved by 5 % at least by 0.75.
COARSE_CELLS, COARSELY_ALIKE = 8, 0.6
LUMINANCE = (0.2126, 0.7152, 0.0722)  # of linear sRGB, ITU-R BT.709


class Pair(NamedTuple):
    """The part that two frames share, both centered.

    Args:
        reference: (3,h,w) linear light of the one, on its way through what is undone.
        frame: the same of the other.
        valid: (h,w) bool, pixels that neither frame clipped: what lies above white may be anything.
        reference_step: pixels of the frame that the reference comes from per pixel.
        frame_step: pixels of the other per pixel.
    """

    reference: Tensor
    frame: Tensor
    valid: Tensor
    reference_step: float = 1.0
    frame_step: float = 1.0

    @classmethod
    def of(cls, reference: Tensor, frame: Tensor, reference_step: float = 1.0, frame_step: float = 1.0) -> Pair:
        """The pair of two pictures (3,h,w) of linear light as they were recorded."""
        valid = torch.maximum(reference, frame).amax(0) < VALID_BELOW
        return cls(reference, frame, valid, reference_step, frame_step)


def require_frames(frames: Tensor | Sequence[Tensor], count: int) -> Tensor:
    """The frames as float32 (F,3,H,W), or a ValueError that says what is wrong with them.

    Args:
        frames: (F,3,H,W) sRGB in [0,1], or F pictures (3,H,W) of one size.
        count: number of frames of the sweep.
    """
    if not isinstance(frames, Tensor):
        sizes = sorted({tuple(frame.shape) for frame in frames})
        if len(sizes) != 1:
            shown = ", ".join(map(str, sizes)) or "none"
            raise ValueError(f"Frames of different sizes: {shown}. Give all frames one size, (3, height, width).")
        frames = torch.stack(list(frames))
    if frames.ndim != 4 or frames.shape[1] != 3 or not frames.is_floating_point():
        raise ValueError(
            f"Frames are {frames.dtype} {tuple(frames.shape)}; they must be float (frames, 3, height, width) in [0,1]. "
            "Move the channels to axis 1, drop alpha, divide 8-bit codes by 255."
        )
    if len(frames) < 2:
        raise ValueError(
            f"{len(frames)} frame: frames are measured against each other, so at least 2 are needed. Give the whole "
            "sequence as one batch."
        )
    if len(frames) != count:
        raise ValueError(
            f"{len(frames)} frames do not fit a sweep of {count} values: there must be one value per frame. Give the "
            "sweep that the frames were made with."
        )
    if min(frames.shape[2:]) < LEAST_SIDE_PX:
        raise ValueError(
            f"Frames of {frames.shape[3]} x {frames.shape[2]} pixels are too small: both sides must be at least "
            f"{LEAST_SIDE_PX} pixels. Give the frames at their full size."
        )
    frames = frames.detach().float()
    broken = [str(i + 1) for i, frame in enumerate(frames) if not bool(frame.isfinite().all())]
    if broken:
        raise ValueError(
            f"Frame(s) {', '.join(broken)} hold values that are no numbers (NaN or infinite): nothing can be measured "
            "on them. Generate them with a model and a VAE in float32, or leave them out with their values."
        )
    low, high = (float(x) for x in frames.aminmax())
    if not (low >= -1e-3 and high <= 1 + 1e-3):
        raise ValueError(f"Frames hold values from {low:g} to {high:g}; they must lie in [0,1]. Clamp or rescale them.")
    black = [i + 1 for i, frame in enumerate(frames) if float(frame.max()) < BLACK]
    if black:
        raise ValueError(
            f"Frame(s) {', '.join(map(str, black))} are black (no code reaches {BLACK * 255:.0f} of 255): nothing can "
            "be measured on them. Check that generation did not fail, or leave them out with their values."
        )
    return frames.clamp(0, 1)


def requested_zooms(cameras: Sequence[Camera]) -> tuple[float, ...]:
    """Magnification of every camera relative to the first: of the focal lengths, over the width of the sensor."""
    first = cameras[0].focal_length_mm / cameras[0].sensor.width_mm
    return tuple(camera.focal_length_mm / camera.sensor.width_mm / first for camera in cameras)


def pair_at_one_scale(reference: Tensor, frame: Tensor, reference_zoom: float, frame_zoom: float) -> Pair:
    """The common part of two pictures (3,H,W) linear light of known magnifications."""
    widest = min(frame_zoom, reference_zoom)
    steps = reference_zoom / widest, frame_zoom / widest
    views = [sampled_down(x, step) for x, step in zip((reference, frame), steps, strict=True)]
    size = [min(view.shape[axis] for view in views) for axis in (1, 2)]
    return Pair.of(center(views[0], size), center(views[1], size), *steps)


def sampled_down(image: Tensor, step: float, nearest: bool = False) -> Tensor:
    """(C,H,W) with `step` >= 1 source pixels per pixel, centered; rows and columns keep their parity."""
    if step == 1:
        return image
    _, height, width = image.shape
    rows, columns = (max(1, n - 2 * math.ceil((n - n / step) / 2 - 1e-9)) for n in (height, width))
    size = rows, columns
    # `ratio` so that the step is exact although the size was rounded.
    ratio = step / zoom_step((height, width), 1.0, size)
    sampled = zoom(image, ratio, size, nearest=nearest)
    return sampled if nearest else sampled.clamp(min=0)


def center(image: Tensor, size: Sequence[int]) -> Tensor:
    """The central part (..., h, w) of a picture whose sides differ from `size` by even numbers."""
    top, left = ((n - s) // 2 for n, s in zip(image.shape[-2:], size, strict=True))
    return image[..., top : top + size[0], left : left + size[1]]


def luminance(light: Tensor) -> Tensor:
    """Relative luminance (..., H, W) of linear sRGB (..., 3, H, W)."""
    return torch.einsum("c,...chw->...hw", light.new_tensor(LUMINANCE), light)


def away_from(bad: Tensor) -> Tensor:
    """Pixels (H,W) bool in whose neighborhood none is `bad` (H,W)."""
    return F.max_pool2d(bad.float()[None], 2 * NEIGHBORHOOD_PX + 1, 1, NEIGHBORHOOD_PX)[0] == 0


def clipped(pair: Pair) -> Tensor:
    """Pixels (H,W) bool with a channel near clipping in either frame."""
    return torch.maximum(pair.reference, pair.frame).amax(0) > CLIPPED_ABOVE


def moved_at_most(pair: Pair) -> bool:
    """Both frames may show one scene whose content has moved: light and dark lie in the same places, coarsely."""
    cell = max(pair.frame.shape[1:]) // COARSE_CELLS
    planes = torch.stack([lightness(pair.reference), lightness(pair.frame)])
    return float(torch.corrcoef(F.avg_pool2d(planes, cell).flatten(1))[0, 1]) >= COARSELY_ALIKE


def lightness(light: Tensor) -> Tensor:
    """sRGB code of the luminance, (...,3,H,W) -> (...,H,W)."""
    return linear_to_srgb(luminance(light))


def smooth(planes: Tensor, sigma_px: float, reach_px: int | None = None) -> Tensor:
    """Gaussian blur of (..., H, W), cut off at 3 sigma or `reach_px`; beyond the border the edge repeats."""
    reach = reach_px or math.ceil(3 * sigma_px)
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float32) / sigma_px) ** 2).to(planes)
    taps = taps / taps.sum()
    # As channels of one picture, each with its own taps: as pictures of a batch they would all be unfolded at once.
    x = planes.reshape(1, -1, *planes.shape[-2:])
    count = x.shape[1]
    x = F.conv2d(F.pad(x, (reach, reach, 0, 0), mode="replicate"), taps.expand(count, 1, 1, -1), groups=count)
    x = F.conv2d(F.pad(x, (0, 0, reach, reach), mode="replicate"), taps[:, None].expand(count, 1, -1, 1), groups=count)
    return x.reshape(planes.shape)
