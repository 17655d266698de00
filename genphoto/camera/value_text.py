"""Values as people write them, such as "f/1,4 f/2,8"; a comma that can mean two things is refused."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

from .checks import require_in_range, shown

_PLAIN = ("<wide>", "<narrow>", "<noBreak>", "<square>")  # what differs in nothing but its form
_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"),
        **dict.fromkeys("\u2044\u2215", "/"),
        **dict.fromkeys("\u2018\u2019\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u2033", '"'),
        **dict.fromkeys("\u0192\U0001d453", "f"),
        **dict.fromkeys("\u060c\u061b\u3001", ";"),  # no decimal comma in any language
        "\u066b": ".",
        "\u212a": "K",
        "\ufeff": "",
    }
)
_GROUP_SPACE = re.compile(r"(?<=\d)[\u00a0\u2007\u2009\u202f](?=\d{3}(?!\d))")
_GROUP_QUOTE = re.compile(r"(?<=\d)'(?=\d{3}(?!\d))")
_NUMBER = re.compile(r"\d[\d.,']*\d")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(,\d{3})+")
_COMMA_BETWEEN_DIGITS = re.compile(r"(?<=\d),(?=\d)")
_OTHER_COMMA = re.compile(r"(?<!\d),|,(?!\d)")
_RUN = re.compile(r"\d+(?:,\d+)+")  # nothing but digits and commas


def normalized(text: str) -> str:
    """The same in plain characters: digits and units of any width, typographic quotes and dashes, the f of a lens."""
    text = _GROUP_SPACE.sub("'", text).translate(_CHARACTERS)
    text = "".join(map(_plain, text)).translate(_CHARACTERS).replace("''", '"')
    return "/".join(part.strip() for part in text.split("/"))


def spellings(text: str) -> list[str]:
    """What one value can be, with a decimal point: "1,4" is 1.4; "10,000" is 10.000 or, the last of the list, 10000."""
    parts, end, text = [], 0, normalized(text)
    numbers = list(_NUMBER.finditer(text))
    for match in numbers if len(numbers) <= 2 else ():  # a value and its divisor
        parts += [[text[end : match.start()]], _numbers(match[0], divides=text[: match.start()].endswith("/"))]
        end = match.end()
    readings = [""]
    for part in [*parts, [text[end:]]]:
        readings = [before + spelling for before in readings for spelling in part]
    return readings


def chosen(name: str, text: str, unit: str, numbers: Sequence[float], limits: tuple[float, float]) -> float:
    """The one of a text's `numbers`, one per spelling, that it means, within the limits.

    Raises:
        ValueError: out of range, or a comma before three digits can be both decimal and of thousands.
    """
    low, high = limits
    if len(numbers) > 1 and low <= numbers[0] <= high:
        raise ValueError(
            f"{name} = {shown(text)} can be {numbers[0]:g} or {numbers[-1]:g} {unit}".rstrip()
            + f": a comma before three digits is ambiguous. Write {numbers[0]:g} or {numbers[-1]:g}."
        )
    return require_in_range(name, numbers[-1], unit, low, high)


def split_values(name: str, text: str, possible: Callable[[str], bool]) -> list[str]:
    """The values of a text; `possible` says whether a word can be one.

    Commas, semicolons and white space separate values; "24 mm, 35 mm" is two. A comma between digits is a decimal
    comma where something else separates the values, or where they would be out of range otherwise.

    Raises:
        ValueError: such commas are all that separates the values, and can also be decimal commas.
    """
    text = normalized(text)
    separate = _words(re.split(r"[,;\s]+", text))
    if not _COMMA_BETWEEN_DIGITS.search(text):
        return separate
    bound = _words(re.split(r"[;\s]+", _OTHER_COMMA.sub(" ", text)))
    if len(_words(re.split(r"[;\s]+", text))) > 1:
        return _beside_others(name, text, separate, bound, possible)
    return _by_commas_alone(name, text, separate, bound, possible)


def _beside_others(
    name: str, text: str, separate: list[str], bound: list[str], possible: Callable[[str], bool]
) -> list[str]:
    whole = [word for word in bound if "," not in spellings(word)[0]]
    if len(whole) == len(bound):
        return separate if all(map(possible, separate)) and not any(map(possible, bound)) else bound
    if any(re.search(r"\d,\d(?!\d)", word) for word in whole):
        raise _ambiguous(name, text, separate, bound)
    return separate


def _by_commas_alone(
    name: str, text: str, separate: list[str], bound: list[str], possible: Callable[[str], bool]
) -> list[str]:
    prefixed = [word[0].isalpha() for word in separate]
    if any(prefixed) and not all(prefixed) and len(bound) > 1 and all(word[0].isalpha() for word in bound):
        return bound  # f/1,4,f/2,8
    paired = [_pairs(word) for word in bound]
    pairs = [pair for word in paired for pair in word] if all(paired) else []
    runs = [run.split(",") for word in pairs for run in _RUN.findall(word)]
    if not runs:
        return separate
    tenths = all(len(fraction) == 1 for _, fraction in runs)
    grouped = len(pairs) == 1 and bool(_THOUSANDS.search(pairs[0]))
    if not all(map(possible, separate)):
        return pairs if grouped or tenths or any(not int(whole) for whole, _ in runs) else separate
    if (grouped and possible(spellings(pairs[0])[-1])) or (tenths and all(map(possible, pairs))):
        raise _ambiguous(name, text, separate, pairs)
    return separate


def _ambiguous(name: str, text: str, separate: Sequence[str], decimal: Sequence[str]) -> ValueError:
    pointed = " ".join(spellings(word)[0] for word in decimal)
    return ValueError(
        f"{name} = {shown(text)}: its commas can separate values or be decimal commas. Write {shown(pointed)} or "
        f"{shown(' '.join(separate))}, with a point for decimals and spaces between values."
    )


def _pairs(word: str) -> list[str]:
    """A word whose commas are by turns decimal and between values, as its values; empty if that cannot be."""
    runs = _RUN.findall(word)
    if any(run.count(",") % 2 == 0 for run in runs):
        return []
    return _RUN.sub(lambda run: re.sub(r"(\d+,\d+),", r"\1 ", run[0]), word).split()


def _words(parts: Sequence[str]) -> list[str]:
    """Every part with a digit, and with it the units and prefixes beside it."""
    values: list[str] = []
    before = ""
    for word in filter(None, parts):
        if any(character.isdigit() for character in word):
            values.append(before + word)
            before = ""
        elif values:
            values[-1] += word
        else:
            before += word
    return [*values, before] if before else values


def _numbers(number: str, divides: bool) -> list[str]:
    bare = _GROUP_QUOTE.sub("", number)
    if "." in bare:
        if re.fullmatch(r"[1-9]\d{0,2}(,\d{3})+\.\d+", bare):
            return [bare.replace(",", "")]
        if re.fullmatch(r"[1-9]\d{0,2}(\.\d{3})+,\d+", bare):
            return [bare.replace(".", "").replace(",", ".")]
    elif "," in bare:
        grouped = [bare.replace(",", "")] * bool(_THOUSANDS.fullmatch(bare))
        decimal = [bare.replace(",", ".")] * bool(re.fullmatch(r"0+,\d+|\d+,\d{1,3}", bare))
        return (grouped if divides and grouped else decimal + grouped) or [bare]
    return [bare]


def _plain(character: str) -> str:
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    kind, _, codes = unicodedata.decomposition(character).partition(" ")
    return "".join(chr(int(code, 16)) for code in codes.split()) if kind in _PLAIN else character
