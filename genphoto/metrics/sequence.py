"""FrameSequence: the frames of one sweep as quantities read them; what several need is computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from ..camera.camera import Camera
from ..camera.colorimetry import srgb_to_linear
from ..camera.progress import Progress
from ..camera.sweep import CameraSweep
from .frames import Pair, pair_at_one_scale, requested_zooms, require_frames

if TYPE_CHECKING:
    from .quantity import Quantity

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class FrameSequence:
    """Frames, and the cameras that were asked for them.

    Args:
        light: (F,3,H,W) linear light in [0,1], float32, on any device: there it is measured.
        cameras: one complete state per frame.
        zooms: magnification (F,) of the frames relative to the first at which they are laid upon each other.
        quantities: all that there are, in the order in which their changes are undone.
        dial: the cameras' color temperatures are those of their white-balance dials.
        disparity: (H,W) [1/m] of what the first frame shows; None where it is not known.
    """

    light: Tensor
    cameras: tuple[Camera, ...]
    zooms: tuple[float, ...]
    quantities: tuple[Quantity, ...]
    dial: bool = False
    disparity: Tensor | None = None
    _pairs: dict[tuple[int, int], Pair] = field(default_factory=dict, init=False, repr=False)
    _readings: dict[Callable[..., Any], Any] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(
        cls,
        frames: Tensor | Sequence[Tensor],
        sweep: CameraSweep,
        quantities: tuple[Quantity, ...],
        disparity: Tensor | None = None,
    ) -> FrameSequence:
        """The sequence of frames (F,3,H,W) sRGB in [0,1] that the sweep asked for, at the magnifications of the sweep.

        Raises:
            ValueError: frames that cannot be measured, or a disparity that does not fit them; says why.
        """
        frames = require_frames(frames, len(sweep))
        if disparity is not None:
            disparity = _fitting(disparity, frames).to(frames)
        zooms = requested_zooms(sweep.cameras)
        return cls(srgb_to_linear(frames), sweep.cameras, zooms, quantities, sweep.dial, disparity)

    @property
    def frame_px(self) -> int:
        """The longer side of the frames [px]."""
        return max(self.light.shape[2:])

    def recorded(self, index: int) -> Pair:
        """A frame beside the first, as they are."""
        return Pair.of(self.light[0], self.light[index])

    def pair(self, index: int, reference: int = 0) -> Pair:
        """A frame beside the reference frame at one scale: of their `zooms` the larger is undone."""
        key = index, reference
        if key not in self._pairs:
            zooms = self.zooms[reference], self.zooms[index]
            self._pairs[key] = pair_at_one_scale(self.light[reference], self.light[index], *zooms)
        return self._pairs[key]

    def once(self, reading: Callable[[FrameSequence, Progress], T], progress: Progress) -> T:
        """What a reading of the sequence gives that several quantities share: read for the first of them."""
        if reading not in self._readings:
            self._readings[reading] = reading(self, progress)
        result: T = self._readings[reading]
        return result


def _fitting(disparity: Tensor, frames: Tensor) -> Tensor:
    """The disparity, or a ValueError where it is none of these frames."""
    if disparity.shape != frames.shape[2:]:
        raise ValueError(
            f"Depth of {disparity.shape[1]} x {disparity.shape[0]} pixels does not fit frames of {frames.shape[3]} x "
            f"{frames.shape[2]}. Resize the depth to the frames with nearest neighbor."
        )
    if not bool(torch.isfinite(disparity).all()):
        raise ValueError(
            "Depth holds values that are no numbers (NaN or infinite). It must be disparity in 1/m, 0 for infinity."
        )
    return disparity
