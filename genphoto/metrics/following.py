"""Following: does every frame still show what the prompt says? Cosine of CLIP's picture and text features.

The paper takes CLIP ViT-B/32. Values of one CLIP cannot be compared with those of another.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor

from .weights import weights_digest

PUBLISHED_CLIP = "openai/clip-vit-base-patch32"
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # of CLIP's training pictures


@dataclass(frozen=True, slots=True)
class Following:
    """Likeness, -1 to 1, of each of frames (F,3,H,W) sRGB in [0,1] to a prompt, by a CLIP of transformers."""

    model: Any  # transformers' CLIPModel, which is imported only where there is one
    tokenizer: Any

    def __call__(self, frames: Tensor, prompt: str) -> tuple[float, ...]:
        """The likeness of each frame."""
        side = self.model.config.vision_config.image_size
        length = self.model.config.text_config.max_position_embeddings
        words = self.tokenizer(require_prompt(prompt), truncation=True, max_length=length, return_tensors="pt")
        with torch.no_grad():
            features = self.model(
                input_ids=words["input_ids"].to(self.model.device),
                attention_mask=words["attention_mask"].to(self.model.device),
                pixel_values=clip_pixels(frames.to(self.model.device).float(), side),
            )
        return likeness(features.image_embeds, features.text_embeds)

    @property
    def identity(self) -> str:
        """What decides over its numbers: weights, architecture and words."""
        vocabulary = hashlib.sha256(json.dumps(self.tokenizer.get_vocab(), sort_keys=True).encode()).hexdigest()
        return f"{weights_digest(self.model)} {self.model.config.to_json_string()} {vocabulary}"


def clip_following(name: str | Path = PUBLISHED_CLIP) -> Following:
    """A function of frames (F,3,H,W) sRGB in [0,1] and a prompt: the likeness of each frame, -1 to 1.

    Args:
        name: a folder with a CLIP as transformers stores it, or the name of one in its cache. Never downloaded.

    Raises:
        ImportError: transformers is not installed.
        FileNotFoundError: there is no such CLIP here; says how to get it.
        ValueError: what is there is not a whole CLIP.
    """
    try:
        from huggingface_hub.errors import HFValidationError
        from transformers import AutoTokenizer, CLIPModel
    except ImportError:
        raise ImportError(
            "CLIP needs the package transformers, which is not installed: pip install transformers."
        ) from None
    try:
        loaded: Any = CLIPModel.from_pretrained(name, local_files_only=True, output_loading_info=True)
        model, loading = loaded  # a pair, which its types do not know
        tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=True)
    except (RuntimeError, TypeError, ValueError, SafetensorError, UnpicklingError) as error:
        if isinstance(error, HFValidationError):  # no name that a repository could have
            raise _missing(name, error) from None
        raise _not_whole(name, f"it cannot be loaded ({_first_line(error)})") from None
    except OSError as error:
        raise _missing(name, error) from None
    if missing := sorted(loading["missing_keys"]):
        raise _not_whole(name, f"{len(missing)} weights are missing, such as {missing[0]}")
    words = model.config.text_config.vocab_size
    if 2 * len(tokenizer) < words:  # without its files transformers makes one that knows no word
        raise _not_whole(name, f"its tokenizer knows {len(tokenizer)} of {words} words")
    return Following(model.eval().float(), tokenizer)


def require_prompt(prompt: str) -> str:
    """The prompt, or a ValueError where it is empty."""
    if not prompt.strip():
        raise ValueError("The prompt is empty: there is nothing that the frames could follow. Write what they show.")
    return prompt


def likeness(image_embeds: Tensor, text_embeds: Tensor) -> tuple[float, ...]:
    """Cosine of every picture's projected features (F,D) with the text's (1,D), -1 to 1."""
    return tuple(F.cosine_similarity(image_embeds.float(), text_embeds.float(), dim=-1).tolist())


def clip_pixels(frames: Tensor, side: int) -> Tensor:
    """Frames (F,3,H,W) as CLIP sees them, (F,3,side,side): the central square of each, normalized."""
    height, width = frames.shape[2:]
    scale = side / min(height, width)
    size = [max(side, round(n * scale)) for n in (height, width)]
    small = F.interpolate(frames, size, mode="bicubic", antialias=True).clamp(0, 1)
    top, left = ((n - side) // 2 for n in size)
    square = small[..., top : top + side, left : left + side]
    mean, std = (square.new_tensor(x).view(3, 1, 1) for x in (MEAN, STD))
    return (square - mean) / std


def _missing(name: str | Path, error: Exception) -> FileNotFoundError:
    return FileNotFoundError(
        f"There is no CLIP {name} here, neither as a folder nor in the cache ({_first_line(error)}). Get it by: hf "
        f"download {name if _is_repository(name) else PUBLISHED_CLIP}"
    )


def _not_whole(name: str | Path, problem: str) -> ValueError:
    return ValueError(
        f"{name} is not a whole CLIP: {problem}. Likeness needs the text and the picture half with their projections, "
        f"as in {PUBLISHED_CLIP}."
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _is_repository(name: str | Path) -> bool:
    return isinstance(name, str) and re.fullmatch(r"\w[\w.-]*/[\w.-]+", name) is not None
