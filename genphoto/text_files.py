"""Text that people and other programs wrote: files in the encodings of all systems, and JSON."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # what `>` writes in Windows PowerShell


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without a byte order mark, or in UTF-16 with one.

    Raises:
        OSError: it cannot be read.
        ValueError: it is in another encoding, or no text. The message says where, but not the file's name.
    """
    return decoded(path.read_bytes())


def decoded(content: bytes) -> str:
    """The text in the bytes of a file, as `read_text` reads it; line ends become \\n."""
    encoding = "utf-16" if content.startswith(UTF_16) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
    if "\0" in text:
        raise ValueError("not UTF-8 text: it holds zero bytes. Save it as UTF-8.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def from_json(text: str) -> Any:
    """What a JSON document says.

    Raises:
        ValueError: it is not valid, nested too deep, or a number has too many digits.
    """
    try:
        return json.loads(text.removeprefix("\ufeff"))
    except RecursionError:
        raise ValueError("not valid JSON (nested too deep)") from None
    except ValueError as error:  # also of a whole number with thousands of digits
        raise ValueError(f"not valid JSON ({error})") from None
