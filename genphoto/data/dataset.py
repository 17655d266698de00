"""The differential data set: sharp photographs, each simulated under a few settings of one camera."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..camera.imaging import photograph, simulate, stacked
from ..camera.photo import Photo
from ..camera.setting import CameraSetting
from ..camera.sweep import CameraSweep
from .scenes.scene import Scene, random_scene

SCENE_SIZE = (384, 576)  # a third of it, at 70 mm, still fills a frame of 128x192


class Subject(Protocol):
    """What is photographed: its caption, the distance [m] at which a sweep focuses, None where it is unknown."""

    caption: str
    focus_m: float | None

    def frames(self, sweep: CameraSweep, variant: str, size: tuple[int, int]) -> Tensor:
        """It under every camera of a sweep, (F,3,H,W) in [0,1] sRGB."""
        ...


class SubjectSource(Protocol):
    """Subjects by index: the photographs of a folder, or procedural scenes."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Subject: ...

    def fingerprint(self) -> str:
        """The same for the same photographs, in every process."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class SceneSubject:
    """A procedural scene, which the base camera of a sweep sees as its 24 mm camera does, whatever lens it has.

    Each focal length is rendered by itself, so that no zoom is softer than the frame it fills.
    """

    scene: Scene
    caption: str
    focus_m: float

    def frames(self, sweep: CameraSweep, variant: str, size: tuple[int, int]) -> Tensor:
        """As `Subject` says."""
        if variant == "published":  # its zoom is a crop
            frames = simulate(self.scene.render(SCENE_SIZE), sweep, variant=variant, size=size)
            return stacked(frames, len(sweep))
        lenses = {camera.focal_length_mm for camera in sweep.cameras}
        rendered = {mm: self.scene.render(size, 24 * mm / sweep.base.focal_length_mm) for mm in lenses}
        deep = any(setting.moves_iris for setting in sweep.settings)  # depth costs time
        frames = []
        for camera in sweep.cameras:
            sharp = rendered[camera.focal_length_mm]
            taken = replace(sweep.base, focal_length_mm=camera.focal_length_mm)
            frames.append(photograph(Photo(sharp.image, sharp.disparity if deep else None, taken), camera, size=size))
        return torch.stack(frames)


@dataclass(frozen=True, slots=True)
class ProceduralScenes:
    """`count` random scenes; scene i depends on the seed and on i alone."""

    count: int
    seed: int = 0

    def __len__(self) -> int:
        return self.count

    def fingerprint(self) -> str:
        """All that the scenes depend on."""
        return repr(self)

    def __getitem__(self, index: int) -> SceneSubject:
        scene = random_scene(seeded(self.seed, "scene", index))
        return SceneSubject(scene, scene.caption, scene.focus_m)


@dataclass(frozen=True, slots=True, eq=False)
class SweepExample:
    """One photograph under every camera of a sweep.

    Args:
        frames: (F,3,H,W) in [0,1] sRGB; None where only latents are kept.
        sweep: the camera states, some settings vary.
        caption: what every frame shows.
        latents: (F,C,h,w) of the frames, where an autoencoder has made them.
    """

    frames: Tensor | None
    sweep: CameraSweep
    caption: str
    latents: Tensor | None = None


class DifferentialDataset(Dataset):
    """Sweeps of the photographs of a source, simulated when they are asked for; `dataset[epoch, index]`.

    An example depends on (seed, epoch, index) alone, whoever asks for it and whenever. What varies follows from epoch
    and index in turn, its values are drawn by each setting's `sample`.

    Args:
        source: what is photographed.
        settings: what takes turns: one setting, or several that vary together.
        frames: length of the sweeps.
        size: (height, width) of the frames.
        variant: "physical", or "published" as the released adapters were trained.
        seed: of the values.
        plain: share of the examples that the base camera takes, every frame of them.
    """

    def __init__(
        self,
        source: SubjectSource,
        settings: Sequence[tuple[CameraSetting, ...]],
        frames: int,
        size: tuple[int, int],
        variant: str = "physical",
        seed: int = 0,
        plain: float = 0.0,
    ):
        self.source = source
        self.settings = tuple(settings)
        self.frames = frames
        self.size = tuple(size)
        self.variant = variant
        self.seed = seed
        self.plain = plain

    def __len__(self) -> int:
        """Examples of an epoch."""
        return len(self.source)

    def settings_at(self, epoch: int, index: int) -> tuple[CameraSetting, ...]:
        """The settings that vary in an example."""
        return self.settings[(epoch + index) % len(self.settings)]

    def __getitem__(self, at: tuple[int, int]) -> SweepExample:
        epoch, index = at
        settings = self.settings_at(epoch, index)
        subject = self.source[index]
        generator = seeded(self.seed, "values", epoch, index)
        values = {setting.name: setting.sample(self.frames, generator).tolist() for setting in settings}
        if torch.rand((), generator=generator) < self.plain:
            values = {setting.name: [setting.read(settings[0].base)] * self.frames for setting in settings}
        sweep = CameraSweep({setting.name: _within_limits(setting, values[setting.name]) for setting in settings})
        if subject.focus_m is not None:
            sweep = sweep.focused_at(subject.focus_m)
        return SweepExample(subject.frames(sweep, self.variant, self.size), sweep, subject.caption)


def _within_limits(setting: CameraSetting, values: Sequence[float]) -> list[float]:
    low, high = setting.limits
    return [min(max(value, low), high) for value in values]


def seeded(*parts: object) -> torch.Generator:
    """A CPU generator whose seed is a hash of the parts: neighbors in any of them share nothing."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
