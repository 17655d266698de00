"""The tiny model: its networks untrained, and its files."""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from ..data.scenes.scene import WORDS
from ..image_model import ImageModel
from ..model.autoencoder import Autoencoder, AutoencoderSizes
from ..model.config import TINY
from ..model.lift import Lift
from ..model.motion_module import MotionModule
from ..model.temporal import TemporalAttention
from ..model.words import END, START, WordTokenizer
from .config import DataConfig
from .parts import Parts, initialized, steered_by

AUTOENCODER = AutoencoderSizes(latent_channels=16, widths=(32, 64), packing=2)
WORDS_OF_A_TEXT = 32
AT_HOME = 3.0  # times the usual size of random weights: tokens of one frame then match each other


def untrained_parts(data: DataConfig, prediction: str, seed: int) -> Parts:
    """All networks of the tiny model with random weights."""
    tokenizer = WordTokenizer.of_new_model(WORDS, WORDS_OF_A_TEXT)

    def make() -> Parts:
        words = len(tokenizer.vocabulary)
        model = ImageModel(unet(), Autoencoder(AUTOENCODER), text_encoder(words), tokenizer, prediction)
        motion = Lift(TINY.backbone, TINY.motion)
        return Parts(model, motion, TINY.encoder, steered_by(data, tokenizer.digest))

    parts = initialized(make, seed)
    _start_at_home(parts.motion)
    return parts


@torch.no_grad()
def _start_at_home(motion: Lift) -> None:
    """Motion modules that add nothing at first, and in which every frame attends to itself.

    A camera steers a frame through the values that it attends to. From random weights every frame attends to all
    alike, all get the mean of their cameras, and it takes very long until they differ.
    """
    for module in motion.modules():
        if isinstance(module, MotionModule):
            nn.init.zeros_(module.proj_out.weight)
            nn.init.zeros_(module.proj_out.bias)
        if isinstance(module, TemporalAttention):
            module.to_q.weight.mul_(AT_HOME)
            module.to_k.weight.copy_(module.to_q.weight)


def text_encoder(vocabulary: int) -> CLIPTextModel:
    """A CLIP text encoder of two layers."""
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=TINY.backbone.text_width,
        intermediate_size=4 * TINY.backbone.text_width,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=WORDS_OF_A_TEXT,
        bos_token_id=START,
        eos_token_id=END,
        pad_token_id=END,
    )
    model = CLIPTextModel(config)
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.1)  # CLIP's 0.02 is for vocabularies a thousand times larger
    return model


def unet() -> UNet2DConditionModel:
    """A UNet of two levels, with words at the lower one."""
    return UNet2DConditionModel(
        in_channels=AUTOENCODER.latent_channels,
        out_channels=AUTOENCODER.latent_channels,
        block_out_channels=TINY.backbone.widths,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=TINY.backbone.text_width,
        attention_head_dim=TINY.motion.heads,
    )
