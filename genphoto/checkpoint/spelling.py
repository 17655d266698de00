"""How programs spell the keys of one set of weights: what training wraps around them, and diffusers' own names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

WRAPPERS = (
    *("motion_module_state_dict", "lora_state_dict", "state_dict", "model_state_dict", "controlnet"),
    *("model", "module", "ema", "ema_model", "model_ema", "params_ema", "unet", "motion_module", "motion_adapter"),
    *("weights", "params", "net", "network", "generator", "adapter"),
)
DEEPEST = 8  # dictionaries in dictionaries; a pickle can make one hold itself
# torch.compile, DistributedDataParallel, FullyShardedDataParallel, activation checkpointing
WRAPPING = {"_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
ENCODER, MERGES = "camera_encoder_state_dict.", "attention_processor_state_dict."
HALVES = {"camera_encoder_state_dict": ENCODER, "attention_processor_state_dict": MERGES}
HALVES |= {key.removesuffix("_state_dict"): prefix for key, prefix in HALVES.items()}
# What a key begins with once the names before it are gone. A CameraCtrl file has the same encoder, by another name.
ANCHORS = {
    r"^(?!.*pose_encoder).*?(?=\bencoder_(conv_in|down_conv_blocks|down_attention_blocks)\.)": ENCODER,
    r"^.*?(?=\b(down|up)(_blocks)?\.\d+\..*\bqkv_merge\.)": MERGES,
    r"^.*?(?=\b(down|up)_blocks\.\d+\.motion_modules\.|\bmid_block\.motion_modules\.)": "",
}
# MotionAdapter and UNetMotionModel: one position code for both attentions.
DIFFUSERS = re.compile(r"(transformer_blocks\.\d+\.)(norm[123]|attn[12]|pos_embed)\.")
RELEASED = {
    "norm1": ("norms.0",),
    "attn1": ("attention_blocks.0",),
    "norm2": ("norms.1",),
    "attn2": ("attention_blocks.1",),
    "norm3": ("ff_norm",),
    "pos_embed": ("attention_blocks.0.pos_encoder", "attention_blocks.1.pos_encoder"),
}


def copies(state: Mapping[str, Any]) -> list[str]:
    """The wrappers in a state that hold weights."""
    return [key for key in WRAPPERS if isinstance(state.get(key), Mapping) and _holds_weights(state[key])]


def unwrap(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """The dictionary of weights inside what training scripts wrap around it; the outer one where there are several."""
    for _ in range(DEEPEST):
        if len(found := copies(state)) != 1:
            break
        state = state[found[0]]
    return state


def spelled(state: Mapping[str, Any]) -> dict[str, Any]:
    """The weights in a state under one spelling, flat.

    A camera adapter's begin with `ENCODER` and `MERGES`, however its file keeps its two halves. A key that two
    spellings share stays as it is, so that it is missed by nobody.
    """
    found: dict[str, Any] = {}
    for key, value in _flat(unwrap(state)).items():
        plain = _plain(key)
        found[key if plain in found else plain] = value
    return found


def released_names(key: str) -> tuple[str, ...]:
    """A key of diffusers' motion modules as the release has it, twice where it serves twice; any other as it is."""
    if not (match := DIFFUSERS.search(key)):
        return (key,)
    return tuple(f"{key[: match.end(1)]}{name}.{key[match.end() :]}" for name in RELEASED[match[2]])


def _flat(state: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in state.items():
        if key in HALVES and isinstance(value, Mapping):
            found |= {HALVES[key] + str(inner): weight for inner, weight in unwrap(value).items()}
        else:
            found[str(key)] = value
    return found


def _plain(key: str) -> str:
    bare = ".".join(part for part in key.split(".") if part not in WRAPPING)
    for anchor, prefix in ANCHORS.items():
        if match := re.match(anchor, bare):
            return prefix + bare[match.end() :]
    return bare


def _holds_weights(state: Mapping[str, Any]) -> bool:
    return any(isinstance(value, Tensor | Mapping) for value in state.values())
