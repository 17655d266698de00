"""The tiny image model as ComfyUI's own MODEL, CLIP and VAE: loaded whole, computed in float32."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import comfy.latent_formats
import comfy.model_base
import comfy.model_management
import comfy.sd
import comfy.supported_models_base
import comfy.utils
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrapperExecutor, WrappersMP
from torch import Tensor

from ..genphoto.checkpoint import TinyModelFile
from ..genphoto.embedded import IMAGE_MODEL, load_tiny_model
from ..genphoto.model.autoencoder import DOWNSCALE, Autoencoder
from . import comfy_host
from .additional_models import LIFT, SAMPLING, additional
from .sampling_concerns import of_advice
from .tiny_text import clip_of

MODEL_TYPES = {"epsilon": comfy.model_base.ModelType.EPS, "v_prediction": comfy.model_base.ModelType.V_PREDICTION}
VALUES_PER_PIXEL = 100  # of the picture, that the autoencoder holds at once
EVEN_PICTURES = 256  # enough to fit the 17 numbers of each primary color


def load_embedded(path: Path = IMAGE_MODEL) -> tuple[ModelPatcher, comfy.sd.CLIP, comfy.sd.VAE]:
    """MODEL, CLIP and VAE of a file."""
    file = load_tiny_model(path)
    autoencoder = file.build_autoencoder()
    model = model_of(file, LatentFormat(autoencoder))
    model.cached_patcher_init = (load_embedded, (path,), 0)  # another GPU loads its own
    return model, clip_of(file), AutoencoderVAE(autoencoder)


def model_of(file: TinyModelFile, latent_format: comfy.latent_formats.LatentFormat) -> ModelPatcher:
    """The UNet."""
    config = EmbeddedModel(unet_config(file.unet))
    config.sampling_settings = {**config.sampling_settings, "zsnr": file.prediction == "v_prediction"}
    config.latent_format = latent_format
    network = comfy.model_base.BaseModel(config, MODEL_TYPES[file.prediction])
    names = comfy.utils.unet_to_diffusers(config.unet_config)
    weights = {names[key]: value for key, value in file.weights["unet"].items()}
    network.diffusion_model.load_state_dict(weights, strict=True)
    model = comfy_host.managed(network, disable_dynamic=True)
    model.set_attachments(SAMPLING, file.sampling)
    model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, SAMPLING, _sample)
    return model


def _sample(
    executor: WrapperExecutor,
    noise: Tensor,
    latent_image: Tensor,
    sampler: Any,
    sigmas: Tensor,
    *args: Any,
    **kwargs: Any,
) -> Tensor:
    """Around a sampling run: what it was not trained on is told. The run of a lifted MODEL tells it itself."""
    model = executor.class_obj.model_patcher
    if additional(model, LIFT) is None:
        comfy_host.warn(*of_advice(model.get_attachment(SAMPLING), executor.class_obj, latent_image, sigmas))
    return executor(noise, latent_image, sampler, sigmas, *args, **kwargs)


class EmbeddedModel(comfy.supported_models_base.BASE):
    """What ComfyUI knows about the model."""

    unet_extra_config: ClassVar[dict[str, Any]] = {}
    sampling_settings: ClassVar[dict[str, Any]] = {"beta_schedule": "sqrt_linear"}  # as ComfyUI calls linear betas
    memory_usage_factor = 1.0


def unet_config(unet: dict[str, Any]) -> dict[str, Any]:
    """A configuration of diffusers' UNet2DConditionModel in ComfyUI's words."""
    widths, layers = unet["block_out_channels"], unet["layers_per_block"]
    down, up = ([int("CrossAttn" in kind) for kind in unet[f"{way}_block_types"]] for way in ("down", "up"))
    return {
        "image_size": 32,  # required, and unused
        "in_channels": unet["in_channels"],
        "out_channels": unet["out_channels"],
        "model_channels": widths[0],
        "channel_mult": [width // widths[0] for width in widths],
        "num_res_blocks": [layers] * len(widths),
        "transformer_depth": [depth for depth in down for _ in range(layers)],
        "transformer_depth_output": [depth for depth in reversed(up) for _ in range(layers + 1)],
        "transformer_depth_middle": 1,
        "context_dim": unet["cross_attention_dim"],
        "num_heads": unet["attention_head_dim"],  # diffusers calls it so, for compatibility
        "use_linear_in_transformer": False,
        "use_spatial_transformer": True,
        "use_temporal_attention": False,
        "adm_in_channels": None,
        "legacy": False,
        "dtype": torch.float32,
    }


class LatentFormat(comfy.latent_formats.LatentFormat):
    """Latents of unit variance, and how to see them in the live preview."""

    def __init__(self, autoencoder: Autoencoder):
        self.latent_channels = autoencoder.sizes.latent_channels
        self.spacial_downscale_ratio = DOWNSCALE
        *factors, bias = colors_of(autoencoder).tolist()
        self.latent_rgb_factors, self.latent_rgb_factors_bias = factors, bias


@torch.no_grad()
def colors_of(autoencoder: Autoencoder) -> Tensor:
    """The affine map (C + 1,3) from latents to colors in [-1,1] that is nearest to the decoder on even pictures."""
    shape = EVEN_PICTURES, autoencoder.sizes.latent_channels, 1, 1
    latents = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    colors = autoencoder.decode(latents.expand(-1, -1, 3, 3))[..., DOWNSCALE:-DOWNSCALE, DOWNSCALE:-DOWNSCALE]
    inputs = torch.cat([latents.flatten(1), torch.ones(EVEN_PICTURES, 1)], 1)
    return torch.linalg.lstsq(inputs, colors.mean((2, 3))).solution


class AutoencoderVAE(comfy.sd.VAE):
    """ComfyUI's VAE around our autoencoder."""

    def __init__(self, autoencoder: Autoencoder):
        with _expected("No VAE weights detected"):
            super().__init__(sd={})  # sets what does not depend on the network: 8 pixels a latent, [0,1] to [-1,1]
        self.first_stage_model = autoencoder
        self.latent_channels = autoencoder.sizes.latent_channels
        self.memory_used_encode = lambda shape, dtype: 4 * VALUES_PER_PIXEL * shape[2] * shape[3]
        self.memory_used_decode = lambda shape, dtype: 4 * VALUES_PER_PIXEL * shape[2] * shape[3] * DOWNSCALE**2
        self.disable_offload = True
        self.working_dtypes, self.vae_dtype = [torch.float32], torch.float32
        self.device = comfy.model_management.vae_device()
        self.output_device = comfy.model_management.intermediate_device()
        self.patcher = ModelPatcher(autoencoder, self.device, comfy.model_management.vae_offload_device())
        self.model_size()


@contextmanager
def _expected(warning: str) -> Iterator[None]:
    """Keeps a warning of ComfyUI out of the log, where it would alarm."""

    def other(record: logging.LogRecord) -> bool:
        return warning not in record.getMessage()

    logging.getLogger().addFilter(other)
    try:
        yield
    finally:
        logging.getLogger().removeFilter(other)
