"""Files of motion modules: AnimateDiff v3 or our own format."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..model.config import Architecture
from ..model.lift import Lift
from ..model.temporal import Operations
from .disk import save
from .kinds import MOTION_MODULE, require, wrong_kind
from .layout import make_lift, our_keys, require_finite, require_layout, sites_sizes
from .own_format import SITE_FIELDS, built, declared, is_own, lost_metadata, metadata_of
from .spelling import spelled

SDXL_CHANNELS = (320, 640, 1280)
V1_POSITIONS = 24


@dataclass(frozen=True, slots=True)
class MotionFile:
    """Motion modules of a UNet.

    Args:
        architecture: what a file does not tell (the camera encoder's sizes) is as published.
        weights: under the keys of `Lift`, as stored; position codes in float32.
    """

    architecture: Architecture
    weights: dict[str, Tensor]


def motion_module(state: Mapping[str, Any], metadata: Mapping[str, str] | None, name: str) -> MotionFile:
    """The motion modules in a loaded file: AnimateDiff v3 or our own format.

    Raises:
        ValueError: if it is anything else, with what it is and where the right file is.
    """
    require(MOTION_MODULE, state, name)
    own = is_own(metadata, MOTION_MODULE, name)
    given = spelled(state)
    weights = our_keys(given)
    shaped = sites_sizes(weights)
    if any(".mid_block." in f".{key}" for key in weights):
        raise wrong_kind(
            name, "a motion module of AnimateDiff v2 or Lightning (it has one in the middle block)", MOTION_MODULE
        )
    if shaped.channels == SDXL_CHANNELS:
        raise wrong_kind(name, f"a motion module for SDXL (levels {SDXL_CHANNELS})", MOTION_MODULE)
    if not own:
        if shaped.positions == V1_POSITIONS:
            raise wrong_kind(name, f"a motion module of AnimateDiff v1 ({V1_POSITIONS} positions)", MOTION_MODULE)
        if any(key.startswith("down.") for key in given):
            raise lost_metadata(name)
    architecture = declared(metadata, shaped, (*SITE_FIELDS, "positions"), name) if own else shaped.architecture()
    require_layout(name, weights, architecture, make_lift)
    require_finite(name, weights)
    return MotionFile(architecture, weights)


def save_motion_module(path: str | os.PathLike[str], file: MotionFile) -> None:
    """Write motion modules as .safetensors, all of it or nothing."""
    require_layout("The motion module", file.weights, file.architecture, make_lift)
    require_finite("The motion module", file.weights)
    save(path, file.weights, metadata_of(MOTION_MODULE, file.architecture))


def build_lift(file: MotionFile, operations: Operations = nn) -> Lift:
    """The motion modules, in evaluation mode. They share the file's tensors: no copy, and their dtype."""
    require_layout("The motion module", file.weights, file.architecture, make_lift)
    return built(make_lift, file.architecture, file.weights, operations)
