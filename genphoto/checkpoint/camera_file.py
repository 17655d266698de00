"""Files of camera adapters: the checkpoints of the Generative Photography release or our own format."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from reprlib import repr as shown
from typing import Any

from torch import Tensor, nn

from ..camera.settings import setting_named
from ..model.camera_adapter import CameraAdapter
from ..model.camera_encoder import DifferentialCameraEncoder
from ..model.config import Architecture
from ..model.steering import Steering
from ..model.temporal import Operations
from .disk import read_metadata, save
from .kinds import CAMERA_ADAPTER, require
from .layout import (
    MERGE,
    SITE,
    encoder_sizes,
    make_encoder,
    make_merges,
    our_keys,
    require_finite,
    require_layout,
    sites_sizes,
)
from .own_format import AGAIN, FORMAT, SITE_FIELDS, built, declared, is_own, lost_metadata, metadata_of
from .spelling import ENCODER, MERGES, spelled

ENCODER_FIELDS = ("encoder_blocks", "encoder_positions", "embedding_patch")
RELEASED = Steering((), "published")


@dataclass(frozen=True, slots=True)
class CameraFile:
    """A camera adapter as it is stored.

    Args:
        steering: what it steers.
        architecture: what a file does not tell (the positions of the motion modules) is as published.
        encoder: under the keys of `DifferentialCameraEncoder`, as stored; position codes in float32.
        merges: under the keys of `CameraMerges`.
        frames: length of the sweeps it was trained on; None where the file does not say it.
    """

    steering: Steering
    architecture: Architecture
    encoder: dict[str, Tensor]
    merges: dict[str, Tensor]
    frames: int | None = None


def camera_adapter(state: Mapping[str, Any], metadata: Mapping[str, str] | None, name: str) -> CameraFile:
    """The camera adapter in a loaded file: a checkpoint of the Generative Photography release or our own format.

    Bookkeeping of the training script is ignored. Released files do not say which setting they steer.

    Raises:
        ValueError: if it is anything else, with what it is and where the right file is.
    """
    require(CAMERA_ADAPTER, state, name)
    own = is_own(metadata, CAMERA_ADAPTER, name)
    if not own and any(key.startswith(("encoder.encoder_", "merges.")) for key in state):
        raise lost_metadata(name)
    given = spelled(state)
    weights = {key for key, value in given.items() if "." in key and isinstance(value, Tensor)}
    if others := sorted(key for key in weights if not key.startswith((ENCODER, MERGES))):
        raise ValueError(f"{name} holds unexpected keys beside a camera adapter: {', '.join(others[:4])}.")
    encoder, merges = (
        our_keys({k.removeprefix(half): v for k, v in given.items() if k.startswith(half)}, released)
        for half, released in ((ENCODER, SITE), (MERGES, MERGE))
    )
    steering = _steering(metadata, name) if own else RELEASED
    shaped = encoder_sizes(encoder, sites_sizes(merges), steering.priors)
    architecture = declared(metadata, shaped, (*SITE_FIELDS, *ENCODER_FIELDS), name) if own else shaped.architecture()
    file = CameraFile(steering, architecture, encoder, merges, _frames(metadata, name) if own else None)
    _require_layout(file, f"{name} (camera encoder)", f"{name} (camera merges)")
    require_finite(name, encoder | merges)
    return file


def declared_steering(path: str | os.PathLike[str]) -> Steering:
    """What the metadata of a camera adapter's file say that it steers; no weight is read."""
    metadata = read_metadata(path)
    return _steering(metadata, Path(path).name) if metadata.get("format") == FORMAT else RELEASED


def save_camera_adapter(path: str | os.PathLike[str], file: CameraFile) -> None:
    """Write a camera adapter as .safetensors, all of it or nothing."""
    _require_layout(file)
    require_finite("The camera adapter", file.encoder | file.merges)
    weights = {f"encoder.{key}": value for key, value in file.encoder.items()}
    weights |= {f"merges.{key}": value for key, value in file.merges.items()}
    frames = {} if file.frames is None else {"frames": str(file.frames)}
    save(path, weights, metadata_of(CAMERA_ADAPTER, file.architecture) | _spelled(file.steering) | frames)


def build_camera(file: CameraFile, operations: Operations = nn) -> CameraAdapter:
    """The adapter, in evaluation mode. It shares the file's tensors: no copy, and their dtype."""
    _require_layout(file)
    encoder = built(_encoder_of(file.steering), file.architecture, file.encoder, operations)
    return CameraAdapter(file.steering, encoder, built(make_merges, file.architecture, file.merges, operations)).eval()


def _encoder_of(steering: Steering) -> partial[DifferentialCameraEncoder]:
    return partial(make_encoder, priors=steering.priors)


def _require_layout(
    file: CameraFile, encoder: str = "The camera encoder", merges: str = "The set of camera merges"
) -> None:
    require_layout(encoder, file.encoder, file.architecture, _encoder_of(file.steering))
    require_layout(merges, file.merges, file.architecture, make_merges)


def _spelled(steering: Steering) -> dict[str, str]:
    """The metadata of what an adapter steers: of one setting its name and range, of several lists of them."""
    names, ranges = [setting.name for setting in steering.settings], [list(ends) for ends in steering.ranges]
    metadata = {"variant": steering.variant}
    if names:
        metadata["setting"] = names[0] if len(names) == 1 else json.dumps(names)
    if ranges:
        metadata["values"] = json.dumps(ranges[0] if len(ranges) == 1 else ranges)
    if steering.vocabulary:
        metadata["vocabulary"] = steering.vocabulary
    return metadata


def _steering(metadata: Mapping[str, str], name: str) -> Steering:
    """The inverse of `_spelled`, strictly."""
    try:
        settings = tuple(setting_named(each) for each in _names(metadata))
        ranges = _ranges(metadata, len(settings))
        return Steering(settings, metadata.get("variant", ""), ranges, metadata.get("vocabulary", ""))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _names(metadata: Mapping[str, str]) -> list[str]:
    text = metadata.get("setting")
    if text is None or not text.startswith("["):
        return [] if text is None else [text]
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        names = None
    if not names or not all(isinstance(each, str) for each in names):
        raise ValueError(f"its metadata say setting = {shown(text)}, which is no list of settings. {AGAIN}")
    return names


def _ranges(metadata: Mapping[str, str], settings: int) -> tuple[tuple[float, float], ...]:
    text = metadata.get("values")
    if text is None:
        return ()
    try:
        ranges = json.loads(text)
        ranges = tuple((float(low), float(high)) for low, high in (ranges if settings > 1 else [ranges]))
    except (TypeError, ValueError, RecursionError):
        ranges = ((1.0, 0.0),)
    if not all(-math.inf < low <= high < math.inf for low, high in ranges):
        form = "[lowest, highest] of every setting" if settings > 1 else "[lowest, highest]"
        raise ValueError(f"its metadata say values = {shown(text)}, which is not {form}. {AGAIN}")
    return ranges


def _frames(metadata: Mapping[str, str], name: str) -> int | None:
    text = metadata.get("frames")
    if text is not None and not (text.isdecimal() and int(text)):
        raise ValueError(f"{name}: its metadata say frames = {shown(text)}. {AGAIN}")
    return int(text) if text else None
