"""Findings: sentences on what is wrong with a sequence as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from .consistency import Consistency
from .measurement import Measurement

FROZEN_LEVEL = 2 / 255  # root mean square difference [sRGB]: what recompression of one picture leaves
OUT_OF_ORDER = 0.7  # rank correlation below which the frames do not follow the order of the sweep
WEAK, STRONG = 0.6, 1.6  # slope of a response that is far from the request
ANOTHER_SCENE = 0.5  # SSIM after compensation


def findings_of(frames: Tensor, measured: Sequence[Measurement], consistency: Consistency) -> tuple[str, ...]:
    """What is wrong with frames (F,3,H,W) sRGB, with what was asked for in them, and with their scene; none is good."""
    findings = []
    change = float((frames[1:] - frames[0]).square().mean((1, 2, 3)).max().sqrt())
    if change < FROZEN_LEVEL:
        findings.append(
            f"The sequence is frozen: no frame differs from the first by more than {change * 255:.1f} codes."
        )
    for m in measured:
        missing = [str(i + 1) for i, value in enumerate(m.measured) if value is None]
        if missing:
            why = next(reason for reason in m.reasons if reason)
            findings.append(f"{_title(m)} cannot be measured in frame {', '.join(missing)}: {why}.")
        if remark := next((remark for remark in m.remarks if remark), None):
            findings.append(f"{_title(m)}: {remark}.")
        if m.rank_correlation is not None and m.rank_correlation < OUT_OF_ORDER:
            findings.append(
                f"{_title(m)} does not follow the order of the sweep: rank correlation {m.rank_correlation:.2f}."
            )
        if m.slope is not None and not WEAK <= m.slope <= STRONG:
            findings.append(f"{_title(m)} changes by {m.slope:.2f} of what was asked for.")
    others = [i + 1 for i, value in enumerate(consistency.ssim) if value is not None and value < ANOTHER_SCENE]
    if others:
        shown = ", ".join(map(str, others))
        findings.append(f"Frame {shown} is not the first frame under the requested camera: SSIM below {ANOTHER_SCENE}.")
    return tuple(findings)


def _title(measurement: Measurement) -> str:
    return measurement.quantity.replace("_", " ").capitalize()
