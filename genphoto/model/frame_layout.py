"""Frame layouts: how a backbone holds the frames of its sweeps, and how they become tokens for attention over time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class FrameLayout(Protocol):
    """Between a backbone's hidden states and tokens (S h w, F, C): every place by itself, its frames in a row.

    S sequences have F frames each, a frame h x w places of C channels. `size` is (h,w).
    """

    def size_of(self, x: Tensor) -> tuple[int, int]:
        """(h,w) of hidden states."""

    def to_tokens(self, x: Tensor, frames: int, size: tuple[int, int]) -> Tensor:
        """Hidden states -> tokens (S h w, F, C)."""

    def from_tokens(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """The inverse."""

    def per_frame(self, apply: Callable[[Tensor], Tensor], x: Tensor, frames: int, size: tuple[int, int]) -> Tensor:
        """Hidden states of the same layout, after `apply` to their frames as images (S F, C, h, w)."""


@dataclass(frozen=True, slots=True)
class ImagesOfABatch:
    """(S F, C, h, w): every frame is an image of the batch, as in a UNet."""

    def size_of(self, x: Tensor) -> tuple[int, int]:
        height, width = x.shape[-2:]
        return height, width

    def to_tokens(self, x: Tensor, frames: int, size: tuple[int, int]) -> Tensor:
        return x.unflatten(0, (-1, frames)).flatten(3).permute(0, 3, 1, 2).flatten(0, 1)

    def from_tokens(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        height, width = size
        channels = tokens.shape[-1]
        return tokens.unflatten(0, (-1, height * width)).permute(0, 2, 3, 1).reshape(-1, channels, height, width)

    def per_frame(self, apply: Callable[[Tensor], Tensor], x: Tensor, frames: int, size: tuple[int, int]) -> Tensor:
        return apply(x)


IMAGES = ImagesOfABatch()


@dataclass(frozen=True, slots=True)
class VideoTokens:
    """(S, F h w, C): the frames of a sequence lie one after another, each row by row, as in a video transformer."""

    def size_of(self, x: Tensor) -> tuple[int, int]:
        """Raises ValueError: a row of tokens does not show it."""
        raise ValueError(f"Video tokens {tuple(x.shape)} do not show the size of a frame. Pass size = (height, width).")

    def to_tokens(self, x: Tensor, frames: int, size: tuple[int, int]) -> Tensor:
        return self._placed(x, frames, size).flatten(2, 3).transpose(1, 2).flatten(0, 1)

    def from_tokens(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        return tokens.unflatten(0, (-1, size[0] * size[1])).transpose(1, 2).flatten(1, 2)

    def per_frame(self, apply: Callable[[Tensor], Tensor], x: Tensor, frames: int, size: tuple[int, int]) -> Tensor:
        images = apply(self._placed(x, frames, size).permute(0, 1, 4, 2, 3).flatten(0, 1))
        return images.unflatten(0, (-1, frames)).permute(0, 1, 3, 4, 2).flatten(1, 3)

    def _placed(self, x: Tensor, frames: int, size: tuple[int, int]) -> Tensor:
        """(S,F,h,w,C)."""
        height, width = size
        if x.shape[1] != frames * height * width:
            raise ValueError(f"{x.shape[1]} video tokens are not {frames} frames of {height} x {width}.")
        return x.unflatten(1, (frames, height, width))
