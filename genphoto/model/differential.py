"""The differential camera embedding: coarse priors, and the differences of text features from frame to frame."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MIN_FRAMES = 2
PRIOR_CHANNELS = 3  # of one setting; the differences fill as many


def embedding_channels(priors: int) -> int:
    """Channels of the camera embedding of an adapter with so many coarse priors, one per setting."""
    return PRIOR_CHANNELS * (priors + 1)


def text_differences(hidden: Tensor, size: tuple[int, int]) -> Tensor:
    """(S,F,T,D) last hidden states of the camera prompts -> (S,F,H,W): what changes from each frame to the next.

    Row i is h[i+1] - h[i]; the last row is h[last] - h[first]. Token vectors fill the picture row by row, zeros after
    the last token.
    """
    following = torch.cat([hidden[:, 1:] - hidden[:, :-1], hidden[:, -1:] - hidden[:, :1]], 1)
    height, width = size
    flat = following.flatten(2)
    if flat.shape[2] > height * width:
        raise ValueError(
            f"{hidden.shape[2]} tokens of width {hidden.shape[3]} do not fit a camera embedding of {width} x {height}. "
            "Camera prompts are 77 tokens long: use the text encoder of SD 1.5, without further text."
        )
    return F.pad(flat, (0, height * width - flat.shape[2])).unflatten(2, size)


def camera_embedding(prior: Tensor, hidden: Tensor) -> Tensor:
    """Coarse priors (S,F,3 N,H,W) of N settings and hidden states (S,F,T,D) of prompts -> (S,3 N + 3,F,H,W)."""
    differences = text_differences(hidden, prior.shape[-2:])
    repeated = differences[:, :, None].expand(-1, -1, PRIOR_CHANNELS, -1, -1)
    return torch.cat([prior.to(differences), repeated], 2).transpose(1, 2)
