"""The whole chain: what a complete camera state makes of a scene that is known from one sharp photograph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from torch import Generator, Tensor

from .camera import Camera
from .colorimetry import linear_to_srgb, srgb_to_linear
from .photo import Photo
from .progress import Progress, part_of, unreported
from .setting import Published
from .settings import SETTINGS
from .stages import STAGES
from .stages.prepared import PreparedPhoto
from .stages.stage import PixelStage, Shot, View
from .sweep import CameraSweep

VARIANTS = ("physical", "published")


def photograph(
    photo: Photo,
    camera: Camera,
    *,
    size: tuple[int, int] | None = None,
    generator: Generator | None = None,
    dial: bool = False,
    highlights: float = 0.0,
    background: Photo | None = None,
    iris_chosen: bool = False,
    on_progress: Progress = unreported,
) -> Tensor:
    """The frame (3,H,W) in [0,1] sRGB that `camera` takes: lens, then sensor, then white balance.

    Args:
        photo: the scene.
        camera: the complete state to render.
        size: (height, width) of the frame; None for the photograph's. The sharp source is sampled at full resolution.
        generator: CPU generator of the sensor's noise; None for the expected, noise-free frame, which is
            differentiable up to clipping.
        dial: False: `camera.color_temperature_k` is that of the light (2000 K is orange). True: it is what the
            camera's white-balance dial says under unchanged light (2000 K is blue).
        highlights: how far clipped highlights are extended before blurring, see `expand_highlights`; 0 is physical.
        background: what the foreground hides, where known; otherwise it is filled in from the surroundings.
        iris_chosen: whether somebody chose the f-number, so that even that of a sharp photograph blurs as a lens does.
        on_progress: called with the finished share in [0,1] many times within the frame; may raise to cancel.

    Raises:
        MissingDepth: f-number or focus differ from the photograph's, whose depth is unknown. A zoom without depth is a
            pure crop.
        ValueError: the camera sees more than the photograph holds.
    """
    prepared = PreparedPhoto(photo, size, highlights, background)
    return render(Shot(camera, photo.camera, prepared.size, prepared, dial, iris_chosen, generator), on_progress)


def render(shot: Shot, on_progress: Progress = unreported) -> Tensor:
    """The frame (3,H,W) in [0,1] sRGB of a shot, in the type of its photograph. Frames of one photograph share work."""
    stages = [stage for stage in STAGES if stage.acts(shot)]
    total, done = 1 + sum(stage.work for stage in stages), 0.0
    view = View(shot.source.crop(1.0))
    for stage in stages:
        view = stage.render(view, shot, part_of(on_progress, done / total, (done + stage.work) / total))
        done += stage.work
        on_progress(done / total)
    encoded = view.then(lambda light, rows: linear_to_srgb(light.clamp(0, 1)))
    frame = encoded.developed(part_of(on_progress, done / total, 1)).to(shot.source.photo.image.dtype)
    on_progress(1.0)
    return frame


def knowledge(shot: Shot) -> Tensor:
    """How much of each pixel of `render` the photograph determines, (H,W) in [0,1].

    1 is known, 0 is guessed: light of a clipped pixel, what a blurred foreground uncovers. Between: pixels that are
    finer than the photograph's, by the share of them that it has; blur that mixes both.
    """
    crop = shot.source.crop(1.0)
    known = crop.known
    view = View(crop, known=known)
    for stage in STAGES:
        if stage.acts(shot):
            view = stage.render(view, shot, unreported)
            if view.known is None:
                raise RuntimeError(f"The stage {stage.name} does not say what is known after it, as `render` must.")
            known = view.known
    return known


def scene_light(frame: Tensor, shot: Shot) -> Tensor:
    """Linear light (3,H,W) of a frame (3,H,W) in [0,1] sRGB as the photograph of the shot would show it.

    Undoes what happened to pixels one by one, exposure and color, where nothing was clipped; light above 1 is what the
    photograph would have clipped. What the lens did to the picture stays.
    """
    light = srgb_to_linear(frame.float())
    for stage in reversed(STAGES):
        if isinstance(stage, PixelStage) and stage.undo is not None and stage.acts(shot):
            light = stage.undo(shot)(light, slice(0, light.shape[1]))
    return light


def simulate(
    photo: Photo,
    sweep: CameraSweep,
    *,
    variant: str = "physical",
    size: tuple[int, int] | None = None,
    on_progress: Progress = unreported,
    **options: Any,
) -> Iterator[Tensor]:
    """The frames of a sweep one after another, each (3,H,W) in [0,1] sRGB; `stacked` makes one tensor of them.

    `physical` renders every state as `photograph` does, which has the further options; the dial is the sweep's.
    `published` renders what the released adapters were trained on; it knows one setting at a time and no options.

    Raises:
        ValueError: at once, if the variant cannot render this sweep.
    """
    if variant == "physical":
        return _physical_frames(photo, sweep, size, on_progress, **options)
    if variant == "published":
        published, values = _published(sweep, options)
        return _published_frames(photo, published, values, size or photo.size, on_progress)
    raise ValueError(f"Unknown variant {variant!r}. Variants: {', '.join(VARIANTS)}.")


def stacked(frames: Iterable[Tensor], count: int, into: Tensor | None = None) -> Tensor:
    """`count` frames (3,H,W) as (F,3,H,W), each copied as it comes: into a new tensor like them, or into that one."""
    rest = iter(frames)
    for index in range(count):  # not by enumerate, which holds the last frame while the next is made
        frame = next(rest)
        if into is None:
            into = frame.new_empty(count, *frame.shape)
        into[index] = frame
        del frame
    if into is None:
        raise ValueError("No frames cannot be stacked: count is 0. Give at least one.")
    return into


def _physical_frames(
    photo: Photo,
    sweep: CameraSweep,
    size: tuple[int, int] | None,
    on_progress: Progress,
    *,
    generator: Generator | None = None,
    highlights: float = 0.0,
    background: Photo | None = None,
) -> Iterator[Tensor]:
    prepared = PreparedPhoto(photo, size, highlights, background)
    iris_chosen = any(setting.moves_iris for setting in sweep.settings)
    cameras = sweep.cameras
    for index, camera in enumerate(cameras):
        shot = Shot(camera, photo.camera, prepared.size, prepared, sweep.dial, iris_chosen, generator)
        yield render(shot, part_of(on_progress, index / len(cameras), (index + 1) / len(cameras)))


def _published_frames(
    photo: Photo, published: Published, values: Sequence[float], size: tuple[int, int], on_progress: Progress
) -> Iterator[Tensor]:
    for index, value in enumerate(values):
        progress = part_of(on_progress, index / len(values), (index + 1) / len(values))
        frame = published.frame(photo, value, size, progress).to(photo.image.dtype)
        progress(1.0)
        yield frame


def _published(sweep: CameraSweep, options: dict[str, Any]) -> tuple[Published, Sequence[float]]:
    """What is published of the one setting that the sweep varies, and its values."""
    setting, *others = sweep.settings
    if sweep.dial:
        raise ValueError("The published variant knows no white-balance dial. Leave dial off, or use physical.")
    if others or setting.published is None:
        known = ", ".join(s.name for s in SETTINGS if s.published)
        raise ValueError(
            f"The published variant simulates one setting at a time, of {known}; this sweep varies "
            f"{', '.join(sweep.values)}. Use the physical variant."
        )
    if given := sorted(name for name, value in options.items() if value):
        raise ValueError(f"The published variant has no {', '.join(given)}. Leave it at its default, or use physical.")
    return setting.published, sweep.values[setting.name]
