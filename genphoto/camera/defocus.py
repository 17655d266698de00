"""Depth of field with occlusion: visibility-normalized layers in linear light.

The picture is cut into soft layers of nearly equal blur radius, composited from the nearest to the farthest. A layer
knows only what the camera saw, so each blur is a normalized convolution over the pixels that are known at that depth:
pixels covered by something nearer do not take part, which keeps a sharp silhouette sharp in front of a blurred
background. What a blurred foreground uncovers is continued from the far side of its edges, or given by the caller.

Thin-lens model: the lens sample a, |a| <= 1, sees at pixel p the point p + r a of a surface of signed radius r.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .aperture import Aperture, iris_kernel
from .hidden_surface import continue_far_side, sides_of_edges

RADIUS_STEP_PX = 0.5  # between layers near focus
RADIUS_GROWTH = 1.07  # between layers where that is more than the step
FULL_RESOLUTION_PX = 32.0  # larger radii are blurred at 1/2, 1/4, ... of the resolution
TILE_PX = 512
FILL_WEIGHT = 0.1  # of a guessed hidden pixel against one that the camera saw
GIVEN_WEIGHT = 0.5  # of a hidden pixel from the caller
DIRECT_REACH_PX = 4  # CPU conv2d is fast up to 9 x 9 taps and very slow above: FFT from there
OUTSIDE = 1e30  # layer position beyond every layer
MOST_HIGHLIGHT_STOPS = 16.0  # more leaves the range of half precision, and of any scene
HIGHLIGHT_START = 0.9  # linear value from which a highlight counts as partly clipped
LIGHT_CONTRAST = 3.0  # of a light with the mean around it: white print on black has less
LEAST_SURROUNDINGS_PX = 8
LEAST_KNOWN = 1e-3  # share of a blur disc below which nothing is known about a layer


CIRCLE = Aperture()


def defocus(
    image: Tensor,
    coc_px: Tensor,
    *,
    aperture: Aperture = CIRCLE,
    background: tuple[Tensor, Tensor] | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Tensor:
    """Photograph of an all-in-focus picture through a wide lens, (C,H,W) -> (C,H,W) of the same dtype and device.

    image: linear light >= 0, HDR allowed, any C. coc_px (H,W): signed blur radius [px], + nearer than the focus plane,
    - farther; capped at the longer side of the picture. background (image (C,H,W), coc_px (H,W)): a known second
    surface, used where it lies behind the near side of a depth edge; without it the far side of the edge is continued
    there. on_progress gets the finished fraction, many times per frame, and may raise to cancel. Differentiable in
    image and coc_px; float32 inside.
    """
    _check(image, coc_px, background)
    widest = float(max(coc_px.shape))
    seen, coc = image.float(), coc_px.float().clamp(-widest, widest)
    near_side, far_side = sides_of_edges(coc)
    unlit = _without_lights(seen, coc)
    if background is None:
        hidden, hidden_coc = continue_far_side(seen * (unlit / seen.mean(0).clamp(min=1e-20)), coc, far_side)
        hidden_weight = FILL_WEIGHT * near_side
    else:
        hidden, hidden_coc = background[0].float(), background[1].float().clamp(-widest, widest)
        hidden_weight = GIVEN_WEIGHT * near_side
    hidden = torch.cat([hidden, hidden.mean(0, keepdim=True)])
    rungs = _ladder(min(coc.min().item(), hidden_coc.min().item()), coc.max().item())
    layers = [_layer(radius, aperture, image.device) for radius in rungs]
    surfaces = _Surfaces(
        torch.cat([seen, unlit[None]]),
        _layer_position(coc, rungs),
        hidden,
        _layer_position(hidden_coc, rungs),
        hidden_weight * (hidden_coc < coc),
    )

    block = max(layer.scale for layer in layers)
    margin = _round_up(max(layer.scale * (layer.reach + 1) for layer in layers), block)
    side = _round_up(TILE_PX, block)
    height, width = coc.shape
    corners = [(y, x) for y in range(0, height, side) for x in range(0, width, side)]
    result = torch.empty_like(image)
    for tile, (y, x) in enumerate(corners):
        kept = result[:, y : y + side, x : x + side]
        window = surfaces.window(y, x, *(_round_up(size, block) for size in kept.shape[1:]), margin)
        advance = None if on_progress is None else _share(on_progress, tile, len(corners))
        kept.copy_(_render(window, layers, margin, advance)[:, : kept.shape[1], : kept.shape[2]])
    return result


def expand_highlights(image: Tensor, strength: float) -> Tensor:
    """Guess of the light that clipping removed, (C,H,W) linear -> (C,H,W): artistic, not a measurement.

    Pixels whose brightest channel is clipped (>= 1) gain `strength` stops, >= 0; the gain fades out smoothly down to
    HIGHLIGHT_START. 0 returns the same values.
    """
    if not 0 <= strength <= MOST_HIGHLIGHT_STOPS:  # also refuses NaN
        raise ValueError(
            f"strength is {strength} stops; it must be from 0 (changes nothing) to {MOST_HIGHLIGHT_STOPS:g} stops"
        )
    fraction = ((image.amax(0) - HIGHLIGHT_START) / (1 - HIGHLIGHT_START)).clamp(0, 1)
    return image * torch.exp2(strength * fraction * fraction * (3 - 2 * fraction))


def _check(image: Tensor, coc_px: Tensor, background: tuple[Tensor, Tensor] | None) -> None:
    if image.ndim != 3 or 0 in image.shape or not image.is_floating_point():
        raise ValueError(
            f"image must be a floating-point tensor (C,H,W) that is not empty, got {image.dtype} of shape "
            f"{tuple(image.shape)}; pass the frames of a batch one by one"
        )
    named = [("image", image, image.shape), ("coc_px", coc_px, image.shape[1:])]
    if background is not None:
        named += [("background image", background[0], image.shape), ("background coc_px", background[1], coc_px.shape)]
    for name, tensor, shape in named:
        if tensor.shape != shape:
            raise ValueError(
                f"{name} must have the shape {tuple(shape)} to match the image, got {tuple(tensor.shape)}; resize it "
                "first (a map of radii by nearest neighbor, with its values scaled by the same factor)"
            )
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} contains NaN or infinity; replace such pixels before rendering")


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _share(on_progress: Callable[[float], None], part: int, parts: int) -> Callable[[float], None]:
    return lambda fraction: on_progress((part + fraction) / parts)


def _without_lights(seen: Tensor, coc: Tensor) -> Tensor:
    """Mean of the channels (H,W) without what is much brighter than its surroundings and smaller than the blur."""
    light = seen.mean(0)
    cell = max(math.ceil(coc.abs().max().item()), LEAST_SURROUNDINGS_PX)
    coarse = F.avg_pool2d(light[None, None], cell, ceil_mode=True, count_include_pad=False)
    around = F.interpolate(coarse, scale_factor=cell, mode="bilinear")[0, 0, : light.shape[0], : light.shape[1]]
    return torch.minimum(light, LIGHT_CONTRAST * around)


# Layers


@dataclass(frozen=True, slots=True)
class _Layer:
    kernel: Tensor  # (2 reach + 1, 2 reach + 1), sums to 1, in pixels of the layer
    scale: int  # pixels of the picture per pixel of the layer

    @property
    def reach(self) -> int:
        return self.kernel.shape[-1] // 2


def _ladder(farthest_px: float, nearest_px: float) -> list[float]:
    """Signed radii [px] of the layers in rising order: 0, and both ways from there out to the given ones."""

    def climb(limit: float) -> list[float]:
        radii = [RADIUS_STEP_PX]
        while radii[-1] < limit:
            radii.append(max(radii[-1] + RADIUS_STEP_PX, radii[-1] * RADIUS_GROWTH))
        return radii

    return [-radius for radius in reversed(climb(-farthest_px))] + [0.0] + climb(nearest_px)


def _layer_position(coc: Tensor, rungs: list[float]) -> Tensor:
    """Continuous layer index of each radius, (H,W): linear in the radius squared, so that two layers mix to its
    second moment."""
    ladder = torch.tensor(rungs, device=coc.device)
    squares = ladder * ladder.abs()
    below = (torch.bucketize(coc.detach(), ladder, right=True) - 1).clamp(0, len(rungs) - 2)
    return below + (coc * coc.abs() - squares[below]) / (squares[below + 1] - squares[below])


def _layer(radius_px: float, aperture: Aperture, device: torch.device) -> _Layer:
    scale = 1
    while abs(radius_px) > scale * FULL_RESOLUTION_PX:
        scale *= 2
    # Averaging down and interpolating up widen a point by as much as a disc of the radius `scale` does.
    radius = math.sqrt(radius_px**2 - scale**2) / scale if scale > 1 else abs(radius_px)
    turn = math.radians(aperture.rotation_deg) + (math.pi if radius_px > 0 else 0.0)
    return _Layer(iris_kernel(radius, aperture, turn).to(device), scale)


# Surfaces


class _Surfaces(NamedTuple):
    """What the camera saw, and what may lie behind it; every plane of one size."""

    seen: Tensor  # (C+1,H,W): the picture, and the mean of its channels without small lights
    position: Tensor  # (H,W) layer position of the seen surface
    hidden: Tensor  # (C+1,H,W)
    hidden_position: Tensor  # (H,W)
    hidden_weight: Tensor  # (H,W) 0 where nothing is known behind the seen surface

    def window(self, y: int, x: int, height: int, width: int, margin: int) -> "_Surfaces":
        """The tile and a margin around it; outside the frame the camera saw something nearer than every layer."""
        top, left, bottom, right = y - margin, x - margin, y + height + margin, x + width + margin
        inside = self.crop(slice(max(top, 0), bottom), slice(max(left, 0), right))
        total_height, total_width = self.position.shape
        pad = (max(-left, 0), max(right - total_width, 0), max(-top, 0), max(bottom - total_height, 0))
        outside = _Surfaces(0.0, OUTSIDE, 0.0, OUTSIDE, 0.0)
        return _Surfaces(*(F.pad(plane, pad, value=value) for plane, value in zip(inside, outside, strict=True)))

    def crop(self, rows: slice, columns: slice) -> "_Surfaces":
        return _Surfaces(*(plane[..., rows, columns] for plane in self))

    def in_layer(self, index: int) -> Tensor:
        """Premultiplied color and light without lights, weight in the layer, known share at its depth, (C+3,H,W)."""
        weight = (1 - (self.position - index).abs()).clamp(min=0)
        known = (index + 1 - self.position).clamp(0, 1)
        covered = self.hidden_weight * (self.position >= index + 1)
        hidden_weight = covered * (1 - (self.hidden_position - index).abs()).clamp(min=0)
        known = known + covered * (index + 1 - self.hidden_position).clamp(0, 1)
        color = self.seen * weight + self.hidden * hidden_weight
        return torch.cat([color, (weight + hidden_weight)[None], known[None]])

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
    found = mask.nonzero()
    return int(found[0]), int(found[-1]) + 1


# Rendering


def _render(
    window: _Surfaces, layers: list[_Layer], margin: int, on_progress: Callable[[float], None] | None
) -> Tensor:
    """What the lens sees in the window without its margin, (C,h,w)."""
    boxes = window.extents(len(layers))
    light, passed = 0.0, window.seen.new_ones(1, *(size - 2 * margin for size in window.position.shape))
    near_to_far = reversed(range(len(layers)))
    for scale, group in groupby(near_to_far, key=lambda index: layers[index].scale):
        stack = _open_stack(window, margin, scale)
        most = 1 / _reduce(passed, scale).clamp(min=LEAST_KNOWN)
        for index in group:
            if boxes[index] is not None:
                _add_layer(stack, most, window, index, layers[index], boxes[index], margin)
            if on_progress is not None:
                on_progress(1 - index / len(layers))
        stack = _enlarge(stack, scale)
        light, passed = light + passed * stack[:-1], passed * stack[-1:]
    return light[:-1] / light[-1]


def _open_stack(window: _Surfaces, margin: int, scale: int) -> Tensor:
    """Light, its weight and the share that passes, (C+2,h,w), of no layers yet; coarse stacks have a ring of 1 pixel
    around the tile to interpolate from."""
    ring = int(scale > 1)
    height, width = ((total - 2 * margin) // scale + 2 * ring for total in window.position.shape)
    stack = window.seen.new_zeros(window.seen.shape[0] + 1, height, width)
    stack[-1] = 1.0
    return stack


def _add_layer(
    stack: Tensor,
    most: Tensor,
    window: _Surfaces,
    index: int,
    layer: _Layer,
    box: tuple[int, int, int, int],
    margin: int,
) -> None:
    """Put a layer behind those in the stack: light += passed (k*wI)/(k*v), passed *= 1 - (k*w)/(k*v).

    What is known of a disc, the share k*v, stands for the rest of it; but a small light is only where the camera saw
    it, so it gains no more than what the layers in front take from it. `most` is that limit of passed / (k*v): the
    inverse of what passes the stacks in front of this one.
    """
    origin = margin // layer.scale - int(layer.scale > 1)
    sides = []
    for start, end, size in ((*box[:2], stack.shape[1]), (*box[2:], stack.shape[2])):
        first = max(start // layer.scale - layer.reach - origin, 0)
        last = min(_round_up(end, layer.scale) // layer.scale + layer.reach - origin, size)
        if first >= last:
            return
        sides.append((first, last))
    source = (
        slice(layer.scale * (first + origin - layer.reach), layer.scale * (last + origin + layer.reach))
        for first, last in sides
    )
    planes = window.crop(*source).in_layer(index)
    if layer.scale > 1:
        planes = F.avg_pool2d(planes, layer.scale)
    blurred = _convolve(planes, layer.kernel)
    color, unlit, weight, known = blurred[:-3], blurred[-3], blurred[-2], blurred[-1].clamp(min=LEAST_KNOWN)
    place = stack[:, slice(*sides[0]), slice(*sides[1])]
    gain = place[-1].clone() / known  # the clone is for autograd: the stack changes in place
    rest = (unlit / color.mean(0).clamp(min=1e-20)).clamp(max=1)
    place[:-2] += color * torch.lerp(torch.minimum(gain, most[0, slice(*sides[0]), slice(*sides[1])]), gain, rest)
    place[-2] += weight * gain
    place[-1] *= (1 - weight / known).clamp(0, 1)


def _convolve(planes: Tensor, kernel: Tensor) -> Tensor:
    """The part of planes (N,H,W) * kernel that needs nothing outside, (N,H-2r,W-2r)."""
    reach = kernel.shape[-1] // 2
    if reach == 0:
        return planes
    if reach <= DIRECT_REACH_PX:
        count = planes.shape[0]
        return F.conv2d(planes[None], kernel.flip(0, 1).expand(count, 1, -1, -1), groups=count)[0]
    count, height, width = planes.shape
    size = [_fast_length(height), _fast_length(width)]
    # Two real planes in one complex transform: the kernel is real, so they do not mix, and it is faster than rfft2.
    pairs = F.pad(planes, (0, size[1] - width, 0, size[0] - height, 0, count % 2)).unflatten(0, (-1, 2))
    spectrum = torch.fft.fft2(torch.complex(pairs[:, 0], pairs[:, 1])) * torch.fft.fft2(kernel, s=size)
    blurred = torch.fft.ifft2(spectrum)[:, 2 * reach : height, 2 * reach : width]
    return torch.stack([blurred.real, blurred.imag], 1).flatten(0, 1)[:count].clamp(min=0)


def _fast_length(length: int) -> int:
    """The next size that has no prime factor above 5: there FFTs are fast."""
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 1


def _reduce(passed: Tensor, scale: int) -> Tensor:
    """A plane (1,h,w) at the size of a stack."""
    return passed if scale == 1 else F.pad(F.avg_pool2d(passed[None], scale), (1,) * 4, mode="replicate")[0]


def _enlarge(stack: Tensor, scale: int) -> Tensor:
    if scale == 1:
        return stack
    enlarged = F.interpolate(stack[None], scale_factor=scale, mode="bilinear")[0]
    return enlarged[:, scale:-scale, scale:-scale]
