"""From words to a sweep: text encoder, camera encoder, sampling and decoding with diffusers and transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from huggingface_hub import snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from .camera.setting import CameraSetting
from .camera.sweep import CameraSweep
from .model.camera_encoder import DifferentialCameraEncoder
from .model.config import Architecture
from .model.differential import camera_embedding, camera_prompts, coarse_prior, setting_values
from .model.diffusers_host import LiftedUNet
from .model.lift import ActiveCamera, CameraMerges
from .sampling import OnStep, sample, start_noise

TOKENS = 77  # tokenizer folders may name another limit; the camera was learned at this one
CONFIG_REPOSITORY = "stable-diffusion-v1-5/stable-diffusion-v1-5"


@dataclass(frozen=True, slots=True)
class ImageModel:
    """The parts of an SD 1.5 image model."""

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer


@dataclass(frozen=True, slots=True)
class SweepGenerator:
    """Finished parts that together turn a scene and a sweep into frames. All of them on one device.

    Args:
        model: UNet and motion modules.
        vae, text_encoder, tokenizer: of the image model; the text encoder in float32, its differences are small.
        encoder, merges: of one camera adapter.
        setting: what that adapter steers.
        variant: which coarse prior it was trained on, "published" or "physical".
    """

    model: LiftedUNet
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    encoder: DifferentialCameraEncoder
    merges: CameraMerges
    setting: CameraSetting
    variant: str

    def __post_init__(self) -> None:
        lift, camera = self.model.lift.architecture, self.encoder.architecture
        if not lift.same_unet(camera):
            raise ValueError(
                f"The camera adapter is made for levels of width {camera.channels} with {len(camera.sites)} motion "
                f"modules, the motion module has {lift.channels} with {len(lift.sites)}. Take both from one release."
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

        Raises:
            ValueError: the adapter does not steer this sweep, or no picture can have this size.
        """
        height, width = checked_size(size or self.encoder.architecture.image_size, self.encoder.architecture)
        camera = self.camera(sweep, strength)
        negative_text, text = self.encode_text([negative, scene]).split(1)
        noise = start_noise(len(sweep), height, width, seed).to(text.device)
        latents = sample(
            self.model,
            noise,
            text,
            negative_text,
            steps=steps,
            guidance_scale=guidance_scale,
            cameras=[camera],
            on_step=on_step,
        )
        return decode(latents, self.vae)

    @torch.no_grad()
    def camera(self, sweep: CameraSweep, strength: float = 1.0) -> ActiveCamera:
        """The camera conditioning of a sweep."""
        values = setting_values(sweep, self.setting)
        hidden = self.encode_text(camera_prompts(values, self.setting))
        prior = coarse_prior(sweep, self.setting, values, self.variant, self.encoder.architecture.image_size)
        return ActiveCamera(self.merges, self.encoder(camera_embedding(prior, hidden)), strength)

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Last hidden states (N,77,D); what does not fit into 77 tokens is cut off."""
        tokens = self.tokenizer(
            list(texts), padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt"
        )
        return self.text_encoder(tokens.input_ids.to(self.text_encoder.device)).last_hidden_state


@torch.no_grad()
def decode(latents: Tensor, vae: AutoencoderKL) -> Tensor:
    """Latents (F,4,h,w) -> frames (F,3,H,W) in [0,1], float32; one at a time, the memory of a single picture."""
    scaled = (latents / vae.config.scaling_factor).to(vae.dtype)
    pictures = [vae.decode(latent).sample.float() for latent in scaled.split(1)]
    return (torch.cat(pictures) / 2 + 0.5).clamp(0, 1)


def checked_size(size: tuple[int, int], architecture: Architecture) -> tuple[int, int]:
    """`size` (height, width) [px], or a ValueError where it is not a whole number of latents."""
    if any(n <= 0 or n % architecture.downscale for n in size):
        height, width = size
        raise ValueError(
            f"A picture of {width} x {height} pixels cannot be generated: both must be multiples of "
            f"{architecture.downscale}, best of {8 * architecture.downscale}. The trained size is "
            f"{architecture.image_size[1]} x {architecture.image_size[0]}."
        )
    return size


def load_image_model(base: Path, unet: Path | None = None, config: Path | None = None) -> ImageModel:
    """An SD 1.5 image model from files, in float32 on the CPU. Never uses the network.

    Args:
        base: a diffusers folder, or a single .safetensors or .ckpt file.
        unet: folder of a UNet in place of that of the base; `unet_of` says which that is.
        config: diffusers folder with the configuration and the tokenizer, which a single file lacks; None for the one
            in the Hugging Face cache.

    Raises:
        ValueError: a part is missing, damaged or incomplete.
    """
    if base.is_file():
        model = _single_file(base, config or _cached_config(base))
        if unet:
            model = replace(model, unet=_part(UNet2DConditionModel, unet))
    else:
        model = ImageModel(
            _part(UNet2DConditionModel, unet or unet_of(base)),
            _part(AutoencoderKL, base / "vae"),
            _part(CLIPTextModel, base / "text_encoder"),
            _tokenizer(base / "tokenizer"),
        )
    # The arithmetic with which the adapters were trained; their differences of hidden states amplify rounding.
    model.text_encoder.set_attn_implementation("eager")
    return model


def unet_of(base: Path) -> Path:
    """The folder of the UNet in a diffusers folder: unet_merged, which the published weights add, else unet."""
    merged = base / "unet_merged"
    return merged if merged.is_dir() else base / "unet"


def _part(kind: type, folder: Path) -> Any:
    """A model of diffusers or transformers, with all its weights."""
    _require_folder(kind, folder)
    try:
        model, report = kind.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"{folder} is not a usable {kind.__name__}: {_first_line(error)}") from None
    missing, unexpected = sorted(report["missing_keys"]), sorted(report["unexpected_keys"])
    if missing or unexpected:
        raise ValueError(
            f"{folder} is not the {kind.__name__} that its config.json describes: {len(missing)} weights are missing "
            f"({', '.join(missing[:3])}), {len(unexpected)} unexpected ({', '.join(unexpected[:3])})."
        )
    return model.float().eval().requires_grad_(False)


def _tokenizer(folder: Path) -> CLIPTokenizer:
    _require_folder(CLIPTokenizer, folder)
    if not (folder / "vocab.json").is_file() and not (folder / "tokenizer.json").is_file():
        raise ValueError(f"{folder} holds no vocab.json: it should be the folder tokenizer of SD 1.5.")
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def _require_folder(kind: type, folder: Path) -> None:
    if not folder.is_dir():
        raise ValueError(
            f"The folder {folder.name} ({kind.__name__}) is missing in {folder.parent}. A diffusers folder of SD 1.5 "
            "has unet or unet_merged, vae, text_encoder and tokenizer."
        )


def _single_file(path: Path, config: Path) -> ImageModel:
    from diffusers import StableDiffusionPipeline  # slow to import, and only needed here

    try:
        pipe = StableDiffusionPipeline.from_single_file(
            str(path), config=str(config), local_files_only=True, safety_checker=None, feature_extractor=None
        )
    except (OSError, RuntimeError, ValueError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{path} cannot be read as a single-file SD 1.5 model with the configuration in {config}: "
            f"{type(error).__name__}: {_first_line(error)}"
        ) from None
    for part in (pipe.unet, pipe.vae, pipe.text_encoder):
        part.float().eval().requires_grad_(False)
    return ImageModel(pipe.unet, pipe.vae, pipe.text_encoder, pipe.tokenizer)


def _cached_config(base: Path) -> Path:
    try:
        return Path(snapshot_download(CONFIG_REPOSITORY, local_files_only=True))
    except LocalEntryNotFoundError:
        raise ValueError(
            f"{base.name} is a single file: it holds weights, but neither configuration nor tokenizer, and nothing is "
            f'downloaded unasked. Run once: hf download {CONFIG_REPOSITORY} --include "*.json" "*.txt" (2 MB), or give '
            "a diffusers folder."
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
