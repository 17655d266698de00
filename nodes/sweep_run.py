"""SweepRun: what one sampling run of a lifted MODEL knows, and forgets when it ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from comfy.model_patcher import ModelPatcher

from ..genphoto.model.lift import ActiveCamera
from .additional_models import additional
from .camera_condition import CameraCondition


@dataclass(frozen=True, slots=True, eq=False)
class AppliedCamera:
    """A camera of a MODEL: at full strength 1, at work in a part of the sampling."""

    condition: CameraCondition
    strength: float
    start_percent: float
    end_percent: float


class SweepRun:
    """The frames of a run, and its cameras with their features laid out as tokens on the device.

    Args:
        shape: of the whole latent (n,C,h,w).
        cameras: those applied to the MODEL, all of one number of frames.
        sampling: the MODEL's model_sampling, which tells what sigma a percentage is.

    Raises:
        ValueError: if the latents do not make whole sweeps.
    """

    def __init__(self, shape: Sequence[int], cameras: Sequence[AppliedCamera], sampling: torch.nn.Module):
        if not shape[0]:
            raise ValueError("The latent holds no frames (batch size 0). Connect one with a frame per camera state.")
        self.size = tuple(shape[-2:])
        self.cameras = tuple(cameras)
        self.frames = self.cameras[0].condition.frames if self.cameras else shape[0]
        if shape[0] % self.frames:
            raise ValueError(
                f"{shape[0]} latents do not make whole sweeps of {self.frames} frames: set the batch size of the "
                f"empty latent to {self.frames}, or a multiple."
            )
        self._sigmas = [
            (sampling.percent_to_sigma(camera.start_percent), sampling.percent_to_sigma(camera.end_percent))
            for camera in self.cameras
        ]
        self._active: dict[torch.device, list[ActiveCamera]] = {}

    def shown(self, batch: int, options: Mapping[str, Any]) -> Sequence[int]:
        """The frames of the sweep in a batch of latents, from the options of a call: all, or those of a window.

        ComfyUI's context windows may show a frame before the window for context ("anchor").
        """
        window = options.get("context_window")
        if window is None:
            frames: Sequence[int] = range(self.frames)
        else:
            if window.total_frames != self.frames:
                raise ValueError(
                    f"Context windows run over one sweep, but these are {window.total_frames} latents for sweeps of "
                    f"{self.frames} frames: set the batch size of the empty latent to {self.frames}."
                )
            anchor = getattr(window, "causal_anchor_index", None)
            frames = [*([] if anchor is None or anchor < 0 else [anchor]), *window.index_list]
        if batch % len(frames):
            raise ValueError(
                f"{batch} latents reached the UNet at once, which are no whole sweeps of {len(frames)} frames: another "
                "node splits the batch. Remove it; the frames of a sweep have to be sampled together."
            )
        return frames

    def magnifications(self) -> torch.Tensor:
        """How large frames (F,) show things relative to the first, by the cameras that work from the start."""
        larger = torch.ones(self.frames)
        for camera in self.cameras:
            if camera.start_percent == 0:
                larger = larger * camera.condition.question.magnification(camera.strength)
        return larger

    def active(self, patcher: ModelPatcher, sigma: float, size: Sequence[int]) -> list[ActiveCamera]:
        """The cameras at work at this noise level, on the device of `patcher`, for latents of `size` (h,w)."""
        device = patcher.load_device
        if device not in self._active:
            self._active[device] = [
                ActiveCamera(additional(patcher, c.condition.role).model, c.condition.features, c.strength)
                for c in self.cameras
            ]
        ranges = zip(self._active[device], self._sigmas, strict=True)
        active = [camera for camera, (start, end) in ranges if camera.strength and start >= sigma >= end]
        if active and tuple(size) != self.size:
            raise ValueError(
                f"The camera describes whole frames, but a part of {size[1]} x {size[0]} of a latent of "
                f"{self.size[1]} x {self.size[0]} is sampled by itself: by area conditioning, or by tiles. Use "
                "'Conditioning (Set Mask)' with set_cond_area default, or no tiles."
            )
        return active
