"""Motion module of AnimateDiff v3, with the camera merged inside its first temporal attention."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from .config import MotionSizes
from .frame_layout import FrameLayout
from .temporal import Merge, Operations, TemporalBlock, over_windows

GROUPS = 32


class MotionModule(nn.Module):
    """A temporal transformer over the frames of a feature map, added to it."""

    def __init__(self, channels: int, sizes: MotionSizes, layout: FrameLayout, operations: Operations):
        super().__init__()
        self.layout = layout
        self.window = sizes.window
        self.norm = operations.GroupNorm(GROUPS, channels, eps=1e-6)
        self.proj_in = operations.Linear(channels, channels)
        self.transformer_blocks = nn.ModuleList([TemporalBlock(channels, sizes.heads, sizes.positions, 2, operations)])
        self.proj_out = operations.Linear(channels, channels)

    def forward(
        self, x: Tensor, frames: int, size: tuple[int, int], merge: Callable[[range], Merge] | None = None
    ) -> Tensor:
        """Hidden states x in the layout, sequences of F frames of `size` (h,w) each -> the same shape.

        `merge(window)` gives the function that merges the camera into tokens (S h w, len(window), C). Longer
        sequences than a window are attended to in overlapping windows.
        """
        block, layout = self.transformer_blocks[0], self.layout
        tokens = self.proj_in(layout.to_tokens(layout.per_frame(self.norm, x, frames, size), frames, size))
        tokens = over_windows(lambda part, window: block(part, merge and merge(window)), tokens, self.window)
        return layout.from_tokens(self.proj_out(tokens), size) + x
