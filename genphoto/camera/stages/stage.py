"""The two kinds of stages, and what they work on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Generator, Tensor

from ..camera import Camera
from ..optics import crop_ratio
from ..progress import Progress, unreported
from .prepared import Crop, PreparedPhoto
from .strips import Change, in_strips


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One frame that is to be taken.

    Args:
        camera: the complete state.
        taken: that of the photograph, whose own blur, exposure and white balance are in the picture already.
        size: (height, width) of the frame [px].
        photo: the photograph; None where a frame is only led back to its light.
        dial: what a color temperature means: False that of the light, True that of the white-balance dial.
        iris_chosen: somebody chose the f-number, so that even that of a sharp photograph blurs as a lens does.
        generator: of the sensor's noise; None for the expected frame.
    """

    camera: Camera
    taken: Camera
    size: tuple[int, int]
    photo: PreparedPhoto | None = None
    dial: bool = False
    iris_chosen: bool = False
    generator: Generator | None = None

    @property
    def ratio(self) -> float:
        """The share of the photograph's width that the camera sees."""
        return crop_ratio(self.camera, self.taken)

    @property
    def source(self) -> PreparedPhoto:
        """The photograph, where a frame is rendered from it.

        Raises:
            ValueError: there is none.
        """
        if self.photo is None:
            raise ValueError("This shot has no photograph to render from. Give it a PreparedPhoto.")
        return self.photo


class View:
    """A picture on its way from the photograph to the file.

    Args:
        crop: what of the photograph it shows.
        light: (3,h,w) linear light of it, margin included; None for that of the crop.
        known: (h,w) in [0,1], how much of each pixel the photograph determines; None where nobody asks.
        pixels: changes of every pixel that are still to be made, in this order.
        is_own: nobody else uses `light`, so that changes are written to it.
    """

    def __init__(
        self,
        crop: Crop,
        light: Tensor | None = None,
        known: Tensor | None = None,
        pixels: Sequence[Change] = (),
        is_own: bool = False,
    ):
        self.crop, self.known = crop, known
        self._light, self._pixels, self._is_own = light, tuple(pixels), is_own

    def then(self, change: Change) -> View:
        """The view after a change (light (3,r,W), rows) -> light of every pixel by itself."""
        return View(self.crop, self._light, self.known, (*self._pixels, change), self._is_own)

    def developed(self, on_progress: Progress = unreported) -> Tensor:
        """The light after all changes, (3,h,w); not to be written to."""
        source, changes = self._light, self._pixels
        if source is None and self.crop.is_whole and changes:  # so that no copy in linear light is made for nothing
            photo = self.crop.photo
            source, changes = photo.photo.image, (lambda codes, rows: photo.decoded(codes), *changes)
        elif source is None:
            source = self.crop.light
        if not changes:
            return source

        def change(light: Tensor, rows: slice) -> Tensor:
            for each in changes:
                light = each(light, rows)
            return light

        return in_strips(source, change, source if self._is_own else None, on_progress)

    def own(self) -> Tensor:
        """The light after all changes, (3,h,w), in memory that nobody else uses."""
        return self.developed() if self._is_own else self.then(lambda light, rows: light.clone()).developed()


@dataclass(frozen=True, slots=True)
class FrameStage:
    """A stage that moves light between pixels, or needs all pixels in their order.

    Args:
        name: identifier.
        acts: whether it changes anything; a stage that does not is skipped.
        render: the view after it, what is known of it included where that is asked for.
        work: how long it takes against one pass over all pixels, for progress.
    """

    name: str
    acts: Callable[[Shot], bool]
    render: Callable[[View, Shot, Progress], View]
    work: float = 1.0


@dataclass(frozen=True, slots=True)
class PixelStage:
    """A stage that changes every pixel by itself.

    Args:
        name: identifier.
        acts: whether it changes anything; a stage that does not is skipped.
        change: shot -> a function (linear light (3,r,W), its rows of the frame) -> light after the stage.
        undo: shot -> the inverse of that function, where nothing was clipped; None where there is none.
        knows: (known (h,w), light (3,h,w) after the stage) -> what is known after it.
    """

    name: str
    acts: Callable[[Shot], bool]
    change: Callable[[Shot], Change]
    undo: Callable[[Shot], Change] | None = None
    knows: Callable[[Tensor, Tensor], Tensor] | None = None
    work: float = 0.0  # done together with the next pass over all pixels

    def render(self, view: View, shot: Shot, on_progress: Progress) -> View:
        """The view after it."""
        after = view.then(self.change(shot))
        if view.known is None or self.knows is None:
            return after
        light = after.developed()
        return View(view.crop, light, self.knows(view.known, light), is_own=True)
