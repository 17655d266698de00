"""A report as a picture: per frame what was asked for and what is there, readable in a node 400 pixels wide."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from ..files.contact_sheet import INK, PAPER
from .measurement import Measurement
from .quantities import QUANTITIES
from .sweep_metrics import SweepReport

WIDTH_PX = 960
LEFT_PX, RIGHT_PX = 190, 40  # margins of the axes
PANEL_PX, SMALL_PANEL_PX = 300, 130  # height of the axes: of what the sweep changes, of what it should not
TEXT_PX, SMALL_PX = 30, 26
GRID, REQUESTED, MEASURED, BAD = (208, 208, 208), (110, 110, 110), (0, 92, 175), (190, 40, 30)
LEAST_SPAN = 20  # of an axis, in noticeable changes: noise must not fill the panel

Rows = Mapping[str, Sequence[float | None]]


class _Axes(NamedTuple):
    """Where values lie on the picture: a column per frame, `low` to `high` from `bottom` up to `top`."""

    top: int
    bottom: int
    low: float
    high: float
    columns: tuple[float, ...]

    def y(self, value: float) -> float:
        return self.bottom - (value - self.low) / (self.high - self.low) * (self.bottom - self.top)


def plot_report(report: SweepReport, labels: Sequence[str], rows: Rows | None = None) -> Image.Image:
    """Requested against measured for every quantity, then a table with a column per frame, then the findings.

    Args:
        labels: what each frame was asked for, in photographer's units: `CameraSweep.labels`.
        rows: further lines of the table, name -> one number per frame.
    """
    table = _consistency_rows(report) | dict(rows or {})
    lines = [line for finding in report.findings for line in textwrap.wrap(finding, 70, subsequent_indent="   ")]
    heights = [PANEL_PX if name in report.asked_for else SMALL_PANEL_PX for name in report.measurements]
    step = _label_step(labels)
    height = 78 + sum(heights) + 92 * len(heights) + 50 + 42 * len(table) + 24 + 36 * len(lines)
    picture = Image.new("RGB", (WIDTH_PX, height), PAPER)
    draw = ImageDraw.Draw(picture)
    columns = _columns(len(labels))

    _legend(draw)
    top = 78
    for (name, measurement), tall in zip(report.measurements.items(), heights, strict=True):
        _panel(draw, measurement, name in report.asked_for, top, tall, columns)
        top += tall + 92
    for index, label in enumerate(labels):
        if index % step == 0:
            draw.text((columns[index], top - 4), label, INK, _font(SMALL_PX), anchor="ms")
    top += 30
    for name, values in table.items():
        draw.text((16, top + 20), name, INK, _font(SMALL_PX), anchor="ls")
        for index, value in enumerate(values):
            if index % step == 0:
                shown, color = ("?", BAD) if value is None else (f"{value:.2f}", INK)
                draw.text((columns[index], top + 20), shown, color, _font(SMALL_PX), anchor="ms")
        top += 42
    top += 14
    for line in lines:
        draw.text((16, top), line, BAD, _font(SMALL_PX), anchor="lt")
        top += 36
    return picture


def _consistency_rows(report: SweepReport) -> dict[str, Sequence[float | None]]:
    rows: dict[str, Sequence[float | None]] = {"same scene": report.consistency.ssim}
    if report.reference_consistency is not None:
        rows["  physics"] = report.reference_consistency.ssim
    return rows


def _legend(draw: ImageDraw.ImageDraw) -> None:
    _requested(draw, 34, 38)
    draw.text((56, 38), "requested", INK, _font(SMALL_PX), anchor="lm")
    _measured(draw, 224, 38)
    draw.text((246, 38), "measured", INK, _font(SMALL_PX), anchor="lm")
    draw.text((400, 38), "?", BAD, _font(TEXT_PX), anchor="mm")
    draw.text((418, 38), "cannot be measured", INK, _font(SMALL_PX), anchor="lm")


def _panel(
    draw: ImageDraw.ImageDraw, m: Measurement, asked_for: bool, top: int, tall: int, columns: Sequence[float]
) -> None:
    draw.text((16, top), _title(m, asked_for), INK, _font(TEXT_PX), anchor="lt")
    axes = _axes(m, top + 46, top + 46 + tall, columns)
    for tick in _ticks(axes.low, axes.high, 5 if asked_for else 4):
        y = axes.y(tick)
        draw.line([(LEFT_PX, y), (WIDTH_PX - RIGHT_PX, y)], GRID, 2)
        draw.text((LEFT_PX - 14, y), f"{tick:.5g}", INK, _font(SMALL_PX), anchor="rm")
    points = [(x, axes.y(value)) for x, value in zip(columns, m.requested, strict=True)]
    draw.line(points, REQUESTED, 3)
    for point in points:
        _requested(draw, *point)
    shown = [None if v is None else (x, axes.y(v)) for x, v in zip(columns, m.measured, strict=True)]
    for before, after in pairwise(shown):
        if before and after:
            draw.line([before, after], MEASURED, 3)
    for (x, asked_y), value, spread in zip(points, m.measured, m.spreads, strict=True):
        if value is None:
            beside = asked_y - 26 if asked_y > axes.top + 40 else asked_y + 30
            draw.text((x, beside), "?", BAD, _font(TEXT_PX), anchor="mm")
            continue
        if spread:
            draw.line([(x, axes.y(value - spread)), (x, axes.y(value + spread))], MEASURED, 3)
        _measured(draw, x, axes.y(value))


def _title(m: Measurement, asked_for: bool) -> str:
    name = m.quantity.replace("_", " ")
    title = f"{name[0].upper()}{name[1:]} [{m.unit}]"
    if not asked_for:
        worst = max((abs(e) for e in m.errors if e is not None), default=0)
        return f"{title} should not change: up to {worst:.2g} {'%' if m.percent else m.unit}"
    if m.median_absolute_error is None:
        return f"{title}: cannot be measured"
    unit = "%" if m.percent else m.unit
    title += f": median error {m.median_absolute_error:.3g} {unit}"
    return title if m.slope is None else f"{title}, slope {m.slope:.2f}"


def _axes(m: Measurement, top: int, bottom: int, columns: Sequence[float]) -> _Axes:
    ends = list(m.requested)
    for value, spread in zip(m.measured, m.spreads, strict=True):
        if value is not None:
            ends += [value - (spread or 0), value + (spread or 0)]
    least = LEAST_SPAN * next(q.noticeable for q in QUANTITIES if q.name == m.quantity)
    middle, span = (min(ends) + max(ends)) / 2, max(max(ends) - min(ends), least) * 1.15
    return _Axes(top, bottom, middle - span / 2, middle + span / 2, tuple(columns))


def _ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers between low and high, about that many."""
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
    first = math.ceil(low / step)
    return [round(index * step, 10) for index in range(first, math.floor(high / step) + 1)]


def _columns(count: int) -> tuple[float, ...]:
    width = (WIDTH_PX - LEFT_PX - RIGHT_PX) / count
    return tuple(LEFT_PX + width * (index + 0.5) for index in range(count))


def _label_step(labels: Sequence[str]) -> int:
    """Every how many frames there is room for a label."""
    widest = max(_font(SMALL_PX).getlength(label) for label in (*labels, "0.00")) + 12
    return max(1, math.ceil(widest * len(labels) / (WIDTH_PX - LEFT_PX - RIGHT_PX)))


def _requested(draw: ImageDraw.ImageDraw, x: float, y: float) -> None:
    draw.ellipse([x - 11, y - 11, x + 11, y + 11], PAPER, REQUESTED, 4)


def _measured(draw: ImageDraw.ImageDraw, x: float, y: float) -> None:
    draw.ellipse([x - 7, y - 7, x + 7, y + 7], MEASURED)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
