"""What a dictionary of weights is, told by its keys: those we read, and those that people mistake for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .spelling import ENCODER, MERGES, copies, spelled

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

ENCODER_ALONE = "half a camera adapter (the encoder without the merges)"
MERGES_ALONE = "half a camera adapter (the merges without the encoder)"

# The first pattern that any key, as `spelled`, matches decides; both halves are a whole.
KINDS = {
    r"^autoencoder\.(encoder|decoder|norm)\.": TINY_MODEL,
    r"^pose_encoder": "an adapter of CameraCtrl, which steers where the camera stands",
    rf"^{ENCODER}": ENCODER_ALONE,
    rf"^{MERGES}": MERGES_ALONE,
    r"^image_proj\b|^ip_adapter\b": "an IP-Adapter",
    r"^string_to_param$|^emb_params$": "a textual inversion embedding",
    r"^controlnet_cond_embedding|^input_hint_block": "a SparseCtrl or ControlNet model",
    r"^model\.diffusion_model\.|^first_stage_model\.|^cond_stage_model\.": "a whole Stable Diffusion checkpoint",
    r"^(unet\.)?conv_in\.|(^|\.)(down_blocks\.0\.resnets|input_blocks\.0)\.": "a UNet",
    r"(motion_modules|temporal_transformer|temporal_attentions)[._].*lora": "a motion LoRA of AnimateDiff",
    r"\.temporal_attentions\.": "a motion module of HotShot-XL, for SDXL",
    r"_motion_modules_": "a motion module whose keys are written with _ in place of .",
    r"\.motion_modules\.|^(down|up)\.\d+\.\d+\.transformer_blocks\.": MOTION_MODULE,
    r"lora": IMAGE_LORA,
    r"^encoder\.conv_in\.|^decoder\.conv_in\.": "a VAE",
    r"^text_model\.": "a text encoder",
}

LORA_STYLES = {
    r"^lora_(unet|te)": "kohya's: ",
    r"\.lora_[AB]\.|\.lora\.(down|up)\.|_lora\.(down|up)\.": "diffusers' and PEFT's: ",
}


def recognize(state: Mapping[str, Any]) -> str:
    """What the weights are, as words that fit after "is"."""
    if not isinstance(state, Mapping):
        return f"a {type(state).__name__} and not a dictionary of weights"
    keys = list(spelled(state))
    found = [kind for pattern, kind in KINDS.items() if any(map(re.compile(pattern).search, keys))]
    if found[:2] == [ENCODER_ALONE, MERGES_ALONE]:
        return CAMERA_ADAPTER
    if found:
        return found[0]
    if len(sets := copies(state)) > 1:
        return f"several sets of weights ({', '.join(sets)}), of which one has to be saved alone"
    shown = ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")
    return f"unknown, with the keys {shown}" if keys else "a dictionary without weights"


def lora_style(key: str) -> str:
    """The program that names an image LoRA's weights like this key, and the key."""
    return next((style for pattern, style in LORA_STYLES.items() if re.search(pattern, key)), "") + key


def require(kind: str, state: Mapping[str, Any], name: str) -> None:
    """Refuse a state of another kind, with the place where the right file is."""
    if (found := recognize(state)) != kind:
        raise wrong_kind(name, found, kind)


def wrong_kind(name: str, found: str, kind: str) -> ValueError:
    """The error of a file that is `found` where `kind` was expected."""
    return ValueError(f"{name} is {found}; {kind} was expected here. {WHERE[kind]}")
