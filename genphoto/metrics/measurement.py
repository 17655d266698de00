"""Measurement: one quantity of a sequence, requested and measured, and what follows from the two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class Reading(NamedTuple):
    """One measured number with its scatter in the same unit, or None and why it cannot be measured; or a remark."""

    value: float | None
    spread: float | None = None
    reason: str | None = None
    remark: str | None = None


NO_CHANGE = Reading(0.0, 0.0)  # of the reference frame from itself


@dataclass(frozen=True, slots=True)
class Measurement:
    """One quantity over the frames of a sequence, relative to its reference frame.

    Args:
        quantity: what was measured, "zoom".
        unit: unit of `requested`, `measured` and `spreads`.
        requested: what the sweep asks for, per frame (F,).
        measured: what the pictures show; None where that cannot be measured.
        spreads: scatter of each measured value: of the pixels or patches that it comes from, or predicted.
        reasons: why a value is None; None where there is a value.
        reference: index of the frame that the others are measured against.
        percent: errors are quoted in percent of the request, as of ratios.
        scaled: the measured values have their own scale. False: it was fitted to the request, so only the shape of
            the response means something and there is no slope.
        remarks: what is to be known of a value, per frame; None of most.
    """

    quantity: str
    unit: str
    requested: tuple[float, ...]
    measured: tuple[float | None, ...]
    spreads: tuple[float | None, ...]
    reasons: tuple[str | None, ...]
    reference: int = 0
    percent: bool = False
    scaled: bool = True
    remarks: tuple[str | None, ...] = ()

    @classmethod
    def of(
        cls,
        quantity: str,
        unit: str,
        requested: Sequence[float],
        readings: Sequence[Reading],
        *,
        reference: int = 0,
        percent: bool = False,
        scaled: bool = True,
    ) -> Measurement:
        """The measurement of these readings, one per frame."""
        values, spreads, reasons, remarks = zip(*readings, strict=True)
        requested = tuple(map(float, requested))
        return cls(quantity, unit, requested, values, spreads, reasons, reference, percent, scaled, remarks)

    @property
    def errors(self) -> tuple[float | None, ...]:
        """Measured minus requested, per frame: in `unit`, or in percent of the request."""
        pairs = zip(self.measured, self.requested, strict=True)
        if self.percent:
            return tuple(None if m is None else 100 * (m / r - 1) for m, r in pairs)
        return tuple(None if m is None else m - r for m, r in pairs)

    @property
    def median_absolute_error(self) -> float | None:
        """Median over the frames that could be measured, without the reference frame; None if there are none."""
        errors = [abs(e) for i, e in enumerate(self.errors) if e is not None and i != self.reference]
        return float(np.median(errors)) if errors else None

    @property
    def slope(self) -> float | None:
        """Change of the measured value per requested change: 1 obeys, 0 is frozen, below 0 goes the wrong way."""
        requested, measured = self._known()
        if not self.scaled or _constant(requested):
            return None
        return float(np.polyfit(requested, measured, 1)[0])

    @property
    def linearity(self) -> float | None:
        """R^2 of a straight response; None where either side is constant or fewer than 3 frames are known."""
        requested, measured = self._known()
        if len(requested) < 3 or _constant(requested) or _constant(measured):
            return None
        return float(np.corrcoef(requested, measured)[0, 1] ** 2)

    @property
    def rank_correlation(self) -> float | None:
        """Spearman's rho: 1 where more was shown whenever more was asked for; None as for `linearity`."""
        requested, measured = self._known()
        if len(requested) < 3 or _constant(requested) or _constant(measured):
            return None
        return float(np.corrcoef(_ranks(requested), _ranks(measured))[0, 1])

    @property
    def complete(self) -> bool:
        """Every frame could be measured."""
        return None not in self.measured

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, ready for JSON."""
        return {
            "quantity": self.quantity,
            "unit": self.unit,
            "error_unit": "%" if self.percent else self.unit,
            "reference_frame": self.reference + 1,
            "requested": list(self.requested),
            "measured": list(self.measured),
            "spreads": list(self.spreads),
            "reasons": list(self.reasons),
            "remarks": list(self.remarks),
            "errors": list(self.errors),
            "median_absolute_error": self.median_absolute_error,
            "slope": self.slope,
            "linearity": self.linearity,
            "rank_correlation": self.rank_correlation,
        }

    def _known(self) -> tuple[np.ndarray, np.ndarray]:
        pairs = [(r, m) for r, m in zip(self.requested, self.measured, strict=True) if m is not None]
        requested, measured = np.array(pairs, dtype=float).reshape(-1, 2).T
        return requested, measured


def _constant(values: np.ndarray) -> bool:
    return len(values) < 2 or math.isclose(np.ptp(values), 0, abs_tol=1e-9 * max(1.0, np.abs(values).max()))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks with ties shared."""
    return (values[:, None] > values).sum(1) + (values[:, None] == values).sum(1) / 2
