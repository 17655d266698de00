"""The file of the tiny image model: UNet, text encoder and autoencoder with their sizes and words."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor, nn

from ..model.autoencoder import Autoencoder, AutoencoderSizes
from ..model.words import WordTokenizer
from .disk import save
from .kinds import TINY_MODEL, require
from .layout import require_finite

TOKEN_EMBEDDING = "embeddings.token_embedding.weight"
PARTS = ("unet", "text", "autoencoder")
# Looked at: frames of 1.33 by 1.5 times the trained sides fall into pieces; cfg 5 keeps the colors, 8 makes them hard.
OTHER_SIDE, OTHER_GUIDANCE = 1.25, 2.0


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a model wants to be sampled. The defaults are those of files that do not say it.

    Args:
        width, height: of the pictures it was trained on [px].
        guidance_scale: at which colors and exposures are those of its training pictures.
        scheduler: ComfyUI's name of a spacing of noise levels that begins with noise alone.
    """

    width: int = 192
    height: int = 128
    guidance_scale: float = 2.5
    scheduler: str = "simple"

    def departures(self, width: int, height: int, guidance_scale: float) -> list[str]:
        """What is too far from that, in words."""
        wrong = []
        sides = width / self.width, height / self.height
        if any(max(side, 1 / side) > OTHER_SIDE for side in sides):
            wrong.append(f"size {width} x {height} (use {self.width} x {self.height})")
        if guidance_scale > OTHER_GUIDANCE * self.guidance_scale:
            wrong.append(f"cfg {guidance_scale:g} (use {self.guidance_scale:g})")
        return wrong

    def concerns(self, departures: Sequence[str]) -> list[str]:
        """A sentence on such words, if there are any."""
        if not departures:
            return []
        return [f"The embedded model makes mosaics or hard colors beyond its training: {'; '.join(departures)}."]


@dataclass(frozen=True, slots=True, eq=False)
class TinyModelFile:
    """An image model of our own.

    Args:
        unet: configuration of diffusers' UNet2DConditionModel.
        text: configuration of transformers' CLIPTextModel.
        autoencoder: sizes of the Autoencoder.
        tokenizer: the words it knows.
        prediction: what the UNet predicts, "epsilon" or "v_prediction".
        weights: by part ("unet", "text", "autoencoder"), each under its own keys; the text encoder's without
            "text_model.", which libraries add or not.
        sampling: how it wants to be sampled.
    """

    unet: dict[str, Any]
    text: dict[str, Any]
    autoencoder: AutoencoderSizes
    tokenizer: WordTokenizer
    prediction: str
    weights: dict[str, dict[str, Tensor]]
    sampling: Sampling = Sampling()

    def build_autoencoder(self) -> Autoencoder:
        """The autoencoder with its weights, in evaluation mode, float32."""
        module = Autoencoder(self.autoencoder)
        module.load_state_dict(self.weights["autoencoder"], strict=True)
        return module.float().eval().requires_grad_(False)


def tiny_model(state: Mapping[str, Any], metadata: Mapping[str, str] | None, name: str) -> TinyModelFile:
    """The tiny image model in a loaded file.

    Raises:
        ValueError: it is anything else, or damaged.
    """
    require(TINY_MODEL, state, name)
    try:
        configuration = {key: json.loads(metadata[key]) for key in ("unet", "text", "autoencoder", "tokenizer")}
        file = TinyModelFile(
            configuration["unet"],
            configuration["text"],
            AutoencoderSizes(**configuration["autoencoder"]),
            _tokenizer(configuration["tokenizer"]),
            metadata["prediction"],
            {p: {k.removeprefix(f"{p}."): v for k, v in state.items() if k.startswith(f"{p}.")} for p in PARTS},
            Sampling(**json.loads(metadata.get("sampling", "{}"))),
        )
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{name}: its metadata are damaged or lost ({error!r}). Install GenPhoto again.") from None
    _require_vocabulary(name, file)
    for part, weights in file.weights.items():
        require_finite(f"{name} ({part})", weights)
    return file


def save_tiny_model(path: str | os.PathLike[str], file: TinyModelFile) -> None:
    """Write a tiny image model as .safetensors, all of it or nothing."""
    weights = {f"{part}.{key}": value for part, values in file.weights.items() for key, value in values.items()}
    _require_vocabulary("The tiny image model", file)
    require_finite("The tiny image model", weights)
    configuration = {
        "unet": file.unet,
        "text": file.text,
        "autoencoder": file.autoencoder.to_dict(),
        "tokenizer": asdict(file.tokenizer),
        "sampling": asdict(file.sampling),
    }
    metadata = {key: json.dumps(value) for key, value in configuration.items()}
    save(path, weights, metadata | {"format": "genphoto", "kind": "tiny_model", "prediction": file.prediction})


def _tokenizer(values: Mapping[str, Any]) -> WordTokenizer:
    words, length = tuple(values["words"]), values["length"]
    if "vocabulary" not in values:
        return WordTokenizer.of_0_1(words, length)
    return WordTokenizer(tuple(values["vocabulary"]), words, length)


def _require_vocabulary(name: str, file: TinyModelFile) -> None:
    """Refuse a vocabulary with more or fewer tokens than the text embedding has rows: words would be others."""
    tokens, rows = len(file.tokenizer.vocabulary), len(file.weights["text"].get(TOKEN_EMBEDDING, ()))
    if tokens != rows:
        raise ValueError(
            f"{name}: {tokens} tokens in its vocabulary, {rows} rows in its text embedding. Its file was made from two "
            "models: install GenPhoto again, or export the training again."
        )


def text_weights(module: nn.Module) -> dict[str, Tensor]:
    """The weights of a text encoder without "text_model."."""
    return {key.removeprefix("text_model."): value for key, value in module.state_dict().items()}
