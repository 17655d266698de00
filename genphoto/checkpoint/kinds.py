"""What a dictionary of weights is, told by its keys: those we read, and those that people mistake for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .layout import bare_key

MOTION_MODULE = "a motion module"
CAMERA_ADAPTER = "a camera adapter"
IMAGE_LORA = "an image LoRA"
TINY_MODEL = "the tiny image model"

RELEASES = {
    MOTION_MODULE: "https://huggingface.co/guoyww/animatediff",
    CAMERA_ADAPTER: "https://huggingface.co/pandaphd/generative_photography",
    IMAGE_LORA: "https://huggingface.co/pandaphd/generative_photography",
}

WHERE = {
    MOTION_MODULE: f"Use v3_sd15_mm.ckpt from the AnimateDiff v3 release, {RELEASES[MOTION_MODULE]}.",
    CAMERA_ADAPTER: (
        "Use a camera adapter of the Generative Photography release, such as checkpoint-bokehK.ckpt from "
        f"{RELEASES[CAMERA_ADAPTER]}, or one that `python -m genphoto convert` wrote."
    ),
    TINY_MODEL: "It comes with GenPhoto, in genphoto/assets.",
    IMAGE_LORA: f"Use RealEstate10K_LoRA.ckpt from the Generative Photography release, {RELEASES[IMAGE_LORA]}.",
}

WRAPPERS = (
    "motion_module_state_dict",
    "lora_state_dict",
    "state_dict",
    "model_state_dict",
    "controlnet",
    "ema",
    "model",
    "module",
)
HALVES = ("camera_encoder_state_dict", "attention_processor_state_dict")
SCALED = re.compile(r"(^|\.)scaled_fp8$|\.(scale_weight|weight_scale)$")

# The first pattern that any key matches decides.
KINDS = {
    r"^autoencoder\.(encoder|decoder|norm)\.": TINY_MODEL,
    r"^pose_encoder": "an adapter of CameraCtrl, which steers where the camera stands",
    r"^camera_encoder_state_dict$|^encoder\.encoder_conv_in\.|^merges\.": CAMERA_ADAPTER,
    r"^attention_processor_state_dict$": "half a camera adapter (the merges without the encoder)",
    r"^encoder_conv_in\.": "half a camera adapter (the encoder without the merges)",
    r"\.qkv_merge\.": "half a camera adapter (the merges without the encoder)",
    r"^controlnet_cond_embedding|^input_hint_block": "a SparseCtrl or ControlNet model",
    r"^model\.diffusion_model\.|^first_stage_model\.|^cond_stage_model\.": "a whole Stable Diffusion checkpoint",
    r"^(module\.)?(conv_in\.|down_blocks\.0\.resnets\.)|^input_blocks\.0\.": "a UNet",
    r"(motion_modules|temporal_transformer|temporal_attentions)\..*lora": "a motion LoRA of AnimateDiff",
    r"\.temporal_attentions\.": "a motion module of HotShot-XL, for SDXL",
    r"\.motion_modules\.|^(down|up)\.\d+\.\d+\.transformer_blocks\.": MOTION_MODULE,
    r"lora": IMAGE_LORA,
    r"^encoder\.conv_in\.|^decoder\.conv_in\.": "a VAE",
    r"^text_model\.": "a text encoder",
}


def unwrap(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """The innermost dictionary of weights: training scripts wrap it, some loaders have unwrapped it already.

    The halves of a camera adapter, where something has flattened them into one dictionary, are two again.
    """
    if isinstance(state, Mapping) and any(str(key).startswith(f"{half}.") for key in state for half in HALVES):
        return {
            half: {str(k).removeprefix(f"{half}."): v for k, v in state.items() if str(k).startswith(f"{half}.")}
            for half in HALVES
        }
    for key in WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            return unwrap(state[key])
    return state


def recognize(state: Mapping[str, Any]) -> str:
    """What the weights are, as words that fit after "is"."""
    if not isinstance(state, Mapping):
        return f"a {type(state).__name__} and not a dictionary of weights"
    keys = [bare_key(key) for key in unwrap(state)]
    if any(map(SCALED.search, keys)):
        return "in eight bits with a scale for every layer, which is not read here"
    for pattern, kind in KINDS.items():
        search = re.compile(pattern).search
        if any(map(search, keys)):
            return kind
    shown = ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")
    return f"unknown, with the keys {shown}" if keys else "a dictionary without weights"


def require(kind: str, state: Mapping[str, Any], name: str) -> None:
    """Refuse a state of another kind, with the place where the right file is."""
    if (found := recognize(state)) != kind:
        raise wrong_kind(name, found, kind)


def wrong_kind(name: str, found: str, kind: str) -> ValueError:
    """The error of a file that is `found` where `kind` was expected."""
    return ValueError(f"{name} is {found}; {kind} was expected here. {WHERE[kind]}")
