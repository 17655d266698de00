"""Lift: the motion modules of a backbone by site, and the cameras that steer them. Knows nothing of its host."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .backbone import Backbone
from .config import MotionSizes
from .frame_layout import IMAGES
from .motion_module import MotionModule
from .temporal import Merge, Operations


class SiteModules(nn.Module):
    """One module per site of a backbone, made for the width there; a site's name is the path to its module."""

    def __init__(self, backbone: Backbone, make: Callable[[int], nn.Module]):
        super().__init__()
        self.backbone = backbone
        self.level_of = dict(backbone.sites)
        for site, width in backbone.site_widths.items():
            *path, name = site.split(".")
            place: nn.Module = self
            for step in path:
                if step not in place._modules:
                    place.add_module(step, nn.Module())
                place = place.get_submodule(step)
            place.add_module(name, make(width))

    def at(self, site: str) -> nn.Module:
        """The module of a site."""
        return self.get_submodule(site)


class CameraMerge(nn.Module):
    """The linear map through which a camera feature enters the tokens of one temporal attention. Starts as zero."""

    def __init__(self, channels: int, operations: Operations):
        super().__init__()
        self.qkv_merge = operations.Linear(channels, channels)
        if self.qkv_merge.weight is not None:  # a host may fill its layers later
            nn.init.zeros_(self.qkv_merge.weight)
            nn.init.zeros_(self.qkv_merge.bias)


class CameraMerges(SiteModules):
    """The merges of one camera adapter."""

    def __init__(self, backbone: Backbone, operations: Operations = nn):
        super().__init__(backbone, lambda width: CameraMerge(width, operations))


class ActiveCamera:
    """One camera conditioning at work: merges, and features that are laid out as tokens once per run.

    Args:
        merges: of the adapter whose encoder made the features.
        features: per level (S,F,C,h,w), on any device.
        strength: 1 as trained, 0 is exactly off.
    """

    def __init__(self, merges: CameraMerges, features: Sequence[Tensor], strength: float = 1.0):
        self.merges = merges
        self.features = tuple(features)
        self.strength = strength
        self._tokens: dict[tuple, Tensor] = {}

    def tokens(self, level: int, like: Tensor, size: tuple[int, int], frames: Sequence[int]) -> Tensor:
        """Features of a level (S h w, len(frames), C), resized to `size` (h,w), in the dtype and device of `like`."""
        key = (level, size, like.dtype, like.device)
        tokens = self._tokens.get(key)
        if tokens is None:
            feature = self.features[level].flatten(0, 1)
            if feature.shape[-2:] != size:
                feature = F.interpolate(feature.float(), size, mode="bilinear", antialias=True)
            tokens = IMAGES.to_tokens(feature, self.features[level].shape[1], size).to(like).contiguous()
            if not tokens.requires_grad:  # in training every backward pass needs its own graph
                self._tokens[key] = tokens
        return tokens if list(frames) == list(range(tokens.shape[1])) else tokens[:, list(frames)]


class Lift(SiteModules):
    """The motion modules that hold a scene together across the frames of a sweep."""

    def __init__(self, backbone: Backbone, sizes: MotionSizes, operations: Operations = nn):
        super().__init__(backbone, lambda width: MotionModule(width, sizes, backbone.layout, operations))
        self.sizes = sizes

    def forward(
        self,
        site: str,
        x: Tensor,
        frames: Sequence[int] | int,
        cameras: Sequence[ActiveCamera] = (),
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        """Hidden states of S sequences at a site, in the backbone's layout -> the same shape.

        `frames` is the number F of frames, or which frames of the sweep these are when a host shows a part of it.
        Every camera holds features of all frames; S must be a multiple of its sweeps (S repeats them in turn).
        `size` (h,w) of a frame at this site is for layouts that do not show it.
        """
        shown = range(frames) if isinstance(frames, int) else list(frames)
        size = size or self.backbone.layout.size_of(x)
        active = [camera for camera in cameras if camera.strength]
        merge = None
        if active:

            def merge(window: range) -> Merge:
                return _merge(active, site, self.level_of[site], size, [shown[i] for i in window])

        return self.at(site)(x, len(shown), size, merge)


def _merge(
    cameras: Sequence[ActiveCamera], site: str, level: int, size: tuple[int, int], frames: Sequence[int]
) -> Merge:
    """tokens + sum of strength * (W (tokens + feature) + b): cameras do not see each other, so their order is free."""

    def merge(tokens: Tensor) -> Tensor:
        merged = tokens
        for camera in cameras:
            feature = camera.tokens(level, tokens, size, frames)
            seen = (tokens.unflatten(0, (-1, feature.shape[0])) + feature).flatten(0, 1)
            merged = torch.add(merged, camera.merges.at(site).qkv_merge(seen), alpha=camera.strength)
        return merged

    return merge
