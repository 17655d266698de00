"""Photographs, their depth and their EXIF, from files.

Depth of color: Pillow reads 16-bit *RGB* files as 8-bit. 16-bit grey keeps its precision, as photograph and as depth.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageCms, ImageOps
from torch import Tensor

from .camera.photo import disparity_from_depth, disparity_from_relative, disparity_from_relative_distance

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP")
DEPTH_KINDS = ("disparity", "distance", "metric")
UNREADABLE = (SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)  # Pillow's, beside OSError


def read_photo(path: str | Path) -> Tensor:
    """A photograph (3,H,W), float32 in [0,1], sRGB, upright.

    EXIF orientation is applied, an embedded color profile is converted to sRGB (without one, pixels are taken as sRGB),
    grey is repeated, transparency is laid over white, of several pictures in a file the first is read.

    Raises:
        ValueError: the file is missing, empty, damaged, not a picture, or its colors have no defined meaning.
    """
    with _opened(path) as image:
        profile = image.info.get("icc_profile")
        image = ImageOps.exif_transpose(image)
        if image.mode in ("F", "I") or (image.mode == "CMYK" and not profile):
            raise ValueError(
                f"Photograph {path} has {image.mode} pixels"
                + (" without a color profile" if image.mode == "CMYK" else " (32 bit)")
                + ": which colors they are is not defined. Save it as 8 or 16 bit sRGB."
            )
        if image.mode.startswith("I;16"):
            grey = np.asarray(image).astype(np.float32) / 65535
            if not profile:
                return torch.from_numpy(grey)[None].repeat(3, 1, 1)
            image = Image.fromarray((grey * 255).round().astype(np.uint8))  # Pillow converts profiles of 8 bit only
        alpha = None
        if image.has_transparency_data:
            image = image.convert("LA" if image.mode in ("1", "L", "LA") else "RGBA")
            alpha = image.getchannel("A")
            image = image.convert(image.mode.removesuffix("A"))
        image = _srgb(image, profile, path)
        if alpha is not None:
            image = Image.composite(image, Image.new("RGB", image.size, "white"), alpha)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float() / 255


def read_camera(path: str | Path, *, sensor_known: bool = False) -> dict[str, float]:
    """What EXIF says of how a photograph was taken, as fields of `Camera`; empty where it says nothing.

    Unless the sensor is known, the focal length is that of the full-frame camera that takes the same picture, where
    the file tells FocalLengthIn35mmFilm. The f-number is not taken: a photograph at f/1.8 is sharp all over when its
    subject is flat or far, and then nothing could be blurred any more.
    """
    with _opened(path) as image:
        tags = image.getexif().get_ifd(ExifTags.IFD.Exif)

    def number(tag: int) -> float | None:
        value = tags.get(tag)
        value = value[0] if isinstance(value, tuple) and value else value
        try:
            found = float(value)
        except (TypeError, ValueError, ZeroDivisionError):
            return None
        return found if math.isfinite(found) and found > 0 else None  # EXIF writes 0 for unknown

    equivalent_mm = None if sensor_known else number(ExifTags.Base.FocalLengthIn35mmFilm)
    found = {
        "focal_length_mm": equivalent_mm or number(ExifTags.Base.FocalLength),
        "exposure_time_s": number(ExifTags.Base.ExposureTime),
        "iso": number(ExifTags.Base.ISOSpeedRatings),
    }
    return {name: value for name, value in found.items() if value}


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


@contextmanager
def _opened(path: str | Path) -> Iterator[Image.Image]:
    """The decoded picture; every way in which a file is not one becomes a ValueError that names it."""
    try:
        if os.path.getsize(path) == 0:
            raise ValueError(f"{path} is empty (0 bytes). Copy or export it again.")
        image = Image.open(path, formats=FORMATS)
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist. Check the path.") from None
    except Image.UnidentifiedImageError:
        raise ValueError(f"{path} is not a JPEG, PNG, TIFF or WebP picture. Export it as one of these.") from None
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path} is too large to open ({error}). Reduce it.") from None
    except OSError as error:
        raise ValueError(
            f"{path} cannot be opened: {error.strerror or error}. Check the path and its rights."
        ) from None
    with image:
        try:
            image.load()
        except (OSError, *UNREADABLE) as error:
            raise ValueError(f"{path} is damaged ({error}). Copy or export it again.") from None
        yield image


def _srgb(image: Image.Image, profile: bytes | None, path: str | Path) -> Image.Image:
    if image.mode not in ("L", "RGB", "CMYK", "LAB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    if not profile:
        return image.convert("RGB")
    try:
        return ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError) as error:
        raise ValueError(
            f"Photograph {path} has a color profile that cannot be used on {image.mode} pixels ({error}). "
            "Convert it to sRGB in an image editor."
        ) from None


def _depth_picture(path: str | Path) -> np.ndarray:
    with _opened(path) as image:
        image = ImageOps.exif_transpose(image)
        if image.mode in ("L", "I", "F") or image.mode.startswith("I;16"):
            return np.array(image)
        bands = np.array(image.convert("RGB"))
    if (bands != bands[..., :1]).any():
        raise ValueError(f"Depth {path} is a color picture: colors have no order. Save the depth as grey, best 16 bit.")
    return bands[..., 0]


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
    if invalid := int((~torch.isfinite(values)).sum()):
        raise ValueError(
            f"{invalid} of {values.numel()} values are NaN or infinite. Fill them in, or use metric depth."
        )
    if kind == "disparity":
        return disparity_from_relative(values, 1.0 if near_m is None else near_m, 1000.0 if far_m is None else far_m)
    if near_m is None or far_m is None:
        raise ValueError("relative distance needs to know where it begins and ends: give --near and --far in meters.")
    return disparity_from_relative_distance(values, near_m, far_m)
