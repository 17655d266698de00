"""Our own format: .safetensors whose metadata say what the weights are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from reprlib import repr as shown
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..model.config import Architecture
from ..model.temporal import Operations
from .flat_sizes import FlatSizes
from .kinds import CAMERA_ADAPTER, MOTION_MODULE
from .layout import declared_architecture

FORMAT, VERSION = "genphoto", 1
KIND_NAMES = {MOTION_MODULE: "motion_module", CAMERA_ADAPTER: "camera_adapter"}
SITE_FIELDS = ("channels", "down_sites", "up_sites")
AGAIN = "Convert the original file again."

Module = TypeVar("Module", bound=nn.Module)


def metadata_of(kind: str, architecture: Architecture) -> dict[str, str]:
    """What every file in our format says."""
    return {
        "format": FORMAT,
        "version": str(VERSION),
        "kind": KIND_NAMES[kind],
        "architecture": json.dumps(FlatSizes.of(architecture).to_dict()),
    }


def is_own(metadata: Mapping[str, str] | None, kind: str, name: str) -> bool:
    """Whether the file is in our format, of this version and kind; another one is an error."""
    if not metadata or metadata.get("format") != FORMAT:
        return False
    version = metadata.get("version", "")
    if not version.isdecimal() or int(version) > VERSION:
        raise ValueError(
            f"{name} has format version {shown(version)}, newer than {VERSION}: update GenPhoto to read it."
        )
    if metadata.get("kind") != KIND_NAMES[kind]:
        raise ValueError(f"{name} says that it is {shown(metadata.get('kind'))}, but holds {kind}. {AGAIN}")
    return True


def declared(metadata: Mapping[str, str], shaped: FlatSizes, compared: tuple[str, ...], name: str) -> Architecture:
    """The architecture that the metadata declare; `compared` are the fields that the shapes of the weights settle."""
    try:
        return declared_architecture(metadata.get("architecture", ""), shaped, compared)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def lost_metadata(name: str) -> ValueError:
    """The error of a file with our keys and without our metadata."""
    return ValueError(
        f"{name} has the keys of a GenPhoto file, but its metadata are lost: another program saved it again. "
        "Convert the original file again by `python -m genphoto convert`."
    )


def built(
    make: Callable[..., Module], architecture: Architecture, weights: Mapping[str, Tensor], operations: Operations
) -> Module:
    """A module in evaluation mode that shares the tensors of a file: no copy, and their dtype."""
    if operations is nn:
        with torch.device("meta"):  # else 400 M random numbers are drawn and thrown away
            module = make(architecture)
    else:
        module = make(architecture, operations)
    # assign: a host's layers may have no weights yet, and have no dtype of their own to convert to
    module.load_state_dict(weights, strict=True, assign=True)
    return module.eval()
