"""What the EXIF of a photograph says: its camera, which way is up, and its color space.

EXIF that cannot be read is no fault of the picture: it is ignored, and said once for every file.
"""

from __future__ import annotations

import functools
import logging
import math
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from ..camera.camera import LIMITS
from ..camera.sensor import FULL_FRAME_DIAGONAL_MM

log = logging.getLogger(__name__)

# What Pillow raises on bytes that are no EXIF.
MALFORMED = (SyntaxError, ValueError, LookupError, TypeError, ArithmeticError, EOFError, OSError, struct.error)

# EXIF 2.32, 4.6.4 A: Orientation -> what turns the stored picture upright.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# FocalPlaneResolutionUnit -> mm. EXIF defines 2 (inch, also where the tag is missing) and 3; cameras write 4 and 5 too.
UNITS_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 1e-3}
LARGEST_PHOTOSITE_MM = 0.012
DIAGONALS_MM = (2.0, 100.0)  # of sensors that take photographs
EQUIVALENTS_MM = (8.0, LIMITS["focal_length_mm"][2])
WIDEST_FULL_FRAME_MM = 9.0  # the shortest rectilinear lens made for 36 x 24 mm; what is shorter has a smaller sensor
SRGB, ADOBE_RGB, UNCALIBRATED = 1, 2, 0xFFFF  # ColorSpace; 2 is not of EXIF, but cameras have written it
ISO_IN_ANOTHER_TAG = 0xFFFF


@dataclass(frozen=True, slots=True)
class ExifTagsRead:
    """Tags of a picture by number: of the picture, its exposure, and its interoperability; empty where unreadable."""

    image: Mapping[int, Any] = field(default_factory=dict)
    exposure: Mapping[int, Any] = field(default_factory=dict)
    interop: Mapping[int, Any] = field(default_factory=dict)

    def number(self, tag: int) -> float | None:
        """A finite number above 0 of the exposure, else None: EXIF writes 0 for unknown."""
        value = self.exposure.get(tag)
        value = value[0] if isinstance(value, tuple) and value else value
        value = value.strip(b"\0 ") if isinstance(value, bytes) else value
        try:
            found = float(value)
        except (TypeError, ValueError, ArithmeticError):
            return None
        return found if math.isfinite(found) and found > 0 else None

    @property
    def orientation(self) -> int:
        """1 to 8; 1, as stored, where it is unknown."""
        found = self.image.get(ExifTags.Base.Orientation)
        return found if found in UPRIGHT else 1


@dataclass(frozen=True, slots=True)
class PhotoCamera:
    """What EXIF says of how a photograph was taken.

    Args:
        fields: fields of `Camera` and their values, within what a camera can take.
        notes: for some fields, what else is to be said of the value.
        left_out: fields whose value cannot be used: the value, its unit, and why.
    """

    fields: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def read_tags(image: Image.Image, path: str | Path) -> ExifTagsRead:
    """The tags of an opened picture; what cannot be read is left out with one warning that names the file."""
    groups, wrong = {}, ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if block := image.info.get("exif"):
                Image.Exif().load(block)  # again: what opening a JPEG found wrong is not found twice
            exif = image.getexif()
            groups["image"] = dict(exif)
            groups["exposure"] = dict(exif.get_ifd(ExifTags.IFD.Exif))
            if ExifTags.IFD.Interop in groups["exposure"]:  # Pillow 11.1 takes a missing one for damage
                groups["interop"] = dict(exif.get_ifd(ExifTags.IFD.Interop))
        except MALFORMED as error:
            wrong = " ".join(str(error).split()) or type(error).__name__
    if wrong or caught:
        reason = wrong or " ".join(str(caught[0].message).split())
        say_once(f"{path}: EXIF that cannot be read ({reason.rstrip('.')}) is ignored. The picture itself is read.")
    return ExifTagsRead(**groups)


def upright(image: Image.Image, tags: ExifTagsRead) -> Image.Image:
    """The picture as it is to be seen."""
    turn = UPRIGHT.get(tags.orientation)
    return image if turn is None else image.transpose(turn)


def is_adobe_rgb(tags: ExifTagsRead, path: str | Path) -> bool:
    """Whether the pixels of a picture without a profile are Adobe RGB (DCF 2.0, 3.4); else they are sRGB.

    "R03" beside ColorSpace sRGB is what an editor left that converted the picture.
    """
    space = tags.exposure.get(ExifTags.Base.ColorSpace)
    index = tags.interop.get(ExifTags.Interop.InteropIndex, "")
    index = index.decode("ascii", "replace") if isinstance(index, bytes) else str(index)
    if space == ADOBE_RGB or (space != SRGB and index.strip("\0 ") == "R03"):
        return True
    if space == UNCALIBRATED:
        say_once(
            f"{path} says that its colors are not sRGB but not what they are, and has no color profile: they are taken "
            "as sRGB. Convert it to sRGB in an image editor if they look wrong."
        )
    return False


def camera_of(tags: ExifTagsRead, size: tuple[int, int], *, sensor_known: bool = False) -> PhotoCamera:
    """How a photograph of `size` (width, height) pixels, as stored, was taken.

    Unless the sensor is known, the focal length is that of the full-frame camera that takes the same picture. How much
    smaller the sensor is follows from FocalLengthIn35mmFilm, else from the size of its pixels. The f-number is not
    taken: a photograph at f/1.8 is sharp all over when its subject is flat or far, and then nothing could be blurred
    any more.
    """
    found, notes, left_out = {}, {}, {}
    iso = tags.number(ExifTags.Base.ISOSpeedRatings)
    if iso == ISO_IN_ANOTHER_TAG:
        iso = tags.number(ExifTags.Base.RecommendedExposureIndex) or iso
    for name, value in (("exposure_time_s", tags.number(ExifTags.Base.ExposureTime)), ("iso", iso)):
        if value:
            found[name] = value
    focal_mm, note, why_not = _focal_length(tags, size, sensor_known)
    if why_not:
        left_out["focal_length_mm"] = why_not
    elif focal_mm:
        found = {"focal_length_mm": focal_mm, **found}
        notes |= {"focal_length_mm": note} if note else {}
    for name, value in list(found.items()):
        unit, low, high = LIMITS[name]
        if not low <= value <= high:
            del found[name]
            left_out[name] = f"{value:g} {unit}: not between {low:g} and {high:g} {unit}"
    return PhotoCamera(found, notes, left_out)


def _focal_length(
    tags: ExifTagsRead, size: tuple[int, int], sensor_known: bool
) -> tuple[float | None, str | None, str | None]:
    """Focal length [mm], a note on it, and in its place why it cannot be used."""
    focal_mm = tags.number(ExifTags.Base.FocalLength)
    if sensor_known:
        return focal_mm, None, None
    equivalent_mm = tags.number(ExifTags.Base.FocalLengthIn35mmFilm)
    if equivalent_mm and EQUIVALENTS_MM[0] <= equivalent_mm <= EQUIVALENTS_MM[1]:
        return equivalent_mm, None, None
    if focal_mm is None:
        return None, None, None
    if sensor := _sensor_mm(tags, size):
        equivalent_mm = focal_mm * FULL_FRAME_DIAGONAL_MM / math.hypot(*sensor)
        if EQUIVALENTS_MM[0] <= equivalent_mm <= EQUIVALENTS_MM[1]:
            return equivalent_mm, f"{focal_mm:g} mm on a sensor of {sensor[0]:.3g} x {sensor[1]:.3g} mm", None
    if focal_mm < WIDEST_FULL_FRAME_MM:
        why = f"{focal_mm:g} mm is too short for full frame, and the file does not tell how large the sensor is"
        return None, None, why
    return focal_mm, "taken as full frame: the file does not tell how large the sensor is", None


def _sensor_mm(tags: ExifTagsRead, size: tuple[int, int]) -> tuple[float, float] | None:
    """Width and height [mm] of what the camera's pixels covered; None where the tags do not say it, or nonsense.

    FocalPlaneResolution counts the pixels that the camera wrote, which PixelDimensions hold, and not those of a picture
    that was made smaller later. Where an editor has updated the one and not the other, the sensor comes out tiny:
    no camera that writes these tags has less than a megapixel.
    """
    unit_mm = UNITS_MM.get(int(tags.number(ExifTags.Base.FocalPlaneResolutionUnit) or 2))
    across = tags.number(ExifTags.Base.FocalPlaneXResolution)
    down = tags.number(ExifTags.Base.FocalPlaneYResolution) or across
    pixels = [tags.number(tag) for tag in (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)]
    pixels = size if None in pixels else pixels
    across = across or down
    if not (unit_mm and across) or (math.prod(pixels) < 1e6 and unit_mm / across < LARGEST_PHOTOSITE_MM):
        return None
    sensor = (pixels[0] / across * unit_mm, pixels[1] / down * unit_mm)
    shape = sensor[0] / sensor[1] / (pixels[0] / pixels[1])  # pixels of a camera are nearly square
    if not (0.8 < shape < 1.25 and DIAGONALS_MM[0] <= math.hypot(*sensor) <= DIAGONALS_MM[1]):
        return None
    return sensor


@functools.cache
def say_once(message: str) -> None:
    """Log a warning that a process has not logged yet: a photograph is read again in every epoch of a training."""
    log.warning("%s", message)
