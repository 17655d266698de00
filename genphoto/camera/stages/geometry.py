"""Geometry: which part of the scene the lens sees, and how large."""

from __future__ import annotations

from ..progress import Progress
from .lens import LENS, margin_px
from .stage import FrameStage, Shot, View


def _acts(shot: Shot) -> bool:
    return shot.ratio != 1 or shot.size != shot.source.photo.size


def _render(view: View, shot: Shot, on_progress: Progress) -> View:
    crop = shot.source.crop(shot.ratio, margin_px(shot) if LENS.acts(shot) else (0, 0))
    return View(crop, known=None if view.known is None else crop.known)


GEOMETRY = FrameStage("geometry", _acts, _render, work=2.0)
