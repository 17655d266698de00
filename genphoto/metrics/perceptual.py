"""LPIPS (Zhang et al., CVPR 2018), the learned perceptual distance: of neighbors as published, of compensated frames.

Written out here, because the package `lpips` needs torchvision, and one that does not fit PyTorch keeps diffusers and
transformers from being imported. Its calibration (version 0.1) lies in `assets/lpips`; the weights of the backbone are
those that torchvision publishes, and are never downloaded here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from ..checkpoint import load
from .consistency import compensated_pair
from .sequence import FrameSequence
from .weights import weights_digest

# File name and address of torchvision's weights, as the torch hub cache holds them.
BACKBONES = {
    "vgg": ("vgg16-397923af.pth", "https://download.pytorch.org/models/vgg16-397923af.pth"),
    "alex": ("alexnet-owt-7be5be79.pth", "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"),
}

CALIBRATION = Path(__file__).parents[1] / "assets" / "lpips" / "lpips.safetensors"
MEAN, STD = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of the R, G and B that a backbone sees
EPSILON = 1e-10

Distance = Callable[[Tensor, Tensor], float]


@dataclass(frozen=True, slots=True)
class Lpips:
    """LPIPS of two sRGB pictures (3,H,W) in [0,1]; 0 is equal."""

    model: nn.Module

    def __call__(self, a: Tensor, b: Tensor) -> float:
        """The distance."""
        device = next(self.model.parameters()).device
        with torch.no_grad():
            return float(self.model(*(picture.to(device).float()[None] * 2 - 1 for picture in (a, b))))

    @property
    def identity(self) -> str:
        """What decides over its numbers."""
        return weights_digest(self.model)


def lpips_distance(net: str = "vgg", folder: str | Path | None = None) -> Lpips:
    """LPIPS of two sRGB pictures (3,H,W) in [0,1]; 0 is equal.

    Args:
        net: "vgg", as in the paper, or "alex".
        folder: where the backbone's weights lie; None for the torch hub cache.

    Raises:
        FileNotFoundError: the backbone's weights are not in the folder; says where to get them.
        ValueError: there is no such net, or the file does not hold its weights.
    """
    if net not in BACKBONES:
        raise ValueError(f"LPIPS has no net {net!r}. Nets: {', '.join(BACKBONES)}.")
    name, address = BACKBONES[net]
    path = Path(folder or Path(torch.hub.get_dir(), "checkpoints")) / name
    if not path.is_file():
        raise FileNotFoundError(f"LPIPS needs the weights {name}, not found in {path.parent}. Get them from {address}.")
    model, state = LpipsNetwork(net), load(path)[0]
    wanted = model.features.state_dict()
    named = {key: value for key in wanted if isinstance(value := state.get(f"features.{key}"), Tensor)}
    if wrong := [key for key in wanted if key not in named or named[key].shape != wanted[key].shape]:
        raise ValueError(f"{path} does not hold the weights of {net}: features.{wrong[0]} is missing. Get {address}.")
    model.features.load_state_dict(named)
    return Lpips(model.eval())


class LpipsNetwork(nn.Module):
    """LPIPS with a backbone of random weights: pictures (1,3,H,W) in [-1,1], twice -> (1,).

    Args:
        net: "vgg" or "alex".
    """

    def __init__(self, net: str):
        super().__init__()
        layers, self.taps = _BACKBONE_LAYERS[net]()
        self.features = nn.Sequential(*layers)
        calibration = load(CALIBRATION)[0]
        for index in range(len(self.taps)):
            self.register_buffer(f"weight_{index}", calibration[f"{net}.{index}"].clone())
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """The distance: equation 1 of the paper."""
        distance = a.new_zeros(len(a))
        pairs = zip(self._unit_features(a), self._unit_features(b), strict=True)
        for index, (first, second) in enumerate(pairs):
            weight = self.get_buffer(f"weight_{index}").view(1, -1, 1, 1)
            distance = distance + (weight * (first - second).square()).sum(1).mean((1, 2))
        return distance

    def _unit_features(self, picture: Tensor) -> list[Tensor]:
        features: list[Tensor] = []
        x = (picture - self.get_buffer("mean")) / self.get_buffer("std")
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.taps:
                features.append(x / (x.square().sum(1, keepdim=True).sqrt() + EPSILON))
        return features


def _vgg16() -> tuple[list[nn.Module], tuple[int, ...]]:
    """The convolutions of VGG-16, numbered as torchvision's, and which outputs are compared."""
    layers: list[nn.Module] = []
    channels, taps = 3, []
    for stage, (wide, count) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))):
        if stage:
            layers.append(nn.MaxPool2d(2))
        for _ in range(count):
            layers += [nn.Conv2d(channels, wide, 3, padding=1), nn.ReLU()]
            channels = wide
        taps.append(len(layers) - 1)
    return layers, tuple(taps)


def _alexnet() -> tuple[list[nn.Module], tuple[int, ...]]:
    """The convolutions of AlexNet, numbered as torchvision's, and which outputs are compared."""
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2)]
    layers += [nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2)]
    layers += [nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()]
    layers += [nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()]
    return layers, (1, 4, 7, 9, 11)


_BACKBONE_LAYERS = {"vgg": _vgg16, "alex": _alexnet}


def adjacent_lpips(frames: Tensor, distance: Distance) -> tuple[float, ...]:
    """Distance of every frame (F,3,H,W) from the one before, (F-1,): the published consistency, 0 when frozen."""
    return tuple(distance(a, b) for a, b in pairwise(frames))


def compensated_lpips(sequence: FrameSequence, distance: Distance) -> tuple[float, ...]:
    """Distance of every frame from the first after undoing what the cameras change, (F,).

    What is clipped in one of two frames is made equal in both.
    """
    pairs = (compensated_pair(sequence, index) for index in range(len(sequence.cameras)))
    return tuple(distance(first, torch.where(valid, frame, first)) for first, frame, valid in pairs)
