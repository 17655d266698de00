"""DifferentialCameraEncoder: from the camera embedding of a sweep to features for every level of the backbone."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .backbone import Backbone
from .config import EncoderSizes
from .differential import embedding_channels
from .frame_layout import IMAGES
from .temporal import Operations, TemporalBlock, over_windows


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x))), after halving the size and changing the width where a level begins."""

    def __init__(self, channels_in: int, channels: int, halve: bool, operations: Operations):
        super().__init__()
        self.halve = halve
        self.in_conv = operations.Conv2d(channels_in, channels, 1) if channels_in != channels else None
        self.block1 = operations.Conv2d(channels, channels, 3, padding=1)
        self.block2 = operations.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        if self.halve:
            x = F.avg_pool2d(x, 2)
        if self.in_conv is not None:
            x = self.in_conv(x)
        return self.block2(F.relu(self.block1(x))) + x


class DifferentialCameraEncoder(nn.Module):
    """Features of a camera embedding at every level; each frame's depend on all frames of its sweep.

    Attribute names follow the released files.

    Args:
        backbone: whose levels get features.
        sizes: its own.
        operations: layers of torch, or a host's own.
        priors: coarse priors in the camera embedding, one per setting that is steered.
    """

    def __init__(self, backbone: Backbone, sizes: EncoderSizes, operations: Operations = nn, priors: int = 1):
        super().__init__()
        self.backbone = backbone
        self.sizes = sizes
        self.priors = priors
        self.patch = backbone.downscale // sizes.embedding_downscale
        widths = (backbone.widths[0], *backbone.widths)
        self.encoder_conv_in = operations.Conv2d(embedding_channels(priors) * self.patch**2, widths[0], 3, padding=1)
        self.encoder_down_conv_blocks = nn.ModuleList()
        self.encoder_down_attention_blocks = nn.ModuleList()
        for level, channels in enumerate(backbone.widths):
            inputs = [widths[level], *[channels] * (sizes.blocks - 1)]
            self.encoder_down_conv_blocks.append(
                nn.ModuleList(
                    [
                        ResidualBlock(width, channels, halve=level > 0 and index == 0, operations=operations)
                        for index, width in enumerate(inputs)
                    ]
                )
            )
            self.encoder_down_attention_blocks.append(
                nn.ModuleList([TemporalBlock(channels, sizes.heads, sizes.positions, 1, operations) for _ in inputs])
            )

    def forward(self, embedding: Tensor) -> list[Tensor]:
        """Camera embedding (S,3 N + 3,F,H,W) of N priors -> per level (S,F,C,h,w), h = H / (patch * 2^level)."""
        sweeps, _, frames = embedding.shape[:3]
        x = embedding.transpose(1, 2).flatten(0, 1)
        x = self.encoder_conv_in(F.pixel_unshuffle(x, self.patch))
        features = []
        for convolutions, attentions in zip(
            self.encoder_down_conv_blocks, self.encoder_down_attention_blocks, strict=True
        ):
            for convolution, attention in zip(convolutions, attentions, strict=True):
                x = convolution(x)
                size = IMAGES.size_of(x)
                tokens = over_windows(
                    lambda part, _, block=attention: block(part),
                    IMAGES.to_tokens(x, frames, size),
                    self.sizes.positions,
                )
                x = IMAGES.from_tokens(tokens, size)
            features.append(x.unflatten(0, (sweeps, frames)))
        return features
