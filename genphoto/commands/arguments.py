"""Arguments that several commands take."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from pathlib import Path

import torch

from ..camera.checks import shown
from ..camera.value_text import normalized, spellings

LARGEST_PICTURE_PX = 178_956_970  # what Pillow opens


def typed(parse: Callable[[str], object]) -> Callable[[str], object]:
    """A parser of text for argparse, whose ValueErrors become its errors."""

    def read(text: str) -> object:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def number(low: float, high: float, unit: str = "", whole: bool = False) -> Callable[[str], float]:
    """A type for argparse: a number from low to high, both included."""
    kind = "a whole number" if whole else "a number"
    expected = f"{kind} from {low:g} to {high:g}{unit and ' ' + unit}"

    def read(text: str) -> float:
        try:
            value = int(normalized(text)[:20]) if whole else _one(text, low, high)
        except ValueError:
            value = math.nan
        if not low <= value <= high:  # also refuses NaN
            raise argparse.ArgumentTypeError(f"{shown(text)} is not {expected}")
        return value

    return read


def _one(text: str, low: float, high: float) -> float:
    """The number that a text means."""
    decimal, *grouped = map(float, spellings(text))
    if grouped and low <= decimal <= high:
        raise argparse.ArgumentTypeError(
            f"{shown(text)} can be {decimal:g} or {grouped[-1]:g}: a comma before three digits is ambiguous. "
            "Write one of them."
        )
    return grouped[-1] if grouped else decimal


def file_path(text: str) -> Path:
    """A type for argparse: a path that is not empty; "" would be the folder that the command runs in."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the path is empty: give the name of a file or folder, or . for this folder")
    return Path(text)


DISTANCE_M = number(1e-3, 1e6, "m")


def picture_size(text: str) -> tuple[int, int]:
    """(height, width) [px] of WIDTHxHEIGHT."""
    match = re.fullmatch(
        r"([1-9]\d{0,4})x([1-9]\d{0,4})", normalized(text).lower().replace("\N{MULTIPLICATION SIGN}", "x")
    )
    if not match or int(match[1]) * int(match[2]) > LARGEST_PICTURE_PX:
        raise ValueError(
            f"{shown(text)} is not a size in pixels, 1 to 99999 each way and at most "
            f"{LARGEST_PICTURE_PX / 1e6:g} megapixels. Write WIDTHxHEIGHT, such as 768x512."
        )
    return int(match[2]), int(match[1])


def seed_number(text: str) -> int:
    """A seed of at most 18 digits."""
    if not re.fullmatch(r"\d{1,18}", text):
        raise ValueError(f"{shown(text)} is not a whole number of at most 18 digits. Write one, such as 7.")
    return int(text)


def chosen_device(wanted: str | None) -> str:
    """The device asked for, or the best one here."""
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    present = [name for name, available in here.items() if available]
    if wanted and wanted not in present:
        raise ValueError(f"--device {wanted} is not available here. Use {' or '.join(present)}, or leave it out.")
    return wanted or present[0]
