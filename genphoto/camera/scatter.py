"""The classical circular scatter of BokehMe (Peng et al., CVPR 2022), as the released bokeh adapter saw it."""

import math

import torch
from torch import Tensor

from .progress import Progress, unreported

# tanh(-4 * 2.5) is -1 in float32: a pixel this far outside the disc [px] receives a weight of exactly 0.
SATURATED = 2.5


def scatter(image: Tensor, radius_px: Tensor, *, on_progress: Progress = unreported) -> Tensor:
    """Spread every pixel of `image` (C,H,W) over a soft disc of radius |radius_px| (H,W) and normalize, -> (C,H,W).

    A source of radius r adds to every neighbor within int(r) + 1 px in x and y with the weight
    (0.5 + 0.5 tanh(4 (r - distance))) / (r^2 + 0.2). Nothing knows about occlusion, and r = 0 still leaks 0.07 %
    into each direct neighbor: this is the training data of the released weights, not a model of a lens.

    Computed in float32 on the image's device. `on_progress` gets the finished fraction and may raise to cancel.
    """
    height, width = image.shape[-2:]
    if radius_px.shape != (height, width):
        raise ValueError(f"radius_px must be (H,W) = {(height, width)} like the image, got {tuple(radius_px.shape)}")
    if not torch.isfinite(radius_px).all():
        raise ValueError("radius_px [px] contains NaN or infinity; check the disparity map it was made from")

    radius = radius_px.to(image.device, torch.float32).abs()
    reach = radius.int() + 1
    disc_area = radius * radius + 0.2
    source = torch.cat([image.float(), torch.ones_like(radius)[None]])
    total = torch.zeros_like(source)

    rings = _rings(radius.max().item(), max(height, width) - 1)
    finished, offsets = 0, sum(len(ring) for ring in rings)
    for ring in rings:
        # Summed ring by ring: thousands of float32 additions into one number drift by 3e-6, these by less than 1e-6.
        partial = torch.zeros_like(source)
        for far, near in ring:
            weight = (0.5 + 0.5 * torch.tanh(4 * (radius - math.hypot(far, near)))) / disc_area
            weighted = source * (weight * (reach >= far))
            for dy, dx in _mirrored(far, near):
                if abs(dy) < height and abs(dx) < width:
                    _window(partial, dy, dx).add_(_window(weighted, -dy, -dx))
            finished += 1
            on_progress(finished / offsets)
        total += partial
    return (total[:-1] / total[-1]).to(image.dtype)


def _rings(max_radius: float, max_shift: int) -> list[list[tuple[int, int]]]:
    """Offsets (far, near), far >= near >= 0, that some source reaches with a weight above 0; one list for each far."""
    extent = min(int(max_radius) + 1, max_shift)
    return [
        [(far, near) for near in range(far + 1) if math.hypot(far, near) <= max_radius + SATURATED]
        for far in range(extent + 1)
    ]


def _mirrored(far: int, near: int) -> list[tuple[int, int]]:
    """The 1, 4 or 8 offsets (dy, dx) that share one distance, and so one weight."""
    signed = {(sy * far, sx * near) for sy in (-1, 1) for sx in (-1, 1)}
    return sorted(signed | {(dx, dy) for dy, dx in signed})


def _window(planes: Tensor, dy: int, dx: int) -> Tensor:
    """The part of `planes` (C,H,W) that stays inside the frame when it is the target of a shift by (dy, dx)."""
    height, width = planes.shape[-2:]
    return planes[:, max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]
