"""From words to a sweep: text encoder, camera encoder, sampling and decoding."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .camera.sweep import CameraSweep
from .image_model import ImageModel
from .model.backbone import Backbone
from .model.camera_adapter import CameraAdapter
from .model.config import EncoderSizes
from .model.diffusers_host import LiftedUNet
from .model.lift import ActiveCamera
from .model.noise import sweep_noise
from .model.steering import CameraQuestion, unsteered, with_reach
from .sampling import OnStep, published_scheduler, sample, start_noise

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SweepGenerator:
    """Finished parts that together turn a scene and a sweep into frames. All of them on one device.

    Args:
        model: the image model's UNet with motion modules.
        image_model: its other parts.
        adapter: what steers them; its encoder in float32.

    Raises:
        ValueError: the adapter was made for another motion module, or for another text encoder.
    """

    model: LiftedUNet
    image_model: ImageModel
    adapter: CameraAdapter

    def __post_init__(self) -> None:
        lift, camera = self.model.lift.backbone, self.adapter.backbone
        if not lift.same_sites(camera):
            raise ValueError(
                f"The camera adapter is made for levels of width {camera.widths} with {len(camera.sites)} motion "
                f"modules, the motion module has {lift.widths} with {len(lift.sites)}. Take both from one release."
            )
        if why := self.adapter.mismatch(self.image_model.vocabulary, self.image_model.text_encoder.config.hidden_size):
            raise ValueError(
                f"The camera adapter needs the text encoder that it was trained with, but this one {why}. Take the "
                "image model and the adapter of one training."
            )

    @torch.no_grad()
    def generate(
        self,
        scene: str,
        sweep: CameraSweep,
        *,
        negative: str = "",
        seed: int = 0,
        steps: int = 25,
        guidance_scale: float = 8.0,
        size: tuple[int, int] | None = None,
        strength: float = 1.0,
        on_step: OnStep | None = None,
    ) -> Tensor:
        """Frames (F,3,H,W) in [0,1] sRGB, float32, of a scene under every camera of the sweep.

        `size` is (height, width) [px], default the size on which the adapter was trained.

        What the adapter cannot show of the sweep is logged as a warning.

        Raises:
            ValueError: the adapter does not steer this sweep, or no picture can have this size.
        """
        for concern in self.concerns(sweep):
            log.warning("%s", concern)
        height, width = checked_size(size, self.adapter.backbone, self.adapter.sizes)
        question = self.adapter.question(sweep)
        camera = self.camera(question, strength)
        negative_text, text = self.encode_text([negative, scene]).split(1)
        noise = self.noise(question, seed, (height, width), strength).to(text.device)
        latents = sample(
            self.model,
            noise,
            published_scheduler(steps, self.image_model.backbone.prediction),
            text,
            negative_text,
            guidance_scale=guidance_scale,
            cameras=[camera],
            on_step=on_step,
        )
        return self.image_model.to_pictures(latents)

    def with_reach(self, sweep: CameraSweep) -> CameraSweep:
        """The sweep, knowing what of it the frames can show."""
        return with_reach(sweep, self.adapter.steering.settled(sweep).reach)

    def concerns(self, sweep: CameraSweep) -> list[str]:
        """What of a sweep the frames will not show, or not well, as sentences."""
        left = replace(sweep, reach={}, unsteered=unsteered(sweep, self.adapter.steering.settled(sweep).reach))
        return [*self.adapter.concerns(sweep), *left.limitations]

    def noise(self, question: CameraQuestion, seed: int, size: tuple[int, int], strength: float = 1.0) -> Tensor:
        """What the sampling of a sweep starts from: (F,C,h,w) for pictures of size (height, width) [px]."""
        lift = self.model.lift
        own = start_noise(len(question.sweep), *size, seed, self.model.unet.config.in_channels, lift.backbone.downscale)
        return sweep_noise(own, question.magnification(strength)[None], lift.sizes.own_noise)

    @torch.no_grad()
    def camera(self, question: CameraQuestion, strength: float = 1.0) -> ActiveCamera:
        """The camera that steers the frames of a sweep."""
        hidden = self.encode_text(question.prompts)
        return self.adapter.answer(self.adapter.embedding(question, hidden), strength)

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Last hidden states (N,T,D)."""
        return self.image_model.hidden_states(self.image_model.tokenize(texts))


def checked_size(size: tuple[int, int] | None, backbone: Backbone, encoder: EncoderSizes) -> tuple[int, int]:
    """`size` (height, width) [px], by default that of the training.

    Raises:
        ValueError: it is not a whole number of latents.
    """
    size = size or encoder.image_size
    if any(n <= 0 or n % backbone.downscale for n in size):
        height, width = size
        raise ValueError(
            f"A picture of {width} x {height} pixels cannot be generated: both must be multiples of "
            f"{backbone.downscale}, best of {8 * backbone.downscale}. The trained size is "
            f"{encoder.image_size[1]} x {encoder.image_size[0]}."
        )
    return size
