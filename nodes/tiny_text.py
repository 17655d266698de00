"""The tiny model's words and text encoder as ComfyUI's CLIP."""

from functools import partial
from typing import Any

import comfy.sd
import torch
from comfy.sd1_clip import (
    SD1ClipModel,
    SD1Tokenizer,
    SDClipModel,
    SDTokenizer,
    escape_important,
    token_weights,
    unescape_important,
)
from comfy.supported_models_base import ClipTarget

from ..genphoto.checkpoint import TinyModelFile
from ..genphoto.model.words import END, START, WordTokenizer


def clip_of(file: TinyModelFile) -> comfy.sd.CLIP:
    """The text encoder, in float32: the camera is read from small differences."""
    target = ClipTarget(
        partial(SD1Tokenizer, tokenizer=partial(PromptTokenizer, file.tokenizer)),
        partial(SD1ClipModel, clip_model=partial(TextEncoder, file.text)),
    )
    clip = comfy.sd.CLIP(target, model_options={"dtype": torch.float32}, disable_dynamic=True)
    weights = {f"text_model.{key}": value for key, value in file.weights["text"].items()}
    weights["text_projection.weight"] = torch.eye(file.text["hidden_size"])  # the model has none
    clip.cond_stage_model.clip_l.transformer.load_state_dict(weights, strict=True)
    return clip


def vocabulary_of(clip: comfy.sd.CLIP) -> str:
    """Digest of the tiny model's vocabulary in a CLIP; empty for any other."""
    tokenizer = getattr(clip.tokenizer, "clip_l", None)
    return tokenizer.words.digest if isinstance(tokenizer, PromptTokenizer) else ""


class TextEncoder(SDClipModel):
    """ComfyUI's CLIP text encoder with the sizes of a configuration of transformers' CLIPTextModel."""

    def __init__(self, config: dict[str, Any], device: torch.device, dtype: torch.dtype, model_options: dict[str, Any]):
        super().__init__(
            device=device,
            dtype=dtype,
            max_length=config["max_position_embeddings"],
            textmodel_json_config=dict(config),
            special_tokens={"start": START, "end": END, "pad": END},
            return_projected_pooled=False,
            model_options=model_options,
        )
        # ComfyUI's has the 49,408 tokens of CLIP, whatever the configuration says.
        self.transformer.set_input_embeddings(
            self.operations.Embedding(config["vocab_size"], config["hidden_size"], dtype=dtype, device=device)
        )


class PromptTokenizer(SDTokenizer):
    """ComfyUI's prompts, weights as in "(red:1.2)" included, in words of the tiny model; without textual inversion."""

    def __init__(self, words: WordTokenizer, **_: Any):
        super().__init__("", max_length=words.length, tokenizer_class=_Pretrained, tokenizer_args={"words": words})
        self.words = words

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **kwargs: Any) -> list[list[tuple]]:
        """One list of (number, weight) as long as the model reads.

        Raises:
            ValueError: an unknown word, or too many words, where ComfyUI would go on with a second list.
        """
        pieces = [unescape_important(piece) for piece, _ in token_weights(escape_important(text), 1.0)]
        self.words.tokens(" ".join(pieces))
        return super().tokenize_with_weights(text, return_word_ids, **kwargs)


class _Pretrained:
    """The words under the names by which SDTokenizer calls a tokenizer of transformers."""

    def __init__(self, words: WordTokenizer):
        self.words = words

    @classmethod
    def from_pretrained(cls, path: str, words: WordTokenizer) -> "_Pretrained":
        return cls(words)

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": [START, *self.words.tokens(text), END]}

    def get_vocab(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words.vocabulary)}
