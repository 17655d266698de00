"""How a photograph was taken, by its EXIF."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from .camera.camera import LIMITS
from .picture_files import opened

FULL_FRAME_MM = 36.0  # width of the sensor that "35 mm equivalent" and `Camera`'s default mean
SHORTEST_FULL_FRAME_MM = 10.0  # no rectilinear lens for full frame is shorter: such a focal length is a small sensor's
SENSOR_WIDTHS_MM = (3.0, 100.0)  # phones to large digital backs; else FocalPlaneXResolution is not to be believed
LARGEST_SHORT = 65535  # in ISOSpeedRatings: more than that, see the other tags
MM = {1: 25.4, 2: 25.4, 3: 10.0, 4: 1.0, 5: 1e-3}  # EXIF 2.3 and TIFF/EP, FocalPlaneResolutionUnit; 1 is used for inch


@dataclass(frozen=True, slots=True)
class ExifCamera:
    """What EXIF says of how a photograph was taken.

    Args:
        values: fields of `Camera`, each within its limits.
        remarks: what is uncertain of a field, or why it was left out, as half a sentence.
    """

    values: dict[str, float] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)


def read_camera(path: str | Path, *, sensor_known: bool = False) -> ExifCamera:
    """What the EXIF of a photograph says; empty where it says nothing or cannot be read.

    Unless the sensor is known, the focal length is that of the full-frame camera that takes the same picture: by
    FocalLengthIn35mmFilm, else by the width of the sensor from FocalPlaneXResolution. The f-number is not taken: a
    photograph at f/1.8 is sharp all over when its subject is flat or far, and then nothing could be blurred any more.

    Raises:
        ValueError: the file is not a picture that can be read.
    """
    with opened(path) as picture:
        tags = picture.exif.get_ifd(ExifTags.IFD.Exif)
        stored_px = _stored_width(picture.image, tags)
    values, remarks = {}, {}
    found = {"exposure_time_s": _number(tags, ExifTags.Base.ExposureTime), "iso": _iso(tags)}
    focal_mm = _number(tags, ExifTags.Base.FocalLength)
    if sensor_known:
        found["focal_length_mm"] = focal_mm
    else:
        found["focal_length_mm"], remark = _full_frame_focal_mm(tags, focal_mm, stored_px)
        if remark:
            remarks["focal_length_mm"] = remark
    for name, value in sorted(found.items()):
        unit, low, high = LIMITS[name]
        if value is None:
            continue
        if low <= value <= high:
            values[name] = value
        else:
            remarks[name] = f"{name} {value:.4g} was left out: not between {low:g} and {high:g} {unit}"
    return ExifCamera(values, remarks)


def _full_frame_focal_mm(tags: Any, focal_mm: float | None, stored_px: float) -> tuple[float | None, str]:
    """Focal length [mm] on full frame, and what is to be said of it."""
    _, low, high = LIMITS["focal_length_mm"]
    equivalent_mm = _number(tags, ExifTags.Base.FocalLengthIn35mmFilm)
    if equivalent_mm and low <= equivalent_mm <= high:
        return equivalent_mm, ""
    if focal_mm is None:
        return None, ""
    per_unit = _number(tags, ExifTags.Base.FocalPlaneXResolution)
    unit_mm = MM.get(tags.get(ExifTags.Base.FocalPlaneResolutionUnit, 2))
    if per_unit and unit_mm:
        width_mm = stored_px / per_unit * unit_mm
        if SENSOR_WIDTHS_MM[0] <= width_mm <= SENSOR_WIDTHS_MM[1]:
            remark = f"its lens of {focal_mm:.4g} mm was on a sensor {width_mm:.3g} mm wide"
            return focal_mm * FULL_FRAME_MM / width_mm, remark
    if low <= focal_mm < SHORTEST_FULL_FRAME_MM:
        return None, (
            f"its focal length of {focal_mm:.4g} mm was left out: the file does not tell the sensor, and no full-frame "
            "lens is that short"
        )
    return focal_mm, "the file does not tell the sensor: taken as full frame" if focal_mm >= low else ""


def _stored_width(image: Image.Image, tags: Any) -> float:
    """Long side [px] of the picture as the camera stored it, which its focal plane resolution counts."""
    sides = [_number(tags, tag) for tag in (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)]
    return max(max(side or 0 for side in sides), *image.size)


def _iso(tags: Any) -> float | None:
    iso = _number(tags, ExifTags.Base.ISOSpeedRatings)
    if iso == LARGEST_SHORT:
        return _number(tags, ExifTags.Base.RecommendedExposureIndex) or _number(tags, ExifTags.Base.ISOSpeed)
    return iso


def _number(tags: Any, tag: int) -> float | None:
    """A positive number of a tag; EXIF writes 0 for unknown."""
    value = tags.get(tag)
    value = value[0] if isinstance(value, tuple) and value else value
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None
