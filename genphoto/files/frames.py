"""Sequences of frames from files: a folder of pictures, or an animation."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageSequence
from torch import Tensor

from .photos import UNREADABLE, read_photo, without_pillows_words
from .sweeps import ANIMATION, SHEET

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
ANIMATIONS = ("GIF", "WEBP", "PNG")
ROUNDED_MS = 5  # GIF counts in hundredths of a second
NOT_FRAMES = (SHEET, Path(ANIMATION).stem)  # how the names end of what stands beside the frames in a folder of ours


def read_frames(path: str | Path) -> list[Tensor]:
    """The frames (3,H,W), float32 in [0,1], sRGB, of a folder of pictures or of an animated GIF, WebP or PNG.

    The pictures of a folder are taken in the order of the numbers in their names: frame2 comes before frame10, and
    f2.44 before f2.5.

    Raises:
        ValueError: there is nothing, or something that cannot be read.
    """
    path = Path(path)
    return [read_photo(picture) for picture in frame_files(path)] if path.is_dir() else _animation(path)


def frame_files(folder: Path) -> list[Path]:
    """The pictures of a folder in their order."""
    try:
        found = [p for p in folder.iterdir() if p.suffix.lower() in PICTURES and not p.name.startswith(".")]
    except OSError as error:
        raise ValueError(f"{folder} cannot be read: {error.strerror}. Check its rights.") from None
    found = sorted((p for p in found if not p.stem.endswith(NOT_FRAMES)), key=_numbered)
    if not found:
        raise ValueError(f"{folder} holds no pictures. Give a folder of frames ({', '.join(PICTURES)}), or a GIF.")
    return found


def merged_frames(path: str | Path, found: int, wanted: int) -> str:
    """A sentence on an animation of `found` frames that had `wanted` before equal neighbors were merged; else "".

    Writers of GIF, WebP and APNG make one frame of equal neighbors that lasts as long as they did together.
    """
    if found >= wanted or not Path(path).is_file():
        return ""
    durations_ms: list[float] = []
    with without_pillows_words(), Image.open(path, formats=ANIMATIONS) as animation:
        for frame in ImageSequence.Iterator(animation):
            frame.load()  # WebP tells the duration only then
            durations_ms.append(frame.info.get("duration", 0))
    shortest = min(durations_ms)
    counts = [round(d / shortest) if shortest else 0 for d in durations_ms]
    off_ms = [abs(d - n * shortest) - ROUNDED_MS * (n + 1) for d, n in zip(durations_ms, counts, strict=True)]
    if max(off_ms) > 0 or sum(counts) != wanted:
        return ""
    shown = ", ".join(f"{d:g}" for d in durations_ms)
    return (
        f"{path} holds {found} frames for {wanted} values, but they last {shown} ms, as {wanted} do of which equal "
        "neighbors were merged by the program that wrote it. Give the frames as a folder of pictures."
    )


def _numbered(path: Path) -> tuple[list[tuple[Decimal, str]], str]:
    parts = re.split(r"(\d+(?:[.,]\d+)?)", path.stem)
    return [(Decimal(p.replace(",", ".")), "") if i % 2 else (Decimal(-1), p) for i, p in enumerate(parts)], path.name


def _animation(path: Path) -> list[Tensor]:
    try:
        with without_pillows_words(), Image.open(path, formats=ANIMATIONS) as animation:
            frames = [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(animation)]
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist. Check the path.") from None
    except (OSError, *UNREADABLE) as error:
        raise ValueError(
            f"{path} is not an animated GIF, WebP or PNG that can be read ({error}). Give one, or a folder of pictures."
        ) from None
    return [torch.from_numpy(frame).movedim(-1, 0).float() / 255 for frame in frames]
