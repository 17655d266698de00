"""Attaches a Lift and its cameras to ComfyUI's MODEL. The MODEL's own modules are never changed.

A lifted MODEL is a clone with one wrapper around every sampling run and one around every call of the UNet. Motion
modules and camera merges are additional models of the clone, so that ComfyUI loads and unloads them with it.
"""

from typing import Any

import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrapperExecutor, WrappersMP

from ..genphoto.model.noise import drawn_apart, sweep_noise
from . import comfy_host, sampling_concerns
from .additional_models import LIFT, SAMPLING, additional, with_additional
from .camera_condition import CameraCondition
from .noise_schedule import linear_betas
from .sweep_run import AppliedCamera, SweepRun
from .unet_sites import applied_at_sites, mismatch

KEY = "genphoto"  # of our wrappers and, within a run, of its SweepRun in the transformer options
CAMERAS = "genphoto_cameras"  # in the model options: the cameras applied to a clone, a tuple


def lift_model(model: ModelPatcher, lift: ModelPatcher) -> ModelPatcher:
    """A clone of MODEL whose UNet runs the motion modules of `lift`, on the noise schedule they were trained on.

    Raises:
        ValueError: if the MODEL is lifted already, or is not the UNet that the motion modules fit.
    """
    if additional(model, LIFT):
        raise ValueError("This MODEL is lifted already. Connect the MODEL from before the other 'Lift Model'.")
    if why := mismatch(model.get_model_object("diffusion_model"), lift.model.backbone):
        raise ValueError(
            "Motion modules need the MODEL that they were made for, but this is "
            f"{type(model.model.model_config).__name__} ({type(model.model).__name__}): {why}. Load an SD 1.5 "
            "checkpoint for AnimateDiff v3; take 'Embedded Model' for genphoto_tiny_motion."
        )
    lifted = with_additional(model, LIFT, lift)
    lifted.add_object_patch("model_sampling", linear_betas(model.get_model_object("model_sampling")))
    lifted.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, KEY, _sample)
    lifted.add_wrapper_with_key(WrappersMP.APPLY_MODEL, KEY, _apply_model)
    return lifted


def apply_camera(
    model: ModelPatcher,
    condition: CameraCondition,
    strength: float = 1.0,
    start_percent: float = 0.0,
    end_percent: float = 1.0,
) -> ModelPatcher:
    """A clone of a lifted MODEL that is steered by this camera too.

    Raises:
        ValueError: if the MODEL is not lifted, has other levels, or has a camera with another number of frames.
    """
    lift = additional(model, LIFT)
    if lift is None:
        raise ValueError("This MODEL has no motion modules. Add the node 'Lift Model' (GenPhotoLiftModel) before.")
    made_for, own = condition.merges.model.backbone, lift.model.backbone
    if not made_for.same_sites(own):
        raise ValueError(
            f"The camera adapter was made for a UNet of widths {made_for.widths}, this one has {own.widths}. "
            "Choose the adapter that belongs to the motion module."
        )
    cameras = model.model_options.get(CAMERAS, ())
    if cameras and cameras[0].condition.frames != condition.frames:
        raise ValueError(
            f"All cameras of a MODEL share its frames, but this one has {condition.frames} and the one applied before "
            f"{cameras[0].condition.frames}. Give both sweeps the same number of frames."
        )
    steered = with_additional(model, condition.role, condition.merges)
    applied = AppliedCamera(condition, strength, start_percent, end_percent)
    steered.model_options[CAMERAS] = (*cameras, applied)
    return steered


def _sample(
    executor: WrapperExecutor,
    noise: torch.Tensor,
    latent_image: torch.Tensor,
    sampler: Any,
    sigmas: torch.Tensor,
    denoise_mask: torch.Tensor | None = None,
    callback: Any = None,
    disable_pbar: bool = False,
    seed: int | None = None,
    **kwargs: Any,
) -> torch.Tensor:
    """Around a sampling run: its options are a copy for this run, so what is put there ends with it.

    The frames of a sweep share a part of their noise, where the motion modules were trained so. A camera shapes it if
    it is at work from the start.
    """
    guider = executor.class_obj
    sampling = guider.model_patcher.get_model_object("model_sampling")
    run = SweepRun(noise.shape, guider.model_options.get(CAMERAS, ()), sampling)
    guider.model_options["transformer_options"][KEY] = run
    lift = additional(guider.model_patcher, LIFT).model
    own_noise = lift.sizes.own_noise
    drawn = noise
    if own_noise < 100:
        drawn = drawn_apart(noise, run.frames, torch.Generator().manual_seed(((seed or 0) + 1) % 2**64))
    advice = guider.model_patcher.get_attachment(SAMPLING)
    if advice is None:
        of_frames = sampling_concerns.of_size(latent_image, lift)
    else:
        of_frames = sampling_concerns.of_advice(advice, guider, latent_image, sigmas)
    comfy_host.warn(
        *of_frames,
        *sampling_concerns.of_schedule(sampling),
        *sampling_concerns.of_noise(noise, drawn),
        *sampling_concerns.of_cameras([applied.condition for applied in run.cameras]),
    )
    larger = run.magnifications().expand(len(noise) // run.frames, -1)
    started = sweep_noise(drawn, larger, own_noise)
    latents = executor(started, latent_image, sampler, sigmas, denoise_mask, callback, disable_pbar, seed, **kwargs)
    comfy_host.warn(*sampling_concerns.of_result(latents))
    return latents


def _apply_model(
    executor: WrapperExecutor,
    x: torch.Tensor,
    t: torch.Tensor,
    c_concat: torch.Tensor | None,
    c_crossattn: torch.Tensor | None,
    control: Any,
    transformer_options: dict[str, Any],
    *args: Any,
    **kwargs: Any,
) -> torch.Tensor:
    """Around a call of the UNet, with x (n,C,h,w) and sigma t (n,): runs the motion modules at their sites."""
    model = executor.class_obj
    run: SweepRun = transformer_options[KEY]
    lift_patcher = additional(model.current_patcher, LIFT)
    if lift_patcher is None:
        raise ValueError("Only one of the MODELs of this guider is lifted. Lift both with 'Lift Model'.")
    lift = lift_patcher.model
    frames = run.shown(x.shape[0], transformer_options)
    cameras = run.active(model.current_patcher, t[0].item(), x.shape[-2:])
    with applied_at_sites(
        model.diffusion_model, list(lift.level_of), lambda site, hidden: lift(site, hidden, frames, cameras)
    ):
        return executor(x, t, c_concat, c_crossattn, control, transformer_options, *args, **kwargs)
