"""The files of `evaluate`: one measured sequence each, taken up again by the next call, and the report over all."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL.Image import Image
from torch import Tensor

from ..camera.progress import Progress
from ..camera.sweep import CameraSweep
from ..files.contact_sheet import contact_sheet
from ..files.frames import merged_frames, read_frames
from ..files.whole_file import whole_file
from ..metrics.report_page import Entry, report_page
from .ruler import Ruler

REPORT, PAGE, PARTS = "report.json", "report.html", "sequences"
COLUMNS = 6  # of the frames on the page


def measured_entry(
    path: Path, sweep: CameraSweep, prompt: str | None, ruler: Ruler, folder: Path, progress: Progress
) -> tuple[Entry, bool]:
    """What was measured in a sequence, and whether an earlier call did; its files lie in `folder`.

    Raises:
        ValueError: the frames cannot be read or measured; says why.
    """
    frames = read_frames(path)
    for file, pictures in filter(None, ((path, frames), ruler.reference)):
        if merged := merged_frames(file, len(pictures), len(sweep)):
            raise ValueError(merged)
    disparity = ruler.disparity_of(tuple(frames[0].shape[1:]))
    reference = ruler.reference[1] if ruler.reference else ()
    pictures = [*frames, *reference, *(() if disparity is None else (disparity,))]
    key = _key(pictures, sweep.to_json(), str(prompt), *ruler.identity)
    numbers, sheet, plot = (folder / f"{key}{ending}" for ending in (".json", ".jpg", ".png"))
    measured_before = numbers.is_file()
    if not measured_before:
        results, drawing = ruler.measure(frames, sweep, prompt, disparity, progress)
        _write(sheet, _encoded(contact_sheet(frames, sweep.captions, columns=COLUMNS, max_width=1200), "JPEG"))
        _write(plot, _encoded(drawing, "PNG"))
        _write(numbers, _json(results))  # last: it says that all is there
    entry = Entry(str(path), json.loads(numbers.read_bytes()), sheet.read_bytes(), plot.read_bytes())
    return entry, measured_before


def write_report(out: Path, entries: Sequence[Entry]) -> None:
    """Write the numbers and the page of all sequences into the folder `out`."""
    document = {
        "format": "genphoto-report",
        "version": 1,
        "sequences": [{"name": entry.name, **entry.results} for entry in entries],
    }
    _write(out / REPORT, _json(document))
    _write(out / PAGE, report_page(entries).encode())


def _key(pictures: Sequence[Tensor], *words: str) -> str:
    digest = hashlib.sha256()
    for word in words:
        digest.update(f"{len(word)}:{word}".encode())
    for picture in pictures:
        digest.update(str(tuple(picture.shape)).encode())
        digest.update(picture.contiguous().numpy().tobytes())
    return digest.hexdigest()[:20]


def _json(document: Any) -> bytes:
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()


def _encoded(picture: Image, kind: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def _write(path: Path, content: bytes) -> None:
    with whole_file(path) as unfinished:
        unfinished.write_bytes(content)
