"""Temporal attention: every pixel looks at itself in the other frames."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Operations = ModuleType | type[Any]  # provides Linear, Conv2d, LayerNorm and GroupNorm: torch.nn, or a host's own
Merge = Callable[[Tensor], Tensor]

ATTENTION_BATCH = 2**15  # CUDA's attention kernels refuse larger batches


class PositionalEncoding(nn.Module):
    """Sine and cosine codes of the frame index, added."""

    def __init__(self, width: int, positions: int):
        super().__init__()
        index = torch.arange(positions)[:, None]
        frequency = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        codes = torch.stack([torch.sin(index * frequency), torch.cos(index * frequency)], -1)
        self.register_buffer("pe", codes.reshape(1, positions, width))

    def forward(self, x: Tensor) -> Tensor:
        """x (N,F,C) plus the codes of frames 0..F-1. Hosts may leave the buffer elsewhere, in float32."""
        return x + self.pe[:, : x.shape[1]].to(x)


class TemporalAttention(nn.Module):
    """Self-attention over frames, with position codes."""

    def __init__(self, width: int, heads: int, positions: int, operations: Operations):
        super().__init__()
        self.heads = heads
        self.pos_encoder = PositionalEncoding(width, positions)
        self.to_q = operations.Linear(width, width, bias=False)
        self.to_k = operations.Linear(width, width, bias=False)
        self.to_v = operations.Linear(width, width, bias=False)
        self.to_out = nn.ModuleList([operations.Linear(width, width)])

    def forward(self, x: Tensor, merge: Merge | None = None) -> Tensor:
        """x (N,F,C) -> (N,F,C). `merge` changes the tokens after the position codes: the camera enters here."""
        x = self.pos_encoder(x)
        if merge is not None:
            x = merge(x)
        qkv = [to(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for to in (self.to_q, self.to_k, self.to_v)]
        return self.to_out[0](attention(*qkv).transpose(1, 2).flatten(2))


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Scaled dot-product attention, all (N,heads,F,C)."""
    if query.device.type == "cpu":  # its fused kernel takes three times as long for so few frames
        return (query * query.shape[-1] ** -0.5 @ key.mT).softmax(-1) @ value
    batches = zip(*(part.split(ATTENTION_BATCH) for part in (query, key, value)), strict=True)
    return torch.cat([F.scaled_dot_product_attention(*batch) for batch in batches])


class GatedProjection(nn.Module):
    """GEGLU: a linear map gated by the GELU of another."""

    def __init__(self, width: int, inner: int, operations: Operations):
        super().__init__()
        self.proj = operations.Linear(width, 2 * inner)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    """GEGLU of four times the width, and back."""

    def __init__(self, width: int, operations: Operations):
        super().__init__()
        # The layout of released files: index 1 was a dropout.
        self.net = nn.ModuleList(
            [GatedProjection(width, 4 * width, operations), nn.Identity(), operations.Linear(4 * width, width)]
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net[2](self.net[0](x))


class TemporalBlock(nn.Module):
    """Temporal self-attentions and a feed-forward layer, each on the normalized input and added to it."""

    def __init__(self, width: int, heads: int, positions: int, attentions: int, operations: Operations):
        super().__init__()
        self.attention_blocks = nn.ModuleList(
            [TemporalAttention(width, heads, positions, operations) for _ in range(attentions)]
        )
        self.norms = nn.ModuleList([operations.LayerNorm(width) for _ in range(attentions)])
        self.ff = FeedForward(width, operations)
        self.ff_norm = operations.LayerNorm(width)

    def forward(self, x: Tensor, merge: Merge | None = None) -> Tensor:
        """x (N,F,C) -> (N,F,C); the camera enters the first attention."""
        for attention, norm in zip(self.attention_blocks, self.norms, strict=True):
            x = attention(norm(x), merge) + x
            merge = None
        return self.ff(self.ff_norm(x)) + x


def windows(frames: int, longest: int) -> list[range]:
    """Ranges of at most `longest` frames that cover 0..frames-1, each overlapping the next by at least half."""
    if frames <= longest:
        return [range(frames)]
    count = math.ceil((frames - longest) / (longest // 2)) + 1
    starts = [round(i * (frames - longest) / (count - 1)) for i in range(count)]
    return [range(start, start + longest) for start in starts]


def over_windows(apply: Callable[[Tensor, range], Tensor], tokens: Tensor, longest: int) -> Tensor:
    """apply(tokens (N,F,C) of a window, the window) -> the same shape, for all frames; overlaps are cross-faded."""
    parts = windows(tokens.shape[1], longest)
    if len(parts) == 1:
        return apply(tokens, parts[0])
    distance = torch.arange(longest, device=tokens.device, dtype=torch.float32) + 1
    fade = torch.minimum(distance, distance.flip(0))[:, None]
    weight = fade.new_zeros(tokens.shape[1], 1)
    for window in parts:
        weight[window.start : window.stop] += fade
    total = torch.zeros_like(tokens)
    for window in parts:
        at = slice(window.start, window.stop)
        share = (fade / weight[at]).to(tokens.dtype)  # at most 1: half precision holds no large multiples of tokens
        total[:, at] = total[:, at] + share * apply(tokens[:, at], window)
    return total
