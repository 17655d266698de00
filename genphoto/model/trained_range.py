"""TrainingRange: what a camera adapter was trained on, and what a sweep asks beyond that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from ..camera.camera import LIMITS, Camera
from ..camera.setting import CameraSetting
from ..camera.settings import setting_named
from ..camera.sweep import CameraSweep
from .config import EncoderSizes
from .differential import coarse_prior, setting_values

PRIOR_SIZE = (16, 24)  # on which the priors of two base cameras are compared
SAME_PRIOR = 0.02  # in shares of the picture that a lens sees, or of the light of the base camera


@dataclass(frozen=True, slots=True)
class TrainingRange:
    """What a camera adapter was trained on.

    Args:
        setting: what it steers.
        values: lowest and highest value; the setting's domain where the adapter's file does not say it, which is that
            of the released adapters.
        variant: of its priors and prompts.
        encoder: whose positions say how many frames it sees at once.
    """

    setting: CameraSetting
    values: tuple[float, float]
    variant: str
    encoder: EncoderSizes

    def concerns(self, sweep: CameraSweep) -> list[str]:
        """What of a sweep the frames will not show, or not well, as sentences."""
        reached = replace(sweep, reach={self.setting.name: self.values})
        return [*reached.limitations, *self._length(sweep), *self._base(sweep)]

    def _length(self, sweep: CameraSweep) -> list[str]:
        longest = self.encoder.positions
        if len(sweep) <= longest:
            return []
        return [
            f"The sweep has {len(sweep)} frames, but the camera adapter sees {longest} at once: they are made in "
            f"overlapping parts, and the scene may change from part to part. Sweep at most {longest} frames."
        ]

    def _base(self, sweep: CameraSweep) -> list[str]:
        """A base camera to which the adapter's coarse prior relates values otherwise than in training."""
        if self.setting.name not in sweep.values:
            return []

        def prior(base: Camera) -> Tensor:
            states = replace(sweep, base=base)
            return coarse_prior(states, self.setting, setting_values(states, self.setting), self.variant, PRIOR_SIZE)

        given, trained = prior(sweep.base), self.setting.base
        changed = []
        for name, (unit, _, _) in LIMITS.items():
            value, wanted = getattr(sweep.base, name), getattr(trained, name)
            if value != wanted and (prior(replace(sweep.base, **{name: wanted})) - given).abs().max() > SAME_PRIOR:
                changed.append(f"{name} {value:g} {unit}, trained at {wanted:g} {unit}")
        if not changed:
            return []
        return [
            f"The base camera is not the one of the adapter's training ({'; '.join(changed)}): the frames may answer "
            f"otherwise to {self.setting.label.lower()}. Set it to the trained value."
        ]


def with_reach(sweep: CameraSweep, ranges: Mapping[str, tuple[float, float]]) -> CameraSweep:
    """The sweep, knowing the ranges that it leaves of all adapters that steer it, by the names of their settings."""
    reached = replace(sweep, reach={**ranges, **unsteered(sweep, ranges)})
    return replace(sweep, reach={name: ends for name, ends in reached.reach.items() if reached.shortfalls(name)})


def unsteered(sweep: CameraSweep, steered: Iterable[str]) -> dict[str, tuple[float, float]]:
    """The reach of what a sweep varies and no adapter steers: it stays as the base camera has it.

    Aperture and bokeh are one iris: an adapter of one steers both.
    """
    by = [setting_named(name) for name in steered]
    return {
        swept.name: (swept.read(sweep.base),) * 2
        for swept in sweep.settings
        if not any(swept is one or (swept.moves_iris and one.moves_iris) for one in by)
    }
