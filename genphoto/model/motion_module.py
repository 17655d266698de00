"""Motion module of AnimateDiff v3, with the camera merged inside its first temporal attention."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from .config import Architecture
from .temporal import Merge, Operations, TemporalBlock, over_windows

GROUPS = 32


class MotionModule(nn.Module):
    """A temporal transformer over the frames of a feature map, added to it."""

    def __init__(self, channels: int, architecture: Architecture, operations: Operations):
        super().__init__()
        self.longest = architecture.encoder_positions  # the camera was never seen on longer sweeps
        self.norm = operations.GroupNorm(GROUPS, channels, eps=1e-6)
        self.proj_in = operations.Linear(channels, channels)
        self.transformer_blocks = nn.ModuleList(
            [TemporalBlock(channels, architecture.heads, architecture.positions, 2, operations)]
        )
        self.proj_out = operations.Linear(channels, channels)

    def forward(self, x: Tensor, frames: int, merge: Callable[[range], Merge] | None = None) -> Tensor:
        """x (S F, C, h, w), S sequences of F frames each -> the same shape.

        `merge(window)` gives the function that merges the camera into tokens (S h w, len(window), C). Sequences
        longer than the camera encoder knows are attended to in overlapping windows.
        """
        block = self.transformer_blocks[0]
        tokens = self.proj_in(to_tokens(self.norm(x), frames))
        tokens = over_windows(lambda part, window: block(part, merge and merge(window)), tokens, self.longest)
        return from_tokens(self.proj_out(tokens), x.shape) + x


def to_tokens(x: Tensor, frames: int) -> Tensor:
    """(S F, C, h, w) -> (S h w, F, C)."""
    return x.unflatten(0, (-1, frames)).flatten(3).permute(0, 3, 1, 2).flatten(0, 1)


def from_tokens(tokens: Tensor, shape: tuple[int, int, int, int]) -> Tensor:
    """The inverse of `to_tokens`, for a result of `shape` (S F, C, h, w)."""
    _, channels, height, width = shape
    return tokens.unflatten(0, (-1, height * width)).permute(0, 2, 3, 1).reshape(-1, channels, height, width)
