"""What the released Generative Photography adapters were trained on (Yuan et al., CVPR 2025), defects included.

Nothing here is optics; that is `physical`. The weights learned these pictures, these camera maps and these words, so
every rounding stays as it was: golden tests compare bit for bit. A defect is named once, where it is computed.

Four settings with four functions each:
  *_frame   one sharp photo (3,H,W) in [0,1] as the camera value turns it: multiples of 1/255, (3,H,W) float32
  *_prior   the camera map of a sweep, values (F,) -> (F,3,H,W) float32
  *_prompt  the words of one value
  *_sample  values of a training sweep, (F,)

The arithmetic runs on the CPU and only the scatter on the image's device; results return to the device of the input.
Values are float32 from the start. Out-of-range ones are computed, because the reference did, unless they are not
finite and positive.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .progress import Progress, unreported
from .scatter import scatter

if TYPE_CHECKING:
    from .photo import Photo

SIZE = (256, 384)
BASE_FOCAL_MM = 24.0
HALF_SENSOR_MM = (18.0, 12.0)  # half width, half height
BASE_EXPOSURE = 0.5

Values = Tensor | Sequence[float]


# Frames


def bokeh_frame(
    image: Tensor,
    disparity: Tensor,
    k: float,
    *,
    focus: float = 0.96,
    gamma: float = 2.2,
    on_progress: Progress = unreported,
) -> Tensor:
    """Blur of radius k |disparity - focus| [px]: pow 2.2 for sRGB, 8 bit clipped highlights, no occlusion.

    `disparity` (H,W), large is near, is stretched to 0..1 for each image, so one k is another aperture in each photo.
    Bit for bit only up to the order of sums: the reference added by CUDA atomics, in random order, and took its powers
    on CUDA (not measured). Two orders on the CPU differ in up to one code of 12,000, by 1.
    """
    codes = _codes(image)
    disparity = disparity.to("cpu", torch.float32)
    span = disparity.max() - disparity.min()
    if not (torch.isfinite(span) and span > 0):
        raise ValueError(
            f"disparity must be finite and not constant, got {disparity.min():g} to {disparity.max():g}: "
            "the published bokeh stretches it to 0..1 and has no meaning for a flat map"
        )
    nearness = (disparity - disparity.min()) / span
    # Divided and multiplied by 10 as BokehMe does for its neural part: that moves some radii by one ulp,
    # and over an integer where the scatter truncates.
    radius_px = _positive([k], "bokeh kernel size k [px]") * (nearness - focus) / 10.0 * 10.0
    linear = (codes / 255) ** gamma
    blurred = scatter(linear.to(image.device), radius_px.to(image.device), on_progress=on_progress).cpu()
    return (torch.round(blurred ** (1 / gamma) * 255) / 255).to(image.device)


def focal_length_frame(
    image: Tensor, focal_mm: float, *, size: tuple[int, int] = SIZE, base_mm: float = BASE_FOCAL_MM
) -> Tensor:
    """Center crop of a photo taken at `base_mm`, resized to `size` (H,W) by Pillow's Lanczos.

    Angles, not tangents: the crop is the smaller of two ratios of angles of view, 7 % too wide at 70 mm. Its box is
    rounded to whole pixels, so scale and center jitter along a sweep. Shorter than `base_mm` is the whole photo.
    """
    height, width = image.shape[-2:]
    focal = _positive([focal_mm], "focal length [mm]")
    ratio = min(math.atan((half / focal).item()) / math.atan(half / base_mm) for half in HALF_SENSOR_MM)
    crop_w, crop_h = (max(1, min(side, round(ratio * side))) for side in (width, height))
    box = (int((width - crop_w) / 2), int((height - crop_h) / 2), int((width + crop_w) / 2), int((height + crop_h) / 2))
    photo = Image.fromarray(_codes(image).permute(1, 2, 0).numpy())
    zoomed = photo.crop(box).resize((size[1], size[0]), Image.Resampling.LANCZOS)
    return (torch.from_numpy(np.array(zoomed)).permute(2, 0, 1).contiguous() / 255).to(image.device)


def shutter_speed_frame(image: Tensor, seconds: float, *, full_well: float = 32000.0) -> Tensor:
    """An 8-bit sensor without noise, fed with gamma codes as if they were light.

    Every photo is exposed to its own mean, and light is 0.6 t + 0.1, not proportional to t: 0.1 s is 2.9 stops below
    0.5 s. Training drew `full_well` [electrons] from 19000 to 64000; it cancels but for the rounding of single codes.
    """
    codes = _codes(image).double()
    seconds = _positive([seconds], "exposure time [s]").item()
    electrons = codes * ((0.6 * seconds + 0.1) * full_well / (codes.mean() + 0.0001))
    sensed = torch.round(electrons.clamp(0, full_well) * 255 / full_well).clamp(0, 255)
    return (sensed.float() / 255).to(image.device)


def color_temperature_frame(image: Tensor, kelvin: float) -> Tensor:
    """Three gains on gamma codes, cut down to whole codes; a low value is orange. Neutral only at 6600 K."""
    kelvin = _positive([kelvin], "color temperature [K]").item()
    gains = torch.tensor(_altered_helland(kelvin)).clamp(0, 255) / 255
    # Truncated, not rounded: half a code darker on average.
    tinted = (_codes(image) * gains[:, None, None]).clamp(0, 255).byte()
    return (tinted / 255).to(image.device)


def reduced(plane: Tensor, longest: int, *, nearest: bool = False) -> Tensor:
    """A photo or its depth (...,h,w), no longer than `longest` [px] on either side; depth goes by `nearest`.

    The photographs of training were about as large as SIZE. In a larger one a blur in pixels would be another blur, and
    `resize` would alias.
    """
    scale = longest / max(plane.shape[-2:])
    if scale >= 1:
        return plane
    size = [max(1, round(side * scale)) for side in plane.shape[-2:]]
    stacked = plane.reshape(1, -1, *plane.shape[-2:]).float()
    if nearest:
        small = torch.nn.functional.interpolate(stacked, size, mode="nearest-exact")
    else:
        small = torch.nn.functional.interpolate(stacked, size, mode="bilinear", antialias=True).clamp(0, 1)
    return small.reshape(*plane.shape[:-2], *size).to(plane.dtype)


def resize(frame: Tensor, size: tuple[int, int]) -> Tensor:
    """A frame (3,h,w) at the size of training: bilinear and aliased, as torchvision 0.16 resizes a tensor."""
    return torch.nn.functional.interpolate(frame[None], size, mode="bilinear", align_corners=False)[0]


def of_each_pixel(
    frame: Callable[[Tensor, float], Tensor],
) -> Callable[[Photo, float, tuple[int, int], Progress], Tensor]:
    """The training frame of `Published`, where `frame` (photo (3,h,w), value) changes every pixel by itself."""

    def resized(photo: Photo, value: float, size: tuple[int, int], on_progress: Progress) -> Tensor:
        return resize(frame(reduced(photo.image, max(size)), value), size)

    return resized


# Priors


def bokeh_prior(values: Values, size: tuple[int, int] = SIZE) -> Tensor:
    """One constant per frame: the center weight of a Gaussian kernel of k taps, 1 <= k.

    Tap spacing and sigma both scale with k, so only ceil(k) matters: 17.2 and 18 share one map and differ in the words.
    """
    values = _positive(values, "bokeh kernel size k")
    if (values < 1).any():
        raise ValueError(f"bokeh kernel size k must be 1 or more, got {values.tolist()}: the published map ends there")
    return _constant(torch.tensor([[_gaussian_center(k)] * 3 for k in values.tolist()]), size, values.device)


def focal_length_prior(values: Values, size: tuple[int, int] = SIZE) -> Tensor:
    """1 inside the crop of each frame, 0 outside.

    Width and height follow their own ratio of angles, so the box is not the one of `focal_length_frame`, which takes
    the smaller for both. A box with an odd side loses one pixel.
    """
    values = _positive(values, "focal length [mm]")
    height, width = size
    half_sensor = torch.tensor(HALF_SENSOR_MM)
    ratios = torch.atan(half_sensor / values.cpu()[:, None]) / torch.atan(half_sensor / BASE_FOCAL_MM)
    prior = torch.zeros(len(values), 3, height, width)
    for frame, sides in zip(prior, torch.round(ratios * torch.tensor([width, height])).int().tolist(), strict=True):
        half_w, half_h = (max(1, min(limit, side)) // 2 for side, limit in zip(sides, (width, height), strict=True))
        y, x = height // 2, width // 2
        frame[:, y - half_h : y + half_h, x - half_w : x + half_w] = 1.0
    return prior.to(values.device)


def shutter_speed_prior(values: Values, size: tuple[int, int] = SIZE) -> Tensor:
    """One constant per frame: t / 0.5 s, not the 0.6 t + 0.1 of the pictures.

    The reference multiplies by 32000 / 32000.0001 as well, which is exactly 1 in float32.
    """
    values = _positive(values, "exposure time [s]")
    return _constant((values.cpu() / BASE_EXPOSURE)[:, None].expand(-1, 3), size, values.device)


def color_temperature_prior(values: Values, size: tuple[int, int] = SIZE) -> Tensor:
    """One constant color per frame, of 2000 + 8000 v kelvin although v already is in kelvin: 5455 K is 43,642,000 K.

    The sum is float32 and so a multiple of 4; the color is float64, as in the released inference. The training script
    stayed in float32: a quarter of its values differ, by one or two ulp.
    """
    values = _positive(values, "color temperature [K]")
    kelvins = (2000 + values.cpu() * 8000).tolist()
    return _constant(torch.tensor([_altered_helland(kelvin) for kelvin in kelvins]) / 255, size, values.device)


# Prompts: the float32 spelling, never rounded for display: the digits are tokens, and the weights learned the tokens.


def bokeh_prompt(value: float) -> str:
    """ "<bokeh kernel size: 2.440000057220459>" for 2.44."""
    return f"<bokeh kernel size: {_float32(value)}>"


def focal_length_prompt(value: float) -> str:
    """ "<focal length: 24.0>" for 24."""
    return f"<focal length: {_float32(value)}>"


def shutter_speed_prompt(value: float) -> str:
    """ "<exposure: 0.10000000149011612>" for 0.1."""
    return f"<exposure: {_float32(value)}>"


def color_temperature_prompt(value: float) -> str:
    """ "<color temperature: 5455.0>" for 5455."""
    return f"<color temperature: {_float32(value)}>"


# Samples: the distributions of training, every frame on its own; not the reference's random numbers.


def bokeh_sample(frames: int, generator: torch.Generator) -> Tensor:
    """k, uniform from 1 to 30."""
    return 1 + 29 * torch.rand(frames, generator=generator)


def focal_length_sample(frames: int, generator: torch.Generator) -> Tensor:
    """Focal lengths [mm], uniform from 24 to 70."""
    return 24 + 46 * torch.rand(frames, generator=generator)


def shutter_speed_sample(frames: int, generator: torch.Generator) -> Tensor:
    """Exposure times [s], normal (0.48, 0.25) clipped to 0.1..1: 6 % are exactly 0.1 and 2 % exactly 1."""
    return (0.48 + 0.25 * torch.randn(frames, generator=generator)).clamp(0.1, 1.0)


def color_temperature_sample(frames: int, generator: torch.Generator) -> Tensor:
    """Color temperatures [K], uniform from 2000 to 10000."""
    return 2000 + 8000 * torch.rand(frames, generator=generator)


# Shared parts


def _codes(image: Tensor) -> Tensor:
    """The nearest 8-bit codes of an image (3,H,W) in [0,1], uint8 on the CPU."""
    if image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(f"image must be (3,H,W), got {tuple(image.shape)}")
    low, high = image.min().item(), image.max().item()
    if not (low >= 0 and high <= 1):
        raise ValueError(f"image must lie in [0,1], got {low:g} to {high:g}")
    return torch.round(image.cpu().float() * 255).byte()


def _float32(value: float) -> float:
    return torch.tensor(value, dtype=torch.float32).item()


def _positive(values: Values, name: str) -> Tensor:
    """The values as float32 (F,), or an error where the published formulas return NaN or nonsense."""
    values = torch.as_tensor(values, dtype=torch.float32)
    if values.ndim != 1 or not (torch.isfinite(values) & (values > 0)).all():
        raise ValueError(f"{name} must be a list of finite numbers above 0, got {values.tolist()}")
    return values


def _constant(colors: Tensor, size: tuple[int, int], device: torch.device) -> Tensor:
    """Constant frames (F,3,H,W) of the colors (F,3)."""
    return colors.to(device)[:, :, None, None].expand(-1, -1, *size).contiguous()


def _gaussian_center(k: float) -> float:
    taps = math.ceil(k)
    axis = np.linspace(-k / 2, k / 2, taps)
    kernel = np.exp(-(axis[None, :] ** 2 + axis[:, None] ** 2) / (2 * (k / 3.0) ** 2))
    return (kernel[taps // 2, taps // 2] / kernel.sum()).item()


def _altered_helland(kelvin: float) -> tuple[float, float, float]:
    """RGB codes 0..255 (not clipped) of a light source: Helland's fit of 2012 with two other exponents.

    Helland's are -0.1332047592 and -0.0755148492. With these a picture at 10000 K is as blue as one at 28700 K, and
    the mean of both branches between 6600 and 8800 K leaves jumps at its ends: red 255 to 244, then 214 to 173.
    """
    t = kelvin / 100.0
    warm_green = 99.4708025861 * math.log(t) - 161.1195681661
    warm_blue = 138.5177312231 * math.log(t - 10) - 305.0447927307 if t > 19 else 0.0
    if t <= 66:
        return 255.0, warm_green, warm_blue
    cold_red = 329.698727446 * (t - 60) ** -0.19332047592
    cold_green = 288.1221695283 * (t - 60) ** -0.1155148492
    if t <= 88:
        return 0.5 * (255 + cold_red), 0.5 * (cold_green + warm_green), 0.5 * (warm_blue + 255)
    return cold_red, cold_green, 255.0
