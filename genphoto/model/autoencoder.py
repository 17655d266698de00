"""Autoencoder of the tiny model: pictures to latents of an eighth of their size, and back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class AutoencoderSizes:
    """Sizes of an autoencoder.

    Args:
        latent_channels: channels of a latent.
        widths: channels at a half, a quarter and an eighth of the picture's size; packed latents need no eighth.
        blocks: residual blocks at each of them, on the way up; one fewer on the way down.
        packing: 1 for latents that are made at an eighth; 2 for latents with a quarter of the channels that are made
            at a quarter, where textures survive, and packed 2x2.
    """

    latent_channels: int = 16
    widths: tuple[int, ...] = (32, 64, 128)
    blocks: int = 2
    packing: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        if self.packing not in (1, 2):
            raise ValueError(f"AutoencoderSizes: packing = {self.packing} must be 1 or 2.")
        if self.latent_channels % self.packing**2:
            raise ValueError(f"AutoencoderSizes: latent_channels = {self.latent_channels} must be a multiple of 4.")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


DOWNSCALE = 8


class Residual(nn.Module):
    """x + conv(silu(conv(silu(x)))), the identity at first. Without norms: a norm would forget the exposure."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        if not self.conv2.weight.is_meta:
            nn.init.zeros_(self.conv2.weight)
            nn.init.zeros_(self.conv2.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.silu(self.conv1(F.silu(x))))


class Autoencoder(nn.Module):
    """A convolutional autoencoder that does its work at a quarter of the picture's size: cheap on a CPU.

    Latents have mean 0 and variance 1 per channel over the training pictures, so their scaling factor is 1.
    """

    def __init__(self, sizes: AutoencoderSizes):
        super().__init__()
        self.sizes = sizes
        half, quarter = sizes.widths[:2]
        down, up = range(max(sizes.blocks - 1, 1)), range(sizes.blocks)
        to_latents, from_latents = (_packed if sizes.packing == 2 else _at_an_eighth)(sizes)
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(4),
            nn.Conv2d(3 * 16, quarter, 3, padding=1),
            *[Residual(quarter) for _ in down],
            *to_latents,
        )
        self.norm = nn.BatchNorm2d(sizes.latent_channels, eps=1e-4, momentum=0.01, affine=False)
        self.decoder = nn.Sequential(
            *from_latents,
            *[Residual(quarter) for _ in up],
            nn.Conv2d(quarter, 4 * half, 1),
            nn.PixelShuffle(2),
            Residual(half),
            nn.SiLU(),
            nn.Conv2d(half, 4 * 8, 3, padding=1),
            nn.PixelShuffle(2),
            nn.SiLU(),
            nn.Conv2d(8, 3, 3, padding=1),
        )

    def encode(self, pictures: Tensor) -> Tensor:
        """Pictures (N,3,H,W) in [-1,1], H and W multiples of 8, -> latents (N,C,H/8,W/8)."""
        return self.norm(self.encoder(pictures))

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (N,C,h,w) -> pictures (N,3,8h,8w), about [-1,1]."""
        return self.decoder(latents)

    def forward(self, pictures: Tensor, noise: Tensor | None = None) -> Tensor:
        """Pictures through their latents, to which `noise` is added: what the decoder has to put up with."""
        latents = self.encode(pictures)
        return self.decode(latents if noise is None else latents + noise)


def _at_an_eighth(sizes: AutoencoderSizes) -> tuple[list[nn.Module], list[nn.Module]]:
    """From features at a quarter to latents, and back."""
    _, quarter, eighth = sizes.widths
    return [
        nn.Conv2d(quarter, eighth, 4, stride=2, padding=1),
        *[Residual(eighth) for _ in range(max(sizes.blocks - 1, 1))],
        nn.SiLU(),
        nn.Conv2d(eighth, sizes.latent_channels, 3, padding=1),
    ], [
        nn.Conv2d(sizes.latent_channels, eighth, 3, padding=1),
        *[Residual(eighth) for _ in range(sizes.blocks)],
        nn.Conv2d(eighth, 4 * quarter, 1),
        nn.PixelShuffle(2),
    ]


def _packed(sizes: AutoencoderSizes) -> tuple[list[nn.Module], list[nn.Module]]:
    """As `_at_an_eighth`, with nothing between a quarter and the latents but packing."""
    quarter, channels = sizes.widths[1], sizes.latent_channels // 4
    return (
        [nn.SiLU(), nn.Conv2d(quarter, channels, 3, padding=1), nn.PixelUnshuffle(2)],
        [nn.PixelShuffle(2), nn.Conv2d(channels, quarter, 3, padding=1)],
    )


def reconstruction_loss(decoded: Tensor, pictures: Tensor) -> Tensor:
    """Mean absolute error of the pictures and of their differences between neighbors: edges count twice."""
    loss = F.l1_loss(decoded, pictures)
    for axis in (-1, -2):
        loss = loss + F.l1_loss(decoded.diff(dim=axis), pictures.diff(dim=axis))
    return loss
