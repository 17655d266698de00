"""LiftedT2VSampler: one frame per camera state, from a lifted MODEL and a camera."""

import comfy.samplers
import torch
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

import nodes  # ComfyUI's

from ..genphoto.embedded import GUIDANCE_SCALE
from .camera_condition import CameraCondition
from .lift_host import apply_camera
from .sockets import STRENGTH, Camera


class LiftedT2VSampler(io.ComfyNode):
    """One frame per camera state, from a lifted MODEL and a camera."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LiftedT2VSampler",
            display_name="Lifted T2V Sampler",
            category="Generative Photography",
            description="Samples one frame per camera state. The same as 'Apply Camera', an empty latent with one "
            "image per frame and 'KSampler'; its defaults are the published ones.",
            search_aliases=["ksampler", "camera", "sweep", "text to video", "generate"],
            inputs=[
                io.Model.Input("model", tooltip="A MODEL from 'Lift Model'."),
                Camera.Input("camera", tooltip="From 'Differential Camera Encode': its sweep gives the frames."),
                io.Conditioning.Input("positive", tooltip="What the scene shows."),
                io.Conditioning.Input("negative", tooltip="What it does not show."),
                STRENGTH,
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Seed of the noise.",
                ),
                io.Int.Input("steps", default=25, min=1, max=10000, tooltip="Number of denoising steps."),
                io.Float.Input(
                    "cfg",
                    default=8.0,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    round=0.01,
                    tooltip="Guidance scale: how closely the frames follow the text; published: 8, 'Embedded Model': "
                    f"{GUIDANCE_SCALE}. The camera steers with and without text alike.",
                ),
                io.Combo.Input(
                    "sampler_name",
                    options=comfy.samplers.KSampler.SAMPLERS,
                    default="ddim",
                    tooltip="Sampling method; published: ddim.",
                ),
                io.Combo.Input(
                    "scheduler",
                    options=comfy.samplers.KSampler.SCHEDULERS,
                    default="ddim_uniform",
                    tooltip="How noise levels are spaced; published: ddim_uniform, in 10, 20, 25, 40 or 50 steps; "
                    "'Embedded Model': simple.",
                ),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Share of the sampling that runs: below 1 keeps something of latent_image.",
                ),
                *(
                    io.Int.Input(
                        name,
                        default=default,
                        min=16,
                        max=nodes.MAX_RESOLUTION,
                        step=8,
                        tooltip=f"{name.capitalize()} of the frames [px] where no latent_image is given; trained at "
                        f"{default}, 'Embedded Model' at {default // 2}.",
                    )
                    for name, default in (("width", 384), ("height", 256))
                ),
                io.Latent.Input(
                    "latent_image",
                    optional=True,
                    tooltip="Start from these latents, one per frame; one latent is repeated for all frames. With "
                    "denoise below 1 the frames keep its layout.",
                ),
            ],
            outputs=[io.Latent.Output("latent", tooltip="One latent per camera state.")],
        )

    @classmethod
    def execute(
        cls,
        model: ModelPatcher,
        camera: CameraCondition,
        positive: list,
        negative: list,
        strength: float,
        seed: int,
        steps: int,
        cfg: float,
        sampler_name: str,
        scheduler: str,
        denoise: float,
        width: int,
        height: int,
        latent_image: dict[str, torch.Tensor] | None = None,
    ) -> io.NodeOutput:
        if latent_image is None:
            (latent_image,) = nodes.EmptyLatentImage().generate(width, height, camera.frames)
        elif len(latent_image["samples"]) == 1:
            (latent_image,) = nodes.RepeatLatentBatch().repeat(latent_image, camera.frames)
        steered = apply_camera(model, camera, strength)
        return io.NodeOutput(
            *nodes.common_ksampler(
                steered, seed, steps, cfg, sampler_name, scheduler, positive, negative, latent_image, denoise
            )
        )
