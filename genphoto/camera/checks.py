"""The one wording in which an input that cannot be used is refused."""

from __future__ import annotations

import math

LONGEST_SHOWN = 60


def require_in_range(
    name: str, value: float, unit: str, low: float, high: float, advice: str = "Choose a value in that range."
) -> float:
    """`value` as a finite float in [low, high], or a ValueError that names input, value, unit, range and remedy."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not low <= number <= high:  # also refuses NaN
        unit = f" {unit}" if unit else ""
        given = f"{number:g}{unit}" if math.isfinite(number) else shown(value)
        raise ValueError(f"{name} = {given} is not between {low:g} and {high:g}{unit}. {advice}")
    return number


def shown(value: object) -> str:
    """What was given in its place, in at most 60 characters; the digits of an endless number are not printed."""
    text = f"a number of {value.bit_length()} bits" if isinstance(value, int) else repr(value)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "..."
