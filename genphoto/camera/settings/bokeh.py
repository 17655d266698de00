"""Bokeh: depth of field, as the blur parameter K of the paper. The same iris as `aperture`, on another scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from .. import published
from ..optics import blur_parameter, f_number_of_blur_parameter
from ..progress import Progress
from ..setting import CameraSetting, Published
from .aperture import PORTRAIT, blur_map, with_f_number

if TYPE_CHECKING:
    from ..photo import Photo


def _published_frame(photo: Photo, k: float, size: tuple[int, int], on_progress: Progress) -> Tensor:
    longest = max(published.SIZE)
    image = published.reduced(photo.image, longest)
    disparity = published.reduced(photo.require_disparity(), longest, nearest=True)
    frame = published.bokeh_frame(image, disparity, k, on_progress=on_progress)
    return published.resize(frame, size)


BOKEH = CameraSetting(
    name="bokeh",
    label="Bokeh",
    unit="K",
    description="Depth of field as the paper's blur parameter K: the blur radius, in a frame 384 px wide, of a point "
    "1 m away against one at infinity.",
    domain=(1.0, 30.0),
    limits=(0.01, 500.0),
    base=PORTRAIT,
    read=blur_parameter,
    write=lambda camera, k: with_f_number(camera, f_number_of_blur_parameter(camera, k)),
    format=lambda k: f"K {k:g}",
    prompt=published.bokeh_prompt,
    phrase=lambda k: f"with bokeh blur parameter {k:g}",
    prior=blur_map,
    sample=published.bokeh_sample,
    published=Published(published.bokeh_prior, _published_frame),
    units={"K": 1.0},
    prefix="k",
)
