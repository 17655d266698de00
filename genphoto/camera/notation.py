"""How people write values: "f/1.4 f/2,8", "1/125 s"; a decimal comma is told from a list, or refused."""

from __future__ import annotations

import re
import unicodedata

# A comma between digits is "tight": it may be a decimal comma or separate values.
_TIGHT = re.compile(r"(?<=\d),(?=\d)")
_SEPARATOR = re.compile(r"[;\s]+|(?<!\d),|,(?!\d)")
_THOUSANDS = re.compile(r"\d{1,3},\d{3}(?!\d)")
# f with hook, minus, primes, which NFKC does not make what they stand for: "\u0192/1.4", "\u22120.01" and "2\u2033".
PLAIN = {0x192: "f", 0x2212: "-", 0x2033: '"', 0x2032: "'"}
ADVICE = "Write decimals with a point, and spaces between values: 1.4 2.8"


def plain(text: str) -> str:
    """The same text in ASCII where it has a plain spelling: full-width forms, ƒ, other spaces, signs and primes."""
    return unicodedata.normalize("NFKC", text.translate(PLAIN)).strip()


def decimal(text: str) -> str:
    """A number's text with its decimal comma as a point.

    Raises:
        ValueError: the comma may as well group thousands or separate values.
    """
    if "," not in text:
        return text
    if text.count(",") > 1 or not _TIGHT.search(text) or _THOUSANDS.search(text):
        raise ValueError(f"the comma in {text!r} can be read in two ways. {ADVICE}")
    return text.replace(",", ".")


def split_values(text: str) -> list[str]:
    """The values of a text: "24 mm, 35 mm" is two; a word without digits belongs to the number before it.

    A comma between digits is decimal where something else separates the values ("f/1,4 f/2,8"), and separates them
    where nothing else does ("24,35,50").

    Raises:
        ValueError: it could be both ("1,4").
    """
    words = [word for word in _SEPARATOR.split(plain(text)) if word]
    numbers = [word for word in words if any(map(str.isdigit, word))]
    if len(numbers) > 1:
        words = [decimal(word) for word in words]
    elif numbers and _TIGHT.search(numbers[0]):
        at = words.index(numbers[0])
        words[at : at + 1] = _list_or_decimal(numbers[0])
    return _with_units(words)


def _list_or_decimal(word: str) -> list[str]:
    """The values in one word with commas between digits."""
    parts = _TIGHT.split(word)
    if len(parts) == 2 and parts[0].lstrip("+-") == "0":
        return [decimal(word)]
    prefixed = ["f" in part or "k" in part[:1].lower() for part in parts]
    digits = [re.sub(r"\D", "", part) for part in parts]
    decimals = len(parts) % 2 == 0 and all(len(d) == 1 for d in digits)
    if decimals or any(prefixed) != all(prefixed) or any(len(d) > 1 and d[0] == "0" for d in digits):
        raise ValueError(f"the commas in {word!r} can be read in two ways. {ADVICE}")
    return parts


def _with_units(words: list[str]) -> list[str]:
    values: list[str] = []
    before = ""
    for word in words:
        if any(character.isdigit() for character in word):
            values.append(before + word)
            before = ""
        elif values:
            values[-1] += word
        else:
            before += word
    return [*values, before] if before else values
