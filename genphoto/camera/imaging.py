"""The whole chain: what a complete camera state makes of a scene that is known from one sharp photograph."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from .camera import Camera
from .colorimetry import apply_matrix, camera_dial_matrix, linear_to_srgb, srgb_to_linear, white_balance_matrix
from .defocus import defocus, expand_highlights
from .optics import blur_radius_px, crop_ratio, light_ev, zoom, zoom_step
from .photo import Photo
from .sensor import expose
from .setting import CameraSetting, Progress
from .settings import SETTINGS
from .sweep import CameraSweep

VARIANTS = ("physical", "published")
LENS_SHARE = 0.8  # of the work on a frame, for progress


def _unreported(done: float) -> None:
    """Progress that nobody follows."""


def _blur_px(disparity: Tensor, camera: Camera, photo: Photo, sensor_px: float, ratio: float) -> Tensor:
    """Signed blur radius [px] that a camera adds to the photograph: what its lens blurs, less what is blurred already.

    Radii of discs subtract as squares, since variances of successive blurs add. A photograph that counts as sharp has
    no blur to subtract. `sensor_px` is the sensor's width in pixels of the result.
    """
    wanted = blur_radius_px(disparity, camera, sensor_px)
    if photo.is_sharp:
        return wanted
    present = blur_radius_px(disparity, photo.camera, sensor_px / ratio)
    square = wanted.square() - present.square()
    return torch.where(square > 0, wanted.sign() * square.where(square > 0, 1).sqrt(), 0)


def _lens(
    photo: Photo,
    camera: Camera,
    size: tuple[int, int],
    highlights: float,
    background: Photo | None,
    iris_set: bool,
    on_progress: Progress,
) -> Tensor:
    """Zoom and depth of field: the linear light (3,H,W) that falls on the sensor, before exposure."""
    ratio = crop_ratio(camera, photo.camera)
    light = expand_highlights(srgb_to_linear(photo.image.float()), highlights)
    taken = photo.camera
    same_lens = (camera.f_number, camera.focus_distance_m) == (taken.f_number, taken.focus_distance_m)
    if not same_lens:
        photo.require_disparity()
    if photo.disparity is None or (same_lens and photo.is_sharp and not iris_set):
        return zoom(light, ratio, size).clamp(min=0)

    sensor_px = max(photo.size) / zoom_step(photo.size, 1.0, size)
    extremes = torch.stack(photo.disparity.detach().float().aminmax())
    reach = math.ceil(float(_blur_px(extremes, camera, photo, sensor_px, ratio).abs().max()))
    # Blur reaches into the frame from outside it: render as much around it as the photograph holds.
    step = zoom_step(photo.size, ratio, size)
    margin = tuple(min(reach, int((have / step - want) / 2)) for have, want in zip(photo.size, size, strict=True))

    def seen(picture: Tensor, nearest: bool = False) -> Tensor:
        return zoom(picture, ratio, size, margin=margin, nearest=nearest)

    def blur(disparity: Tensor) -> Tensor:
        return _blur_px(seen(disparity.float()[None], nearest=True)[0], camera, photo, sensor_px, ratio)

    hidden = None
    if background is not None:
        hidden = seen(srgb_to_linear(background.image.float())).clamp(min=0), blur(background.require_disparity())
    frame = defocus(
        seen(light).clamp(min=0),
        blur(photo.disparity),
        aperture=camera.aperture,
        background=hidden,
        on_progress=on_progress,
    )
    return frame[:, margin[0] : margin[0] + size[0], margin[1] : margin[1] + size[1]]


def photograph(
    photo: Photo,
    camera: Camera,
    *,
    size: tuple[int, int] | None = None,
    generator: Generator | None = None,
    dial: bool = False,
    highlights: float = 0.0,
    background: Photo | None = None,
    iris_set: bool = False,
    on_progress: Progress | None = None,
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
        iris_set: whether somebody chose the f-number, so that even the one of a sharp photograph blurs as a lens does.
        on_progress: called with the finished share in [0,1] many times within the frame; may raise to cancel.

    Raises:
        MissingDepth: f-number or focus differ from the photograph's, whose depth is unknown. A zoom without depth is a
            pure crop.
        ValueError: the camera sees more than the photograph holds.
    """
    taken = photo.camera
    report = on_progress or _unreported
    light = _lens(
        photo, camera, size or photo.size, highlights, background, iris_set, lambda done: report(LENS_SHARE * done)
    )
    report(LENS_SHARE)
    signal = expose(
        light,
        camera.sensor,
        exposure_ev=light_ev(camera, taken),
        exposure_time_s=camera.exposure_time_s,
        iso=camera.iso,
        base_iso_of_image=taken.iso,
        generator=generator,
    )
    report((1 + LENS_SHARE) / 2)
    balance = camera_dial_matrix if dial else white_balance_matrix
    matrix = balance(camera.color_temperature_k, taken.color_temperature_k, camera.tint_duv, taken.tint_duv)
    frame = linear_to_srgb(apply_matrix(signal, matrix).clamp(0, 1)).to(photo.image.dtype)
    report(1.0)
    return frame


def simulate(
    photo: Photo,
    sweep: CameraSweep,
    *,
    variant: str = "physical",
    size: tuple[int, int] | None = None,
    on_progress: Progress | None = None,
    **options: object,
) -> Tensor:
    """One frame per state of the sweep, (F,3,H,W) in [0,1] sRGB.

    `physical` renders every state by `photograph`, which takes the further options; the dial is the sweep's.
    `published` renders what the released adapters were trained on; it knows one setting at a time and no options.
    """
    count = len(sweep)

    def progress_of(index: int) -> Progress:
        return lambda done: (on_progress or _unreported)((index + done) / count)

    if variant == "physical":
        options["iris_set"] = any(setting.moves_iris for setting in sweep.settings)
        frames = [
            photograph(photo, camera, size=size, dial=sweep.dial, on_progress=progress_of(i), **options)
            for i, camera in enumerate(sweep.cameras)
        ]
    elif variant == "published":
        setting = _published_setting(sweep, options)
        values = sweep.values[setting.name]
        frames = []
        for index, value in enumerate(values):
            report = progress_of(index)
            frame = setting.published.frame(photo, value, size or photo.size, report)
            frames.append(frame.to(photo.image.dtype))
            report(1.0)
    else:
        raise ValueError(f"Unknown variant {variant!r}. Variants: {', '.join(VARIANTS)}.")
    return torch.stack(frames)


def _published_setting(sweep: CameraSweep, options: dict[str, object]) -> CameraSetting:
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
    return setting
