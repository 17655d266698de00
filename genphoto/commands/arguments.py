"""Arguments that several commands take."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable

import torch


def typed(parse: Callable[[str], object]) -> Callable[[str], object]:
    """A parser of text for argparse, whose ValueErrors become its errors."""

    def read(text: str) -> object:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def picture_size(text: str) -> tuple[int, int]:
    """(height, width) [px] of WIDTHxHEIGHT."""
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if not match:
        raise ValueError(f"{text!r} is not a size in pixels, 1 to 99999 each way. Write WIDTHxHEIGHT, such as 768x512.")
    return int(match[2]), int(match[1])


def seed_number(text: str) -> int:
    """A seed of at most 18 digits."""
    if not re.fullmatch(r"\d{1,18}", text):
        raise ValueError(f"{text!r} is not a whole number of at most 18 digits. Write one, such as 7.")
    return int(text)


def chosen_device(wanted: str | None) -> str:
    """The device asked for, or the best one here."""
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    present = [name for name, available in here.items() if available]
    if wanted and wanted not in present:
        raise ValueError(f"--device {wanted} is not available here. Use {' or '.join(present)}, or leave it out.")
    return wanted or present[0]
