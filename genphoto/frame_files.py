"""Sequences of frames from files: a folder of pictures, or an animation."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageSequence
from torch import Tensor

from .photo_files import UNREADABLE, read_photo, without_pillows_words
from .sweep_files import ANIMATION, SHEET

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
ANIMATIONS = ("GIF", "WEBP", "PNG")
NOT_FRAMES = (SHEET, Path(ANIMATION).stem)  # how the names end of what stands beside the frames in a folder of ours


def read_frames(path: str | Path) -> list[Tensor]:
    """The frames (3,H,W), float32 in [0,1], sRGB, of a folder of pictures or of an animated GIF, WebP or PNG.

    The pictures of a folder are taken in the order of the numbers in their names: frame2 comes before frame10.

    Raises:
        ValueError: there is nothing, or something that cannot be read.
    """
    path = Path(path)
    return [read_photo(picture) for picture in frame_files(path)] if path.is_dir() else _animation(path)


def frame_files(folder: Path) -> list[Path]:
    """The pictures of a folder in their order."""
    found = [p for p in folder.iterdir() if p.suffix.lower() in PICTURES and not p.name.startswith(".")]
    found = sorted((p for p in found if not p.stem.endswith(NOT_FRAMES)), key=_numbered)
    if not found:
        raise ValueError(f"{folder} holds no pictures. Give a folder of frames ({', '.join(PICTURES)}), or a GIF.")
    return found


def _numbered(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name)]


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
