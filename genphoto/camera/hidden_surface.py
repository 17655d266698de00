"""What a blurred foreground uncovers: where something is hidden, and a guess of what it is."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

DEPTH_EDGE_PX = 1.0  # least step of the blur radius between neighbors that hides something


def sides_of_edges(coc: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels on the near and on the far side of the depth edges, as far from them as blur can uncover, (H,W) bool.

    The closest edges decide: the window around a pixel grows until it holds one.
    """
    highest, lowest = _dilate(coc, 1), -_dilate(-coc, 1)
    edge = highest - lowest > DEPTH_EDGE_PX
    near, far = torch.where(edge, highest, -math.inf), torch.where(edge, lowest, math.inf)
    near_side, far_side = torch.zeros_like(edge), torch.zeros_like(edge)
    left, step = math.ceil((highest - lowest).max().item()), 1
    while left > 0:
        step = min(step, left)
        near, far = _dilate(near, step), -_dilate(-far, step)
        reached = (near > far) & ~(near_side | far_side)
        nearer = coc > (near + far) / 2
        near_side, far_side = near_side | (reached & nearer), far_side | (reached & ~nearer)
        left, step = left - step, 3 * step
    return near_side, far_side


def _dilate(plane: Tensor, step: int) -> Tensor:
    """Maximum of 3 x 3 pixels that lie `step` apart."""
    return F.max_pool2d(F.pad(plane[None], (step,) * 4, value=-math.inf), 3, stride=1, dilation=step)[0]


def continue_far_side(seen: Tensor, coc: Tensor, far_side: Tensor) -> tuple[Tensor, Tensor]:
    """Guess of the surface behind the near sides: color (C,H,W) and coc [px] (H,W)."""
    if not far_side.any():
        return seen, coc
    filled = _push_pull(torch.cat([seen, coc[None]]), far_side.float())
    return filled[:-1], filled[-1]


def _push_pull(planes: Tensor, known: Tensor) -> Tensor:
    """`planes` (N,H,W) where `known` (H,W) is 1; elsewhere a smooth continuation from averages of the known pixels."""
    height, width = known.shape
    if height * width == 1:
        return planes
    halved = F.avg_pool2d(torch.cat([planes * known, known[None]])[None], 2, ceil_mode=True, count_include_pad=False)[0]
    coarse = _push_pull(halved[:-1] / halved[-1].clamp(min=1e-6), halved[-1])
    smooth = F.interpolate(coarse[None], scale_factor=2, mode="bilinear")[0, :, :height, :width]
    return torch.lerp(smooth, planes, known)
