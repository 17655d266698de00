"""Structural similarity of two pictures over the pixels where both are valid."""

from __future__ import annotations

import torch
from torch import Tensor

from .frames import smooth

# Wang, Bovik, Sheikh and Simoncelli 2004: 11 x 11 Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, values in [0,1].
SIGMA_PX = 1.5
WINDOW_REACH_PX = 5
C1, C2 = 0.01**2, 0.03**2
LEAST_SHARE = 0.5  # of a window that must be valid


def ssim(a: Tensor, b: Tensor, valid: Tensor | None = None) -> float | None:
    """Mean SSIM of sRGB pictures (C,H,W) in [0,1], 1 for equal ones; None if no window is valid.

    Windows lie inside the picture. Pixels that are not `valid` (H,W) bool have no weight in their windows; a window
    counts if at least half of its weight and its center are valid. Without a mask this is the published SSIM with
    population variances, channels averaged.
    """
    mask = torch.ones_like(a[0]) if valid is None else valid.to(a)
    share = _inner(smooth(mask, SIGMA_PX, WINDOW_REACH_PX))
    counted = (share >= LEAST_SHARE) & (_inner(mask) > 0)
    if not bool(counted.any()):
        return None
    planes = torch.stack([a, b, a * a, b * b, a * b]) * mask
    mean_a, mean_b, square_a, square_b, product = _inner(smooth(planes, SIGMA_PX, WINDOW_REACH_PX)) / share.clamp(
        min=1e-6
    )
    # Rounding can push the variance of a flat window slightly below 0.
    var_a, var_b = (square_a - mean_a**2).clamp(min=0), (square_b - mean_b**2).clamp(min=0)
    covariance = product - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    structure = (2 * covariance + C2) / (var_a + var_b + C2)
    return float((luminance * structure).mean(0)[counted].mean())


def _inner(planes: Tensor) -> Tensor:
    """Without the border that windows would cross."""
    r = WINDOW_REACH_PX
    return planes[..., r:-r, r:-r]
