"""CameraSweep: which settings change from frame to frame, and through which values."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .camera import Camera
from .checks import require_in_range
from .setting import CameraSetting
from .settings import SETTINGS, setting_named

FORMAT = "genphoto-sweep"
VERSION = 1
MOST_FRAMES = 10000
MOST_LISTED = 8  # frames in a sentence


@dataclass(frozen=True, slots=True, repr=False)
class CameraSweep:
    """A sequence of camera states: `CameraSweep({"focal_length": [24, 35, "50 mm"]})`.

    Args:
        values: setting name -> one value per frame (numbers in the setting's unit, or text such as "1/125"). Several
            settings vary together, frame by frame.
        base: the camera in every other respect, and the one that took the photograph; None for the usual base of the
            first setting.
        dial: what a color temperature means. False: that of the light (2000 K is orange). True: what the camera's
            white-balance dial says under unchanged light (2000 K is blue).
        reach: setting name -> (lowest, highest) value that what makes the frames can show, where it is known: frames
            that ask for more look like the nearest of the two.
        unsteered: names of settings that what makes the frames cannot show at all: every frame looks as the base
            camera has them.

    Raises:
        ValueError: no setting, no frames, lists of different lengths, a value that cannot be read or is out of range,
            or settings that contradict each other. The message names setting, value, unit and range.
    """

    values: Mapping[str, tuple[float, ...]]
    base: Camera = None  # type: ignore[assignment]  # until __post_init__
    dial: bool = False
    reach: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    unsteered: tuple[str, ...] = ()

    if TYPE_CHECKING:  # it takes more than it holds

        def __init__(
            self,
            values: Mapping[str, Sequence[float | str] | str],
            base: Camera | None = None,
            dial: bool = False,
            reach: Mapping[str, Sequence[float | str]] = ...,
            unsteered: Sequence[str] = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("A camera sweep needs at least one setting, such as focal_length with values 24 35 50.")
        given = {name: (setting_named(name), values) for name, values in self.values.items()}
        if self.base is None:
            object.__setattr__(self, "base", next(iter(given.values()))[0].base)
        parsed = {s.name: _parsed(s, given[s.name][1]) for s in SETTINGS if s.name in given}
        object.__setattr__(self, "reach", {name: _ends_of(name, ends) for name, ends in self.reach.items()})
        object.__setattr__(self, "unsteered", tuple(setting_named(name).name for name in self.unsteered))
        lengths = {name: len(values) for name, values in parsed.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"Settings that vary together need the same number of values, got {lengths}.")
        object.__setattr__(self, "values", parsed)
        for index, camera in enumerate(self.cameras):
            for setting in self.settings:
                wanted = parsed[setting.name][index]
                if not math.isclose(setting.read(camera), wanted, rel_tol=1e-6):
                    raise ValueError(
                        f"{setting.label} cannot be {setting.format(wanted)} in frame {index + 1}: it is fixed by the "
                        f"other settings of the sweep ({', '.join(parsed)}). Sweep one of them at a time."
                    )

    @classmethod
    def linear(
        cls, setting: str, start: float | str, stop: float | str, frames: int, base: Camera | None = None
    ) -> CameraSweep:
        """`frames` values in equal steps from start to stop, both included; one frame is the start."""
        a, b, count = _ends(setting, start, stop, frames)
        return cls({setting: [a * (1 - t) + b * t for t in _shares(count)]}, base)

    @classmethod
    def stops(
        cls, setting: str, start: float | str, stop: float | str, frames: int, base: Camera | None = None
    ) -> CameraSweep:
        """`frames` values in equal ratios from start to stop, both included: equal stops of exposure or f-number."""
        a, b, count = _ends(setting, start, stop, frames)
        if min(a, b) <= 0:
            raise ValueError(f"Equal stops from {a:g} to {b:g} do not exist: both must be above 0. Use linear spacing.")
        return cls({setting: [a if t == 0 else b if t == 1 else a ** (1 - t) * b**t for t in _shares(count)]}, base)

    @property
    def settings(self) -> tuple[CameraSetting, ...]:
        """The settings that vary."""
        return tuple(setting_named(name) for name in self.values)

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """One complete camera state per frame."""
        states = []
        for index in range(len(self)):
            camera = self.base
            for setting in self.settings:
                camera = setting.write(camera, self.values[setting.name][index])
            states.append(camera)
        return tuple(states)

    @property
    def labels(self) -> tuple[str, ...]:
        """What changes, in photographer's units, one line per frame."""
        return tuple(
            ", ".join(s.format(self.values[s.name][index]) for s in self.settings) for index in range(len(self))
        )

    @property
    def captions(self) -> tuple[str, ...]:
        """The labels, and what is shown in their place where a value is out of reach."""
        reached: dict[int, list[str]] = {}
        for name, frames in self.shortfalls.items():
            for index, value in frames.items():
                reached.setdefault(index, []).append(setting_named(name).format(value))
        notes = {index: f" (asked; adapter reaches {', '.join(values)})" for index, values in reached.items()}
        return tuple(label + notes.get(index, "") for index, label in enumerate(self.labels))

    @property
    def shortfalls(self) -> dict[str, dict[int, float]]:
        """Setting name -> index of every frame that asks for more than is reached -> the value that it reaches.

        Settings that reach all that is asked are left out.
        """
        cameras = self.cameras
        stays = {name: (setting_named(name).read(self.base),) * 2 for name in self.unsteered}
        frames = {name: _beyond(setting_named(name), cameras, *ends) for name, ends in {**self.reach, **stays}.items()}
        return {name: reached for name, reached in frames.items() if reached}

    @property
    def limitations(self) -> tuple[str, ...]:
        """A sentence for every setting whose reach the sweep leaves."""
        sentences, cameras = [], self.cameras
        for name, frames in self.shortfalls.items():
            setting = setting_named(name)
            if name in self.unsteered:
                knows, advice = "no camera adapter steers it", "Add the adapter of this setting, or do not sweep it."
            else:
                low, high = map(setting.format, self.reach[name])
                knows, advice = f"the camera adapter was trained on {low} to {high}", "Sweep within that range."
            numbers = _listed([str(index + 1) for index in frames])
            asked = _listed([setting.format(float(f"{setting.read(cameras[i]):.4g}")) for i in frames])
            shown = " and ".join(dict.fromkeys(map(setting.format, frames.values())))
            what = "frame" if len(frames) == 1 else "frames"
            sentences.append(
                f"{setting.label}: {knows}; {what} {numbers} (asked: {asked}) will look about like {shown}. {advice}"
            )
        return tuple(sentences)

    def focused_at(self, distance_m: float) -> CameraSweep:
        """The same sweep with every camera focused at this distance [m]."""
        return replace(self, base=replace(self.base, focus_distance_m=distance_m))

    def __len__(self) -> int:
        """Number of frames."""
        return len(next(iter(self.values.values())))

    def __repr__(self) -> str:
        names = " and ".join(setting.label.lower() for setting in self.settings)
        return f"CameraSweep of {names}: {'; '.join(self.labels)}"

    def to_json(self) -> str:
        """The sweep as a JSON document that `from_json` reads back equal."""
        values = {name: list(values) for name, values in self.values.items()}
        document = {"format": FORMAT, "version": VERSION, "values": values, "base": self.base.to_dict()}
        document |= {"dial": True} if self.dial else {}
        if self.reach:
            document["reach"] = {name: list(ends) for name, ends in self.reach.items()}
        if self.unsteered:
            document["unsteered"] = list(self.unsteered)
        return json.dumps(document, indent=2)

    @classmethod
    def from_json(cls, text: str) -> CameraSweep:
        """The inverse of `to_json`; every value is validated again."""
        try:
            document: Any = json.loads(text.removeprefix("\ufeff"))
        except (ValueError, RecursionError) as error:  # a number of 5,000 digits; 100,000 brackets
            raise ValueError(f"This is not a camera sweep: not valid JSON ({error}).") from None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ValueError(f'This is not a camera sweep: "format" is not "{FORMAT}".')
        if document.get("version") != VERSION:
            raise ValueError(
                f"This sweep has version {document.get('version')!r}; this GenPhoto reads version {VERSION}. Update it."
            )
        if not all(isinstance(document.get(part), dict) for part in ("values", "base")):
            raise ValueError('This camera sweep is incomplete: it needs "values" and "base", each an object.')
        reach = document.get("reach", {})
        if not isinstance(reach, dict):
            raise ValueError(f'"reach" of this camera sweep is {reach!r}, not an object of [lowest, highest] values.')
        if not isinstance(dial := document.get("dial", False), bool):
            raise ValueError(f'This camera sweep is damaged: "dial" is {dial!r}, not true or false.')
        unsteered = document.get("unsteered", [])
        if not isinstance(unsteered, list) or not all(isinstance(name, str) for name in unsteered):
            raise ValueError(f'"unsteered" of this camera sweep is {unsteered!r}, not a list of settings.')
        reach, still = _without_single_values(reach)
        return cls(document["values"], Camera.from_dict(document["base"]), dial, reach, (*unsteered, *still))


def _parsed(setting: CameraSetting, values: Sequence[float | str]) -> tuple[float, ...]:
    if isinstance(values, str):
        values = setting.split(values)
    elif hasattr(values, "tolist"):  # an array or a tensor
        values = values.tolist()
    if not isinstance(values, Sequence) or not values:
        raise ValueError(f"{setting.label}: the sweep has no values. Give at least one, in {setting.unit}.")
    return tuple(setting.parse(value) for value in values)


def _listed(words: Sequence[str]) -> str:
    """All of few words, the first and the last of many."""
    return ", ".join(words if len(words) <= MOST_LISTED else [*words[: MOST_LISTED - 2], "...", words[-1]])


def _beyond(setting: CameraSetting, cameras: Sequence[Camera], low: float, high: float) -> dict[int, float]:
    """Index of every camera whose value lies below `low` or above `high` -> the nearer of the two."""
    asked = [setting.read(camera) for camera in cameras]
    reached = [min(max(value, low), high) for value in asked]
    pairs = enumerate(zip(asked, reached, strict=True))
    return {index: end for index, (value, end) in pairs if not math.isclose(value, end, rel_tol=1e-4)}


def _without_single_values(reach: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A reach and the settings that GenPhoto 0.1 wrote into it as unsteered: those from a value to itself."""
    still = [name for name, ends in reach.items() if isinstance(ends, list) and len(ends) == 2 and ends[0] == ends[1]]
    return {name: ends for name, ends in reach.items() if name not in still}, still


def _ends_of(name: str, ends: Sequence[float]) -> tuple[float, float]:
    setting = setting_named(name)
    if isinstance(ends, str) or not isinstance(ends, Sequence) or len(ends) != 2:
        raise ValueError(f"The reach of {name} is {ends!r}. Give its lowest and highest value [{setting.unit}].")
    low, high = map(setting.parse, ends)
    if low > high:
        raise ValueError(f"The reach of {name} goes from {low:g} down to {high:g}. Give the lowest value first.")
    return low, high


def _shares(count: int) -> list[float]:
    """0 to 1 in `count` equal steps; one is 0."""
    return [i / max(count - 1, 1) for i in range(count)]


def _ends(name: str, start: float | str, stop: float | str, frames: int) -> tuple[float, float, int]:
    setting = setting_named(name)
    require_in_range("frames", frames, "", 1, MOST_FRAMES, "A sweep has a whole number of frames.")
    if int(frames) != frames:
        raise ValueError(f"frames = {frames:g} is not a whole number.")
    return setting.parse(start), setting.parse(stop), int(frames)
