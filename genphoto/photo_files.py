"""Photographs from files.

Depth of color: Pillow reads 16-bit *RGB* files as 8-bit. 16-bit grey keeps its precision.
"""

from __future__ import annotations

import logging
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageCms
from torch import Tensor

from .camera.colorimetry import adobe_rgb_to_srgb
from .picture_files import opened

log = logging.getLogger(__name__)

INTEROPERABILITY_INDEX, ADOBE_RGB = 1, "R03"  # DCF 2.0, 4.5.4: the "optional file" of cameras set to Adobe RGB
PROFILE_MODES = {"GRAY": ("L",), "RGB ": ("RGB",), "CMYK": ("CMYK",), "Lab ": ("LAB",)}  # ICC color space -> Pillow's


def read_photo(path: str | Path) -> Tensor:
    """A photograph (3,H,W), float32 in [0,1], sRGB, upright.

    EXIF orientation is applied, and an embedded color profile is converted to sRGB. Without one, pixels are Adobe RGB
    where EXIF says so, and else sRGB. Grey is repeated, transparency is laid over white, of several pictures in a file
    the first is read. EXIF that cannot be read is ignored, with a logged warning.

    Raises:
        ValueError: the file is missing, empty, damaged, not a picture, or its colors have no defined meaning.
    """
    with opened(path) as picture:
        image = picture.upright(path)
        profile = picture.image.info.get("icc_profile")
        adobe = not profile and image.mode == "RGB" and _says_adobe_rgb(picture.exif)
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
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float() / 255
    return adobe_rgb_to_srgb(pixels).clamp(0, 1) if adobe else pixels


def _says_adobe_rgb(exif: Image.Exif) -> bool:
    return str(exif.get_ifd(ExifTags.IFD.Interop).get(INTEROPERABILITY_INDEX)).strip("\0 ") == ADOBE_RGB


def _srgb(image: Image.Image, profile: bytes | None, path: str | Path) -> Image.Image:
    if image.mode not in ("L", "RGB", "CMYK", "LAB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    if not profile:
        return image.convert("RGB")
    try:
        described = ImageCms.ImageCmsProfile(BytesIO(profile))
        space = described.profile.xcolor_space
        if space == "RGB ":
            image = image.convert("RGB")  # grey and CMYK that lost their own profile to that of an RGB workspace
        elif image.mode not in PROFILE_MODES.get(space, ()):
            log.warning("%s: its color profile is of %s pixels, but it has %s; taken as sRGB.", path, space, image.mode)
            return image.convert("RGB")
        return ImageCms.profileToProfile(
            image,
            described,
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
