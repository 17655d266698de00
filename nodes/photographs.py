"""What arrives on ComfyUI's sockets as a photograph and its depth."""

import torch
from comfy_api.latest import io

from ..genphoto.camera.photo import (
    disparity_from_depth,
    disparity_from_relative,
    disparity_from_relative_distance,
    grey_of,
)
from . import comfy_host

DEPTH_SOCKETS = [io.Image, io.Mask, io.Custom("DA3_GEOMETRY"), io.Custom("MOGE_GEOMETRY")]
# How a depth map becomes disparity, (map, near_m, far_m) -> (H,W) [1/m]. The keys are stored in workflows.
DEPTH_KINDS = {
    "disparity, white is near": disparity_from_relative,
    "distance, white is near": lambda values, near, far: disparity_from_relative_distance(-values, near, far),
    "distance, white is far": disparity_from_relative_distance,
    "meters": lambda values, near, far: disparity_from_depth(_meters(values)),
}
DEPTH_ADVICE = (
    "Connect the depth of this picture to PhysicsSimulate: add the core nodes 'Load Depth Anything 3' and 'Run Depth "
    "Anything 3' (or 'Run MoGe Inference'), or load a depth map with 'Load Image'."
)
DEPTH_RANGE = {
    "near_m": dict(
        default=1.0,
        min=0.01,
        max=1000.0,
        step=0.01,
        round=0.001,
        tooltip="Distance of the nearest point [m], where the depth has no unit of its own.",
    ),
    "far_m": dict(
        default=1000.0,
        min=0.02,
        max=10000.0,
        step=1.0,
        tooltip="Distance of the farthest point of a depth map [m]; 1000 is as good as infinity.",
    ),
}
PICTURE_WHITES = (255, 65535)
SAME_CODE = 1e-6  # how near to a code of a picture a value is that was one
SKY = 0.3  # the sky score from which core takes a pixel for sky


def require_frames(name: str, images: torch.Tensor) -> torch.Tensor:
    """An IMAGE (F,H,W,C) that holds at least one frame."""
    if not len(images):
        raise ValueError(f"{name} holds no frames. Connect the frames of a sweep.")
    return images


def depth_range(advanced: bool | None = None) -> list[io.Float.Input]:
    """The inputs near_m and far_m of a node that takes depth."""
    return [io.Float.Input(name, advanced=advanced, **told) for name, told in DEPTH_RANGE.items()]


def to_photo_image(image: torch.Tensor) -> torch.Tensor:
    """(3,H,W) from an IMAGE (1,H,W,C): grey is repeated, alpha composited over white."""
    if image.shape[0] != 1:
        raise ValueError(
            f"A sweep is taken of one photograph, but the image input holds a batch of {image.shape[0]}. Pick one "
            "with 'Get Image from Batch', or give each its own PhysicsSimulate."
        )
    picture = image[0].movedim(-1, 0)
    if picture.shape[0] in (2, 4):
        color, alpha = picture[:-1], picture[-1:]
        picture = color * alpha + (1 - alpha)
    return picture.expand(3, -1, -1).clamp(0, 1)


def to_disparity(depth: torch.Tensor | dict, kind: str, near_m: float, far_m: float) -> torch.Tensor:
    """Disparity (H,W) [1/m] from a depth IMAGE or MASK, or from the geometry of Depth Anything 3 or MoGe."""
    if isinstance(depth, dict):
        return _of_geometry(depth, near_m)
    values = _grey(_only(depth)) if depth.ndim == 4 else _only(depth.reshape(-1, *depth.shape[-2:]))
    return DEPTH_KINDS[kind](values, near_m, far_m)


def _grey(picture: torch.Tensor) -> torch.Tensor:
    try:
        return grey_of(picture)
    except ValueError as error:
        raise ValueError(f"The depth input cannot be used: {error}") from None


def _meters(values: torch.Tensor) -> torch.Tensor:
    """Distances [m], once they are not the shares of white that a picture file becomes, in which no meter is left."""
    if not bool((values <= 1).all()):
        return values
    if any(bool(((values * white).round() / white - values).abs().max() < SAME_CODE) for white in PICTURE_WHITES):
        raise ValueError(
            "depth_kind is meters, but the depth input is a picture with values from 0 to 1: 'Load Image' divides by "
            "white, so that meters or millimeters in a file are lost. Choose 'distance, white is far' and set near_m "
            "and far_m to its nearest and farthest distance, or connect the geometry of Depth Anything 3 or MoGe."
        )
    comfy_host.warn(
        f"With depth_kind meters the farthest point of the depth is {float(values.max()):.3g} m. If the depth map goes "
        "from 0 to 1 without a unit, choose another depth_kind and set near_m and far_m."
    )
    return values


def _of_geometry(geometry: dict, near_m: float) -> torch.Tensor:
    """Distances up to a factor, which near_m fixes, except those of MoGe 2, which are meters.

    Only MoGe 2 gives normals. Depth Anything 3 does not say which of its models ran, and even its Metric model gives
    meters only up to the focal length.
    """
    if "points" in geometry and "intrinsics" not in geometry:
        raise ValueError("A MoGe panorama has no lens. Use 'Run MoGe Inference' on an ordinary photograph.")
    distance = _only(geometry["depth"]).float()
    if "mask" in geometry:
        distance = distance.masked_fill(~_only(geometry["mask"]), torch.inf)
    if "sky" in geometry:
        distance = distance.masked_fill(_only(geometry["sky"]) >= SKY, torch.inf)
    return disparity_from_depth(distance, nearest_m=None if "normal" in geometry else near_m)


def _only(batch: torch.Tensor) -> torch.Tensor:
    if batch.shape[0] != 1:
        raise ValueError(
            f"One photograph has one depth map, but the depth input holds a batch of {batch.shape[0]}. Connect the "
            "depth of this picture alone."
        )
    return batch[0]
