"""The surfaces of a scene as soft layers by their blur: what the camera saw, its lights, and what may lie behind."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

LIGHT_CONTRAST = 4.0  # times the mean of its surroundings above which something is a light of its own
SURROUNDINGS = 1.4  # side of them, in blur radii of the most blurred
LEAST_SURROUNDINGS_PX = 24
OUTSIDE = 1e30  # layer position beyond every layer
OUTSIDE_FRAME = (0.0, OUTSIDE, 0.0, OUTSIDE, 0.0, 0.0)  # values of the planes of Surfaces that the camera did not see


def lights_of(seen: Tensor, coc: Tensor, near_side: Tensor) -> Tensor:
    """What of the picture (C,H,W) outshines its surroundings, where depth edges may hide a part of its blur disc.

    None in focus, nor on the near side (H,W) of an edge, which hides and is not hidden.
    """
    behind = ~near_side & near_side.any()
    side = math.ceil(max(LEAST_SURROUNDINGS_PX, SURROUNDINGS * coc.detach().abs().max().item()))
    cell = [min(side, length) for length in coc.shape]
    planes = torch.cat([seen.detach() * behind, behind[None].to(seen)])[None]
    sums = F.avg_pool2d(planes, cell, ceil_mode=True, count_include_pad=False)
    height, width = coc.shape
    covered = [length * count for length, count in zip(cell, sums.shape[-2:], strict=True)]
    sums = F.interpolate(sums, covered, mode="bilinear")[0, :, :height, :width]
    beyond = (seen - LIGHT_CONTRAST * sums[:-1] / sums[-1].clamp(min=1e-6)).clamp(min=0)
    return torch.where(behind & (coc != 0), beyond, 0)


class Surfaces(NamedTuple):
    """What the camera saw, and what may lie behind it; every plane of one size."""

    seen: Tensor  # (C,H,W)
    position: Tensor  # (H,W) layer position of the seen surface
    hidden: Tensor  # (C,H,W)
    hidden_position: Tensor  # (H,W)
    hidden_weight: Tensor  # (H,W) 0 where nothing is known behind the seen surface
    lights: Tensor  # (C,H,W) of the seen surface, beside `seen`

    def window(self, y: int, x: int, height: int, width: int, margin: int) -> "Surfaces":
        """The tile and a margin around it; outside the frame the camera saw something nearer than every layer."""
        top, left, bottom, right = y - margin, x - margin, y + height + margin, x + width + margin
        inside = self.crop(slice(max(top, 0), bottom), slice(max(left, 0), right))
        total_height, total_width = self.position.shape
        pad = (max(-left, 0), max(right - total_width, 0), max(-top, 0), max(bottom - total_height, 0))
        return Surfaces(*(F.pad(plane, pad, value=value) for plane, value in zip(inside, OUTSIDE_FRAME, strict=True)))

    def crop(self, rows: slice, columns: slice) -> "Surfaces":
        return Surfaces(*(plane[..., rows, columns] for plane in self))

    def in_layer(self, index: int) -> Tensor:
        """Premultiplied color, weight in the layer, and known share at its depth, (C+2,H,W)."""
        weight, hidden_weight = self._weight(index), self.hidden_weight * (self.position >= index + 1)
        known = (index + 1 - self.position).clamp(0, 1) + hidden_weight * (index + 1 - self.hidden_position).clamp(0, 1)
        hidden_weight = hidden_weight * (1 - (self.hidden_position - index).abs()).clamp(min=0)
        color = self.seen * weight + self.hidden * hidden_weight
        return torch.cat([color, (weight + hidden_weight)[None], known[None]])

    def lights_in_layer(self, index: int) -> Tensor:
        """Premultiplied lights, and the share of a pixel at the layer's depth, seen or hidden, (C+1,H,W)."""
        hidden = (self.hidden_weight > 0) * (self.position >= index + 1)
        there = (index + 1 - self.position).clamp(0, 1) + hidden * (index + 1 - self.hidden_position).clamp(0, 1)
        return torch.cat([self.lights * self._weight(index), there[None]])

    def _weight(self, index: int) -> Tensor:
        return (1 - (self.position - index).abs()).clamp(min=0)

    def lit(self, count: int) -> list[bool]:
        """Which of `count` layers hold lights; read from the device at once."""
        lit = torch.zeros(count + 1, dtype=torch.bool, device=self.position.device)
        position = torch.where(self.lights.amax(0) > 0, self.position, OUTSIDE).clamp(max=count)
        for index in (position.floor(), position.ceil()):
            lit[index.long()] = True
        return lit[:count].cpu().tolist()

    def extents(self, count: int) -> list[tuple[int, int, int, int] | None]:
        """Bounding box (top, bottom, left, right) of the pixels in each of `count` layers, None where there are none;
        read from the device at once."""
        height, width = self.position.shape
        rows = torch.zeros(count + 1, height, dtype=torch.bool, device=self.position.device)
        columns = torch.zeros(count + 1, width, dtype=torch.bool, device=self.position.device)
        hidden = torch.where(self.hidden_weight > 0, self.hidden_position, OUTSIDE)
        for position in (self.position.floor(), self.position.ceil(), hidden.floor(), hidden.ceil()):
            index = position.clamp(max=count).long()
            rows[index, torch.arange(height, device=index.device)[:, None]] = True
            columns[index, torch.arange(width, device=index.device)] = True
        rows, columns = rows[:count].cpu(), columns[:count].cpu()
        return [(*_span(r), *_span(c)) if r.any() else None for r, c in zip(rows, columns, strict=True)]


def _span(mask: Tensor) -> tuple[int, int]:
    places = mask.nonzero()
    return int(places[0]), int(places[-1]) + 1
