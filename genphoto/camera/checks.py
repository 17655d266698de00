"""The one wording in which an input that cannot be used is refused."""

from __future__ import annotations

import math


def require_in_range(
    name: str, value: float, unit: str, low: float, high: float, advice: str = "Choose a value in that range."
) -> float:
    """`value` as a finite float in [low, high], or a ValueError that names input, value, unit, range and remedy."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not low <= number <= high:  # also refuses NaN
        unit = f" {unit}" if unit else ""
        shown = f"{number:g}{unit}" if math.isfinite(number) else repr(value)
        raise ValueError(f"{name} = {shown} is not between {low:g} and {high:g}{unit}. {advice}")
    return number
