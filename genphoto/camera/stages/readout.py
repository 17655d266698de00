"""Exposure and readout: the signal that the sensor makes of the light, as expected or with its noise."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from ..optics import light_ev
from ..progress import Progress
from ..sensor import expose
from .stage import FrameStage, PixelStage, Shot, View
from .strips import Change


def gain(shot: Shot) -> float:
    """The signal over that of the photograph, where neither is clipped: light and amplification."""
    return 2.0 ** light_ev(shot.camera, shot.taken) * shot.camera.iso / shot.taken.iso


def _expected(shot: Shot) -> Change:
    signal = _sensor(shot)
    return lambda light, rows: signal(light)


def _unexposed(shot: Shot) -> Change:
    return lambda light, rows: light / gain(shot)


def _read(view: View, shot: Shot, on_progress: Progress) -> View:
    light = view.own()
    signal = _sensor(shot)(light, generator=shot.generator, out=light)
    known = None if view.known is None else _where_clipped(view.known, signal)
    return View(view.crop, signal, known, is_own=True)


def _sensor(shot: Shot) -> Callable[..., Tensor]:
    """`expose` under the exposure of a shot."""
    camera, taken = shot.camera, shot.taken
    return partial(
        expose,
        sensor=camera.sensor,
        exposure_ev=light_ev(camera, taken),
        exposure_time_s=camera.exposure_time_s,
        iso=camera.iso,
        base_iso_of_image=taken.iso,
    )


def _where_clipped(known: Tensor, signal: Tensor) -> Tensor:
    """What clips is known to clip, whatever is not known of its light."""
    return torch.where((signal >= 1).all(0), 1.0, known)


# Clips what the lens or an artist put above white, and therefore acts at the photograph's own exposure too.
EXPOSURE = PixelStage("exposure", lambda shot: shot.generator is None, _expected, _unexposed, _where_clipped)
READOUT = FrameStage("readout", lambda shot: shot.generator is not None, _read, work=3.0)
