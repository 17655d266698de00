"""Geometrical optics: field of view, zoom by crop, thin-lens depth of field, exposure in stops."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .camera import Camera

# Blur parameter K of BokehMe and of the released adapters: blur radius [px] of a point at 1 m, relative to one at
# infinity, in a frame of the released adapters' width.
K_FRAME_WIDTH_PX = 384
K_NEAR_M = 1.0

# How far below the darkest of its neighbors, as a share of it, resampled light may fall. The cubic kernel's own
# undershoot beside a bright edge is black in a dark grey: codes are far apart there.
UNDERSHOOT = 0.2


def angle_of_view_rad(side_mm: float, focal_mm: float) -> float:
    """Angle of view [rad] of a rectilinear lens focused at infinity, 2 atan(side / 2f)."""
    return 2 * math.atan(side_mm / (2 * focal_mm))


def image_distance_mm(camera: Camera) -> float:
    """Distance from the thin lens to the sensor [mm] when focused, v = f s / (s - f)."""
    subject_mm = camera.focus_distance_m * 1000
    return camera.focal_length_mm * subject_mm / (subject_mm - camera.focal_length_mm)


def blur_slope_px_m(camera: Camera, frame_px: float) -> float:
    """Blur radius [px] gained per dioptre of defocus: R = slope * (1/z - 1/s), z and s in metres.

    Thin lens: (f / 2N) * v * frame_px / sensor width. `frame_px` is the frame's longer side and lies along the
    sensor's width.
    """
    lens_radius_mm = camera.focal_length_mm / (2 * camera.f_number)
    return lens_radius_mm * image_distance_mm(camera) / 1000 * frame_px / camera.sensor.width_mm


def blur_radius_px(disparity: Tensor, camera: Camera, frame_px: float) -> Tensor:
    """Signed radius [px] of the circle of confusion, + nearer than the focus; `disparity` is 1/z [1/m]."""
    return blur_slope_px_m(camera, frame_px) * (disparity - 1 / camera.focus_distance_m)


def blur_parameter(camera: Camera) -> float:
    """The blur parameter K of a camera (see K_NEAR_M): inversely proportional to the f-number."""
    return blur_slope_px_m(camera, K_FRAME_WIDTH_PX) / K_NEAR_M


def f_number_of_blur_parameter(camera: Camera, k: float) -> float:
    """The f-number at which this camera's lens has blur parameter `k`."""
    return blur_parameter(camera) * camera.f_number / k


def light_ev(camera: Camera, reference: Camera) -> float:
    """Light on the sensor [EV] relative to the reference: shutter and f-number, not ISO."""
    return math.log2(camera.exposure_time_s / reference.exposure_time_s) - 2 * math.log2(
        camera.f_number / reference.f_number
    )


def crop_ratio(camera: Camera, taken_with: Camera) -> float:
    """The share of the photograph's width that `camera` sees, f_base / f: exact for rectilinear lenses.

    The photograph was taken with `taken_with`. Focus breathing is left out: the ratio is of focal lengths. A smaller
    sensor of the same lens crops further.

    Raises:
        ValueError: if the camera would see more than the photograph holds.
    """
    widest_mm = taken_with.focal_length_mm * camera.sensor.width_mm / taken_with.sensor.width_mm
    ratio = widest_mm / camera.focal_length_mm
    if ratio > 1 + 1e-9:
        raise ValueError(
            f"Focal length {camera.focal_length_mm:g} mm sees more than the photograph holds, which was taken at "
            f"{taken_with.focal_length_mm:g} mm. The widest possible here is {widest_mm:g} mm: start the sweep there, "
            "or set the focal length at which the photograph was really taken."
        )
    return 1.0 if ratio > 1 - 1e-9 else ratio


def _keys(x: Tensor) -> Tensor:
    """Keys' cubic convolution kernel, a = -1/2 (1981): third order, exactly 1 at 0 and 0 at other integers."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


def _resample_axis(x: Tensor, dim: int, length: int, step: float, nearest: bool) -> Tensor:
    """`length` samples, `step` source pixels apart, about the center of axis `dim`; antialiased where step > 1."""
    size = x.shape[dim]
    center = (torch.arange(length, dtype=torch.float64) - (length - 1) / 2) * step + (size - 1) / 2
    if nearest:
        return x.index_select(dim, (center + 0.5).floor().long().clamp(0, size - 1).to(x.device))
    width = max(step, 1.0)
    first = (center - 2 * width).floor().long() + 1
    taps = first[:, None] + torch.arange(math.ceil(4 * width))
    distance = (taps - center[:, None]) / width
    weights, is_near = _keys(distance), distance.abs() < 1
    weights = (weights / weights.sum(1, keepdim=True)).to(x.dtype).to(x.device)
    taps = taps.clamp(0, size - 1).to(x.device)
    shape = [1] * x.ndim
    shape[dim] = length
    out, darkest = x.new_zeros(()), x.new_full((), math.inf)
    for k in range(taps.shape[1]):  # a tap at a time: peak memory is a few pictures whatever the kernel width
        tap = x.index_select(dim, taps[:, k])
        out = out + tap * weights[:, k].view(shape)
        if is_near[:, k].any():  # known on the CPU: half of the taps of an enlargement are not
            darkest = torch.minimum(darkest, torch.where(is_near[:, k].view(shape).to(x.device), tap, math.inf))
    return torch.maximum(out, darkest - UNDERSHOOT * darkest.abs())


def zoom_step(source: tuple[int, int], ratio: float, size: tuple[int, int]) -> float:
    """Source pixels per pixel of the result, when the central `ratio` of a (height, width) source fills `size`."""
    return ratio * min(source[0] / size[0], source[1] / size[1])


def zoom(
    image: Tensor, ratio: float, size: tuple[int, int], *, margin: tuple[int, int] = (0, 0), nearest: bool = False
) -> Tensor:
    """The central `ratio` of a picture, resampled to `size`: one continuous, centered, isotropic affine map.

    In linear light, so that a light keeps its energy; without the dark halos of that, see UNDERSHOOT.

    Args:
        image: (C,H,W).
        ratio: share of the source that is kept, > 0; of the side that limits when the aspects differ.
        size: (height, width) of the result.
        margin: rows and columns added on each side of the result; beyond the source its edge repeats.
        nearest: nearest neighbor in place of antialiased bicubic, for depth: no invented in-between depths.
    """
    height, width = image.shape[-2:]
    step = zoom_step((height, width), ratio, size)
    rows = _resample_axis(image, -2, size[0] + 2 * margin[0], step, nearest)
    return _resample_axis(rows, -1, size[1] + 2 * margin[1], step, nearest)
