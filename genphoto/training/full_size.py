"""The full-size model: Stable Diffusion 1.5 from files, or random weights of its sizes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from .. import checkpoint
from ..image_model import TOKENS, ImageModel, load_image_model
from ..model.config import PUBLISHED
from ..model.diffusers_host import merge_image_lora
from ..model.lift import Lift
from .config import DataConfig, ModelConfig
from .parts import Parts, initialized, steered_by


def full_size_parts(model: ModelConfig, data: DataConfig, seed: int) -> Parts:
    """SD 1.5, its motion modules and a new camera adapter per setting of the data.

    Raises:
        ValueError: a file is missing or of another kind.
    """
    if model.kind == "sd15-random":
        return initialized(partial(_random_parts, data), seed)
    motion = checkpoint.motion_module(*checkpoint.load(model.motion), Path(model.motion).name)
    image_model = load_image_model(Path(model.base), Path(model.unet) if model.unet else None)
    if model.lora:
        merge_image_lora(image_model.unet, checkpoint.image_lora(checkpoint.load(model.lora)[0], Path(model.lora).name))
    lift = checkpoint.build_lift(motion).float()
    return initialized(lambda: Parts(image_model, lift, motion.architecture.encoder, steered_by(data)), seed)


def _random_parts(data: DataConfig) -> Parts:
    backbone = PUBLISHED.backbone
    unet = UNet2DConditionModel(block_out_channels=backbone.widths, cross_attention_dim=backbone.text_width)
    vae = AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
    )
    text = CLIPTextModel(
        CLIPTextConfig(
            hidden_size=backbone.text_width, intermediate_size=3072, num_attention_heads=12, num_hidden_layers=12
        )
    )
    motion = Lift(backbone, PUBLISHED.motion)
    return Parts(ImageModel(unet, vae, text, _letters), motion, PUBLISHED.encoder, steered_by(data))


def _letters(texts) -> torch.Tensor:
    """Texts as their letters: token numbers (N,77) for a model of random weights, which has no tokenizer."""
    rows = [[49406, *text.encode()[: TOKENS - 2], 49407] for text in texts]
    return torch.tensor([row + [49407] * (TOKENS - len(row)) for row in rows])
