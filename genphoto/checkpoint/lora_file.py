"""Files of image LoRAs, as the release of Generative Photography has one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from .kinds import IMAGE_LORA, WHERE, lora_style, require
from .layout import require_finite, require_precision
from .spelling import spelled

KEY = re.compile(r"(.+\.processor\.to_(?:q|k|v|out)_lora)\.(down|up)\.weight")


def image_lora(state: Mapping[str, Any], name: str) -> dict[str, Tensor]:
    """The image LoRA in a loaded file, under its own keys: those of diffusers' attention processors.

    Raises:
        ValueError: if it is anything else, another key style included, or damaged.
    """
    require(IMAGE_LORA, state, name)
    weights = {key.removeprefix("unet."): value for key, value in spelled(state).items()}
    odd = [key for key in weights if not KEY.fullmatch(key)]
    if odd:
        raise ValueError(f"{name} is an image LoRA of another key style ({lora_style(odd[0])}). {WHERE[IMAGE_LORA]}")
    for pair in {KEY.fullmatch(key)[1] for key in weights}:
        down, up = (weights.get(f"{pair}.{half}.weight") for half in ("down", "up"))
        if not (isinstance(down, Tensor) and isinstance(up, Tensor) and down.ndim == up.ndim == 2):
            raise ValueError(f"{name} is incomplete: {pair} needs matrices down.weight and up.weight.")
        if down.shape[0] != up.shape[1]:
            raise ValueError(f"{name}: {pair} has rank {down.shape[0]} in down.weight and {up.shape[1]} in up.weight.")
    require_precision(name, weights)
    require_finite(name, weights)
    return weights
