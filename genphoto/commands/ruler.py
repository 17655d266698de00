"""What all sequences of a call of `evaluate` are measured with."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from ..camera.progress import Progress
from ..camera.sweep import CameraSweep
from ..metrics.following import Following
from ..metrics.perceptual import Lpips, adjacent_lpips, compensated_lpips
from ..metrics.plot import plot_report
from ..metrics.quantities import QUANTITIES
from ..metrics.sequence import FrameSequence
from ..metrics.sweep_metrics import measure_sweep

MEASURED_AS = 2  # raise it when the numbers change, so that nothing older is taken up again


@dataclass(frozen=True, slots=True)
class Ruler:
    """What all sequences of a call are measured with.

    Args:
        reference: file or folder of the reference and its frames, or None.
        disparity_of: size (H,W) of the frames -> disparity (H,W) [1/m] of the first, or None without depth.
        distance: LPIPS, or None.
        following: CLIP, or None.
        cross_talk: measure also what should not change.
        identity: what decides over its numbers and is no picture: the options, and the networks' weights.
    """

    reference: tuple[Path, list[Tensor]] | None
    disparity_of: Callable[[tuple[int, int]], Tensor | None]
    distance: Lpips | None
    following: Following | None
    cross_talk: bool
    identity: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        networks = (network.identity if network else "" for network in (self.distance, self.following))
        object.__setattr__(self, "identity", (str(MEASURED_AS), str(self.cross_talk), *networks))

    def measure(
        self,
        frames: list[Tensor],
        sweep: CameraSweep,
        prompt: str | None,
        disparity: Tensor | None,
        progress: Progress,
    ) -> tuple[dict[str, Any], Image]:
        """All numbers of a sequence, ready for JSON, and their plot."""
        report = measure_sweep(
            frames,
            sweep,
            disparity=disparity,
            reference=self.reference and self.reference[1],
            cross_talk=self.cross_talk,
            on_progress=progress,
        )
        results: dict[str, Any] = {"sweep": json.loads(sweep.to_json()), **report.to_dict()}
        batch, rows = torch.stack(frames), {}
        if self.distance is not None:
            adjacent = adjacent_lpips(batch, self.distance)
            compensated = compensated_lpips(FrameSequence.of(batch, sweep, QUANTITIES, disparity), self.distance)
            results["lpips"] = {
                "adjacent": adjacent,
                "adjacent_mean": _mean(adjacent),
                "compensated": compensated,
                "compensated_mean": _mean(compensated[1:]),
            }
            rows["LPIPS"] = compensated
        if self.following is not None:
            likeness = self.following(batch, prompt)
            results["following"] = {"prompt": prompt, "per_frame": likeness, "mean": _mean(likeness)}
            rows["CLIP"] = likeness
        return results, plot_report(report, sweep.labels, rows)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
