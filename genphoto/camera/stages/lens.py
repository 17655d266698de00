"""Lens: depth of field."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..defocus import defocus, share_seen
from ..optics import blur_radius_px
from ..progress import Progress
from .stage import FrameStage, Shot, View


def added_blur_px(disparity: Tensor, shot: Shot) -> Tensor:
    """Signed blur radius [px of the frame] that the camera adds: what its lens blurs, less what is blurred already.

    Radii of discs subtract as squares, since variances of successive blurs add. A photograph that counts as sharp has
    no blur to subtract.
    """
    photo = shot.source
    wanted = blur_radius_px(disparity, shot.camera, photo.sensor_px)
    if photo.photo.is_sharp:
        return wanted
    present = blur_radius_px(disparity, shot.taken, photo.sensor_px / shot.ratio)
    square = wanted.square() - present.square()
    return torch.where(square > 0, wanted.sign() * square.where(square > 0, 1).sqrt(), 0)


def margin_px(shot: Shot) -> tuple[int, int]:
    """Rows and columns on each side from which blur reaches into the frame, as far as the photograph holds them."""
    photo = shot.source
    extremes = torch.stack(photo.disparity.detach().aminmax())
    reach = math.ceil(float(added_blur_px(extremes, shot).abs().max()))
    step = photo.step(shot.ratio)
    pairs = zip(photo.photo.size, shot.size, strict=True)
    rows, columns = (min(reach, int((have / step - want) / 2)) for have, want in pairs)
    return rows, columns


def _acts(shot: Shot) -> bool:
    camera, taken = shot.camera, shot.taken
    same_lens = (camera.f_number, camera.focus_distance_m) == (taken.f_number, taken.focus_distance_m)
    photo = shot.source.photo
    if not same_lens:
        photo.require_disparity()
    return photo.disparity is not None and not (same_lens and photo.is_sharp and not shot.iris_chosen)


def _render(view: View, shot: Shot, on_progress: Progress) -> View:
    crop, aperture = view.crop, shot.camera.aperture
    coc, hidden = added_blur_px(crop.disparity, shot), None
    if crop.hidden is not None:
        hidden = crop.hidden[0], added_blur_px(crop.hidden[1], shot)
    top, left = crop.margin
    frame = (..., slice(top, top + shot.size[0]), slice(left, left + shot.size[1]))
    light = defocus(view.developed(), coc, aperture=aperture, background=hidden, on_progress=on_progress)[frame]
    known = view.known
    if known is not None:
        known = share_seen(known, coc, aperture=aperture, background_coc_px=hidden and hidden[1])[frame]
    return View(crop, light, known)


LENS = FrameStage("lens", _acts, _render, work=8.0)
