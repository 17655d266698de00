"""Picture files as Pillow opens them: every way in which one is not a picture becomes one clear error."""

from __future__ import annotations

import logging
import os
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import ExifTags, Image

log = logging.getLogger(__name__)

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP")
FORMAT_NAMES = "JPEG, PNG, TIFF, WebP or BMP"
UNREADABLE = (SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)  # Pillow's, beside OSError
BROKEN_EXIF = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, struct.error)
SEPARATE_PLANES = 2  # TIFF 6.0, PlanarConfiguration
WHITE_IS_ZERO = 0  # PhotometricInterpretation
BITS_PER_SAMPLE, PHOTOMETRIC, PLANAR_CONFIGURATION = 258, 262, 284

# EXIF 2.3, 4.6.4 A: Orientation -> what turns the stored picture upright.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Picture(NamedTuple):
    """A decoded picture, its EXIF as far as that can be read, and what is wrong with the EXIF, or ""."""

    image: Image.Image
    exif: Image.Exif
    exif_fault: str

    def upright(self, path: str | Path) -> Image.Image:
        """The image turned as EXIF says; a fault is logged as a warning."""
        if self.exif_fault:
            log.warning(
                "%s: its EXIF is damaged and is ignored where it cannot be read (%s).",
                path,
                self.exif_fault.rstrip("."),
            )
        turn = TURNS.get(self.exif.get(ExifTags.Base.Orientation))
        return self.image if turn is None else self.image.transpose(turn)


@contextmanager
def opened(path: str | Path) -> Iterator[Picture]:
    """The picture in a file.

    Raises:
        ValueError: the file is missing, empty, damaged, or of a kind that Pillow does not read or reads wrongly.
    """
    with warnings.catch_warnings(record=True) as faults:
        warnings.simplefilter("always")
        # Pillow warns of an attack from 89 megapixels on, which cameras have; what it refuses, at twice that, stays so.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            if os.path.getsize(path) == 0:
                raise ValueError(f"{path} is empty (0 bytes). Copy or export it again.")
            image = Image.open(path, formats=FORMATS)
        except FileNotFoundError:
            raise ValueError(f"{path} does not exist. Check the path.") from None
        except Image.UnidentifiedImageError:
            raise ValueError(_unidentified(path)) from None
        except Image.DecompressionBombError as error:
            raise ValueError(f"{path} is too large to open ({error}). Reduce it.") from None
        except OSError as error:
            raise ValueError(
                f"{path} cannot be opened: {error.strerror or error}. Check the path and its rights."
            ) from None
        _require_readable_planes(image, path)
        try:
            image.load()
        except (OSError, *UNREADABLE) as error:
            raise ValueError(f"{path} is damaged ({error}). Copy or export it again.") from None
        exif, fault = _exif(image)
    with image:
        if image.mode.startswith("I;16") and _tags(image).get(PHOTOMETRIC) == WHITE_IS_ZERO:
            inverted = Image.fromarray(np.invert(np.array(image)))  # Pillow does that for 8 bit only
            inverted.info = image.info
            image = inverted
        yield Picture(image, exif, fault or (str(faults[0].message) if faults else ""))


def _exif(image: Image.Image) -> tuple[Image.Exif, str]:
    try:
        exif = image.getexif()
        for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.Interop):
            exif.get_ifd(ifd)
    except BROKEN_EXIF as error:
        return Image.Exif(), str(error) or type(error).__name__
    return exif, ""


def _unidentified(path: str | Path) -> str:
    with open(path, "rb") as file:
        start = file.read(4)
    if start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return (
            f"{path} is a TIFF of a kind that cannot be read here, such as floating-point or 32-bit color. "
            "Export it with 8 or 16 bit per channel."
        )
    return f"{path} is not a {FORMAT_NAMES} picture. Export it as one of these."


def _require_readable_planes(image: Image.Image, path: str | Path) -> None:
    """Pillow takes each plane of a TIFF for 8 bit, whatever it has."""
    tags = _tags(image)
    bits = tags.get(BITS_PER_SAMPLE, (8,))
    if tags.get(PLANAR_CONFIGURATION) == SEPARATE_PLANES and len(bits) > 1 and max(bits) != 8:
        raise ValueError(
            f"{path} is a TIFF with {max(bits)} bit in separate planes, which cannot be read here. Export it with "
            'interleaved channels ("chunky", "per pixel") or with 8 bit.'
        )


def _tags(image: Image.Image) -> Mapping[int, Any]:
    """Tags of a TIFF, else nothing."""
    return getattr(image, "tag_v2", {})
