"""What a stage minimizes, as one module: what it learns from is a batch of `TrainingExamples`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..model.autoencoder import reconstruction_loss
from ..model.differential import camera_embedding
from ..model.diffusers_host import LiftedUNet
from ..model.lift import ActiveCamera
from ..model.noise import sweep_noise
from ..sampling import published_scheduler
from .config import StageConfig
from .parts import Parts


class StageLoss(nn.Module):
    """Batch -> loss. Holds the parts, so that a data-parallel wrapper sees their parameters."""

    def __init__(self, parts: Parts, stage: StageConfig, prediction: str):
        super().__init__()
        self.parts = parts
        self.stage = stage
        self.prediction = prediction
        self.scheduler = published_scheduler(1, prediction)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """The mean loss of a batch."""
        return self._reconstruction(batch) if self.stage.kind == "autoencoder" else self._denoising(batch)

    def _reconstruction(self, batch: dict[str, Tensor]) -> Tensor:
        pictures = batch["frames"].flatten(0, 1) * 2 - 1
        reconstruction = self.parts.autoencoder(pictures, batch["noise"].flatten(0, 1) * self.stage.latent_noise)
        return reconstruction_loss(reconstruction.float(), pictures)

    def _denoising(self, batch: dict[str, Tensor]) -> Tensor:
        frames = batch["noise"].shape[1]
        with torch.no_grad():
            if "latents" in batch:
                latents = batch["latents"].flatten(0, 1)
            else:
                latents = self.parts.image_model.to_latents(batch["frames"].flatten(0, 1)).float()
        noise = batch["noise"].flatten(0, 1)
        cameras: list[ActiveCamera] = []
        if self.stage.kind == "sweep":
            cameras = self.cameras(batch)
            noise = self.noise(batch, cameras)
        timesteps = batch["timestep"].repeat_interleave(frames)
        noisy = self.scheduler.add_noise(latents, noise, timesteps)
        text = self.text(batch["text"])
        if self.stage.kind == "image":
            predicted = self.parts.unet(noisy, timesteps, text).sample
        else:
            lifted = LiftedUNet(self.parts.unet, self.parts.motion)
            predicted = lifted(noisy, timesteps, text, frames, cameras)
        target = noise if self.prediction == "epsilon" else self.scheduler.get_velocity(latents, noise, timesteps)
        error = (predicted.float() - target).square()
        return (error * self._weight(error)).mean() if self.stage.center_weight else error.mean()

    def _weight(self, error: Tensor) -> Tensor:
        """Weights (h,w) of mean 1: a hill in the middle, of a standard deviation of an eighth of each side."""
        rows, columns = (((torch.arange(n, device=error.device) + 0.5) / n - 0.5) * 8 for n in error.shape[-2:])
        weight = 1 + self.stage.center_weight * torch.exp(-(rows[:, None] ** 2 + columns**2) / 2)
        return weight / weight.mean()

    def text(self, tokens: Tensor) -> Tensor:
        """Token numbers (S,P,T), or (S,F,P,T) of a text per frame, in P pieces -> hidden states (S or S F,P T,D)."""
        return self.parts.hidden_states(tokens).flatten(-3, -2).flatten(0, -3)

    def noise(self, batch: dict[str, Tensor], cameras: Sequence[ActiveCamera]) -> Tensor:
        """The noise of a batch of sweeps, (S F,C,h,w): enlarged with the picture where a camera is on."""
        larger = batch["magnification"]
        if not cameras or self.stage.blind == "noise":
            larger = torch.ones_like(larger)
        return sweep_noise(batch["noise"].flatten(0, 1), larger, self.parts.architecture.motion.own_noise)

    def cameras(self, batch: dict[str, Tensor]) -> list[ActiveCamera]:
        """The camera of a batch, none where it is dropped."""
        # The same for all examples of a step: the camera is on or off for the whole UNet.
        if self.stage.blind == "camera" or batch["camera_drawn"][0] < self.stage.drop_camera:
            return []
        hidden = self.parts.hidden_states(batch["camera_text"])
        embedding = seen_embedding(self.stage, batch["prior"], hidden)
        return [self.parts.camera[batch["steered"]].answer(embedding)]


def seen_embedding(stage: StageConfig, prior: Tensor, hidden: Tensor) -> Tensor:
    """Camera embedding (S,3 N + 3,F,H,W) of priors (S,F,3 N,H,W) and hidden states (S,F,T,D), as a stage sees it.

    Without what the stage is blind for.
    """
    if stage.blind == "differences":
        hidden = torch.zeros_like(hidden)
    if stage.blind == "prior":
        prior = torch.zeros_like(prior)
    return camera_embedding(prior, hidden)
