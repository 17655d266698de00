"""A tiny model, motion module and camera adapter with weights by rule, and what the command line makes of them."""

from pathlib import Path

import numpy as np
import torch
from transformers import CLIPTextConfig, CLIPTextModel

from genphoto.camera.settings import setting_named
from genphoto.checkpoint import (
    CameraFile,
    MotionFile,
    TinyModelFile,
    save_camera_adapter,
    save_motion_module,
    save_tiny_model,
    text_weights,
)
from genphoto.checkpoint.flat_sizes import FlatSizes
from genphoto.checkpoint.layout import make_encoder, make_lift, make_merges
from genphoto.model.autoencoder import Autoencoder, AutoencoderSizes
from genphoto.model.steering import Steering
from genphoto.model.words import WordTokenizer

from ..lift.rule import rule_weight

ARCHITECTURE = FlatSizes(
    channels=(32, 64),
    heads=4,
    down_sites=1,
    up_sites=2,
    positions=16,
    encoder_blocks=1,
    image_size=(64, 96),
    text_width=32,
    embedding_downscale=2,
    own_noise=30,
).architecture()
UNET = {
    "in_channels": 16,
    "out_channels": 16,
    "block_out_channels": [32, 64],
    "layers_per_block": 1,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "cross_attention_dim": 32,
    "attention_head_dim": 4,
}
TOKENIZER = WordTokenizer.of_0_1(("a", "red", "blue", "ball", "box", "on", "floor"), 32)
TEXT = {
    "vocab_size": len(TOKENIZER.vocabulary),
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 32,
    "hidden_act": "quick_gelu",
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
SCENE, NEGATIVE = "a red ball on a blue floor", "a box"
FOCAL_LENGTHS = [24.0, 35.0, 70.0]
SAMPLING = {"seed": 5, "steps": 10}
GUIDANCE_SCALE = 2.5
FRAMES = Path(__file__).parent / "frames.npy"
MODEL, MOTION, CAMERA = (f"golden_{name}.safetensors" for name in ("model", "motion", "focal_length"))


def by_rule(state, salt):
    """Weights by rule in place of those of a state dict; buffers, which are not drawn, stay."""
    kept = ("running_mean", "running_var", "num_batches_tracked", ".pe")
    return {
        key: value if key.endswith(kept) else torch.from_numpy(rule_weight(key, value.shape, f"embedded/{salt}"))
        for key, value in state.items()
    }


def write(unet, model_folder, motion_folder, camera_folder):
    """Writes the files MODEL, MOTION and CAMERA; `unet` is a state dict with the names and shapes of diffusers."""
    sizes = AutoencoderSizes(latent_channels=16, widths=(8, 16, 16), blocks=1)
    weights = {
        "unet": by_rule(unet, "unet"),
        "text": by_rule(text_weights(CLIPTextModel(CLIPTextConfig(**TEXT))), "text"),
        "autoencoder": by_rule(Autoencoder(sizes).state_dict(), "autoencoder"),
    }
    save_tiny_model(model_folder / MODEL, TinyModelFile(UNET, TEXT, sizes, TOKENIZER, "v_prediction", weights))
    lift, encoder, merges = (
        by_rule(module.state_dict(), type(module).__name__)
        for module in (make_lift(ARCHITECTURE), make_encoder(ARCHITECTURE), make_merges(ARCHITECTURE))
    )
    save_motion_module(motion_folder / MOTION, MotionFile(ARCHITECTURE, lift))
    steering = Steering((setting_named("focal_length"),), "physical")
    file = CameraFile(steering, ARCHITECTURE, encoder, merges, len(FOCAL_LENGTHS))
    save_camera_adapter(camera_folder / CAMERA, file)


def grid(frames):
    """Every eighth pixel of frames (F,3,H,W)."""
    return frames[..., 4::8, 4::8]


def golden():
    """The grid of the frames that SweepGenerator made."""
    return torch.from_numpy(np.load(FRAMES))
