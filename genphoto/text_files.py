"""Text that people and other programs wrote: files in the encodings of all systems, and JSON."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # what `>` writes in Windows PowerShell


class InvalidJson(ValueError):
    """A text is no JSON document; the message is said of the text: "not valid JSON (nested too deep)"."""


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without a byte order mark, or in UTF-16 with one; line ends become \\n.

    Raises:
        OSError: it cannot be read.
        ValueError: it is in another encoding, or no text; the message is said of the file: "not UTF-8 text (byte 7)".
    """
    return decoded(path.read_bytes())


def decoded(content: bytes) -> str:
    """The text in the bytes of a file, as `read_text` reads it."""
    encoding = "utf-16" if content.startswith(UTF_16) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text (byte {error.start})") from None
    if "\0" in text:
        raise ValueError(f"not UTF-8 text (byte {text.index(chr(0))} is zero)")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def from_json(text: str) -> Any:
    """What a JSON document says.

    Raises:
        InvalidJson: it is not valid, nested too deep, or a number has too many digits.
    """
    try:
        return json.loads(text.removeprefix("\ufeff"))
    except RecursionError:
        raise InvalidJson("not valid JSON (nested too deep)") from None
    except ValueError as error:  # also of a whole number with thousands of digits
        raise InvalidJson(f"not valid JSON ({error})") from None
