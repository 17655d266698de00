"""DDIM sampling of a sweep, as the published pipeline does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from .camera.checks import require_in_range
from .model.config import MOST_STEPS
from .model.diffusers_host import LiftedUNet
from .model.lift import ActiveCamera

LATENT_CHANNELS = 4

OnStep = Callable[[int, int], None]


def published_scheduler(steps: int, prediction: str = "epsilon") -> DDIMScheduler:
    """Linear betas, which is not SD 1.5's usual schedule; 25 steps are the timesteps 961, 921, ... 1.

    A model that predicts v has no light left in its last timestep and starts there (999, 959, ... 39), after Lin et
    al., Common Diffusion Noise Schedules and Sample Steps Are Flawed (WACV 2024): the brightness of a frame then comes
    from its camera, not from the noise.
    """
    require_in_range("steps", steps, "", 1, MOST_STEPS)
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
    scheduler.set_timesteps(steps)
    return scheduler


def start_noise(
    frames: int, height: int, width: int, seed: int, channels: int = LATENT_CHANNELS, downscale: int = 8
) -> Tensor:
    """Noise (F,C,H/8,W/8) of pictures of height x width [px]; ComfyUI draws the same values for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(frames, channels, height // downscale, width // downscale, generator=generator)


@torch.no_grad()
def sample(
    model: LiftedUNet,
    noise: Tensor,
    text: Tensor,
    negative: Tensor,
    *,
    steps: int = 25,
    guidance_scale: float = 8.0,
    cameras: Sequence[ActiveCamera] = (),
    prediction: str = "epsilon",
    on_step: OnStep | None = None,
) -> Tensor:
    """Noise (F,C,h,w) -> latents of the same shape, dtype and device.

    `prediction` is what the model predicts, "epsilon" or "v_prediction". `text` and `negative` are (1,T,D), or (F,T,D)
    with a text per frame. The cameras steer both. `on_step(i, steps)` is called after step i of 1..steps; what it
    raises ends the sampling.
    """
    scheduler = published_scheduler(steps, prediction)
    prompts = torch.cat([negative, text])
    latents = noise
    for step, timestep in enumerate(scheduler.timesteps, 1):
        eps = model(torch.cat([latents, latents]), timestep, prompts, len(latents), cameras).to(latents)
        without, towards = eps.chunk(2)
        guided = without + guidance_scale * (towards - without)
        latents = scheduler.step(guided, timestep, latents).prev_sample
        if on_step is not None:
            on_step(step, steps)
    return latents
