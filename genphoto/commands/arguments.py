"""Arguments that several commands take."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path

import torch

from ..camera.checks import require_in_range, shown
from ..camera.photo import FARTHEST_M, NEAREST_M
from ..camera.value_text import chosen, spellings

LONGEST_SIDE = 16384  # [px], as in ComfyUI
MOST_PIXELS = 2**27


def typed(parse: Callable[[str], object]) -> Callable[[str], object]:
    """A parser of text for argparse, whose ValueErrors become its errors."""

    def read(text: str) -> object:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def number(name: str, unit: str, low: float, high: float) -> Callable[[str], float]:
    """A parser of numbers from low to high."""

    @typed
    def read(text: str) -> float:
        try:
            found = [float(spelling) for spelling in spellings(text)]
        except ValueError:
            raise ValueError(
                f"{name} = {shown(text)} is not a number. Write one from {low:g} to {high:g} {unit}".rstrip() + "."
            ) from None
        return chosen(name, text, unit, found, (low, high))

    return read


def whole_number(name: str, low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers from low to high, which has at most 18 digits."""

    @typed
    def read(text: str) -> int:
        if not re.fullmatch(r"[-+]?\d{1,18}", text):
            raise ValueError(f"{name} = {shown(text)} is not a whole number. Write one from {low} to {high}.")
        require_in_range(name, int(text), "", low, high)
        return int(text)

    return read


@typed
def given_path(text: str) -> Path:
    """A path; an empty one would be the current folder, which nobody means by it."""
    return Path(not_empty(text))


@typed
def not_empty(text: str) -> str:
    """A name or path that is not empty."""
    if not text.strip():
        raise ValueError("it is empty. Write a path or a name.")
    return text


@typed
def picture_size(text: str) -> tuple[int, int]:
    """(height, width) [px] of WIDTHxHEIGHT."""
    match = re.fullmatch(r"([1-9]\d{0,4})[x\u00d7]([1-9]\d{0,4})", text.lower())
    height, width = (int(match[2]), int(match[1])) if match else (0, 0)
    if not 0 < max(height, width) <= LONGEST_SIDE or height * width > MOST_PIXELS:
        raise ValueError(
            f"{shown(text)} is not a size in pixels, 1 to {LONGEST_SIDE} each way and at most {MOST_PIXELS / 1e6:.0f} "
            "megapixels. Write WIDTHxHEIGHT, such as 768x512."
        )
    return height, width


seed_number = whole_number("seed", 0, 10**18 - 1)


def add_depth_range(group: argparse._ArgumentGroup) -> None:
    """Add --near and --far."""
    nearest, farthest = number("nearest distance", "m", *NEAREST_M), number("farthest distance", "m", *FARTHEST_M)
    group.add_argument("--near", type=nearest, metavar="M", help="distance of the nearest point [m] (default 1)")
    group.add_argument("--far", type=farthest, metavar="M", help="distance of the farthest point [m] (default 1000)")


def chosen_device(wanted: str | None) -> str:
    """The device asked for, or the best one here."""
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    present = [name for name, available in here.items() if available]
    if wanted and wanted not in present:
        raise ValueError(f"--device {wanted} is not available here. Use {' or '.join(present)}, or leave it out.")
    return wanted or present[0]
