"""What spoils the frames of a sampling run without an error, as sentences for the user."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from ..genphoto.model.training_range import unsteered
from .camera_condition import CameraCondition
from .noise_schedule import FullNoise


def of_schedule(sampling: torch.nn.Module) -> list[str]:
    """A noise schedule that a node after 'Lift Model' put in the place of that of the motion modules."""
    if isinstance(sampling, FullNoise):
        return []
    return [
        "A ModelSampling node after 'Lift Model' replaced the noise schedule that the motion modules were trained on "
        f"(its strongest noise is now sigma {sampling.sigma_max.item():.4g}): expect frames of other contrast and "
        "layout. To keep the trained one, put that node before 'Lift Model', or remove it."
    ]


def of_noise(given: torch.Tensor, drawn: torch.Tensor) -> list[str]:
    """Noise that had to be drawn anew."""
    if torch.equal(given, drawn):
        return []
    return [
        "The latents ask for one noise in all frames ('Latent Batch Seed Behavior': fixed). These motion modules share "
        "the noise of a sweep themselves, in the part that they were trained with; the rest was drawn for each frame."
    ]


def of_cameras(conditions: Sequence[CameraCondition]) -> list[str]:
    """Settings that the sweeps of a MODEL vary and none of its cameras steers."""
    steered = [condition.setting.name for condition in conditions]
    sweeps = [replace(c.sweep, reach=unsteered(c.sweep, steered)) for c in conditions]
    return list(dict.fromkeys(sentence for sweep in sweeps for sentence in sweep.limitations))


def of_result(latents: torch.Tensor) -> list[str]:
    """Frames that became no numbers."""
    lost = [str(i + 1) for i, latent in enumerate(latents) if not torch.isfinite(latent).all()]
    if not lost:
        return []
    return [
        f"Frame {', '.join(lost)} of {len(latents)} came out as NaN, which is shown black. Lower cfg or the strength "
        "of the camera or a LoRA; else run ComfyUI with --force-fp32."
    ]
