"""Bokeh: depth of field, as the blur parameter K of the paper. The same iris as `aperture`, on another scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor

from .. import published
from ..optics import K_FRAME_WIDTH_PX, blur_parameter, f_number_of_blur_parameter
from ..setting import CameraSetting, Progress, Published
from .aperture import PORTRAIT, blur_map, with_f_number

if TYPE_CHECKING:
    from ..photo import Photo


LARGEST_PUBLISHED_PX = 2 * K_FRAME_WIDTH_PX  # of a frame: K is a radius in pixels of one half as wide


def _published_frame(photo: Photo, k: float, size: tuple[int, int], on_progress: Progress) -> Tensor:
    """Blurred in pixels of the source, as in the paper's data, whose sources were about as large as the frames."""
    if max(size) > LARGEST_PUBLISHED_PX:
        raise ValueError(
            f"The published variant blurs by K pixels of a frame {K_FRAME_WIDTH_PX} px wide; in {size[1]} x {size[0]} "
            f"that would hardly show. Ask for frames of about {K_FRAME_WIDTH_PX} x 256 px, at most "
            f"{LARGEST_PUBLISHED_PX} px a side, or use the physical variant."
        )
    image, disparity = photo.image, photo.require_disparity()
    if photo.size[0] > size[0] or photo.size[1] > size[1]:
        image = F.interpolate(image[None].float(), size, mode="bilinear", antialias=True)[0].clamp(0, 1)
        disparity = F.interpolate(disparity[None, None], size, mode="nearest-exact")[0, 0]
    return published.resize(published.bokeh_frame(image, disparity, k, on_progress=on_progress), size)


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
