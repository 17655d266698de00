"""The one entry: does a sequence of frames obey the camera sweep it was made with, and is it one scene?

What to measure follows from the camera states themselves. A quantity is measured where the sweep asks it to change, so
a new setting needs no line here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from ..camera.camera import Camera
from ..camera.progress import Progress
from ..camera.sweep import CameraSweep
from .blur import BLUR_CHANGES_K, measure_blur, requested_k, sharpest
from .color_temperature import measure_light, requested_duv, requested_mired
from .consistency import Consistency, compensated_consistency
from .exposure import measure_exposure, requested_ev
from .frames import Pair, pairs_at_one_scale, requested_zooms, require_frames
from .measurement import Measurement
from .published import PublishedScore, published_scores
from .zoom import measure_zoom


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something that can be read off a sequence.

    Args:
        name: name of its measurement.
        requested: cameras -> values (F,) that the sweep asks for.
        noticeable: least change of those that counts as asked for.
    """

    name: str
    requested: Callable[[Sequence[Camera]], Sequence[float]]
    noticeable: float

    def asked_for(self, cameras: Sequence[Camera]) -> bool:
        """The sweep changes this quantity."""
        return float(np.ptp(self.requested(cameras))) >= self.noticeable


SAME_ZOOM = 0.01  # relative difference that needs no resampling
QUANTITIES = (
    Quantity("zoom", requested_zooms, 0.005),
    Quantity("blur", requested_k, BLUR_CHANGES_K),
    Quantity("exposure", requested_ev, 0.01),
    Quantity("color_temperature", requested_mired, 1.0),
    Quantity("tint", requested_duv, 0.0005),
)


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What was found in one sequence.

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
        reference = self.reference_consistency and self.reference_consistency.mean
        return None if reference is None or self.consistency.mean is None else self.consistency.mean - reference

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
    """Measure a sequence against the sweep that it was made with.

    Args:
        frames: (F,3,H,W) sRGB in [0,1], one per value of the sweep.
        sweep: what was asked for.
        disparity: (H,W) [1/m] of what the first frame shows; blur is then in px and rendered for consistency.
        reference: the same sweep as physics renders it from the first frame (`simulate`), of any size: adds the
            paper's scores and the consistency that is possible.
        cross_talk: measure all quantities, also those that should not change.
        on_progress: called with the finished share in [0,1].

    Raises:
        ValueError: fewer than two frames, black frames, frames of different sizes, or a number that does not fit.
    """
    frames = require_frames(frames, len(sweep))
    if disparity is not None and disparity.shape != frames.shape[2:]:
        raise ValueError(
            f"Depth of {disparity.shape[1]} x {disparity.shape[0]} pixels does not fit frames of {frames.shape[3]} x "
            f"{frames.shape[2]}. Resize the depth to the frames with nearest neighbor."
        )
    if disparity is not None and not bool(disparity.isfinite().all()):
        raise ValueError(
            "Depth holds values that are no numbers (NaN or infinite). It must be disparity in 1/m, 0 for infinity."
        )
    cameras = sweep.cameras
    asked_for = tuple(q.name for q in QUANTITIES if q.asked_for(cameras))
    wanted = tuple(q.name for q in QUANTITIES) if cross_talk else asked_for
    quantities = {"color_temperature" if name == "tint" else name for name in wanted}  # those two are read in one step
    advance = _steps(on_progress, len(quantities) + 1 + (reference is not None))
    if reference is not None:
        if len(reference) != len(frames):
            raise ValueError(
                f"The reference has {len(reference)} frames, the sequence {len(frames)}. Give the same sweep as a "
                "reference."
            )
        reference = require_frames(reference, len(sweep))
    measurements = _measurements(frames, sweep, wanted, disparity, advance)
    consistency = compensated_consistency(frames, cameras, disparity, sweep.dial)
    advance()
    scores, possible = {}, None
    if reference is not None:
        scores = published_scores(frames, reference, tuple(sweep.values))
        # SSIM depends on the size of the frames.
        fitted = F.interpolate(reference, frames.shape[2:], mode="bilinear", antialias=True)
        possible = compensated_consistency(fitted, cameras, disparity, sweep.dial)
        advance()
    findings = (
        *sweep.limitations,
        *_findings(frames, [measurements[name] for name in asked_for], consistency),
    )
    return SweepReport(tuple(sweep.values), asked_for, measurements, consistency, findings, scores, possible)


def _measurements(
    frames: Tensor,
    sweep: CameraSweep,
    wanted: Sequence[str],
    disparity: Tensor | None,
    advance: Callable[[], None],
) -> dict[str, Measurement]:
    found: dict[str, Measurement] = {}
    cameras = sweep.cameras
    zooms = requested_zooms(cameras)
    if "zoom" in wanted:
        found["zoom"] = measure_zoom(frames, cameras)
        # The other quantities are read where the frames show the same thing, whatever was asked for.
        seen = zip(zooms, found["zoom"].measured, strict=True)
        zooms = [asked if is_ is None or abs(is_ / asked - 1) < SAME_ZOOM else is_ for asked, is_ in seen]
        advance()
    pairs = pairs_at_one_scale(frames, zooms)
    if "blur" in wanted:
        found["blur"] = _blur(frames, zooms, cameras, disparity)
        advance()
    if "exposure" in wanted:
        found["exposure"] = measure_exposure(pairs, cameras, sweep.dial)
        advance()
    if "color_temperature" in wanted or "tint" in wanted:
        found["color_temperature"], found["tint"] = measure_light(pairs, cameras, sweep.dial)
        advance()
    return {name: found[name] for name in found if name in wanted}


def _steps(on_progress: Progress | None, count: int) -> Callable[[], None]:
    """A function to call after each of `count` steps."""
    done = iter(range(1, count + 1))
    return lambda: on_progress(next(done) / count) if on_progress else None


def _blur(frames: Tensor, zooms: Sequence[float], cameras: Sequence[Camera], disparity: Tensor | None) -> Measurement:
    asked, sharp = requested_zooms(cameras), sharpest(cameras)
    if disparity is None and len(set(asked)) == 1 and max(requested_k(cameras)) >= BLUR_CHANGES_K:
        zooms = asked  # one depth per patch is fitted over all frames, for which all must have the same patches
    pairs: list[Pair] = pairs_at_one_scale(frames, zooms, sharp)
    if zooms[sharp] != 1:
        disparity = None  # it is that of the first frame, which shows another part of the scene
    return measure_blur(pairs, cameras, disparity, max(frames.shape[2:]))


# Findings

FROZEN_LEVEL = 2 / 255  # root mean square difference [sRGB]: what recompression of one picture leaves
OUT_OF_ORDER = 0.7  # rank correlation below which the frames do not follow the order of the sweep
WEAK, STRONG = 0.6, 1.6  # slope of a response that is far from the request
ANOTHER_SCENE = 0.5  # SSIM after compensation


def _findings(frames: Tensor, measured: Sequence[Measurement], consistency: Consistency) -> tuple[str, ...]:
    found = []
    change = float((frames[1:] - frames[0]).square().mean((1, 2, 3)).max().sqrt())
    if change < FROZEN_LEVEL:
        found.append(f"The sequence is frozen: no frame differs from the first by more than {change * 255:.1f} codes.")
    for m in measured:
        missing = [str(i + 1) for i, value in enumerate(m.measured) if value is None]
        if missing:
            why = next(reason for reason in m.reasons if reason)
            found.append(f"{_title(m)} cannot be measured in frame {', '.join(missing)}: {why}.")
        if said := next((remark for remark in m.remarks if remark), None):
            found.append(f"{_title(m)}: {said}.")
        if m.rank_correlation is not None and m.rank_correlation < OUT_OF_ORDER:
            found.append(
                f"{_title(m)} does not follow the order of the sweep: rank correlation {m.rank_correlation:.2f}."
            )
        if m.slope is not None and not WEAK <= m.slope <= STRONG:
            found.append(f"{_title(m)} changes by {m.slope:.2f} of what was asked for.")
    others = [i + 1 for i, value in enumerate(consistency.ssim) if value is not None and value < ANOTHER_SCENE]
    if others:
        shown = ", ".join(map(str, others))
        found.append(f"Frame {shown} is not the first frame under the requested camera: SSIM below {ANOTHER_SCENE}.")
    return tuple(found)


def _title(measurement: Measurement) -> str:
    return measurement.quantity.replace("_", " ").capitalize()
