"""Words of the tiny model: a vocabulary small enough to learn in minutes, in place of CLIP's 49,408 tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

START, END = 0, 1  # END also fills up a text
MARKS = tuple("<>:/.-+")
DIGITS = tuple("0123456789")
CAMERA_WORDS = (
    "aperture",
    "bokeh",
    "color",
    "exposure",
    "f",
    "focal",
    "kernel",
    "length",
    "size",
    "temperature",
    "tint",
)
IGNORED = ",.;!?'\"() \t\r\n"
AMBIGUOUS = {"beside": "'beside' does not say on which side: write left of or right of."}
NUMBER_DIGITS = 4  # significant ones: the camera prompts spell numbers to seventeen

_TOKEN = re.compile(r"\d+(?:\.\d+)?(?:e[-+]?\d+)?|[a-z]+|[<>:/+-]|[,.;!?'\"()\s]+|.", re.S)


@dataclass(frozen=True, slots=True)
class WordTokenizer:
    """Texts as numbers of known words; digits and the marks of camera prompts are words too.

    Args:
        words: the known words besides digits, marks and what camera prompts say.
        length: of every tokenized text, its start and end included.
    """

    words: tuple[str, ...]
    length: int = 32

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Every token by its number; the first two start and end a text."""
        return ("<start>", "<end>", *MARKS, *DIGITS, *dict.fromkeys((*CAMERA_WORDS, *self.words)))

    def tokens(self, text: str) -> list[int]:
        """Numbers of the words of a text, without start and end.

        Raises:
            ValueError: an unknown word, or too many words.
        """
        numbers = {word: number for number, word in enumerate(self.vocabulary)}
        spelled: list[str] = []
        for piece in _TOKEN.findall(text.lower()):
            if piece[0].isdigit():
                spelled += np.format_float_positional(
                    float(piece), precision=NUMBER_DIGITS, unique=False, fractional=False, trim="-"
                )
            elif piece.strip(IGNORED):
                spelled.append(piece)
        if unknown := list(dict.fromkeys(word for word in spelled if word not in numbers)):
            better = "".join(f"{AMBIGUOUS[word]} " for word in unknown if word in AMBIGUOUS)
            raise ValueError(
                f"The tiny model does not know {', '.join(map(repr, unknown))}. {better}It knows: "
                f"{', '.join(self.words)}. Write the scene with these words, or use a Stable Diffusion checkpoint."
            )
        if len(spelled) > self.length - 2:
            raise ValueError(
                f"The text has {len(spelled)} words, digits and marks; the tiny model reads at most {self.length - 2}. "
                "Describe fewer things."
            )
        return [numbers[word] for word in spelled]

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Numbers (N, length), each text between start and end and filled up with end."""
        rows = [[START, *self.tokens(text), END] for text in texts]
        return torch.tensor([row + [END] * (self.length - len(row)) for row in rows])
