"""What spoils the frames of a sampling run without an error, as sentences for the user."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from comfy.samplers import CFGGuider

from ..genphoto.checkpoint import Sampling
from ..genphoto.model.lift import Lift
from ..genphoto.model.steering import unsteered
from .camera_condition import CameraCondition
from .noise_schedule import FullNoise

OTHER_AREA = 4.0  # of the trained one; SD 1.5 by itself is for 2.7 times that
ALL_NOISE, MANY_STEPS, WEAK_NOISE = 0.99, 10, 1.0


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
    steered = [setting.name for condition in conditions for setting in condition.question.settings]
    sweeps = [replace(c.sweep, reach={}, unsteered=unsteered(c.sweep, steered)) for c in conditions]
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


def of_size(latents: torch.Tensor, lift: Lift) -> list[str]:
    """Frames far from the size that a camera or motion module was trained on, whose features are resized to them."""
    height, width = (n * lift.backbone.downscale for n in latents.shape[-2:])
    trained_height, trained_width = lift.sizes.image_size
    larger = height * width / (trained_height * trained_width)
    if max(larger, 1 / larger) <= OTHER_AREA:
        return []
    return [
        f"Frames of {width} x {height} pixels are far from the {trained_width} x {trained_height} that the camera and "
        "the motion modules were trained on: expect repeated things and a weak camera. Generate near that size and "
        "enlarge the frames after."
    ]


def of_advice(sampling: Sampling, guider: CFGGuider, latents: torch.Tensor, sigmas: torch.Tensor) -> list[str]:
    """Size, guidance scale and noise levels that are not those of a model that tells its own."""
    model_sampling = guider.model_patcher.get_model_object("model_sampling")
    downscale = guider.model_patcher.get_model_object("latent_format").spacial_downscale_ratio
    height, width = (n * downscale for n in latents.shape[-2:])
    wrong = sampling.departures(width, height, getattr(guider, "cfg", sampling.guidance_scale))
    if not latents.any() and not _reaches_both_ends(sigmas, model_sampling.sigma_max):
        wrong.append(f"a scheduler that leaves out its strongest or weakest noise (use '{sampling.scheduler}')")
    return sampling.concerns(wrong)


def _reaches_both_ends(sigmas: torch.Tensor, strongest: torch.Tensor) -> bool:
    """Whether the noise levels start with noise alone and, in many steps, end with hardly any."""
    ends = len(sigmas) < MANY_STEPS or sigmas[-2] < WEAK_NOISE
    return bool(sigmas[0] > ALL_NOISE * strongest.to(sigmas) and ends)
