"""The noise of a sweep: partly each frame's own, partly the same in all frames."""

from __future__ import annotations

import math

from torch import Tensor


def share_noise(noise: Tensor, frames: int, own_percent: int) -> Tensor:
    """Independent noise (S F,...), S sweeps of F frames -> noise of unit variance of which the rest is shared.

    Any two frames of a sweep then have a covariance of 1 - own / 100. The symmetric square root of that covariance,
    applied: the same numbers in, whatever the host, give the same numbers out. After PYoCo's mixed noise (Ge et al.,
    ICCV 2023).
    """
    if own_percent == 100:
        return noise
    own = own_percent / 100
    sweeps = noise.unflatten(0, (-1, frames))
    mean = sweeps.mean(1, keepdim=True)
    shared = math.sqrt(own + (1 - own) * frames)
    return (math.sqrt(own) * (sweeps - mean) + shared * mean).flatten(0, 1)
