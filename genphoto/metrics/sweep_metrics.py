"""The one entry: does a sequence of frames obey the camera sweep it was made with, and is it one scene?

What to measure follows from the camera states themselves. A quantity is measured where the sweep asks it to change, so
a new setting or quantity needs no line here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ..camera.colorimetry import srgb_to_linear
from ..camera.progress import Progress, part_of, unreported
from ..camera.sweep import CameraSweep
from .consistency import Consistency, compensated_consistency
from .findings import findings_of
from .frames import require_frames
from .measurement import Measurement
from .published import PublishedScore, published_scores
from .quantities import QUANTITIES
from .quantity import Quantity
from .sequence import FrameSequence


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What was measured in one sequence.

    Args:
        settings: names of the settings that the sweep varies.
        asked_for: names of the quantities that the sweep changes, keys of `measurements`.
        measurements: quantity -> Measurement: those asked for, or all of them with cross-talk.
        consistency: likeness of the frames once the requested change is undone.
        findings: sentences on what is wrong with the sequence as a whole; none is good.
        published: setting -> the paper's score against the reference sequence; empty without one.
        reference_consistency: of the reference sequence: what can be had; None without one.
    """

    settings: tuple[str, ...]
    asked_for: tuple[str, ...]
    measurements: dict[str, Measurement]
    consistency: Consistency
    findings: tuple[str, ...] = ()
    published: dict[str, PublishedScore] = field(default_factory=dict)
    reference_consistency: Consistency | None = None

    @property
    def consistency_excess(self) -> float | None:
        """Mean SSIM less that of the reference sequence: 0 is as alike as physics lets frames be, below is worse.

        Compensation is not exact (resampling, noise, what the sweep clips), so that even a right sequence misses 1.
        """
        ours = self.consistency.mean
        possible = None if self.reference_consistency is None else self.reference_consistency.mean
        return None if ours is None or possible is None else ours - possible

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and dictionaries, ready for JSON."""
        return {
            "settings": list(self.settings),
            "asked_for": list(self.asked_for),
            "measurements": {name: m.to_dict() for name, m in self.measurements.items()},
            "consistency": self.consistency.to_dict(),
            "findings": list(self.findings),
            "published": {name: score.to_dict() for name, score in self.published.items()},
            "reference_consistency": self.reference_consistency and self.reference_consistency.to_dict(),
            "consistency_excess": self.consistency_excess,
        }


def measure_sweep(
    frames: Tensor | Sequence[Tensor],
    sweep: CameraSweep,
    *,
    disparity: Tensor | None = None,
    reference: Tensor | Sequence[Tensor] | None = None,
    cross_talk: bool = False,
    on_progress: Progress | None = None,
) -> SweepReport:
    """Measure a sequence against the sweep that it was made with, on the device of its frames.

    Args:
        frames: (F,3,H,W) sRGB in [0,1], one per value of the sweep.
        sweep: what was asked for.
        disparity: (H,W) [1/m] of what the first frame shows; blur is then in px and rendered for consistency.
        reference: the same sweep as physics renders it from the first frame (`simulate`), of any size: adds the
            paper's scores and the consistency that is possible.
        cross_talk: measure all quantities, also those that should not change.
        on_progress: called with the finished share in [0,1] after every frame of every step; may raise to cancel.

    Raises:
        ValueError: fewer than two frames, black frames, frames of different sizes, or a number that does not fit.
    """
    frames = require_frames(frames, len(sweep))
    sequence = FrameSequence.of(frames, sweep, QUANTITIES, disparity)
    if reference is not None:
        if len(reference) != len(frames):
            raise ValueError(
                f"The reference has {len(reference)} frames, the sequence {len(frames)}. Give the same sweep as a "
                "reference."
            )
        reference = require_frames(reference, len(sweep)).to(frames.device)
    asked_for = [quantity for quantity in QUANTITIES if quantity.asked_for(sequence.cameras)]
    wanted = QUANTITIES if cross_talk else asked_for
    count = len(wanted) + 1 + (reference is not None)
    steps = [part_of(on_progress or unreported, step / count, (step + 1) / count) for step in range(count)]
    measurements = _measurements(sequence, wanted, steps)
    consistency = compensated_consistency(sequence, steps[len(wanted)])
    scores, possible = {}, None
    if reference is not None:
        scores = published_scores(frames, reference, tuple(sweep.values))
        # SSIM depends on the size of the frames.
        fitted = F.interpolate(reference, frames.shape[2:], mode="bilinear", antialias=True)
        possible = compensated_consistency(replace(sequence, light=srgb_to_linear(fitted)), steps[-1])
    findings = (
        *sweep.limitations,
        *findings_of(frames, [measurements[quantity.name] for quantity in asked_for], consistency),
    )
    names = tuple(quantity.name for quantity in asked_for)
    return SweepReport(tuple(sweep.values), names, measurements, consistency, findings, scores, possible)


def _measurements(
    sequence: FrameSequence, quantities: Sequence[Quantity], steps: Sequence[Progress]
) -> dict[str, Measurement]:
    measurements = {}
    for quantity, progress in zip(quantities, steps, strict=False):  # the further steps are of what comes after
        measurement = quantity.measure(sequence, progress)
        sequence = quantity.registered(sequence, measurement)
        measurements[quantity.name] = measurement
    return measurements
