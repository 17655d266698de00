"""The result of a training as the files that `generate` and the nodes read."""

from __future__ import annotations

from pathlib import Path

import torch

from ..checkpoint import (
    CameraFile,
    MotionFile,
    Sampling,
    TinyModelFile,
    cast,
    save_camera_adapter,
    save_motion_module,
    save_tiny_model,
    text_weights,
)
from ..embedded import ASSETS, IMAGE_MODEL, MOTION, camera_path
from ..model.words import WordTokenizer
from .config import TrainConfig
from .parts import Parts

UNET_FIELDS = (
    "in_channels",
    "out_channels",
    "block_out_channels",
    "layers_per_block",
    "down_block_types",
    "up_block_types",
    "cross_attention_dim",
    "attention_head_dim",
)
TEXT_FIELDS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
    "hidden_act",
    "layer_norm_eps",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
)


def export(parts: Parts, config: TrainConfig, trained: set[str], folder: Path) -> list[Path]:
    """Write the trained parts in float16: camera adapters, motion modules and, of the tiny model, the image model.

    The files have the names and places that they have in genphoto/assets.
    """
    written = []

    def place(path: Path) -> Path:
        written.append(folder / path.relative_to(ASSETS))
        written[-1].parent.mkdir(parents=True, exist_ok=True)
        return written[-1]

    def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
        return cast(module.state_dict(), torch.float16)

    if trained & {"unet", "text", "autoencoder"} and isinstance(parts.image_model.tokenize, WordTokenizer):
        model = parts.image_model
        file = TinyModelFile(
            {name: model.unet.config[name] for name in UNET_FIELDS},
            {name: getattr(model.text_encoder.config, name) for name in TEXT_FIELDS},
            model.autoencoder.sizes,
            model.tokenize,
            model.prediction,
            {
                "unet": weights(model.unet),
                "text": cast(text_weights(model.text_encoder), torch.float16),
                "autoencoder": weights(model.autoencoder),
            },
            Sampling(*reversed(parts.architecture.encoder.image_size)),
        )
        save_tiny_model(place(IMAGE_MODEL), file)
    if "motion" in trained:
        save_motion_module(place(MOTION), MotionFile(parts.architecture, weights(parts.motion)))
    if "camera" in trained:
        for name, adapter in parts.camera.items():
            file = CameraFile(
                adapter.steering,
                parts.architecture,
                weights(adapter.encoder),
                weights(adapter.merges),
                config.data.frames,
            )
            save_camera_adapter(place(camera_path(name)), file)
    return written
