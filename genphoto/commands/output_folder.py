"""The folder that a command writes: a PNG per frame, a contact sheet and the sweep, all of them or nothing."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from ..camera.sweep import CameraSweep
from ..contact_sheet import contact_sheet

SHEET_FRAME_PX = 1024  # longest side of a frame on the contact sheet
SHEET, SWEEP = "contact_sheet.png", "sweep.json"


def add_output_arguments(command: argparse.ArgumentParser) -> None:
    """Add the group "output": --out and --overwrite."""
    group = command.add_argument_group("output")
    group.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder, made if missing")
    group.add_argument("--overwrite", action="store_true", help="replace files of the same names (default: refuse)")


def file_names(labels: Sequence[str]) -> list[str]:
    """A name per frame, then those of the contact sheet and the sweep."""
    return [*_frame_names(labels), SHEET, SWEEP]


@contextmanager
def complete_or_nothing(out: Path, names: Sequence[str], overwrite: bool) -> Iterator[Path]:
    """A temporary folder in `out` whose files `names` move there at the end; after an error nothing is left."""
    if not overwrite and (there := [name for name in names if (out / name).exists()]):
        raise ValueError(f"{out} already holds {', '.join(there[:3])}. Choose another --out, or say --overwrite.")
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=out, prefix=".unfinished-"))
    except OSError as error:
        raise ValueError(f"--out {out} cannot be written: {error.strerror}. Choose another folder.") from None
    try:
        yield folder
        for name in names:
            os.replace(folder / name, out / name)
    except BaseException:
        shutil.rmtree(folder)
        for empty in made:
            empty.rmdir()
        raise
    folder.rmdir()


def sheet_frame(frame: Tensor) -> Tensor:
    """A frame (3,H,W) on any device, as small as the contact sheet needs it, on the CPU."""
    scale = min(1.0, SHEET_FRAME_PX / max(frame.shape))
    size = [max(1, round(n * scale)) for n in frame.shape[1:]]
    return F.interpolate(frame[None].cpu(), size, mode="bilinear", antialias=True)[0]


def write_sheet_and_sweep(folder: Path, sheet_frames: Sequence[Tensor], sweep: CameraSweep) -> None:
    """Write what stands beside the frames of a sweep."""
    contact_sheet(sheet_frames, sweep.labels).save(folder / SHEET)
    (folder / SWEEP).write_text(sweep.to_json() + "\n", encoding="utf-8")


def _frame_names(labels: Sequence[str]) -> list[str]:
    """01_24mm.png, 02_f1.4_1-60s.png: sortable, and safe on every file system."""
    digits = max(2, len(str(len(labels))))
    words = [re.sub(r"(?<=\d)/(?=\d)", "-", label.replace(", ", "_")) for label in labels]
    return [f"{i:0{digits}}_{re.sub(r'[^A-Za-z0-9._-]', '', word)}.png" for i, word in enumerate(words, 1)]
