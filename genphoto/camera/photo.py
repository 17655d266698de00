"""Photo: a scene, known from one sharp photograph and its depth."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .camera import SHARP_F_NUMBER, Camera

TOLERANCE = 1e-3  # rounding of half-precision pictures
GREY_TOLERANCE = 4.5 / 255  # between the channels of a grey picture, after lossy compression


class MissingDepth(ValueError):
    """Depth of field was asked of a photograph whose depth is unknown."""


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """One sharp photograph and what is known of how it was taken.

    Args:
        image: (3,H,W) in [0,1], sRGB; float32, float16 or bfloat16.
        disparity: (H,W) inverse distance 1/z [1/m], 0 at infinity; None when depth is unknown.
        camera: the state under which it was taken. Its own blur, exposure and white balance are in the picture
            already; a camera adds what differs, so at this state the photograph comes back. From f/64 on it counts as
            sharp: without any blur of its own.
    """

    image: Tensor
    disparity: Tensor | None = None
    camera: Camera = field(default_factory=Camera)

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[0] != 3 or not self.image.is_floating_point():
            raise ValueError(
                f"A photograph is a float RGB image of shape (3, height, width), got {self.image.dtype} "
                f"{tuple(self.image.shape)}. Repeat a grey channel three times; drop or composite an alpha channel."
            )
        low, high = self.image.detach().aminmax() if self.image.numel() else (math.nan, math.nan)
        if not (low >= -TOLERANCE and high <= 1 + TOLERANCE):  # also refuses NaN
            raise ValueError(
                f"A photograph has at least one pixel and values in [0,1], got {_pixels(self.image.shape[1:])} with "
                f"values from {float(low):g} to {float(high):g}. Divide 8-bit codes by 255; replace NaN."
            )
        if self.disparity is not None:
            if self.disparity.shape != self.image.shape[1:]:
                raise ValueError(
                    f"Depth of {_pixels(self.disparity.shape)} does not fit a photograph of "
                    f"{_pixels(self.image.shape[1:])}. Resize the depth to the photograph with nearest neighbor "
                    "(soft edges become false depths), or make it from this photograph."
                )
            if not bool((torch.isfinite(self.disparity) & (self.disparity >= 0)).all()):
                raise ValueError("Depth holds NaN, infinite or negative disparities. Distances must be positive.")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.image.shape[1], self.image.shape[2]

    @property
    def is_sharp(self) -> bool:
        """Whether it has no blur of its own, at any distance."""
        return self.camera.f_number >= SHARP_F_NUMBER

    def focus_distance_at(self, x: float, y: float) -> float:
        """Distance [m] of the point at (x, y), shares of width and height from the top left corner, in [0,1]."""
        disparity = self.require_disparity()
        for name, value in (("x", x), ("y", y)):
            if not 0 <= value <= 1:
                raise ValueError(f"Focus point {name} = {value:g} is outside the photograph. Use 0 (left, top) to 1.")
        height, width = self.size
        row, column = min(int(y * height), height - 1), min(int(x * width), width - 1)
        return 1 / max(float(disparity[row, column]), 1e-4)  # 10 km is infinity to any lens here

    def require_disparity(self) -> Tensor:
        """The disparity, or `MissingDepth` that says why it is needed."""
        if self.disparity is None:
            raise MissingDepth("Depth of field needs to know what is near and what is far: give a depth map.")
        return self.disparity


def _pixels(shape: tuple[int, ...]) -> str:
    return " x ".join(str(n) for n in reversed(shape)) + " pixels"


def grey_of(picture: Tensor) -> Tensor:
    """The grey (H,W) of a depth map drawn as a picture (H,W,C) in [0,1]; C is 1 or 3, with or without alpha.

    Raises:
        ValueError: it is colored. What compression leaves of color in a grey picture is not.
    """
    channels = picture[..., : 3 if picture.shape[-1] >= 3 else 1]
    low, high = channels.aminmax(dim=-1)
    if bool((high - low > GREY_TOLERANCE).any()):
        raise ValueError(
            "it is a color picture, and colors have no order: which is near cannot be told. Use the depth before it "
            "was colored, or save it as grey, best 16 bit."
        )
    return channels[..., channels.shape[-1] // 2]  # green


def disparity_from_relative(relative: Tensor, near_m: float = 1.0, far_m: float = 1000.0) -> Tensor:
    """Disparity [1/m] from a map (H,W) linear in 1/z, larger is nearer: from 1/far_m at its minimum to 1/near_m."""
    return _share(relative, near_m, far_m) * (1 / near_m - 1 / far_m) + 1 / far_m


def disparity_from_relative_distance(relative: Tensor, near_m: float = 1.0, far_m: float = 1000.0) -> Tensor:
    """Disparity [1/m] from a map (H,W) linear in z, larger is farther: from near_m at its minimum to far_m."""
    return 1 / (near_m + _share(relative, near_m, far_m) * (far_m - near_m))


def _share(relative: Tensor, near_m: float, far_m: float) -> Tensor:
    """The map stretched to [0,1], once both are found usable."""
    if not 0 < near_m < far_m:
        raise ValueError(f"Nearest distance {near_m:g} m must be above 0 and below the farthest, {far_m:g} m.")
    relative = relative.float()
    if invalid := int((~torch.isfinite(relative)).sum()):
        raise ValueError(
            f"{invalid} of {relative.numel()} values are NaN or infinite: where they lie is not defined. Fill them in, "
            "or use depth in meters, where they are infinitely far."
        )
    low, high = relative.aminmax()
    if not bool(high > low):
        raise ValueError(
            f"The depth map is constant ({float(low):g} everywhere): it does not say what is near and what is far. "
            "Check the node or file that made it."
        )
    return (relative - low) / (high - low)


def disparity_from_depth(depth: Tensor, nearest_m: float | None = None) -> Tensor:
    """Disparity [1/m] from distances (H,W); infinite, NaN and non-positive ones (sky) are infinitely far.

    Distances are in meters, or up to an unknown factor: then the nearest lies at `nearest_m`.
    """
    depth = depth.float()
    valid = torch.isfinite(depth) & (depth > 0)
    if not bool(valid.any()):
        raise ValueError("The depth map has no valid distance: all values are zero, negative or not finite.")
    disparity = torch.where(valid, 1 / depth.where(valid, 1), 0)
    return disparity if nearest_m is None else disparity / (disparity.max() * nearest_m)
