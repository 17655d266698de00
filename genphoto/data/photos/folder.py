"""A folder of photographs with captions and depth.

name.jpg        a photograph: JPEG, PNG, TIFF or WebP
name.txt        its caption, as ComfyUI's SaveImageTextDataSetToFolder writes it; or a line of
metadata.jsonl  {"file_name": "name.jpg", "text": "its caption"}, Hugging Face's imagefolder
name_depth.png  its depth, or depth/name.png: grey PNG or TIFF, or .npy. name_disparity, name_distance and
                name_metric (which `python -m genphoto annotate` writes) also say what the numbers mean.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...camera.imaging import simulate, stacked
from ...camera.photo import Photo, disparity_from_relative
from ...camera.sweep import CameraSweep
from ...files.photos import DEPTH_KINDS, read_depth, read_photo
from ...files.texts import read_text

log = logging.getLogger(__name__)

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp")
DEPTH_SUFFIXES = (".npy", ".png", ".tif", ".tiff", ".webp")
METADATA = "metadata.jsonl"
EXPECTED = (
    f"Expected: photographs ({', '.join(PHOTO_SUFFIXES)}), each with a caption in name.txt or in {METADATA} "
    '({"file_name": "name.jpg", "text": "..."}), and, for settings that need depth, with name_depth.png or '
    "depth/name.png (also .tif or .npy). `python -m genphoto annotate` writes captions and depth."
)


class MissingCaption(ValueError):
    """A photograph has no caption, or an empty one."""


@dataclass(frozen=True, slots=True)
class PhotoFiles:
    """A photograph's path and what lies beside it, unread.

    Args:
        path: the photograph.
        listed: its caption in metadata.jsonl; None when it is not there.
        depth: its depth file, if any.
        depth_kind: what the depth file's name says of its values; None when it says nothing.
    """

    path: Path
    listed: str | None = None
    depth: Path | None = None
    depth_kind: str | None = None

    def caption(self) -> str:
        """The caption on one line: of name.txt, else of metadata.jsonl.

        Raises:
            MissingCaption: there is none, or it is empty.
            ValueError: name.txt is not UTF-8 text.
        """
        file = self.path.with_suffix(".txt")
        try:
            written = read_text(file)
        except FileNotFoundError:
            written = None
        except ValueError:
            raise ValueError("its caption is not UTF-8 text") from None
        for text in (written, self.listed):
            if text and text.strip():
                return " ".join(text.split())
        raise MissingCaption("it has no caption" if written is None and self.listed is None else "its caption is empty")


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPhoto:
    """A photograph and what is known of its content.

    Args:
        photo: image and disparity; its camera is the neutral one, not that of EXIF: a training set treats every
            photograph as taken by the base camera of the setting, whose sweep could not be rendered otherwise.
        caption: what it shows.
        focus_m: distance [m] of the picture's center, where a sweep focuses; None without depth.
        name: the photograph's file name.
    """

    photo: Photo
    caption: str
    focus_m: float | None
    name: str

    def frames(self, sweep: CameraSweep, variant: str, size: tuple[int, int]) -> Tensor:
        """The photograph under every camera of a sweep, (F,3,H,W) in [0,1] sRGB."""
        deep = any(setting.moves_iris for setting in sweep.settings)  # depth costs time
        photo = Photo(self.photo.image, self.photo.disparity if deep else None, sweep.base)
        return stacked(simulate(photo, sweep, variant=variant, size=size), len(sweep))


def list_photos(path: str | Path) -> list[PhotoFiles]:
    """The photographs in a folder, sorted by name; its subfolders and hidden files are not looked at.

    Raises:
        ValueError: it is no folder or holds no photograph, or metadata.jsonl cannot be read.
    """
    path = Path(path)
    if not path.is_dir():
        raise ValueError(f"{path} is not a folder. {EXPECTED}")
    here = {entry.name for entry in path.iterdir() if not entry.name.startswith(".")}
    below = {entry.name for entry in (path / "depth").iterdir()} if (path / "depth").is_dir() else set()
    pictures = sorted(name for name in here if Path(name).suffix.lower() in PHOTO_SUFFIXES)
    stems = {Path(name).stem for name in pictures}
    listed = _listed_captions(path / METADATA)
    if absent := sorted(listed.keys() - here):
        log.warning("%s: %d files are not in the folder, such as %s.", path / METADATA, len(absent), absent[0])
    photos: dict[str, PhotoFiles] = {}
    for name in pictures:
        stem = Path(name).stem
        if any(stem.removesuffix(f"_{word}") in stems - {stem} for word in (*DEPTH_KINDS, "depth")):
            continue  # the depth of another picture
        if stem in photos:
            log.warning("%s is left out: caption and depth would be those of %s.", path / name, photos[stem].path.name)
            continue
        photos[stem] = PhotoFiles(path / name, listed.get(name), *_depth_of(path, stem, here, below))
    if not photos:
        folders = [entry.name for entry in sorted(path.iterdir()) if entry.is_dir() and not entry.name.startswith(".")]
        found = f"{len(here) - len(folders)} other files, {len(folders)} subfolders"
        found += f" ({', '.join(folders[:3])}), which are not looked into" if folders else ""
        raise ValueError(f"{path} holds no photograph. Found: {found}. {EXPECTED}")
    return list(photos.values())


class PhotoFolder:
    """The usable photographs of a folder, by index.

    The same files and options give the same index to every photograph, in every process. Photographs without a caption
    (or depth, where wanted) have no index. One that turns out unreadable keeps its index, and the next readable one in
    the list, cyclically, is given in its place: a rule that depends on nothing but the files. Each is reported once by
    a logged warning; workers of a `DataLoader` tell each other.

    Args:
        path: the folder.
        with_depth: read depth too; photographs without it are left out. False does not look at depth.
        depth_kind: what depth files hold whose names do not say it, see `read_depth`.
        near_m: distance of the nearest point in relative depth [m].
        far_m: distance of the farthest point [m].

    Raises:
        ValueError: no photograph in the folder is usable, or an option is not.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        with_depth: bool = False,
        depth_kind: str | None = None,
        near_m: float | None = None,
        far_m: float | None = None,
    ) -> None:
        _check_depth_options(depth_kind, near_m, far_m)
        self.path = Path(path)
        self._with_depth, self._depth_kind, self._range_m = with_depth, depth_kind, (near_m, far_m)
        self._photos: list[tuple[PhotoFiles, str]] = []
        left_out: dict[Path, str] = {}
        found = list_photos(path)
        for files in found:
            try:
                caption = files.caption()
                if with_depth and files.depth is None:
                    raise ValueError("it has no depth")
            except ValueError as error:
                left_out[files.path] = str(error)
            else:
                self._photos.append((files, caption))
        reasons = ", ".join(f"{count}: {reason}" for reason, count in Counter(left_out.values()).items())
        if not self._photos:
            raise ValueError(
                f"{path} holds no usable photograph. Found: {len(found)} photographs ({reasons}). {EXPECTED}"
            )
        for photo, reason in left_out.items():
            log.warning("%s is left out: %s.", photo, reason)
        if left_out:
            log.warning("%s: %d of %d photographs are left out (%s).", path, len(left_out), len(found), reasons)
        self._unreadable = torch.zeros(len(self._photos), dtype=torch.bool).share_memory_()  # between workers
        self[0]

    @property
    def names(self) -> tuple[str, ...]:
        """The file name at every index."""
        return tuple(files.path.name for files, _ in self._photos)

    def fingerprint(self) -> str:
        """Changes with the options, the captions, and every name and size of a photograph or its depth."""
        told = [repr((self._with_depth, self._depth_kind, self._range_m))]
        for files, caption in self._photos:
            for path in filter(None, (files.path, self._with_depth and files.depth)):
                told.append(f"{path.name} {path.stat().st_size}")
            told.append(caption)
        return hashlib.blake2b("\n".join(told).encode(), digest_size=16).hexdigest()

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, index: int) -> LabelledPhoto:
        """The photograph at an index; when it is unreadable, the next readable one."""
        start = range(len(self))[index]
        for number in (*range(start, len(self)), *range(start)):
            if self._unreadable[number]:
                continue
            files, caption = self._photos[number]
            try:
                return self._read(files, caption)
            except ValueError as error:
                self._unreadable[number] = True
                log.warning("%s is left out: %s", files.path, error)
        raise ValueError(
            f"{self.path} holds no usable photograph. Found: {len(self)} with a caption, none of which can be read "
            f"(the log says why). {EXPECTED}"
        )

    def _read(self, files: PhotoFiles, caption: str) -> LabelledPhoto:
        photo = Photo(read_photo(files.path))
        if not self._with_depth:
            return LabelledPhoto(photo, caption, None, files.path.name)
        kind = files.depth_kind or self._depth_kind
        near_m, far_m = (None, None) if kind == "metric" else self._range_m
        photo = Photo(photo.image, read_depth(files.depth, photo.size, kind, near_m, far_m))
        return LabelledPhoto(photo, caption, photo.focus_distance_at(0.5, 0.5), files.path.name)


def _depth_of(path: Path, stem: str, here: set[str], below: set[str]) -> tuple[Path | None, str | None]:
    """A photograph's depth file and the kind that its name says; names that say one go first."""
    for kind in (*DEPTH_KINDS, None):
        for suffix in DEPTH_SUFFIXES:
            if (name := f"{stem}_{kind or 'depth'}{suffix}") in here:
                return path / name, kind
    for suffix in DEPTH_SUFFIXES:
        if (name := stem + suffix) in below:
            return path / "depth" / name, None
    return None, None


def _listed_captions(path: Path) -> dict[str, str]:
    """File name -> text of metadata.jsonl; empty where there is no such file."""
    if not path.exists():
        return {}
    captions = {}
    for number, line in enumerate(io.StringIO(read_text(path), newline=None), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            name, text = entry["file_name"], entry.get("text")
            if not isinstance(name, str) or not isinstance(text, str | None):
                raise TypeError
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ValueError(
                f'{path}, line {number} is not {{"file_name": "name.jpg", "text": "its caption"}}, in UTF-8. '
                "Correct it, or remove the file."
            ) from None
        if text is not None:
            captions[name] = text
    return captions


def _check_depth_options(kind: str | None, near_m: float | None, far_m: float | None) -> None:
    if kind not in (None, *DEPTH_KINDS):
        raise ValueError(f"Unknown depth kind {kind!r}. Kinds: {', '.join(DEPTH_KINDS)}.")
    if kind == "metric" and (near_m, far_m) != (None, None):
        raise ValueError("Metric depth has its distances already: leave out the nearest and farthest distance.")
    if kind == "distance" and None in (near_m, far_m):
        raise ValueError("Relative distance needs to know where it begins and ends: give both distances in meters.")
    disparity_from_relative(  # refuses an impossible range before any file is blamed for it
        torch.tensor([0.0, 1.0]), 1.0 if near_m is None else near_m, 1000.0 if far_m is None else far_m
    )
