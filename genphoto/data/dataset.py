"""The differential data set: sharp photographs, each simulated under a few settings of one camera."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..camera.imaging import simulate
from ..camera.photo import Photo
from ..camera.setting import CameraSetting
from ..camera.sweep import CameraSweep
from .photo_folder import LabelledPhoto
from .scenes import random_scene

SCENE_SIZE = (384, 576)  # a third of it, at 70 mm, still fills a frame of 128x192


class PhotoSource(Protocol):
    """Sharp photographs with captions, by index: a folder of photographs, or procedural scenes."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> LabelledPhoto: ...

    def fingerprint(self) -> str:
        """The same for the same photographs, in every process."""
        ...


@dataclass(frozen=True, slots=True)
class ProceduralScenes:
    """`count` random scenes of (height, width) `size`; scene i depends on the seed and on i alone."""

    count: int
    seed: int = 0
    size: tuple[int, int] = SCENE_SIZE

    def __len__(self) -> int:
        return self.count

    def fingerprint(self) -> str:
        """All that the scenes depend on."""
        return repr(self)

    def __getitem__(self, index: int) -> LabelledPhoto:
        scene = random_scene(seeded(self.seed, "scene", index))
        return LabelledPhoto(scene.render(self.size), scene.caption, scene.focus_m, f"scene {index}")


@dataclass(frozen=True, slots=True, eq=False)
class SweepExample:
    """One photograph under every camera of a sweep.

    Args:
        frames: (F,3,H,W) in [0,1] sRGB; None where only latents are kept.
        sweep: the camera states, one setting varies.
        caption: what every frame shows.
        latents: (F,C,h,w) of the frames, where an autoencoder has made them.
    """

    frames: Tensor | None
    sweep: CameraSweep
    caption: str
    latents: Tensor | None = None


class DifferentialDataset(Dataset):
    """Sweeps of the photographs of a source, simulated when they are asked for; `dataset[epoch, index]`.

    An example depends on (seed, epoch, index) alone, whoever asks for it and whenever. The setting follows from epoch
    and index in turn, its values are drawn by the setting's `sample`.

    Args:
        source: the photographs.
        settings: the settings that take turns.
        frames: length of the sweeps.
        size: (height, width) of the frames.
        variant: "physical", or "published" as the released adapters were trained.
        seed: of the values.
    """

    def __init__(
        self,
        source: PhotoSource,
        settings: Sequence[CameraSetting],
        frames: int,
        size: tuple[int, int],
        variant: str = "physical",
        seed: int = 0,
    ):
        self.source = source
        self.settings = tuple(settings)
        self.frames = frames
        self.size = tuple(size)
        self.variant = variant
        self.seed = seed

    def __len__(self) -> int:
        """Examples of an epoch."""
        return len(self.source)

    def setting_at(self, epoch: int, index: int) -> CameraSetting:
        """The setting that varies in an example."""
        return self.settings[(epoch + index) % len(self.settings)]

    def __getitem__(self, at: tuple[int, int]) -> SweepExample:
        epoch, index = at
        setting = self.setting_at(epoch, index)
        labelled = self.source[index]
        values = setting.sample(self.frames, seeded(self.seed, "values", epoch, index)).tolist()
        low, high = setting.limits
        sweep = CameraSweep({setting.name: [min(max(value, low), high) for value in values]})
        if labelled.focus_m is not None:
            sweep = sweep.focused_at(labelled.focus_m)
        disparity = labelled.photo.disparity if setting.moves_iris else None  # nothing else is worth its time
        photo = Photo(labelled.photo.image, disparity, sweep.base)
        return SweepExample(simulate(photo, sweep, variant=self.variant, size=self.size), sweep, labelled.caption)


def seeded(*parts: object) -> torch.Generator:
    """A CPU generator whose seed is a hash of the parts: neighbors in any of them share nothing."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
