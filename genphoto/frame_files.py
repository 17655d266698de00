"""Sequences of frames from files: a folder of pictures, or an animation."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageSequence
from torch import Tensor

from .photo_files import read_photo
from .picture_files import UNREADABLE
from .sweep_files import ANIMATION, SHEET

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
ANIMATIONS = ("GIF", "WEBP", "PNG")
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
    found = [p for p in folder.iterdir() if p.suffix.lower() in PICTURES and not p.name.startswith(".")]
    found = sorted((p for p in found if not p.stem.endswith(NOT_FRAMES)), key=_numbered)
    if not found:
        raise ValueError(f"{folder} holds no pictures. Give a folder of frames ({', '.join(PICTURES)}), or a GIF.")
    return found


def merged_frames_hint(path: Path) -> str:
    """What to say of an animation some of whose frames last longer: those who write one merge equal neighbors."""
    with Image.open(path, formats=ANIMATIONS) as animation:
        durations = [_duration(frame) for frame in ImageSequence.Iterator(animation)]
    shortest = max(min(durations), 1)
    merged = [f"{number} lasts {last / shortest:.3g}" for number, last in enumerate(durations, 1) if last > shortest]
    if not merged:
        return ""
    return (
        f" Frame {', '.join(merged)} times as long as the shortest: equal neighbors were merged when {path.name} was "
        "written. Give the frames as a folder of pictures."
    )


def _duration(frame: Image.Image) -> float:
    frame.load()  # WebP tells it only then
    return frame.info.get("duration", 0)


def _numbered(path: Path) -> list[tuple[float, str]]:
    parts = re.split(r"(\d+(?:\.\d+)?)", path.stem)  # every second one is a number
    return [(float(part), "") if index % 2 else (-1, part) for index, part in enumerate(parts)] + [(-1, path.suffix)]


def _animation(path: Path) -> list[Tensor]:
    try:
        with Image.open(path, formats=ANIMATIONS) as animation:
            frames = [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(animation)]
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist. Check the path.") from None
    except (OSError, *UNREADABLE) as error:
        raise ValueError(
            f"{path} is not an animated GIF, WebP or PNG that can be read ({error}). Give one, or a folder of pictures."
        ) from None
    return [torch.from_numpy(frame).movedim(-1, 0).float() / 255 for frame in frames]
