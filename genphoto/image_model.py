"""ImageModel: UNet, text encoder and autoencoder, of Stable Diffusion 1.5 or of the tiny model, from files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from huggingface_hub import snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from .checkpoint import TinyModelFile
from .model.autoencoder import Autoencoder
from .model.backbone import Backbone
from .model.diffusers_host import backbone_of
from .model.words import WordTokenizer

TOKENS = 77  # tokenizer folders may name another limit; the camera was learned at this one
# What diffusers and transformers raise where a file is damaged or of something else.
UNREADABLE = (OSError, RuntimeError, TypeError, ValueError, SafetensorError, UnpicklingError)
CONFIG_REPOSITORY = "stable-diffusion-v1-5/stable-diffusion-v1-5"


@dataclass(frozen=True, slots=True)
class ImageModel:
    """The parts of an image model.

    Args:
        unet: what is lifted.
        autoencoder: pictures to latents and back.
        text_encoder: in float32, its differences are small.
        tokenize: texts -> token numbers (N,T).
        prediction: what the UNet predicts, a name of `model.prediction.PREDICTIONS`.
    """

    unet: UNet2DConditionModel
    autoencoder: AutoencoderKL | Autoencoder
    text_encoder: CLIPTextModel
    tokenize: Callable[[Sequence[str]], Tensor]
    prediction: str = "epsilon"

    @property
    def backbone(self) -> Backbone:
        """What a lift meets in the UNet."""
        return backbone_of(self.unet, self.prediction)

    @property
    def vocabulary(self) -> str:
        """Digest of the vocabulary of its own in which texts are numbered; empty for CLIP's."""
        return self.tokenize.digest if isinstance(self.tokenize, WordTokenizer) else ""

    def hidden_states(self, tokens: Tensor) -> Tensor:
        """Token numbers (N,T) -> last hidden states (N,T,D)."""
        return self.text_encoder(tokens.to(self.text_encoder.device)).last_hidden_state

    def to_latents(self, pictures: Tensor) -> Tensor:
        """Pictures (N,3,H,W) in [0,1] -> latents (N,C,h,w), scaled to about unit variance."""
        return encoded(self.autoencoder, pictures)

    def to_pictures(self, latents: Tensor) -> Tensor:
        """The inverse, in float32; one at a time, in the memory of a single picture."""
        return decoded(self.autoencoder, latents)


def encoded(autoencoder: nn.Module, pictures: Tensor) -> Tensor:
    """Pictures (N,3,H,W) in [0,1] -> latents (N,C,h,w)."""
    if isinstance(autoencoder, Autoencoder):
        return autoencoder.encode(pictures * 2 - 1)
    return autoencoder.encode(pictures * 2 - 1).latent_dist.mode() * autoencoder.config.scaling_factor


@torch.no_grad()
def decoded(autoencoder: nn.Module, latents: Tensor) -> Tensor:
    """Latents (N,C,h,w) -> pictures (N,3,H,W) in [0,1], float32."""
    latents = latents.to(next(autoencoder.parameters()).dtype)
    if isinstance(autoencoder, Autoencoder):
        pictures = [autoencoder.decode(latent) for latent in latents.split(1)]
    else:
        scaled = latents / autoencoder.config.scaling_factor
        pictures = [autoencoder.decode(latent).sample for latent in scaled.split(1)]
    return (torch.cat(pictures).float() / 2 + 0.5).clamp(0, 1)


def clip_tokens(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> Tensor:
    """Token numbers (N,77); what does not fit is cut off."""
    given = tokenizer(list(texts), padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt")
    return given.input_ids


def tiny_image_model(file: TinyModelFile) -> ImageModel:
    """The tiny image model with diffusers' and transformers' networks, in float32 on the CPU."""
    unet = UNet2DConditionModel.from_config(file.unet)
    unet.load_state_dict(file.weights["unet"], strict=True)
    text = CLIPTextModel(CLIPTextConfig.from_dict(file.text))
    getattr(text, "text_model", text).load_state_dict(file.weights["text"], strict=True)
    for part in (unet, text):
        part.float().eval().requires_grad_(False)
    return ImageModel(unet, file.build_autoencoder(), text, file.tokenizer, file.prediction)


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
            partial(clip_tokens, _tokenizer(base / "tokenizer")),
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
    except UNREADABLE as error:
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
    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except UNREADABLE as error:
        raise ValueError(f"{folder} is not a usable CLIPTokenizer: {_first_line(error)}") from None
    if not tokenizer:  # transformers 4.56 gives False for a vocabulary that it cannot read
        raise ValueError(f"{folder} is not a usable CLIPTokenizer: its vocabulary cannot be read.")
    return tokenizer


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
    except (*UNREADABLE, KeyError, AttributeError) as error:
        raise ValueError(
            f"{path} cannot be read as a single-file SD 1.5 model with the configuration in {config}: "
            f"{type(error).__name__}: {_first_line(error)}"
        ) from None
    for part in (pipe.unet, pipe.vae, pipe.text_encoder):
        part.float().eval().requires_grad_(False)
    return ImageModel(pipe.unet, pipe.vae, pipe.text_encoder, partial(clip_tokens, pipe.tokenizer))


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
