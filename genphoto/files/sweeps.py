"""Files of a sweep: frames whose EXIF says how they were taken, a contact sheet, an animation; all of them or none."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image, PngImagePlugin
from torch import Tensor

from ..camera.camera import Camera
from ..camera.settings import setting_named
from ..camera.sweep import CameraSweep
from .animation import animated_webp
from .contact_sheet import contact_sheet, to_picture
from .exif import BYTES_IN_JPEG, exif, require_camera_tags, xmp

# Format -> how its files end, and the longest side [px] it can hold.
FORMATS = {"png": (".png", 2**31 - 1), "jpeg": (".jpg", 65500), "webp": (".webp", 16383)}
SHEET, ANIMATION, SWEEP = "contact_sheet", "animation.webp", "sweep.json"
SHEET_FRAME_PX = 1024  # longest side of a frame on the contact sheet


@dataclass(frozen=True, slots=True)
class SweepFiles:
    """The files of one sweep: what they are called and what is written into them.

    Args:
        sweep: a camera per frame, which becomes the EXIF of that frame.
        origin: where the frames come from, one of ORIGINS; every file says so.
        prefix: what all names begin with.
        format: of frames and contact sheet, one of FORMATS.
        quality: of JPEG and WebP, 1 to 100.
        sheet: whether there is a contact sheet.
        fps: frames per second of an animated WebP; None for no animation.
        document: whether the sweep also becomes a file of its own, sweep.json.
        workflow: texts by name that ComfyUI looks for ("prompt", "workflow"), in PNG and WebP. JPEG has no room for
            them, and ComfyUI does not look there.
    """

    sweep: CameraSweep
    origin: str
    prefix: str = ""
    format: str = "png"
    quality: int = 95
    sheet: bool = True
    fps: float | None = None
    document: bool = False
    workflow: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The files in the order of the frames, then the others: 01_24mm.png, 02_f1.4_1-60s.png, contact_sheet.png."""
        ending = FORMATS[self.format][0]
        digits = max(2, len(str(len(self.sweep))))
        names = [f"{i:0{digits}}_{_safe(label)}{ending}" for i, label in enumerate(self.sweep.labels, 1)]
        names += [SHEET + ending] * self.sheet + [ANIMATION] * bool(self.fps) + [SWEEP] * self.document
        return [self.prefix + name for name in names]

    def write(self, folder: Path, frames: Iterable[Tensor]) -> None:
        """Write `names` into a folder that exists, from frames (3,H,W) in [0,1] sRGB, one per camera.

        Raises:
            ValueError: a frame holds NaN, a file cannot be written, or its format cannot hold what belongs into it.
        """
        labels, count = self.sweep.captions, len(self.sweep)
        paths = iter([folder / name for name in self.names])
        shown, moving = [], []
        for number, (frame, camera, label) in enumerate(zip(frames, self.sweep.cameras, labels, strict=True), 1):
            if not bool(torch.isfinite(frame).all()):
                raise ValueError(
                    f"Frame {number} of {count} ({label}) is no picture: it holds values that are no numbers (NaN or "
                    "infinite). Nothing was saved: generate it with a model and a VAE in float32, or another seed."
                )
            picture = to_picture(frame)
            self._require_size(picture)
            _put(next(paths), self._encoded(picture, f"Frame {number} of {count}: {label}.", number, camera))
            if self.sheet:
                shown.append(_reduced(frame))
            if self.fps:
                moving.append(picture)
        whole = f"{count} frames: {'; '.join(labels)}."
        if self.sheet:
            _put(next(paths), self._encoded(contact_sheet(shown, labels), whole))
        if self.fps:
            _put(next(paths), self._animated(moving, whole))
        if self.document:
            _put(next(paths), f"{self.sweep.to_json()}\n".encode())

    def _encoded(
        self, picture: Image.Image, words: str, number: int | None = None, camera: Camera | None = None
    ) -> bytes:
        file, mark = io.BytesIO(), xmp(self.origin)
        said = self._exif(words, number, camera, workflow=self.format == "webp")
        if self.format == "webp":
            picture.save(file, "WEBP", quality=self.quality, exif=said, xmp=mark)
        elif self.format == "jpeg":
            if len(said) > BYTES_IN_JPEG:
                raise ValueError(
                    f"A JPEG file holds {BYTES_IN_JPEG} bytes of EXIF, but a sweep of {len(self.sweep)} frames needs "
                    f"{len(said)}. Save it as png or webp."
                )
            picture.save(file, "JPEG", quality=self.quality, subsampling=0, exif=said, xmp=mark)
        else:
            chunks = PngImagePlugin.PngInfo()
            chunks.add(b"sRGB", b"\x00")
            chunks.add_itxt("XML:com.adobe.xmp", mark.decode())
            for name, text in self.workflow.items():
                chunks.add_text(name, text)
            picture.save(file, "PNG", pnginfo=chunks, exif=said)
        if camera:
            require_camera_tags(file)
        return file.getvalue()

    def _animated(self, pictures: Sequence[Image.Image], words: str) -> bytes:
        said = self._exif(words).removeprefix(b"Exif\0\0")
        return animated_webp(pictures, round(1000 / self.fps), self.quality, said, xmp(self.origin))

    def _exif(
        self, words: str, number: int | None = None, camera: Camera | None = None, workflow: bool = True
    ) -> bytes:
        frame = {"frame": number, "color_temperature_k": camera.color_temperature_k} if camera else {}
        if number is not None and (reached := self._reached(number - 1, camera)):
            frame["not_reached"] = reached
        comment = {"synthetic_image": self.origin, **frame, "sweep": json.loads(self.sweep.to_json())}
        said = f"Synthetic image, {self.origin}. {words}"
        return exif(said, comment, camera, self.workflow if workflow else {})

    def _reached(self, index: int, camera: Camera) -> dict[str, dict[str, float]]:
        """Setting -> what a frame asks of it, and what is shown in place of that."""
        return {
            name: {"asked": setting_named(name).read(camera), "reached": reached[index]}
            for name, reached in self.sweep.shortfalls.items()
            if index in reached
        }

    def _require_size(self, picture: Image.Image) -> None:
        for kind in (self.format, *(["webp"] if self.fps else [])):
            if max(picture.size) > FORMATS[kind][1]:
                raise ValueError(
                    f"A {kind} file holds at most {FORMATS[kind][1]} pixels a side, but the frames have "
                    f"{picture.width} x {picture.height}. Save them as png, without an animation, or make them smaller."
                )


@contextmanager
def complete_or_nothing(out: Path, names: Sequence[str]) -> Iterator[Path]:
    """A temporary folder in `out` whose files `names` move there at the end; after an error `out` is as it was.

    Raises:
        ValueError: `out` cannot be written, or a file cannot take its place.
    """
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=out, prefix=".unfinished-"))
        old = folder / "old"
        old.mkdir()
    except OSError as error:
        raise ValueError(f"{out} cannot be written: {error.strerror}. Choose another folder.") from None
    begun = []
    try:
        yield folder
        for name in names:
            if (out / name).is_dir():
                raise ValueError(f"{out / name} is a folder. Nothing was saved: rename it, or choose another place.")
        for name in names:
            if (out / name).exists():
                _move(name, out, old)
        for name in names:
            begun.append(name)  # before the move, which Ctrl-C may follow at once
            _move(name, folder, out)
    except BaseException:
        for name in begun:
            (out / name).unlink(missing_ok=True)
        for path in old.iterdir():
            os.replace(path, out / path.name)
        shutil.rmtree(folder)
        with suppress(OSError):  # another program's files came into them
            for empty in made:
                empty.rmdir()
        raise
    shutil.rmtree(folder)


def _move(name: str, source: Path, target: Path) -> None:
    try:
        os.replace(source / name, target / name)
    except OSError as error:
        raise ValueError(
            f"{name} cannot be written: {error.strerror}. Nothing was saved: close it where it is open, or choose "
            "another place."
        ) from None


def _safe(label: str) -> str:
    """24mm, f1.4_1-60s: safe on every file system."""
    word = re.sub(r"(?<=\d)/(?=\d)", "-", label.replace(", ", "_"))
    return re.sub(r"[^A-Za-z0-9._-]", "", word)


def _reduced(frame: Tensor) -> Tensor:
    """A frame (3,H,W) on any device, as small as the contact sheet needs it, on the CPU."""
    scale = min(1.0, SHEET_FRAME_PX / max(frame.shape))
    size = [max(1, round(n * scale)) for n in frame.shape[1:]]
    return F.interpolate(frame[None].cpu().float(), size, mode="bilinear", antialias=True)[0]


def _put(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ValueError(
            f"{path.name} cannot be written: {error.strerror}. Nothing was saved: free some space, or choose another "
            "place."
        ) from None
