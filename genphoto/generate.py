"""From words to a sweep: text encoder, camera encoder, sampling and decoding."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .camera.setting import CameraSetting
from .camera.sweep import CameraSweep
from .image_model import ImageModel
from .model.backbone import Backbone
from .model.camera_encoder import DifferentialCameraEncoder
from .model.config import EncoderSizes
from .model.differential import camera_embedding, camera_prompts, coarse_prior, magnifications, setting_values
from .model.diffusers_host import LiftedUNet
from .model.lift import ActiveCamera, CameraMerges
from .model.noise import sweep_noise
from .model.trained_range import TrainingRange, unsteered, with_reach
from .sampling import OnStep, published_scheduler, sample, start_noise

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SweepGenerator:
    """Finished parts that together turn a scene and a sweep into frames. All of them on one device.

    Args:
        model: the image model's UNet with motion modules.
        image_model: its other parts.
        encoder, merges: of one camera adapter.
        setting: what that adapter steers.
        variant: which coarse prior it was trained on, "published" or "physical".
        values: lowest and highest value it was trained on; None for those of the released adapters.
    """

    model: LiftedUNet
    image_model: ImageModel
    encoder: DifferentialCameraEncoder
    merges: CameraMerges
    setting: CameraSetting
    variant: str
    values: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        lift, camera = self.model.lift.backbone, self.merges.backbone
        if not lift.same_sites(camera):
            raise ValueError(
                f"The camera adapter is made for levels of width {camera.widths} with {len(camera.sites)} motion "
                f"modules, the motion module has {lift.widths} with {len(lift.sites)}. Take both from one release."
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
        sizes = self.encoder.sizes
        height, width = checked_size(size or sizes.image_size, self.encoder.backbone, sizes)
        camera = self.camera(sweep, strength)
        negative_text, text = self.encode_text([negative, scene]).split(1)
        noise = self.noise(sweep, seed, (height, width), strength).to(text.device)
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

    @property
    def trained(self) -> TrainingRange:
        """What the camera adapter was trained on."""
        return TrainingRange(self.setting, self.values or self.setting.domain, self.variant, self.encoder.sizes)

    def with_reach(self, sweep: CameraSweep) -> CameraSweep:
        """The sweep, knowing what of it the frames can show."""
        return with_reach(sweep, {self.setting.name: self.trained.values})

    def concerns(self, sweep: CameraSweep) -> list[str]:
        """What of a sweep the frames will not show, or not well, as sentences."""
        left = replace(sweep, reach=unsteered(sweep, [self.setting.name]))
        return [*self.trained.concerns(sweep), *left.limitations]

    def noise(self, sweep: CameraSweep, seed: int, size: tuple[int, int], strength: float = 1.0) -> Tensor:
        """What the sampling of a sweep starts from: (F,C,h,w) for pictures of size (height, width) [px]."""
        lift = self.model.lift
        own = start_noise(len(sweep), *size, seed, self.model.unet.config.in_channels, lift.backbone.downscale)
        larger = magnifications(setting_values(sweep, self.setting), self.setting, strength)
        return sweep_noise(own, larger[None], lift.sizes.own_noise)

    @torch.no_grad()
    def camera(self, sweep: CameraSweep, strength: float = 1.0) -> ActiveCamera:
        """The camera conditioning of a sweep."""
        return ActiveCamera(self.merges, self.encoder(camera_embedding(*self.camera_inputs(sweep))), strength)

    @torch.no_grad()
    def camera_inputs(self, sweep: CameraSweep) -> tuple[Tensor, Tensor]:
        """What the camera encoder is told: coarse prior (F,3,H,W), hidden states (F,T,D) of the camera prompts."""
        values = setting_values(sweep, self.setting)
        prior = coarse_prior(sweep, self.setting, values, self.variant, self.encoder.sizes.embedding_size)
        return prior, self.encode_text(camera_prompts(values, self.setting))

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Last hidden states (N,T,D)."""
        return self.image_model.hidden_states(self.image_model.tokenize(texts))


def checked_size(size: tuple[int, int], backbone: Backbone, encoder: EncoderSizes) -> tuple[int, int]:
    """`size` (height, width) [px], or a ValueError where it is not a whole number of latents."""
    if any(n <= 0 or n % backbone.downscale for n in size):
        height, width = size
        raise ValueError(
            f"A picture of {width} x {height} pixels cannot be generated: both must be multiples of "
            f"{backbone.downscale}, best of {8 * backbone.downscale}. The trained size is "
            f"{encoder.image_size[1]} x {encoder.image_size[0]}."
        )
    return size
