"""The noise of a sweep: partly each frame's own, partly the first frame's as this frame's lens sees it."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

CHANCE = 5.0  # standard deviations of the correlation of two white noises
ALIKE = 0.9  # the most that is asked of few numbers


def sweep_noise(noise: Tensor, magnification: Tensor, own_percent: int) -> Tensor:
    """Independent white noise (S F,C,h,w) -> white noise of which the rest is what frame 1 has at the same place.

    `magnification` (S,F) is how large a frame shows things, relative to frame 1: where a lens enlarges them, it
    enlarges the noise behind them too. Every frame is white noise of unit variance for itself. The noise of an
    enlarged place is the expectation of white noise that is known by its integrals over pixels; after Chang et al.,
    How I Warped Your Noise (ICLR 2024), and the shares of PYoCo (Ge et al., ICCV 2023).
    """
    if own_percent == 100:
        return noise
    share = 1 - own_percent / 100
    frames = noise.cpu().double().unflatten(0, magnification.shape)
    rows, columns = (_seen(n, magnification.cpu().double()) for n in frames.shape[-2:])
    first = frames[:, :1]
    seen = _separably(rows, first, columns)
    (row_values, row_vectors), (column_values, column_vectors) = (
        torch.linalg.eigh(one @ one.mT) for one in (rows, columns)
    )
    left = (1 - share * row_values[..., :, None] * column_values[..., None, :]).clamp(min=0).sqrt()
    own = left[:, :, None] * _separably(row_vectors.mT, frames, column_vectors.mT)
    own = _separably(row_vectors, own, column_vectors)
    mixed = torch.cat([first, (math.sqrt(share) * seen + own)[:, 1:]], 1)
    return mixed.flatten(0, 1).to(noise.dtype).to(noise.device)


def drawn_apart(noise: Tensor, frames: int, generator: Generator) -> Tensor:
    """Noise (S F,C,h,w) in which no frame repeats the first frame of its sweep: those that do are drawn anew.

    `sweep_noise` mixes what is independent; of one noise with itself it would make more than unit variance. Frames
    without noise stay so.
    """
    directions = F.normalize(noise.float().unflatten(0, (-1, frames)).flatten(2), dim=2)
    correlation = (directions @ directions[:, :1].mT).abs()[..., 0]
    repeats = correlation > min(CHANCE * directions.shape[2] ** -0.5, ALIKE)
    repeats[:, 0] = False
    new = torch.randn(noise.shape, generator=generator).to(noise)
    return torch.where(repeats.flatten()[:, None, None, None], new, noise)


def _seen(size: int, magnification: Tensor) -> Tensor:
    """(...) -> (...,n,n): how much of every old pixel lies in a new one, for white noise of unit variance."""
    edges = torch.arange(size + 1, dtype=magnification.dtype)
    old = (edges - size / 2) / magnification[..., None] + size / 2
    start, end = old[..., :-1, None], old[..., 1:, None]
    overlap = (torch.minimum(end, edges[1:]) - torch.maximum(start, edges[:-1])).clamp(min=0)
    return overlap * magnification[..., None, None].sqrt()


def _separably(rows: Tensor, frames: Tensor, columns: Tensor) -> Tensor:
    """rows (S,F,h,h), frames (S,F or 1,C,h,w), columns (S,F,w,w) -> rows @ frames @ columns^T."""
    return rows[:, :, None] @ frames @ columns[:, :, None].mT
