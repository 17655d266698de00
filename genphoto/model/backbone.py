"""Backbone: an image or video model, as what is put into it has to know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .frame_layout import IMAGES, FrameLayout


@dataclass(frozen=True, slots=True)
class Backbone:
    """Where a lift enters a model, and what it meets there.

    Args:
        widths: channels of the hidden states at each level, finest first.
        sites: (name, level) of every place for a motion module, in the order in which the model reaches them.
        text_width: width of its text encoder.
        downscale: pixels of the picture per place of the hidden states, along each side, at the finest level.
        prediction: what it predicts, a name of `prediction.PREDICTIONS`; None where a lift's file does not tell it.
        layout: how its hidden states hold the frames of a sweep.
    """

    widths: tuple[int, ...]
    sites: tuple[tuple[str, int], ...]
    text_width: int
    downscale: int = 8
    prediction: str | None = None
    layout: FrameLayout = IMAGES

    @property
    def site_widths(self) -> dict[str, int]:
        """Channels of the hidden states at every site."""
        return {site: self.widths[level] for site, level in self.sites}

    def same_sites(self, other: Backbone) -> bool:
        """Whether what enters one at its sites can enter the other: same names, levels and widths."""
        return (self.widths, self.sites) == (other.widths, other.sites)


def unet_backbone(
    widths: tuple[int, ...] = (320, 640, 1280, 1280),
    down_sites: int = 2,
    up_sites: int = 3,
    text_width: int = 768,
    **others: Any,
) -> Backbone:
    """A UNet with as many sites at every level on the way down and on the way up. The defaults are those of SD 1.5.

    Its sites are "down.<level>.<i>" and "up.<n>.<i>", n counted from the coarsest level.
    """
    levels = range(len(widths))
    down = [(f"down.{level}.{i}", level) for level in levels for i in range(down_sites)]
    up = [(f"up.{n}.{i}", level) for n, level in enumerate(reversed(levels)) for i in range(up_sites)]
    return Backbone(tuple(widths), (*down, *up), text_width, **others)
