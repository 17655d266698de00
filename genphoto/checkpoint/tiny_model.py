"""The file of the tiny image model: UNet, text encoder and autoencoder with their sizes and words."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..model.autoencoder import Autoencoder, AutoencoderSizes
from ..model.words import WordTokenizer
from .disk import save
from .kinds import TINY_MODEL, require
from .layout import require_finite

PARTS = ("unet", "text", "autoencoder")


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
    """

    unet: dict[str, Any]
    text: dict[str, Any]
    autoencoder: AutoencoderSizes
    tokenizer: WordTokenizer
    prediction: str
    weights: dict[str, dict[str, Tensor]]

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
        told = {key: json.loads(metadata[key]) for key in ("unet", "text", "autoencoder", "tokenizer")}
        file = TinyModelFile(
            told["unet"],
            told["text"],
            AutoencoderSizes(**told["autoencoder"]),
            WordTokenizer(tuple(told["tokenizer"]["words"]), told["tokenizer"]["length"]),
            metadata["prediction"],
            {p: {k.removeprefix(f"{p}."): v for k, v in state.items() if k.startswith(f"{p}.")} for p in PARTS},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{name}: its metadata are damaged or lost ({error!r}). Install GenPhoto again.") from None
    for part, weights in file.weights.items():
        require_finite(f"{name} ({part})", weights)
    return file


def save_tiny_model(path: str | os.PathLike[str], file: TinyModelFile) -> None:
    """Write a tiny image model as .safetensors, all of it or nothing."""
    weights = {f"{part}.{key}": value for part, values in file.weights.items() for key, value in values.items()}
    require_finite("The tiny image model", weights)
    tokenizer = {"words": file.tokenizer.words, "length": file.tokenizer.length}
    told = {"unet": file.unet, "text": file.text, "autoencoder": file.autoencoder.to_dict(), "tokenizer": tokenizer}
    metadata = {key: json.dumps(value) for key, value in told.items()}
    save(path, weights, metadata | {"format": "genphoto", "kind": "tiny_model", "prediction": file.prediction})


def text_weights(module: nn.Module) -> dict[str, Tensor]:
    """The weights of a text encoder without "text_model."."""
    return {key.removeprefix("text_model."): value for key, value in module.state_dict().items()}
