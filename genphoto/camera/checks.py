"""The one wording in which an input that cannot be used is refused, and how its value is shown."""

from __future__ import annotations

import math
import reprlib

_BRIEFLY = reprlib.Repr()
_BRIEFLY.maxstring = _BRIEFLY.maxother = _BRIEFLY.maxlong = 80


def require_in_range(
    name: str, value: float, unit: str, low: float, high: float, advice: str = "Choose a value in that range."
) -> float:
    """`value` as a finite float in [low, high], or a ValueError that names input, value, unit, range and remedy."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    except OverflowError:  # a whole number of hundreds of digits
        number = math.inf
    if not low <= number <= high:  # also refuses NaN
        unit = f" {unit}" if unit else ""
        said = f"{number:g}{unit}" if math.isfinite(number) else shown(value)
        raise ValueError(f"{name} = {said} is not between {low:g} and {high:g}{unit}. {advice}")
    return number


def shown(value: object) -> str:
    """`repr(value)`, shortened where it is long or deep."""
    if isinstance(value, int) and value.bit_length() > 400:
        return f"a whole number of {value.bit_length()} bits"
    return _BRIEFLY.repr(value)
