"""Work on every pixel by itself, in strips of rows that fit in a processor's cache."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..progress import Progress, unreported

STRIP = 2**15  # numbers

Change = Callable[[Tensor, slice], Tensor]
"""(numbers (C,r,W) of a picture, its rows in the picture) -> (C',r,W), every pixel by itself."""


def in_strips(
    source: Tensor,
    change: Change,
    into: Tensor | None = None,
    on_progress: Progress = unreported,
) -> Tensor:
    """change(strip (C,r,W), its rows) of every strip of `source` (C,H,W), in one (C',H,W), or in `into`.

    Takes the memory of its result. A gradient, and other devices than the CPU, want all rows at once.
    """
    height = source.shape[1]
    if source.device.type != "cpu" or (torch.is_grad_enabled() and source.requires_grad):
        return change(source, slice(0, height))
    rows = max(1, STRIP // source[:, :1].numel())
    for top in range(0, height, rows):
        strip = slice(top, min(top + rows, height))
        piece = change(source[:, strip], strip)
        if into is None:
            into = piece.new_empty(piece.shape[0], height, piece.shape[2])
        into[:, strip] = piece
        on_progress(strip.stop / height)
    return source if into is None else into  # None where there are no rows
