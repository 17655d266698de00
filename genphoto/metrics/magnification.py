"""Magnification: how much larger a frame shows the scene than another, from its structure alone.

A search over all scales and shifts on small pictures, then registration up to full resolution. Whether the result is
a measurement or chance is decided by the strength of the match, its predicted error, and the lack of a rival.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from .frames import lightness, sampled_down
from .measurement import Reading
from .registration import START, Similarity, register, structure

SEARCH_SIDE_PX = 144  # longer side of the pictures in the search
LARGEST_SIDE_PX = 768
LARGEST_ZOOM = 4.0
SCALES_PER_OCTAVE = 12
LEAST_TEMPLATE_PX = 16  # of the closer picture's shorter side in the search
LEAST_OVERLAP = 0.6  # of the closer picture
SIGMA_PX = 1.2
CANDIDATES = 4
# 30 pairs of unrelated photographs reached 0.08 at most, 60 blurred zooms of one photograph up to 2.7 x at least 0.55.
LEAST_STRENGTH = 0.12
LARGEST_ERROR = 0.007  # predicted relative error of the scale
APART = 0.03  # relative difference of two zooms that are not the same
LARGEST_RIVAL = 0.7  # strength of the next best zoom over that of the best


class _Candidate(NamedTuple):
    """A zoom of the search: the shift of the closer picture's center in the wider one [share of its longer side]."""

    score: float
    zoom: float
    shift: tuple[float, float]


def zoom_between(reference: Tensor, frame: Tensor) -> Reading:
    """Magnification of `frame` over `reference`, both (3,H,W) linear light; its spread is the predicted error."""
    side = max(reference.shape[1:])
    small = [lightness(sampled_down(x, max(1.0, side / SEARCH_SIDE_PX))) for x in (reference, frame)]
    fits = [fit for candidate in _search(*small) if (fit := _Fit.at_search_size(reference, frame, candidate))]
    if not fits:
        return Reading(None, None, "no zoom brings the frames to a match")
    strongest = max(fit.strength for fit in fits)
    fits = [_finished(reference, frame, fit) for fit in fits if fit.strength > LARGEST_RIVAL / 2 * strongest]
    best = max(fits, key=lambda fit: fit.strength)
    error = 100 * best.scale_error
    if best.strength < LEAST_STRENGTH or best.scale_error > LARGEST_ERROR:
        reason = "the frames show different scenes or too little structure"
        return Reading(None, None, f"{reason}: the best zoom matches to {best.match:.2f}, +-{error:.1f} %")
    for other in fits:
        if abs(other.zoom / best.zoom - 1) > APART and other.strength > LARGEST_RIVAL * best.strength:
            reason = f"the structure repeats: zooms of {best.zoom:.2f} and {other.zoom:.2f} match equally well"
            return Reading(None, None, reason)
    return Reading(best.zoom, best.zoom * best.scale_error)


def _search(reference: Tensor, frame: Tensor) -> list[_Candidate]:
    """The best zooms of `frame` over `reference`, lightness (H,W), best first."""
    steps = round(SCALES_PER_OCTAVE * math.log2(LARGEST_ZOOM))
    candidates = []
    for wide, close, sign in ((reference, frame, 1), (frame, reference, -1)):
        table = _Wide.of(structure(wide, SIGMA_PX))
        for index in range(0 if sign == 1 else 1, steps + 1):
            scale = 2.0 ** (index / SCALES_PER_OCTAVE)
            if min(close.shape) / scale < LEAST_TEMPLATE_PX:
                break
            score, shift = table.best(structure(sampled_down(close[None], scale)[0], SIGMA_PX))
            candidates.append(_Candidate(score, scale**sign, shift))
    candidates.sort(key=lambda c: c.zoom)
    values = [-math.inf, *(c.score for c in candidates), -math.inf]
    peaks = [c for i, c in enumerate(candidates) if values[i + 1] >= max(values[i], values[i + 2])]
    return sorted(peaks, key=lambda c: -c.score)[:CANDIDATES]


class _Wide(NamedTuple):
    """The wider picture of a search, transformed once: its structure, the square of it, and where it is."""

    size: tuple[int, int]
    padded: tuple[int, int]
    spectra: Tensor

    @classmethod
    def of(cls, picture: Tensor) -> _Wide:
        height, width = picture.shape
        padded = height * 2, width * 2
        planes = torch.stack([picture, picture.square(), torch.ones_like(picture)])
        return cls((height, width), padded, torch.fft.rfft2(planes, s=padded))

    def best(self, template: Tensor) -> tuple[float, tuple[float, float]]:
        """The highest correlation over all shifts, times the root of the overlap, and the shift (x, y) there."""
        planes = torch.stack([template, template.square(), torch.ones_like(template)])
        own, own_square, own_present = torch.fft.rfft2(planes, s=self.padded).conj()
        picture, square, present = self.spectra
        products = torch.stack([picture * own, square * own_present, present * own_square, present * own_present])
        product, energy, own_energy, overlap = torch.fft.irfft2(products, s=self.padded)
        score = product / (energy * own_energy).clamp(min=1e-3).sqrt() * overlap.clamp(min=0).sqrt()
        score = torch.where(overlap > LEAST_OVERLAP * template.numel(), score, -math.inf)
        at = int(score.argmax())
        shift = []
        for axis, place in enumerate(divmod(at, self.padded[1])):
            place = place if place < self.size[axis] else place - self.padded[axis]
            shift.append((place + (template.shape[axis] - self.size[axis]) / 2) / max(self.size))
        return float(score.flatten()[at]), (shift[1], shift[0])


class _Fit(NamedTuple):
    """A registered zoom.

    `match` is the best correlation on any level of the pyramid: fine structure may be blurred away in one frame.
    `scale_error` is the smallest predicted relative error, and `zoom` belongs to it; `last` is where the next level
    starts, for the closer frame sampled down by `scale`.
    """

    zoom: float
    match: float
    scale_error: float
    scale: float
    last: Similarity

    @property
    def strength(self) -> float:
        """Information that the frames share, in nats per pixel of the wider: small regions match by chance."""
        return -math.log(max(1 - self.match**2, 1e-4)) * min(self.zoom, 1 / self.zoom) ** 2

    @classmethod
    def at_search_size(cls, reference: Tensor, frame: Tensor, candidate: _Candidate) -> _Fit | None:
        """A candidate after registration at the search's size; None where that fails."""
        scale = max(candidate.zoom, 1 / candidate.zoom)
        side = min(max(reference.shape[1:]), SEARCH_SIDE_PX)
        x, y = candidate.shift
        start = START._replace(shift=(x * side, y * side))
        return cls(candidate.zoom, 0.0, math.inf, scale, start).refined(reference, frame, side)

    def refined(self, reference: Tensor, frame: Tensor, side_px: int) -> _Fit | None:
        """Registered anew with frames of that longer side, from `last` in pixels of that size."""
        wide, close = (reference, frame) if self.zoom >= 1 else (frame, reference)
        step = max(wide.shape[1:]) / side_px
        wide = structure(lightness(sampled_down(wide, step)), SIGMA_PX)
        close = structure(lightness(sampled_down(close, step * self.scale)), SIGMA_PX)
        similarity = register(wide, close, self.last)
        if similarity is None:
            return None
        match = max(self.match, similarity.match)
        if similarity.scale_error >= self.scale_error:
            return self._replace(match=match, last=similarity)
        magnified = self.scale / similarity.scale
        zoom = magnified if self.zoom >= 1 else 1 / magnified
        return _Fit(zoom, match, similarity.scale_error, self.scale, similarity)


def _finished(reference: Tensor, frame: Tensor, fit: _Fit) -> _Fit:
    """The fit after the rest of the pyramid, as far up as registration succeeds."""
    sides = _levels(max(reference.shape[1:]))
    for before, side in pairwise(sides):
        x, y = fit.last.shift
        fit = fit._replace(last=fit.last._replace(shift=(x * side / before, y * side / before)))
        finer = fit.refined(reference, frame, side)
        if finer is None:
            break
        fit = finer
    return fit


def _levels(side_px: int) -> list[int]:
    """Longer sides [px] of a pyramid from the search's size to full resolution."""
    full = min(side_px, LARGEST_SIDE_PX)
    count = max(0, math.ceil(math.log2(full / SEARCH_SIDE_PX)))
    return [min(SEARCH_SIDE_PX << k, full) for k in range(count + 1)]
