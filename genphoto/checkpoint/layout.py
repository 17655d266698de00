"""How weights are named and shaped: released names to ours, sizes from shapes, and the strict comparison."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from reprlib import repr as shown
from statistics import mode
from typing import Any

import torch
from torch import Tensor, nn

from ..model.camera_encoder import DifferentialCameraEncoder
from ..model.config import Architecture
from ..model.differential import embedding_channels
from ..model.lift import CameraMerges, Lift
from ..model.motion_module import GROUPS
from ..model.temporal import Operations
from .flat_sizes import FlatSizes
from .spelling import released_names

SITE = re.compile(r"^(down|up)_blocks\.(\d+)\.motion_modules\.(\d+)\.(?:temporal_transformer\.)?")
MERGE = re.compile(SITE.pattern + r"transformer_blocks\.0\.attention_blocks\.0\.processor\.(?=qkv_merge\.)")
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
SHOWN = 4  # keys per list in an error


def our_keys(weights: Mapping[str, Any], released: re.Pattern[str] = SITE) -> dict[str, Any]:
    """Weights under the keys of `Lift` or `CameraMerges`; position codes and float64 become float32.

    What has no dot in its name is what training scripts add: epoch, global_step, animatediff_config.
    """
    named = {name: value for key, value in weights.items() if "." in key for name in released_names(key)}
    return {released.sub(r"\1.\2.\3.", key): _full_precision(key, value) for key, value in named.items()}


def sites_sizes(weights: Mapping[str, Tensor]) -> FlatSizes:
    """Levels, sites and positions as the shapes of motion modules or merges say; the rest as published."""
    shapes: dict[tuple[str, int], list[int]] = {}
    sites: dict[str, set[int]] = {"down": set(), "up": set()}
    for key, value in weights.items():
        if match := re.match(r"(down|up)\.(\d+)\.(\d+)\.(norm|proj_in|proj_out|qkv_merge)\.bias$", key):
            if isinstance(value, Tensor) and value.ndim == 1:
                shapes.setdefault((match[1], int(match[2])), []).append(len(value))
            sites[match[1]].add(int(match[3]))
    channels = []
    while widths := shapes.get(("down", len(channels))):
        channels.append(mode(widths))
    published = FlatSizes()
    positions = _positions(weights, published.positions)
    return FlatSizes(
        channels=tuple(channels) or published.channels,
        down_sites=len(sites["down"]) or published.down_sites,
        up_sites=len(sites["up"]) or published.up_sites,
        positions=positions,
        encoder_positions=min(published.encoder_positions, positions),
    )


def encoder_sizes(encoder: Mapping[str, Tensor], sites: FlatSizes, priors: int = 1) -> FlatSizes:
    """`sites` with what the shapes of a camera encoder of so many coarse priors add."""
    blocks = {m[1] for key in encoder if (m := re.match(r"encoder_down_conv_blocks\.0\.(\d+)\.", key))}
    first = encoder.get("encoder_conv_in.weight")
    inputs = first.shape[1] if isinstance(first, Tensor) and first.ndim == 4 else 0
    patch = math.isqrt(inputs // embedding_channels(priors))
    published = FlatSizes()
    return replace(
        sites,
        encoder_blocks=len(blocks) or published.encoder_blocks,
        encoder_positions=_positions(encoder, published.encoder_positions),
        downscale=patch or published.downscale,
    )


def declared_architecture(text: str, measured: FlatSizes, fields_of_shapes: tuple[str, ...]) -> Architecture:
    """The architecture in a file's metadata, which must agree with what was `measured` in its `fields_of_shapes`.

    Raises:
        ValueError: if it is no architecture, or another one.
    """
    try:
        values = json.loads(text)
        if not isinstance(values, dict):
            raise TypeError("no dictionary")
        declared = FlatSizes.from_dict(values)
    except (TypeError, AttributeError, RecursionError, json.JSONDecodeError) as error:
        raise ValueError(f"its architecture cannot be read ({error}). Convert the original file again.") from None
    for field in fields(declared):
        value = getattr(declared, field.name)
        numbers = value if isinstance(value, tuple) else (value,)
        if not numbers or not all(type(n) is int and n > 0 for n in numbers):
            raise ValueError(f"its architecture says {field.name} = {shown(value)}. Convert the original file again.")
    for name in fields_of_shapes:
        if (written := getattr(declared, name)) != (true := getattr(measured, name)):
            raise ValueError(
                f"its metadata say {name} = {written}, its weights {true}. Convert the original file again."
            )
    return declared.architecture()


def cast(weights: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Weights in another type. Position codes stay float32: they cost nothing and lose most."""
    return {key: value if key.endswith(".pe") else value.to(dtype) for key, value in weights.items()}


def make_lift(architecture: Architecture, operations: Operations = nn) -> Lift:
    """Motion modules of an architecture, with new weights."""
    return Lift(architecture.backbone, architecture.motion, operations)


def make_encoder(architecture: Architecture, operations: Operations = nn, priors: int = 1) -> DifferentialCameraEncoder:
    """A camera encoder of an architecture that takes so many coarse priors, with new weights."""
    return DifferentialCameraEncoder(architecture.backbone, architecture.encoder, operations, priors)


def make_merges(architecture: Architecture, operations: Operations = nn) -> CameraMerges:
    """Camera merges of an architecture, with new weights."""
    return CameraMerges(architecture.backbone, operations)


def require_layout(
    name: str, weights: Mapping[str, Any], architecture: Architecture, make: Callable[[Architecture], nn.Module]
) -> None:
    """Refuse weights that are not exactly those of `make(architecture)`: keys, shapes, types.

    Raises:
        ValueError: with all that is wrong, long lists cut.
    """
    heads = FlatSizes.of(architecture).heads
    if odd := [width for width in architecture.backbone.widths if width % GROUPS or width % heads]:
        raise ValueError(f"{name} has widths {odd} that are not multiples of {GROUPS} and of {heads} heads.")
    require_precision(name, weights)
    with torch.device("meta"):
        expected = {key: value.shape for key, value in make(architecture).state_dict().items()}
    common = [key for key in expected if key in weights]
    tensors = {k: weights[k] for k in common if isinstance(weights[k], Tensor) and not weights[k].is_meta}
    problems = {
        "missing": [key for key in expected if key not in weights],
        "unexpected": [key for key in weights if key not in expected],
        "no tensors": [key for key in common if key not in tensors],
        "wrong shapes": [
            f"{key} {tuple(value.shape)} in place of {tuple(expected[key])}"
            for key, value in tensors.items()
            if value.shape != expected[key]
        ],
        "wrong types": [f"{key} {value.dtype}" for key, value in tensors.items() if value.dtype not in DTYPES],
    }
    if reasons := [f"{what}: {_listed(keys)}" for what, keys in problems.items() if keys]:
        raise ValueError(f"{name} is damaged or of another design; {'; '.join(reasons)}.")


def require_precision(name: str, weights: Mapping[str, Any]) -> None:
    """Refuse weights of 8 bits or fewer: what a camera changes is smaller than their steps."""
    small = {k: v.dtype for k, v in weights.items() if isinstance(v, Tensor) and v.dtype.itemsize == 1}
    if small:
        types = ", ".join(sorted({str(dtype).removeprefix("torch.") for dtype in small.values()}))
        raise ValueError(
            f"{name} is stored in {types}: {_listed(list(small))}. 8 bits are too few for motion modules and cameras. "
            "Use the original file, in float32, float16 or bfloat16."
        )


def require_finite(name: str, weights: Mapping[str, Tensor]) -> None:
    """Refuse weights with infinite numbers or none at all."""
    if odd := [key for key, value in weights.items() if not _finite(value)]:
        raise ValueError(f"{name} is damaged: numbers that are infinite or none (NaN) in {_listed(odd)}.")


def _positions(weights: Mapping[str, Any], default: int) -> int:
    lengths = [v.shape[1] for k, v in weights.items() if k.endswith(".pe") and isinstance(v, Tensor) and v.ndim == 3]
    return mode(lengths) if lengths else default


def _full_precision(key: str, value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    code = key.endswith(".pe") and value.dtype in DTYPES
    return value.float() if code or value.dtype == torch.float64 else value


def _finite(tensor: Tensor) -> bool:
    """One pass without a copy; a sum that overflows is looked at again."""
    return bool(tensor.sum(dtype=torch.float32).isfinite() or tensor.isfinite().all())


def _listed(keys: list[str]) -> str:
    rest = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return f"{len(keys)} ({', '.join(keys[:SHOWN])}{rest})"
