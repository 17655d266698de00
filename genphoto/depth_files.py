"""Depth of a photograph, from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .camera.photo import (
    disparity_from_depth,
    disparity_from_relative,
    disparity_from_relative_distance,
    one_band,
)
from .picture_files import opened

DEPTH_KINDS = ("disparity", "distance", "metric")


def read_depth(
    path: str | Path,
    size: tuple[int, int],
    kind: str | None = None,
    near_m: float | None = None,
    far_m: float | None = None,
) -> Tensor:
    """Disparity (H,W) [1/m] of a photograph of `size` (height, width), from a grey picture or a .npy array (H,W).

    The depth must be upright, as the photograph is shown; its own EXIF orientation, if any, is applied.

    Args:
        kind: what the values mean. "disparity": larger is nearer, the largest lies at near_m (default 1 m), the
            smallest at far_m (default 1000 m). "distance": larger is farther, in proportion from near_m to far_m,
            which must both be given. "metric": distances, in meters in .npy and 32-bit float TIFF, in millimeters in
            16-bit pictures; 0 and non-finite are infinity. None is "disparity" for pictures; an array must say.

    Raises:
        ValueError: the file cannot be read, or is not a depth of this photograph.
    """
    array = _depth_array(path) if Path(path).suffix.lower() == ".npy" else _depth_picture(path)
    if array.shape != size:
        hint = "Make the depth from this photograph, or resize it with nearest neighbor."
        if array.shape == size[::-1]:
            hint = "It seems to be of the photograph before EXIF turned it upright: rotate the depth the same way."
        shapes = [" x ".join(str(n) for n in reversed(shape)) for shape in (array.shape, size)]
        raise ValueError(f"Depth {path} has {shapes[0]} pixels, the photograph {shapes[1]}. {hint}")
    if kind is None and array.dtype.kind == "f":  # every .npy, and 32-bit float TIFF
        raise ValueError(
            f"Depth {path} holds numbers of unknown meaning. Say --depth-kind metric (meters), distance or disparity."
        )
    kind = kind or "disparity"
    if kind not in DEPTH_KINDS:
        raise ValueError(f"Unknown depth kind {kind!r}. Kinds: {', '.join(DEPTH_KINDS)}.")
    values = torch.from_numpy(array.astype(np.float32))
    if kind == "metric" and (near_m, far_m) != (None, None):
        raise ValueError("Metric depth has its distances already: leave out --near and --far.")
    try:
        return _metric(values, array.dtype) if kind == "metric" else _relative(values, kind, near_m, far_m)
    except ValueError as error:
        raise ValueError(f"Depth {path}: {error}") from None


def _depth_picture(path: str | Path) -> np.ndarray:
    with opened(path) as picture:
        image = picture.upright(path)
        if image.mode in ("L", "I", "F") or image.mode.startswith("I;16"):
            return np.array(image)
        bands = np.array(image.convert("RGB"))
    try:
        return one_band(torch.from_numpy(bands).movedim(-1, 0)).numpy()
    except ValueError as error:
        raise ValueError(f"Depth {path}: {error}") from None


def _depth_array(path: str | Path) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist. Check the path.") from None
    except (OSError, ValueError, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"Depth {path} is not a NumPy array of numbers ({reason}). Save it by numpy.save.") from None
    if array.ndim != 2 or array.dtype.kind not in "iuf":
        raise ValueError(f"Depth {path} is {array.dtype} of shape {array.shape}. Save one number per pixel, (H, W).")
    return array.astype(np.float32)


def _metric(values: Tensor, dtype: np.dtype) -> Tensor:
    if dtype == np.uint8:
        raise ValueError("metric depth in millimeters needs a 16-bit picture, this one has 8 bit. Use .npy or 16 bit.")
    return disparity_from_depth(values if dtype.kind == "f" else values / 1000)


def _relative(values: Tensor, kind: str, near_m: float | None, far_m: float | None) -> Tensor:
    if kind == "disparity":
        return disparity_from_relative(values, 1.0 if near_m is None else near_m, 1000.0 if far_m is None else far_m)
    if near_m is None or far_m is None:
        raise ValueError("relative distance needs to know where it begins and ends: give --near and --far in meters.")
    return disparity_from_relative_distance(values, near_m, far_m)
