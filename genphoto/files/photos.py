"""Photographs, their depth and their EXIF, from files.

Depth of color: Pillow reads 16-bit *RGB* files as 8-bit. 16-bit grey keeps its precision, as photograph and as depth.
"""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageCms
from torch import Tensor

from ..camera.colorimetry import adobe_rgb_to_srgb
from ..camera.photo import disparity_from_depth, disparity_from_relative, disparity_from_relative_distance, grey_of
from .photo_exif import ExifTagsRead, PhotoCamera, camera_of, is_adobe_rgb, read_tags, say_once, upright

PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}  # ICC color space -> Pillow's
BITS, PHOTOMETRIC, PLANAR, SAMPLE_FORMAT = 258, 262, 284, 339  # tags of TIFF 6.0, and values of the last three:
WHITE_IS_ZERO, SEPARATE_PLANES, SIGNED = 0, 2, 2
FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP")
DEPTH_KINDS = ("disparity", "distance", "metric")
UNREADABLE = (SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)  # Pillow's, beside OSError


def read_photo(path: str | Path) -> Tensor:
    """A photograph (3,H,W), float32 in [0,1], sRGB, upright.

    EXIF orientation is applied, an embedded color profile is converted to sRGB (without one, pixels are taken as sRGB,
    or as Adobe RGB where EXIF says so), grey is repeated, transparency is laid over white, of several pictures in a
    file the first is read. EXIF that cannot be read, and a profile for other colors, is said once and ignored.

    Raises:
        ValueError: the file is missing, empty, damaged, not a picture, or its colors have no defined meaning.
    """
    with _opened(path) as (image, tags):
        profile = image.info.get("icc_profile")
        image = upright(image, tags)
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
        photo = _tensor(_srgb(image, profile, path))
        if not profile and is_adobe_rgb(tags, path):
            photo = adobe_rgb_to_srgb(photo)
        if alpha is not None:
            opaque = torch.from_numpy(np.array(alpha)).float() / 255
            photo = photo * opaque + (1 - opaque)
        return photo


def read_camera(path: str | Path, *, sensor_known: bool = False) -> PhotoCamera:
    """What EXIF says of how a photograph was taken, see `camera_of`; without fields where it says nothing."""
    with _opened(path) as (image, tags):
        return camera_of(tags, image.size, sensor_known=sensor_known)


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
def without_pillows_words() -> Iterator[None]:
    """Keeps warnings of Pillow back that name no file: of large photographs as attacks, and of EXIF, said elsewhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
        yield


@contextmanager
def _opened(path: str | Path) -> Iterator[tuple[Image.Image, ExifTagsRead]]:
    """The decoded picture and its EXIF; every way in which a file is not one becomes a ValueError that names it."""
    try:
        if os.path.getsize(path) == 0:
            raise ValueError(f"{path} is empty (0 bytes). Copy or export it again.")
        with without_pillows_words():
            image = Image.open(path, formats=FORMATS)
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist. Check the path.") from None
    except Image.UnidentifiedImageError:
        if is_tiff(path):
            raise ValueError(
                f"{path} is a TIFF of a kind of pixels that cannot be read, such as colors in floating point or 16-bit "
                "grey with transparency. Export it as 8 or 16 bit RGB or grey."
            ) from None
        raise ValueError(f"{path} is not a JPEG, PNG, TIFF, WebP or BMP picture. Export it as one of these.") from None
    except Image.DecompressionBombError:
        most = 2 * Image.MAX_IMAGE_PIXELS // 1_000_000
        raise ValueError(f"{path} is too large to open: more than {most} megapixels. Reduce it.") from None
    except OSError as error:
        raise ValueError(
            f"{path} cannot be opened: {error.strerror or error}. Check the path and its rights."
        ) from None
    with image:
        _refuse_garbled_layouts(image, path)
        within = read_tags(image, path) if image.format == "TIFF" else None  # parts of the file, which loading closes
        try:
            with without_pillows_words():  # a TIFF is measured again
                image.load()
        except (OSError, *UNREADABLE) as error:
            raise ValueError(f"{path} is damaged ({error}). Copy or export it again.") from None
        if within:
            yield image, replace(within, image=dict(image.getexif()))  # loading a TIFF turned it upright
        else:
            yield image, read_tags(image, path)


def is_tiff(path: str | Path) -> bool:
    """Whether a file begins as a TIFF or BigTIFF of either byte order does."""
    with open(path, "rb") as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _refuse_garbled_layouts(image: Image.Image, path: str | Path) -> None:
    """Raises ValueError for TIFFs that Pillow opens but whose pixels it mixes up."""
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(BITS, (1,))
    garbled = {
        "in separate planes": len(bits) > 1 and max(bits) > 8 and tags.get(PLANAR) == SEPARATE_PLANES,
        "with 0 for white": max(bits) > 8 and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO,
        "with a sign": max(bits) <= 8 and SIGNED in tags.get(SAMPLE_FORMAT, ()),
    }
    for layout, found in garbled.items():
        if found:
            raise ValueError(
                f"{path} is a TIFF of {max(bits)} bit {layout}, which cannot be read. Save it as ordinary TIFF "
                "(interleaved channels, 0 for black, no sign), or as PNG."
            )


def _tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float() / 255


def _srgb(image: Image.Image, profile: bytes | None, path: str | Path) -> Image.Image:
    if image.mode not in ("L", "RGB", "CMYK", "LAB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    if not profile:
        return image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if (fitting := _in_space_of(source, image)) is None:
            say_once(
                f"{path} has a color profile for {source.profile.xcolor_space.strip()}, but {image.mode} pixels: the "
                "profile is ignored, and the pixels are taken as sRGB. Convert it to sRGB in an image editor."
            )
            return image.convert("RGB")
        return ImageCms.profileToProfile(
            fitting,
            source,
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


def _in_space_of(profile: ImageCms.ImageCmsProfile, image: Image.Image) -> Image.Image | None:
    """The picture in the mode that a profile is for; None where its colors say nothing in it.

    Programs keep the profile of an RGB picture that they make grey or CMYK, and of a grey one that they store as RGB.
    """
    wanted = PROFILE_MODES.get(profile.profile.xcolor_space.strip())
    if wanted in (None, image.mode):
        return image
    if wanted == "RGB" and image.mode in ("L", "CMYK"):
        return image.convert("RGB")
    if wanted == "L" and image.mode == "RGB":
        red, green, blue = image.split()
        return red if red.tobytes() == green.tobytes() == blue.tobytes() else None
    return None


def _depth_picture(path: str | Path) -> np.ndarray:
    with _opened(path) as (image, tags):
        image = upright(image, tags)
        if image.mode in ("L", "I", "F") or image.mode.startswith("I;16"):
            return np.array(image)
        bands = np.array(image.convert("RGB"))
    try:
        grey = grey_of(torch.from_numpy(bands).float() / 255)
    except ValueError as error:
        raise ValueError(f"Depth {path}: {error}") from None
    return (grey * 255).round().to(torch.uint8).numpy()


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
