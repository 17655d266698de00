"""The differential camera embedding: a coarse physical prior, and the differences of CLIP features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..camera.setting import CameraSetting
from ..camera.settings import SETTINGS, setting_named
from ..camera.sweep import CameraSweep

MIN_FRAMES = 2


def steered_setting(declared: str | None, sweep: CameraSweep) -> CameraSetting:
    """The setting that an adapter steers: what its file declares, else what the sweep varies.

    Released files declare nothing. A sweep of the aperture then means the released setting of the same iris, bokeh.

    Raises:
        ValueError: if nothing is declared and the sweep varies several settings.
    """
    if declared is not None:
        return setting_named(declared)
    if len(sweep.settings) > 1:
        raise ValueError(
            "The camera adapter does not say which setting it steers, and the sweep varies "
            f"{' and '.join(sweep.values)}. Sweep one of them, or say it by `python -m genphoto convert FILE OUT "
            "--setting NAME`."
        )
    released = [setting for setting in (*sweep.settings, *SETTINGS) if setting.published]
    return next((s for s in released if len({s.read(camera) for camera in sweep.cameras}) > 1), released[0])


def setting_values(sweep: CameraSweep, setting: CameraSetting) -> list[float]:
    """The sweep as values of one setting.

    Raises:
        ValueError: if that setting does not change in the sweep, the sweep has a single frame, or its color
            temperatures are those of a white-balance dial.
    """
    values = [setting.read(camera) for camera in sweep.cameras]
    if sweep.dial and len({camera.color_temperature_k for camera in sweep.cameras}) > 1:
        raise ValueError(
            "The color temperatures of this sweep are those of a white-balance dial (2000 K is blue); camera adapters "
            "know those of the light (2000 K is orange). Give the sweep without dial."
        )
    if len(values) < MIN_FRAMES:
        raise ValueError(
            f"A differential camera encoding needs at least {MIN_FRAMES} frames, this sweep has {len(values)}: "
            "the encoder reads differences between neighboring settings."
        )
    swept = {s.name for s in sweep.settings}
    if setting.name not in swept and max(values) - min(values) <= 1e-6 * max(values):
        raise ValueError(
            f"This camera adapter steers {setting.name}, but the sweep varies {', '.join(sorted(swept))}. Choose the "
            f"adapter of that setting, or sweep {setting.name}."
        )
    return values


def magnifications(values: Sequence[float], setting: CameraSetting, strength: float = 1.0) -> Tensor:
    """How large every frame (F,) shows things, relative to the first, at a strength of the camera."""
    sizes = torch.tensor([setting.magnification(value) for value in values])
    return (sizes / sizes[0]) ** strength


def camera_prompts(values: Sequence[float], setting: CameraSetting) -> list[str]:
    """The words of every frame, for the text encoder."""
    return [setting.prompt(value) for value in values]


def clip_differences(hidden: Tensor, size: tuple[int, int]) -> Tensor:
    """(F,T,D) last hidden states of the camera prompts -> (F,H,W): what changes from each frame to the next.

    Row i is h[i+1] - h[i]; the last row is h[last] - h[first]. Token vectors fill the picture row by row, zeros after
    the last token.
    """
    following = torch.cat([hidden[1:] - hidden[:-1], (hidden[-1] - hidden[0])[None]])
    height, width = size
    flat = following.flatten(1)
    if flat.shape[1] > height * width:
        raise ValueError(
            f"{hidden.shape[1]} tokens of width {hidden.shape[2]} do not fit a camera embedding of {width} x {height}. "
            "Camera prompts are 77 tokens long: use the text encoder of SD 1.5, without further text."
        )
    return F.pad(flat, (0, height * width - flat.shape[1])).reshape(-1, height, width)


def camera_embedding(prior: Tensor, hidden: Tensor) -> Tensor:
    """Coarse prior (F,3,H,W) and hidden states (F,T,D) of the camera prompts -> camera embedding (1,6,F,H,W)."""
    differences = clip_differences(hidden, prior.shape[-2:])
    stacked = torch.cat([prior.to(differences), differences[:, None].expand(-1, 3, -1, -1)], 1)
    return stacked.transpose(0, 1)[None]


def coarse_prior(
    sweep: CameraSweep, setting: CameraSetting, values: Sequence[float], variant: str, size: tuple[int, int]
) -> Tensor:
    """The setting's coarse prior (F,3,H,W), as `physical` optics or as the `published` adapters learned it."""
    if variant == "published":
        return setting.published.prior(values, size)
    return setting.prior(sweep.cameras, sweep.base, size)
