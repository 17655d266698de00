"""CameraSetting: one thing that a photographer turns, as data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import Generator, Tensor

from .camera import Camera
from .checks import require_in_range, shown
from .progress import Progress
from .value_text import chosen, spellings, split_values

if TYPE_CHECKING:
    from .photo import Photo

_NUMBER = re.compile(
    r"\s*([-+]?[\d.]+(?:e[-+]?\d+)?)\s*(?:/\s*([\d.]+))?\s*([^\d\s.]*)\s*", re.I
)  # number / divisor unit


@dataclass(frozen=True, slots=True)
class Published:
    """What the released adapters were trained on, defects included.

    Args:
        prior: coarse prior, (values (F,), (H, W)) -> (F,3,H,W).
        frame: one training frame, (photo, value, (H, W), on_progress) -> (3,H,W) in [0,1].
    """

    prior: Callable[[Sequence[float], tuple[int, int]], Tensor]
    frame: Callable[[Photo, float, tuple[int, int], Progress], Tensor]


@dataclass(frozen=True, slots=True)
class CameraSetting:
    """One setting of a camera: a view of `Camera` with a name, a unit and what networks are told about it.

    Args:
        name: identifier in code, sweeps and files.
        label: what people read.
        unit: unit of the value.
        description: one sentence for tooltips and `python -m genphoto settings`.
        domain: values on which the released adapters (or ours) were trained; not a limit of the physics.
        limits: lowest and highest value the physics takes.
        base: the camera that took the photograph, when the user names none.
        read: camera -> value.
        write: (camera, value) -> camera with that value.
        format: value -> the words on a contact sheet.
        prompt: value -> the text whose CLIP features are differenced.
        phrase: value -> the words that ask an ordinary image model for it, as the paper asks its baselines.
        prior: coarse physical prior, (cameras, base camera, (H, W)) -> (F,3,H,W).
        sample: (count, generator) -> values (count,) for training.
        magnification: value -> how large things are in the picture, up to a factor.
        published: the same as the released adapters know it; None where there is no released adapter.
        units: accepted unit spellings, each with the factor to `unit`.
        prefix: accepted before the number ("f/").
    """

    name: str
    label: str
    unit: str
    description: str
    domain: tuple[float, float]
    limits: tuple[float, float]
    read: Callable[[Camera], float]
    write: Callable[[Camera, float], Camera]
    format: Callable[[float], str]
    prompt: Callable[[float], str]
    phrase: Callable[[float], str]
    prior: Callable[[Sequence[Camera], Camera, tuple[int, int]], Tensor]
    sample: Callable[[int, Generator], Tensor]
    magnification: Callable[[float], float] = lambda value: 1.0
    published: Published | None = None
    base: Camera = field(default_factory=Camera)
    units: Mapping[str, float] = field(default_factory=dict)
    prefix: str = ""

    @property
    def moves_iris(self) -> bool:
        """Whether it changes the f-number: then rendering needs the distance of things."""
        return any(self.write(self.base, value).f_number != self.base.f_number for value in self.domain)

    def parse(self, value: float | str) -> float:
        """A number, or text such as "35 mm", "1/125" or "f/2,8", as a value of this setting within its limits."""
        if not isinstance(value, str):
            return require_in_range(self.label, value, self.unit, *self.limits)
        numbers = [self._number(spelling, value) for spelling in spellings(value)]
        return chosen(self.label, value, self.unit, numbers, self.limits)

    def split(self, text: str) -> list[str]:
        """The values of a text, each for `parse`."""
        return split_values(self.label, text, self._can_parse)

    def _can_parse(self, text: str) -> bool:
        try:
            self.parse(text)
        except ValueError:
            return False
        return True

    def _number(self, spelling: str, text: str) -> float:
        bare = spelling.lower()
        if self.prefix:
            bare = bare.removeprefix(self.prefix).removeprefix(self.prefix.rstrip("/"))
        match = _NUMBER.fullmatch(bare)
        try:
            number, divisor, unit = match.groups() if match else ("", None, "")
            factor = {u.lower(): f for u, f in self.units.items()}[unit] if unit else 1.0
            return float(number) / float(divisor or 1) * factor
        except (KeyError, ValueError, ZeroDivisionError):
            example = self.format(float(f"{sum(self.domain) / 2:.2g}"))
            units = ", ".join(dict.fromkeys([self.unit, *self.units]))
            raise ValueError(
                f"{self.label} = {shown(text)} cannot be read as a value in {self.unit}. "
                f"Write a number between {self.limits[0]:g} and {self.limits[1]:g}, alone or with a unit of {units}, "
                f'such as "{example}".'
            ) from None
