"""Inputs, weights and results of the reference at a small size; see ../README.md."""

from pathlib import Path

import numpy as np
import torch

from .layouts import ALL
from .rule import rule_noise, rule_weights

CHANNELS = (32, 64, 96, 96)
GOLDENS = Path(__file__).parent / "goldens.npz"
PAINTED = Path(__file__).parent / "painted.npy"
PAINTING = {"steps": 10, "denoise": 0.5}
UNET_CONFIG = {
    "block_out_channels": CHANNELS,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
}


def golden(name: str) -> torch.Tensor:
    """A result of the reference."""
    with np.load(GOLDENS) as goldens:
        return torch.from_numpy(goldens[name])


def original() -> torch.Tensor:
    """What is painted over: clean latents (5,4,8,16)."""
    return frames(noise("original", (1, 4, 5, 8, 16)))


def mask() -> torch.Tensor:
    """Where it is painted over (5,1,8,16): the right of all frames, half of the lower second."""
    mask = torch.zeros(5, 1, 8, 16)
    mask[..., 6:] = 1
    mask[1, :, 4:] = 0.5
    return mask


def frames(latents: torch.Tensor) -> torch.Tensor:
    """(S,4,F,h,w) of the reference as (S F,4,h,w)."""
    return latents.transpose(1, 2).flatten(0, 1)


def noise(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """An input of the reference."""
    return torch.from_numpy(rule_noise(f"mini/{name}", shape))


def weights(part: str, salt: str) -> dict[str, torch.Tensor]:
    """One of the released files at this size: part "unet", "mm", "lora", "encoder" or "merge"."""
    return {name: torch.from_numpy(w) for name, w in rule_weights(ALL[part](CHANNELS), f"mini/{salt}").items()}


def camera_checkpoint(setting: str) -> dict:
    """A camera checkpoint in the released layout, of "bokehK", "focal_length", "shutter_speed", "color_temperature"."""
    salt = f"camera-{setting}"
    return {
        "epoch": 1,
        "global_step": 1,
        "camera_encoder_state_dict": weights("encoder", salt),
        "attention_processor_state_dict": weights("merge", salt),
    }
