"""Words of the tiny model: a vocabulary small enough to learn in minutes, in place of CLIP's 49,408 tokens."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..camera.settings import SETTINGS

START, END = 0, 1  # END also fills up a text
MARKS = tuple("<>:/.-+")
DIGITS = tuple("0123456789")
# The numbers 0 to 29 of every model whose file does not store its vocabulary. Never changed: weights hang on it.
TOKENS_OF_0_1 = (
    *("<start>", "<end>", "<", ">", ":", "/", ".", "-", "+", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
    *("aperture", "bokeh", "color", "exposure", "f", "focal", "kernel", "length", "size", "temperature", "tint"),
)
IGNORED = ",.;!?'\"() \t\r\n"
AMBIGUOUS = {"beside": "'beside' does not say on which side: write left of or right of."}
NUMBER_DIGITS = 4  # significant ones: the camera prompts spell numbers to seventeen

_TOKEN = re.compile(r"\d+(?:\.\d+)?(?:e[-+]?\d+)?|[a-z]+|[<>:/+-]|[,.;!?'\"()\s]+|.", re.S)


@dataclass(frozen=True, slots=True)
class WordTokenizer:
    """Texts as numbers of known words; digits and the marks of camera prompts are words too.

    Args:
        vocabulary: every token by its number, as the model learned them; the first two start and end a text.
        words: those of them that describe scenes.
        length: of every tokenized text, its start and end included.

    Raises:
        ValueError: a token without start or end, or twice, or a word that is no token.
    """

    vocabulary: tuple[str, ...]
    words: tuple[str, ...]
    length: int = 32

    def __post_init__(self) -> None:
        if self.vocabulary[:2] != TOKENS_OF_0_1[:2]:
            raise ValueError(f"a vocabulary begins with {TOKENS_OF_0_1[:2]}, this one with {self.vocabulary[:2]}")
        if repeated := [token for token, times in Counter(self.vocabulary).items() if times > 1]:
            raise ValueError(f"the vocabulary has {', '.join(map(repr, repeated))} more than once")
        if missing := sorted(set(self.words) - set(self.vocabulary)):
            raise ValueError(f"the vocabulary is without {', '.join(map(repr, missing))}")

    @classmethod
    def of_new_model(cls, words: Iterable[str], length: int = 32) -> WordTokenizer:
        """For a model yet to be trained: it will know these words, and what camera prompts say today."""
        words = tuple(words)
        return cls(_distinct((*TOKENS_OF_0_1[:2], *MARKS, *DIGITS, *camera_words(), *words)), words, length)

    @classmethod
    def of_0_1(cls, words: Iterable[str], length: int = 32) -> WordTokenizer:
        """For a model whose file does not store its vocabulary."""
        words = tuple(words)
        return cls(_distinct((*TOKENS_OF_0_1, *words)), words, length)

    @property
    def digest(self) -> str:
        """The same for the same tokens under the same numbers, in every process."""
        return hashlib.blake2b("\n".join(self.vocabulary).encode(), digest_size=8).hexdigest()

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


def camera_words() -> list[str]:
    """The words in the camera prompts of all settings."""
    prompts = "".join(setting.prompt(value) for setting in SETTINGS for value in setting.domain)
    return sorted({piece for piece in _TOKEN.findall(prompts) if piece.isalpha()})


def _distinct(tokens: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tokens))
