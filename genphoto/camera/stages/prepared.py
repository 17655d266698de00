"""PreparedPhoto: a photograph with what no camera changes done once for all frames."""

from __future__ import annotations

from functools import cached_property

from torch import Tensor

from ..camera import Camera
from ..colorimetry import srgb_to_linear
from ..defocus import expand_highlights
from ..optics import zoom, zoom_step
from ..photo import Photo
from .strips import in_strips

CLIPPED = 254.5 / 255  # code from which on more light would have looked the same


class PreparedPhoto:
    """A photograph in linear light, and how the frames of a sweep sample it. Every plane is made on first use.

    Args:
        photo: the scene.
        size: (height, width) of the frames; None for the photograph's.
        highlights: how far clipped highlights are extended, see `expand_highlights`; 0 is physical.
        background: what the foreground hides, where known.
    """

    def __init__(
        self,
        photo: Photo,
        size: tuple[int, int] | None = None,
        highlights: float = 0.0,
        background: Photo | None = None,
    ):
        self.photo = photo
        height, width = size or photo.size
        self.size = height, width
        self.highlights = highlights
        self.background = background
        self._crop: Crop | None = None

    @property
    def camera(self) -> Camera:
        """The one that took it."""
        return self.photo.camera

    @property
    def sensor_px(self) -> float:
        """Width of the sensor in pixels of a frame that shows all of the photograph."""
        return max(self.photo.size) / self.step(1.0)

    def step(self, ratio: float) -> float:
        """Pixels of the photograph per pixel of a frame that sees this share of it."""
        return zoom_step(self.photo.size, ratio, self.size)

    def decoded(self, image: Tensor) -> Tensor:
        """Linear light of codes (3,...) of the photograph, float32, >= 0."""
        return expand_highlights(srgb_to_linear(image.float()).clamp(min=0), self.highlights)

    @cached_property
    def light(self) -> Tensor:
        """(3,H,W) linear light."""
        return in_strips(self.photo.image, lambda codes, rows: self.decoded(codes))

    @cached_property
    def disparity(self) -> Tensor:
        """(H,W) [1/m]."""
        return self.photo.require_disparity().float()

    @cached_property
    def hidden(self) -> tuple[Tensor, Tensor] | None:
        """Linear light (3,H,W) and disparity (H,W) of what the foreground hides, where that is known."""
        if self.background is None:
            return None
        light = in_strips(self.background.image, lambda codes, rows: srgb_to_linear(codes.float()).clamp(min=0))
        return light, self.background.require_disparity().float()

    @cached_property
    def known(self) -> Tensor:
        """(H,W): 0 where a channel is clipped, else 1."""
        return (self.photo.image.amax(0) < CLIPPED).float()

    def crop(self, ratio: float, margin: tuple[int, int] = (0, 0)) -> Crop:
        """What a frame sees, of this share of the photograph; the last one is kept for the next frame."""
        if self._crop is None or (self._crop.ratio, self._crop.margin) != (ratio, margin):
            self._crop = None  # before the next one takes its memory
            self._crop = Crop(self, ratio, margin)
        return self._crop


class Crop:
    """The share of a photograph that a lens sees, sampled for a frame. Every plane is made on first use.

    Args:
        photo: what is sampled.
        ratio: the share of its width.
        margin: rows and columns added on each side, from which blur reaches into the frame.
    """

    def __init__(self, photo: PreparedPhoto, ratio: float, margin: tuple[int, int]):
        self.photo, self.ratio, self.margin = photo, ratio, margin

    @property
    def is_whole(self) -> bool:
        """It has the pixels of the photograph."""
        return self.ratio == 1 and self.photo.size == self.photo.photo.size and not any(self.margin)

    @cached_property
    def light(self) -> Tensor:
        """(3,h,w) linear light."""
        return self._sampled(self.photo.light)

    @cached_property
    def disparity(self) -> Tensor:
        """(h,w) [1/m]."""
        return self._sampled(self.photo.disparity[None], nearest=True)[0]

    @cached_property
    def hidden(self) -> tuple[Tensor, Tensor] | None:
        """Linear light (3,h,w) and disparity (h,w) of what the foreground hides, where that is known."""
        if self.photo.hidden is None:
            return None
        light, disparity = self.photo.hidden
        return self._sampled(light), self._sampled(disparity[None], nearest=True)[0]

    @property
    def known(self) -> Tensor:
        """(h,w) in [0,1]: how much of each pixel the photograph determines; less where it is enlarged."""
        return self._sampled(self.photo.known[None])[0].clamp(0, 1) * min(self.photo.step(self.ratio), 1.0) ** 2

    def _sampled(self, planes: Tensor, nearest: bool = False) -> Tensor:
        """Planes (C,H,W) of the photograph, one after another: sampling takes some planes of memory."""
        if self.is_whole:
            return planes
        height, width = (want + 2 * more for want, more in zip(self.photo.size, self.margin, strict=True))
        sampled = planes.new_empty(len(planes), height, width)
        for index, plane in enumerate(planes):
            sampled[index] = zoom(plane[None], self.ratio, self.photo.size, margin=self.margin, nearest=nearest)[0]
        return sampled
