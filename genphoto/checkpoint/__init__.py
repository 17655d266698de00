"""Model files: motion modules and camera adapters, released or our own, read strictly and written whole.

`load` opens a file; hosts with a loader of their own pass its result on. The kind of a file is told by its keys and
shapes, never by its name, which only appears in messages.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shown
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ..camera.imaging import VARIANTS
from ..camera.settings import SETTINGS, setting_named
from ..model.camera_encoder import DifferentialCameraEncoder
from ..model.config import Architecture
from ..model.lift import CameraMerges, Lift
from ..model.temporal import Operations
from .disk import load, read_metadata, save
from .flat_sizes import FlatSizes
from .kinds import (
    CAMERA_ADAPTER,
    IMAGE_LORA,
    MOTION_MODULE,
    RELEASES,
    WHERE,
    lora_style,
    recognize,
    require,
    wrong_kind,
)
from .layout import (
    MERGE,
    SITE,
    cast,
    declared_architecture,
    encoder_sizes,
    make_encoder,
    make_lift,
    make_merges,
    our_keys,
    require_finite,
    require_layout,
    require_precision,
    sites_sizes,
)
from .spelling import ENCODER, MERGES, spelled
from .tiny_model import Sampling, TinyModelFile, save_tiny_model, text_weights, tiny_model

__all__ = [
    "CAMERA_ADAPTER",
    "IMAGE_LORA",
    "MOTION_MODULE",
    "RELEASES",
    "CameraFile",
    "MotionFile",
    "Sampling",
    "TinyModelFile",
    "build_camera",
    "build_lift",
    "camera_adapter",
    "cast",
    "image_lora",
    "load",
    "motion_module",
    "recognize",
    "save_camera_adapter",
    "save_motion_module",
    "save_tiny_model",
    "text_weights",
    "tiny_model",
    "trained_on",
]

FORMAT, VERSION = "genphoto", 1
KIND_NAMES = {MOTION_MODULE: "motion_module", CAMERA_ADAPTER: "camera_adapter"}
SDXL_CHANNELS = (320, 640, 1280)
V1_POSITIONS = 24
SITE_FIELDS = ("channels", "down_sites", "up_sites")
ENCODER_FIELDS = ("encoder_blocks", "encoder_positions", "embedding_patch")
LORA_KEY = re.compile(r"(.+\.processor\.to_(?:q|k|v|out)_lora)\.(down|up)\.weight")

Module = TypeVar("Module", bound=nn.Module)
State = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MotionFile:
    """Motion modules of a UNet.

    Args:
        architecture: what a file does not tell (the camera encoder's sizes) is as published.
        weights: under the keys of `Lift`, as stored; position codes in float32.
    """

    architecture: Architecture
    weights: dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class CameraFile:
    """An adapter that steers one camera setting.

    Args:
        setting: name of the camera setting; None where the file does not say it, as the released ones.
        variant: which priors and prompts it was trained on, "published" or "physical".
        architecture: what a file does not tell (the positions of the motion modules) is as published.
        encoder: under the keys of `DifferentialCameraEncoder`, as stored; position codes in float32.
        merges: under the keys of `CameraMerges`.
        frames: length of the sweeps it was trained on; None where the file does not say it.
        values: lowest and highest value it was trained on, in the setting's unit; None where the file does not say it.
    """

    setting: str | None
    variant: str
    architecture: Architecture
    encoder: dict[str, Tensor]
    merges: dict[str, Tensor]
    frames: int | None
    values: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise ValueError(f"Unknown variant {self.variant!r}. Variants: {', '.join(VARIANTS)}.")
        if self.setting is not None and setting_named(self.setting).published is None and self.variant == "published":
            released = ", ".join(s.name for s in SETTINGS if s.published)
            raise ValueError(f"No adapter was published for {self.setting}. Settings with one: {released}.")


def motion_module(state: State, metadata: Mapping[str, str] | None, name: str) -> MotionFile:
    """The motion modules in a loaded file: AnimateDiff v3 or our own format.

    Raises:
        ValueError: if it is anything else, with what it is and where the right file is.
    """
    require(MOTION_MODULE, state, name)
    own = _is_own(metadata, MOTION_MODULE, name)
    given = spelled(state)
    weights = our_keys(given)
    found = sites_sizes(weights)
    if any(".mid_block." in f".{key}" for key in weights):
        raise wrong_kind(
            name, "a motion module of AnimateDiff v2 or Lightning (it has one in the middle block)", MOTION_MODULE
        )
    if found.channels == SDXL_CHANNELS:
        raise wrong_kind(name, f"a motion module for SDXL (levels {SDXL_CHANNELS})", MOTION_MODULE)
    if not own:
        if found.positions == V1_POSITIONS:
            raise wrong_kind(name, f"a motion module of AnimateDiff v1 ({V1_POSITIONS} positions)", MOTION_MODULE)
        if any(key.startswith("down.") for key in given):
            raise _lost_metadata(name)
        architecture = found.architecture()
    else:
        architecture = _declared(metadata, found, (*SITE_FIELDS, "positions"), name)
    require_layout(name, weights, architecture, make_lift)
    require_finite(name, weights)
    return MotionFile(architecture, weights)


def camera_adapter(state: State, metadata: Mapping[str, str] | None, name: str) -> CameraFile:
    """The camera adapter in a loaded file: a checkpoint of the Generative Photography release or our own format.

    Bookkeeping of the training script is ignored. Released files do not say which setting they steer.

    Raises:
        ValueError: if it is anything else, with what it is and where the right file is.
    """
    require(CAMERA_ADAPTER, state, name)
    own = _is_own(metadata, CAMERA_ADAPTER, name)
    if not own and any(key.startswith(("encoder.encoder_", "merges.")) for key in state):
        raise _lost_metadata(name)
    given = spelled(state)
    weights = {key for key, value in given.items() if "." in key and isinstance(value, Tensor)}
    if others := sorted(key for key in weights if not key.startswith((ENCODER, MERGES))):
        raise ValueError(f"{name} holds unexpected keys beside a camera adapter: {', '.join(others[:4])}.")
    encoder, merges = (
        our_keys({k.removeprefix(half): v for k, v in given.items() if k.startswith(half)}, released)
        for half, released in ((ENCODER, SITE), (MERGES, MERGE))
    )
    found = encoder_sizes(encoder, sites_sizes(merges))
    if own:
        architecture = _declared(metadata, found, (*SITE_FIELDS, *ENCODER_FIELDS), name)
        told = (metadata.get("setting"), metadata.get("variant", ""), _frames(metadata, name), _values(metadata, name))
    else:
        architecture, told = found.architecture(), (None, "published", None, None)
    require_layout(f"{name} (camera encoder)", encoder, architecture, make_encoder)
    require_layout(f"{name} (camera merges)", merges, architecture, make_merges)
    require_finite(name, encoder | merges)
    try:
        return CameraFile(*told[:2], architecture, encoder, merges, *told[2:])
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def trained_on(path: str | os.PathLike[str]) -> tuple[str | None, tuple[float, float] | None]:
    """The setting of a camera adapter and the values it was trained on, as `CameraFile` has them; no weight is read."""
    metadata = read_metadata(path)
    if metadata.get("format") != FORMAT:
        return None, None
    return metadata.get("setting"), _values(metadata, Path(path).name)


def image_lora(state: State, name: str) -> dict[str, Tensor]:
    """The image LoRA in a loaded file, under its own keys: those of diffusers' attention processors.

    Raises:
        ValueError: if it is anything else, another key style included, or damaged.
    """
    require(IMAGE_LORA, state, name)
    weights = {key.removeprefix("unet."): value for key, value in spelled(state).items()}
    odd = [key for key in weights if not LORA_KEY.fullmatch(key)]
    if odd:
        raise ValueError(f"{name} is an image LoRA of another key style ({lora_style(odd[0])}). {WHERE[IMAGE_LORA]}")
    for pair in {LORA_KEY.fullmatch(key)[1] for key in weights}:
        down, up = (weights.get(f"{pair}.{half}.weight") for half in ("down", "up"))
        if not (isinstance(down, Tensor) and isinstance(up, Tensor) and down.ndim == up.ndim == 2):
            raise ValueError(f"{name} is incomplete: {pair} needs matrices down.weight and up.weight.")
        if down.shape[0] != up.shape[1]:
            raise ValueError(f"{name}: {pair} has rank {down.shape[0]} in down.weight and {up.shape[1]} in up.weight.")
    require_precision(name, weights)
    require_finite(name, weights)
    return weights


def save_motion_module(path: str | os.PathLike[str], file: MotionFile) -> None:
    """Write motion modules as .safetensors, all of it or nothing."""
    require_layout("The motion module", file.weights, file.architecture, make_lift)
    require_finite("The motion module", file.weights)
    save(path, file.weights, _metadata(MOTION_MODULE, file.architecture))


def save_camera_adapter(path: str | os.PathLike[str], file: CameraFile) -> None:
    """Write a camera adapter as .safetensors, all of it or nothing."""
    _require_camera(file)
    require_finite("The camera adapter", file.encoder | file.merges)
    weights = {f"encoder.{key}": value for key, value in file.encoder.items()}
    weights |= {f"merges.{key}": value for key, value in file.merges.items()}
    told = {"setting": file.setting, "variant": file.variant, "frames": file.frames}
    metadata = {key: str(value) for key, value in told.items() if value is not None}
    if file.values is not None:
        metadata["values"] = json.dumps(file.values)
    save(path, weights, _metadata(CAMERA_ADAPTER, file.architecture) | metadata)


def build_lift(file: MotionFile, operations: Operations = nn) -> Lift:
    """The motion modules, in evaluation mode. They share the file's tensors: no copy, and their dtype."""
    require_layout("The motion module", file.weights, file.architecture, make_lift)
    return _build(make_lift, file.architecture, file.weights, operations)


def build_camera(file: CameraFile, operations: Operations = nn) -> tuple[DifferentialCameraEncoder, CameraMerges]:
    """Encoder and merges of an adapter, in evaluation mode. They share the file's tensors: no copy, and their dtype."""
    _require_camera(file)
    encoder = _build(make_encoder, file.architecture, file.encoder, operations)
    return encoder, _build(make_merges, file.architecture, file.merges, operations)


def _build(make: Callable[..., Module], architecture: Architecture, weights: State, operations: Operations) -> Module:
    if operations is nn:
        with torch.device("meta"):  # else 400 M random numbers are drawn and thrown away
            module = make(architecture)
    else:
        module = make(architecture, operations)
    # assign: a host's layers may have no weights yet, and have no dtype of their own to convert to
    module.load_state_dict(weights, strict=True, assign=True)
    return module.eval()


def _require_camera(file: CameraFile) -> None:
    require_layout("The camera encoder", file.encoder, file.architecture, make_encoder)
    require_layout("The set of camera merges", file.merges, file.architecture, make_merges)


def _metadata(kind: str, architecture: Architecture) -> dict[str, str]:
    return {
        "format": FORMAT,
        "version": str(VERSION),
        "kind": KIND_NAMES[kind],
        "architecture": json.dumps(FlatSizes.of(architecture).to_dict()),
    }


def _is_own(metadata: Mapping[str, str] | None, kind: str, name: str) -> bool:
    """Whether the file is in our format, of this version and kind; another one is an error."""
    if not metadata or metadata.get("format") != FORMAT:
        return False
    version = metadata.get("version", "")
    if not version.isdecimal() or int(version) > VERSION:
        raise ValueError(
            f"{name} has format version {shown(version)}, newer than {VERSION}: update GenPhoto to read it."
        )
    if metadata.get("kind") != KIND_NAMES[kind]:
        raise ValueError(
            f"{name} says that it is {shown(metadata.get('kind'))}, but holds {kind}. Convert the original file again."
        )
    return True


def _declared(metadata: Mapping[str, str], found: FlatSizes, told: tuple[str, ...], name: str) -> Architecture:
    try:
        return declared_architecture(metadata.get("architecture", ""), found, told)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _frames(metadata: Mapping[str, str], name: str) -> int | None:
    text = metadata.get("frames")
    if text is not None and not (text.isdecimal() and int(text)):
        raise ValueError(f"{name}: its metadata say frames = {shown(text)}. Convert the original file again.")
    return int(text) if text else None


def _values(metadata: Mapping[str, str], name: str) -> tuple[float, float] | None:
    text = metadata.get("values")
    if text is None:
        return None
    try:
        low, high = map(float, json.loads(text))
    except (TypeError, ValueError, RecursionError):
        low, high = 1.0, 0.0
    if not -math.inf < low <= high < math.inf:
        raise ValueError(
            f"{name}: its metadata say values = {shown(text)}, which is not [lowest, highest]. Convert the original "
            "file again."
        )
    return low, high


def _lost_metadata(name: str) -> ValueError:
    return ValueError(
        f"{name} has the keys of a GenPhoto file, but its metadata are lost: another program saved it again. "
        "Convert the original file again by `python -m genphoto convert`."
    )
