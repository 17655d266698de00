"""LPIPS (Zhang et al., CVPR 2018), the learned perceptual distance: of neighbors as published, of compensated frames.

The package `lpips` brings its own small weights; the backbone's come from torchvision and are never downloaded here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from ..camera.camera import Camera
from .consistency import compensated_pairs

# File name and address of torchvision's weights, as the torch hub cache holds them.
BACKBONES = {
    "vgg": ("vgg16-397923af.pth", "https://download.pytorch.org/models/vgg16-397923af.pth"),
    "alex": ("alexnet-owt-7be5be79.pth", "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"),
}

Distance = Callable[[Tensor, Tensor], float]


def lpips_distance(net: str = "vgg", folder: str | Path | None = None) -> Distance:
    """LPIPS of two sRGB pictures (3,H,W) in [0,1]; 0 is equal.

    Args:
        net: "vgg", as in the paper, or "alex".
        folder: where the backbone's weights lie; None for the torch hub cache.

    Raises:
        ImportError: the package lpips is not installed.
        FileNotFoundError: the backbone's weights are not in the folder; says where to get them.
    """
    if net not in BACKBONES:
        raise ValueError(f"LPIPS has no net {net!r}. Nets: {', '.join(BACKBONES)}.")
    name, address = BACKBONES[net]
    path = Path(folder or Path(torch.hub.get_dir(), "checkpoints")) / name
    if not path.is_file():
        raise FileNotFoundError(f"LPIPS needs the weights {name}, not found in {path.parent}. Get them from {address}.")
    try:
        import lpips
    except ImportError:
        raise ImportError("LPIPS needs the package lpips, which is not installed: pip install lpips.") from None
    model = lpips.LPIPS(net=net, pnet_rand=True, verbose=False).eval()  # random: or it would download
    weights = torch.load(path, map_location="cpu", weights_only=True)
    # "slice2.4.weight" of lpips is "features.4.weight" of torchvision.
    named = {key: weights[f"features.{key.split('.', 1)[1]}"] for key in model.net.state_dict()}
    model.net.load_state_dict(named)

    def distance(a: Tensor, b: Tensor) -> float:
        with torch.no_grad():
            return float(model(a.cpu().float()[None] * 2 - 1, b.cpu().float()[None] * 2 - 1))

    return distance


def adjacent_lpips(frames: Tensor, distance: Distance) -> tuple[float, ...]:
    """Distance of every frame (F,3,H,W) from the one before, (F-1,): the published consistency, 0 when frozen."""
    return tuple(distance(a, b) for a, b in pairwise(frames))


def compensated_lpips(
    frames: Tensor,
    cameras: Sequence[Camera],
    distance: Distance,
    disparity: Tensor | None = None,
    dial: bool = False,
) -> tuple[float, ...]:
    """Distance of every frame (F,3,H,W) from the first after undoing what the cameras change, (F,).

    What is clipped in one of two frames is made equal in both.
    """
    pairs = compensated_pairs(frames, cameras, disparity, dial)
    return tuple(distance(first, torch.where(valid, frame, first)) for first, frame, valid in pairs)
