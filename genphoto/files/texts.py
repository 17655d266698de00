"""Text files as people's programs write them: UTF-8 with or without a mark, UTF-16 as Windows' shells write it."""

from __future__ import annotations

import codecs
from pathlib import Path

MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is not text in UTF-8, nor in UTF-16 with its mark.
    """
    data = path.read_bytes()
    encoding = next((name for mark, name in MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
