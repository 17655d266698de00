"""Steering: what a camera adapter steers, what it asks of a sweep, and what a sweep asks beyond its training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..camera.camera import LIMITS, Camera
from ..camera.imaging import VARIANTS
from ..camera.setting import CameraSetting
from ..camera.settings import SETTINGS, joint_name, setting_named
from ..camera.sweep import CameraSweep
from .differential import MIN_FRAMES

PRIOR_SIZE = (16, 24)  # on which the priors of two base cameras are compared
SAME_PRIOR = 0.02  # in shares of the picture that a lens sees, or of the light of the base camera

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class CameraQuestion:
    """A sweep as a camera adapter is asked for it: in coarse pictures, in words, and in how large things are.

    Args:
        sweep: the camera states.
        settings: what the adapter steers, in the order of its priors; the sweep varies at least one of them.
        variant: of the priors, "published" or "physical".

    Raises:
        ValueError: if none of the settings changes in the sweep, it has a single frame, or its color temperatures are
            those of a white-balance dial.
    """

    sweep: CameraSweep
    settings: tuple[CameraSetting, ...]
    variant: str

    def __post_init__(self) -> None:
        sweep = self.sweep
        if sweep.dial and len({camera.color_temperature_k for camera in sweep.cameras}) > 1:
            raise ValueError(
                "The color temperatures of this sweep are those of a white-balance dial (2000 K is blue); camera "
                "adapters know those of the light (2000 K is orange). Give the sweep without dial."
            )
        if len(sweep) < MIN_FRAMES:
            raise ValueError(
                f"A differential camera encoding needs at least {MIN_FRAMES} frames, this sweep has {len(sweep)}: "
                "the encoder reads differences between neighboring settings."
            )
        if not any(setting.name in sweep.values or _varies(self.values(setting)) for setting in self.settings):
            names = [setting.name for setting in self.settings]
            raise ValueError(
                f"This camera adapter steers {' and '.join(names)}, but the sweep varies "
                f"{', '.join(sorted(sweep.values))}. Choose the adapter of that setting, or sweep {' or '.join(names)}."
            )

    @property
    def label(self) -> str:
        """The settings as people read them."""
        return _label(self.settings)

    def values(self, setting: CameraSetting) -> list[float]:
        """The sweep as values of one setting."""
        return [setting.read(camera) for camera in self.sweep.cameras]

    def prior(self, size: tuple[int, int]) -> Tensor:
        """The coarse priors of all settings (F,3 N,H,W), as physics or the `published` adapters have them."""
        if self.variant == "published":
            return torch.cat([s.published.prior(self.values(s), size) for s in self.settings], 1)
        return torch.cat([s.prior(self.sweep.cameras, self.sweep.base, size) for s in self.settings], 1)

    @property
    def prompts(self) -> list[str]:
        """The words of every frame, of all settings in one text, for the text encoder."""
        texts = [[setting.prompt(value) for value in self.values(setting)] for setting in self.settings]
        return [" ".join(of_frame) for of_frame in zip(*texts, strict=True)]

    def magnification(self, strength: float = 1.0, reference: int = 0) -> Tensor:
        """How large every frame (F,) shows things, relative to the reference frame, at a strength of the camera."""
        sizes = [[setting.magnification(value) for value in self.values(setting)] for setting in self.settings]
        products = torch.tensor([math.prod(of_frame) for of_frame in zip(*sizes, strict=True)])
        return (products / products[reference]) ** strength


@dataclass(frozen=True, slots=True)
class Steering:
    """What a camera adapter steers, and how it learned that.

    Args:
        settings: what it steers, in the order of its priors; none where its file does not say it, as the released
            ones, which steer one setting each.
        variant: of its priors and frames, "published" or "physical".
        ranges: lowest and highest value of every setting that it was trained on; none where its file does not say it,
            which then are the setting's domain, that of the released adapters.
        vocabulary: digest of the vocabulary in which its camera prompts are numbered; empty where its file does not
            say it, or for CLIP's.

    Raises:
        ValueError: an unknown variant, a setting twice or without a published variant, or another number of ranges.
    """

    settings: tuple[CameraSetting, ...]
    variant: str
    ranges: tuple[Range, ...] = ()
    vocabulary: str = ""

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise ValueError(f"Unknown variant {self.variant!r}. Variants: {', '.join(VARIANTS)}.")
        for setting in self.settings:
            if self.settings.count(setting) > 1:
                raise ValueError(f"The adapter steers {setting.name} twice. Name every setting once.")
            if self.variant == "published" and setting.published is None:
                released = ", ".join(s.name for s in SETTINGS if s.published)
                raise ValueError(f"No adapter was published for {setting.name}. Settings with one: {released}.")
        if self.ranges and len(self.ranges) != self.priors:
            raise ValueError(
                f"The adapter has trained ranges of {len(self.ranges)} settings, and steers {self.priors}. Give one "
                "range for every setting, or none."
            )

    @property
    def priors(self) -> int:
        """Number of coarse priors that its encoder takes: one per setting."""
        return max(len(self.settings), 1)

    @property
    def name(self) -> str:
        """Its settings in one word, for files and parts of a model: "focal_length", "focal_length+bokeh"."""
        return joint_name(self.settings)

    @property
    def reach(self) -> dict[str, Range]:
        """Name of every setting -> lowest and highest value that it was trained on."""
        ranges = self.ranges or [setting.domain for setting in self.settings]
        return {setting.name: ends for setting, ends in zip(self.settings, ranges, strict=False)}

    def settled(self, sweep: CameraSweep) -> Steering:
        """The same, with the setting of the sweep where the adapter's file does not say it.

        Raises:
            ValueError: if the file does not say it and the sweep varies several settings.
        """
        return self if self.settings else replace(self, settings=(released_setting(sweep),))

    def question(self, sweep: CameraSweep) -> CameraQuestion:
        """What the adapter is asked by a sweep.

        Raises:
            ValueError: if the adapter does not steer this sweep.
        """
        return CameraQuestion(sweep, self.settled(sweep).settings, self.variant)

    def concerns(self, sweep: CameraSweep, longest: int) -> list[str]:
        """What of a sweep the frames will not show, or not well, as sentences.

        `longest` is the number of frames that the adapter sees at once.
        """
        steering = self.settled(sweep)
        reached = replace(sweep, reach=steering.reach, unsteered=())
        return [*reached.limitations, *_of_length(len(sweep), longest), *steering._of_base(sweep)]

    def _of_base(self, sweep: CameraSweep) -> list[str]:
        """A base camera to which the adapter's coarse priors relate values otherwise than in training."""
        swept = tuple(setting for setting in self.settings if setting.name in sweep.values)
        if not swept:
            return []

        def prior(base: Camera) -> Tensor:
            return CameraQuestion(replace(sweep, base=base), swept, self.variant).prior(PRIOR_SIZE)

        given, trained = prior(sweep.base), self.settings[0].base
        changed = []
        for name, (unit, _, _) in LIMITS.items():
            value, wanted = getattr(sweep.base, name), getattr(trained, name)
            if value != wanted and (prior(replace(sweep.base, **{name: wanted})) - given).abs().max() > SAME_PRIOR:
                changed.append(f"{name} {value:g} {unit}, trained at {wanted:g} {unit}")
        if not changed:
            return []
        return [
            f"The base camera is not the one of the adapter's training ({'; '.join(changed)}): the frames may answer "
            f"otherwise to {_label(self.settings)}. Set it to the trained value."
        ]


def released_setting(sweep: CameraSweep) -> CameraSetting:
    """The setting of the released adapter that a sweep is for; of the aperture, that is bokeh, of the same iris.

    Raises:
        ValueError: if the sweep varies several settings.
    """
    if len(sweep.settings) > 1:
        raise ValueError(
            "The camera adapter does not say which setting it steers, and the sweep varies "
            f"{' and '.join(sweep.values)}. Sweep one of them, or say it by `python -m genphoto convert FILE OUT "
            "--setting NAME`."
        )
    released = [setting for setting in (*sweep.settings, *SETTINGS) if setting.published]
    return next((s for s in released if len({s.read(camera) for camera in sweep.cameras}) > 1), released[0])


def with_reach(sweep: CameraSweep, ranges: Mapping[str, Range]) -> CameraSweep:
    """The sweep, knowing the ranges that it leaves of all adapters that steer it, by the names of their settings."""
    reached = replace(sweep, reach=ranges, unsteered=unsteered(sweep, ranges))
    beyond = reached.shortfalls
    return replace(
        sweep,
        reach={name: ends for name, ends in reached.reach.items() if name in beyond},
        unsteered=tuple(name for name in reached.unsteered if name in beyond),
    )


def unsteered(sweep: CameraSweep, steered: Iterable[str]) -> tuple[str, ...]:
    """Names of what a sweep varies and no adapter steers: it stays as the base camera has it.

    Aperture and bokeh are one iris: an adapter of one steers both.
    """
    by = [setting_named(name) for name in steered]
    return tuple(
        swept.name
        for swept in sweep.settings
        if not any(swept is one or (swept.moves_iris and one.moves_iris) for one in by)
    )


def _label(settings: Iterable[CameraSetting]) -> str:
    return " and ".join(setting.label.lower() for setting in settings)


def _varies(values: list[float]) -> bool:
    return max(values) - min(values) > 1e-6 * max(map(abs, values))


def _of_length(frames: int, longest: int) -> list[str]:
    if frames <= longest:
        return []
    return [
        f"The sweep has {frames} frames, but the camera adapter sees {longest} at once: they are made in overlapping "
        f"parts, and the scene may change from part to part. Sweep at most {longest} frames."
    ]
