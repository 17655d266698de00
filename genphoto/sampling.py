"""DDIM sampling of a sweep, as the published pipeline does it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from .camera.checks import require_in_range
from .model.config import MOST_STEPS
from .model.lift import ActiveCamera
from .model.prediction import PREDICTIONS

LATENT_CHANNELS = 4

# (latents (2 F,C,h,w), timestep, texts, frames F, cameras) -> prediction, as model/diffusers_host.LiftedUNet
Denoiser = Callable[[Tensor, Tensor, Tensor, int, Sequence[ActiveCamera]], Tensor]
Correct = Callable[[Tensor, "Step"], Tensor]
OnStep = Callable[[int, int], None]


def published_scheduler(steps: int, prediction: str = "epsilon", denoise: float = 1.0) -> DDIMScheduler:
    """Linear betas, which is not SD 1.5's usual schedule; 25 steps are the timesteps 961, 921, ... 1.

    With `denoise` below 1 they are the last steps of steps / denoise, as in ComfyUI, for latents that are `noised`.

    A model that predicts v has no light left in its last timestep and starts there (999, 959, ... 39), after Lin et
    al., Common Diffusion Noise Schedules and Sample Steps Are Flawed (WACV 2024): the brightness of a frame then comes
    from its camera, not from the noise.
    """
    require_in_range("steps", steps, "", 1, MOST_STEPS)
    require_in_range("denoise", denoise, "", steps / MOST_STEPS, 1)
    whole = prediction == "v_prediction"
    scheduler = DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="linear",
        steps_offset=1,
        clip_sample=False,
        prediction_type=prediction,
        rescale_betas_zero_snr=whole,
        timestep_spacing="trailing" if whole else "leading",
    )
    scheduler.set_timesteps(int(steps / denoise))
    scheduler.timesteps = scheduler.timesteps[-steps:]
    return scheduler


def start_noise(
    frames: int, height: int, width: int, seed: int, channels: int = LATENT_CHANNELS, downscale: int = 8
) -> Tensor:
    """Noise (F,C,H/8,W/8) of pictures of height x width [px]; ComfyUI draws the same values for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(frames, channels, height // downscale, width // downscale, generator=generator)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the sampling, and the latents that it starts from: signal x0 + noise e.

    Args:
        number, count: which step, from 1 on, of how many.
        timestep: as the model is told it.
        signal, noise: shares of the clean latents and of white noise.
    """

    number: int
    count: int
    timestep: Tensor
    signal: Tensor
    noise: Tensor

    @property
    def sigma(self) -> float:
        """Noise in units of the signal, by which ComfyUI names a step; infinite where no signal is left."""
        return math.inf if self.signal == 0 else (self.noise / self.signal).item()


def steps_of(scheduler: DDIMScheduler) -> list[Step]:
    """The steps of a scheduler."""
    alphas = [scheduler.alphas_cumprod[timestep] for timestep in scheduler.timesteps]
    return [
        Step(number, len(alphas), timestep, alpha.sqrt(), (1 - alpha).sqrt())
        for number, (timestep, alpha) in enumerate(zip(scheduler.timesteps, alphas, strict=True), 1)
    ]


def noised(original: Tensor, noise: Tensor, scheduler: DDIMScheduler) -> Tensor:
    """Latents (F,C,h,w) to start from where something of `original` is to stay: with the noise of the first step."""
    return scheduler.add_noise(original, noise, scheduler.timesteps[:1])


@torch.no_grad()
def sample(
    model: Denoiser,
    latents: Tensor,
    scheduler: DDIMScheduler,
    text: Tensor,
    negative: Tensor,
    *,
    guidance_scale: float = 8.0,
    cameras: Sequence[ActiveCamera] = (),
    correct: Correct | None = None,
    mask: Tensor | None = None,
    original: Tensor | None = None,
    on_step: OnStep | None = None,
) -> Tensor:
    """Latents (F,C,h,w) with noise -> without, of the same shape, dtype and device.

    Args:
        model: a LiftedUNet, or anything called like one.
        latents: noise, or `noised` latents.
        scheduler: its timesteps are the steps, its prediction type is the model's.
        text, negative: (1,T,D), or (F,T,D) with a text per frame.
        cameras: steer both.
        correct: correct(x0, step) -> x0, both (F,C,h,w): changes what the guided model takes for the clean latents at
            a step; the noise in the latents follows from it.
        mask: (1 or F,1,h,w), 1 where to sample, 0 where `original` is to stay, between for a mixture.
        original: clean latents (F,C,h,w); `latents` should be `noised` ones of them.
        on_step: called as on_step(i, steps) after step i of 1..steps; what it raises ends the sampling.

    Raises:
        ValueError: of mask and original only one is given, or they are not of the latents' size.
    """
    prediction = PREDICTIONS[scheduler.config.prediction_type]
    steps = steps_of(scheduler)
    painting = _painting(mask, original, latents, steps[0])
    prompts = torch.cat([negative, text])
    for step in steps:
        x = painting.seen(latents, step) if painting else latents
        predicted = model(torch.cat([x, x]), step.timestep, prompts, len(x), cameras).to(latents)
        without, towards = predicted.chunk(2)
        guided = without + guidance_scale * (towards - without)
        if correct is not None or painting:
            clean = prediction.clean(x, guided, step.signal, step.noise)
            if correct is not None:
                clean = correct(clean, step)
            if painting:
                clean = painting.kept(clean)
            guided = prediction.of_clean(latents, clean, step.signal, step.noise)
        latents = scheduler.step(guided, step.timestep, latents).prev_sample
        if on_step is not None:
            on_step(step.number, step.count)
    return latents


@dataclass(frozen=True, slots=True, eq=False)
class _Painting:
    """What stays of a picture while the rest is sampled, at every step of it; as in ComfyUI's KSamplerX0Inpaint."""

    original: Tensor
    mask: Tensor
    noise: Tensor  # e, of the original in the latents that the sampling starts from

    def seen(self, latents: Tensor, step: Step) -> Tensor:
        """Latents for the model, which sees the original with its own noise."""
        return torch.lerp(step.signal * self.original + step.noise * self.noise, latents, self.mask)

    def kept(self, clean: Tensor) -> Tensor:
        """Clean latents with the original where it stays."""
        return torch.lerp(self.original, clean, self.mask)


def _painting(mask: Tensor | None, original: Tensor | None, latents: Tensor, first: Step) -> _Painting | None:
    if mask is None and original is None:
        return None
    if mask is None or original is None:
        raise ValueError("A mask says where the original stays: give sample both mask and original, or neither.")
    frames, _, *size = latents.shape
    if original.shape != latents.shape or mask.shape not in [(n, 1, *size) for n in (1, frames)]:
        raise ValueError(
            f"For latents {tuple(latents.shape)} original must be of that shape, and mask (1 or {frames}, 1, "
            f"{size[0]}, {size[1]}); they are {tuple(original.shape)} and {tuple(mask.shape)}."
        )
    original = original.to(latents)
    return _Painting(original, mask.to(latents), (latents - first.signal * original) / first.noise)
