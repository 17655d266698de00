"""Depth of field with occlusion: visibility-normalized layers in linear light.

The picture is cut into soft layers of nearly equal blur radius, composited from the nearest to the farthest. A layer
knows only what the camera saw, so each blur is a normalized convolution over the pixels that are known at that depth:
pixels covered by something nearer do not take part, which keeps a sharp silhouette sharp in front of a blurred
background. What a blurred foreground uncovers is continued from the far side of its edges, or given by the caller.
Normalizing takes what is hidden for like what is seen. That is right on the average and wrong for a light, which is
single: what outshines its surroundings is blurred apart from them, as if nothing behind the edges shone like it.

Thin-lens model: the lens sample a, |a| <= 1, sees at pixel p the point p + r a of a surface of signed radius r.
"""

import math
from dataclasses import dataclass
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor

from .aperture import Aperture, iris_kernel
from .hidden_surface import continue_far_side, sides_of_edges
from .progress import Progress, part_of, unreported
from .surfaces import Surfaces, lights_of

RADIUS_STEP_PX = 0.5  # between layers near focus
RADIUS_GROWTH = 1.07  # between layers where that is more than the step
FULL_RESOLUTION_PX = 32.0  # larger radii are blurred at 1/2, 1/4, ... of the resolution
TILE_PX = 512
FILL_WEIGHT = 0.1  # of a guessed hidden pixel against one that the camera saw
GIVEN_WEIGHT = 0.5  # of a hidden pixel from the caller
DIRECT_REACH_PX = 4  # CPU conv2d is fast up to 9 x 9 taps and very slow above: FFT from there
MOST_HIGHLIGHT_STOPS = 16.0  # more leaves the range of half precision, and of any scene
HIGHLIGHT_START = 0.9  # linear value from which a highlight counts as partly clipped
LEAST_KNOWN = 1e-3  # share of a blur disc below which nothing is known about a layer


CIRCLE = Aperture()


def defocus(
    image: Tensor,
    coc_px: Tensor,
    *,
    aperture: Aperture = CIRCLE,
    background: tuple[Tensor, Tensor] | None = None,
    on_progress: Progress = unreported,
) -> Tensor:
    """Photograph of an all-in-focus picture through a wide lens, (C,H,W) -> (C,H,W) of the same dtype and device.

    image: linear light >= 0, HDR allowed, any C. coc_px (H,W): signed blur radius [px], + nearer than the focus plane,
    - farther; capped at the longer side of the picture. background (image (C,H,W), coc_px (H,W)): a known second
    surface, used where it lies behind the near side of a depth edge; without it the far side of the edge is continued
    there. on_progress gets the finished fraction, many times per frame, and may raise to cancel. Differentiable in
    image and coc_px; float32 inside.
    """
    _check(image, coc_px, background)
    seen, coc = image.float(), _capped(coc_px)
    near_side, far_side = sides_of_edges(coc)
    lights = lights_of(seen, coc, near_side)
    seen = seen - lights
    if background is None:
        hidden, hidden_coc = continue_far_side(seen, coc, far_side)
        weight = FILL_WEIGHT
    else:
        hidden, hidden_coc = background[0].float(), _capped(background[1])
        weight = GIVEN_WEIGHT
    behind = weight * near_side * (hidden_coc < coc)
    return _through_the_lens(seen, coc, hidden, hidden_coc, behind, lights, aperture, on_progress).to(image.dtype)


def share_seen(
    known: Tensor, coc_px: Tensor, *, aperture: Aperture = CIRCLE, background_coc_px: Tensor | None = None
) -> Tensor:
    """How much of the light of each pixel (H,W) of `defocus` comes from pixels that are known, (H,W) in [0,1].

    known (H,W) in [0,1]; coc_px and background_coc_px as in `defocus`. What it continues behind edges is guessed and
    counts as unknown; a background that the caller gives is known.
    """
    seen, coc = known.float()[None], _capped(coc_px)
    near_side, far_side = sides_of_edges(coc)
    if background_coc_px is None:
        hidden, (_, hidden_coc), weight = torch.zeros_like(seen), continue_far_side(seen, coc, far_side), FILL_WEIGHT
    else:
        hidden, hidden_coc, weight = torch.ones_like(seen), _capped(background_coc_px), GIVEN_WEIGHT
    behind = weight * near_side * (hidden_coc < coc)
    none = torch.zeros_like(seen)
    return _through_the_lens(seen, coc, hidden, hidden_coc, behind, none, aperture, unreported)[0].clamp(0, 1)


def expand_highlights(image: Tensor, strength: float) -> Tensor:
    """Guess of the light that clipping removed, (C,H,W) linear -> (C,H,W): artistic, not a measurement.

    Pixels whose brightest channel is clipped (>= 1) gain `strength` stops, >= 0; the gain fades out smoothly down to
    HIGHLIGHT_START. 0 returns the same values.
    """
    if not 0 <= strength <= MOST_HIGHLIGHT_STOPS:  # also refuses NaN
        raise ValueError(
            f"strength is {strength} stops; it must be from 0 (changes nothing) to {MOST_HIGHLIGHT_STOPS:g} stops"
        )
    if strength == 0:
        return image
    fraction = ((image.amax(0) - HIGHLIGHT_START) / (1 - HIGHLIGHT_START)).clamp(0, 1)
    return image * torch.exp2(strength * fraction * fraction * (3 - 2 * fraction))


def _capped(coc_px: Tensor) -> Tensor:
    """Radii no larger than the picture."""
    widest = float(max(coc_px.shape))
    return coc_px.float().clamp(-widest, widest)


def _through_the_lens(
    seen: Tensor,
    coc: Tensor,
    hidden: Tensor,
    hidden_coc: Tensor,
    behind: Tensor,
    lights: Tensor,
    aperture: Aperture,
    on_progress: Progress,
) -> Tensor:
    """All surfaces, of the radii `coc` and `hidden_coc` (H,W), through one aperture, (C,H,W)."""
    rungs = _ladder(min(coc.min().item(), hidden_coc.min().item()), coc.max().item())
    layers = [_layer(radius, aperture, seen.device) for radius in rungs]
    surfaces = Surfaces(seen, _layer_position(coc, rungs), hidden, _layer_position(hidden_coc, rungs), behind, lights)

    block = max(layer.scale for layer in layers)
    margin = _round_up(max(layer.scale * (layer.reach + 1) for layer in layers), block)
    side = _round_up(TILE_PX, block)
    height, width = coc.shape
    corners = [(y, x) for y in range(0, height, side) for x in range(0, width, side)]
    result = torch.empty_like(seen)
    for tile, (y, x) in enumerate(corners):
        place = result[:, y : y + side, x : x + side]
        rows, columns = place.shape[1:]
        window = surfaces.window(y, x, _round_up(rows, block), _round_up(columns, block), margin)
        advance = part_of(on_progress, tile / len(corners), (tile + 1) / len(corners))
        place.copy_(_render(window, layers, margin, advance)[:, :rows, :columns])
    return result


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


# Rendering


def _render(window: Surfaces, layers: list[_Layer], margin: int, on_progress: Progress) -> Tensor:
    """What the lens sees in the window without its margin, (C,h,w)."""
    boxes, lit = window.extents(len(layers)), window.lit(len(layers))
    light, passed = window.seen.new_zeros(()), window.seen.new_ones(())
    near_to_far = reversed(range(len(layers)))
    for scale, group in groupby(near_to_far, key=lambda index: layers[index].scale):
        stack = _open_stack(window, margin, scale)
        for index in group:
            if (box := boxes[index]) is not None:
                _add_layer(stack, window, index, layers[index], box, margin, lit[index])
            on_progress(1 - index / len(layers))
        stack = _enlarge(stack, scale)
        light, passed = light + passed * stack[:-1], passed * stack[-1]
    return light[:-1] / light[-1]


def _open_stack(window: Surfaces, margin: int, scale: int) -> Tensor:
    """Light, its weight and the share that passes, (C+2,h,w), of no layers yet; coarse stacks have a ring of 1 pixel
    around the tile to interpolate from."""
    ring = int(scale > 1)
    height, width = ((total - 2 * margin) // scale + 2 * ring for total in window.position.shape)
    stack = window.seen.new_zeros(window.seen.shape[0] + 2, height, width)
    stack[-1] = 1.0
    return stack


def _add_layer(
    stack: Tensor, window: Surfaces, index: int, layer: _Layer, box: tuple[int, int, int, int], margin: int, lit: bool
) -> None:
    """Put a layer behind those in the stack: light += passed (k*wI)/(k*v), passed *= 1 - (k*w)/(k*v).

    Its lights, where it is `lit`, add to the light by themselves.
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
    surfaces = window.crop(*source)
    share = _blurred_share(surfaces.in_layer(index), layer)
    if lit:
        lights = _blurred_share(surfaces.lights_in_layer(index), layer)
        share = torch.cat([share[:-1] + lights, share[-1:]])
    place = stack[:, slice(*sides[0]), slice(*sides[1])]
    passed = place[-1].clone()
    place[:-1] += passed * share
    place[-1] = passed * (1 - share[-1]).clamp(0, 1)


def _blurred_share(planes: Tensor, layer: _Layer) -> Tensor:
    """Premultiplied planes, the last of which is what is known, (N+1,H,W) -> blurred over what is known, (N,h,w)."""
    if layer.scale > 1:
        planes = F.avg_pool2d(planes, layer.scale)
    blurred = _convolve(planes, layer.kernel)
    return blurred[:-1] / blurred[-1].clamp(min=LEAST_KNOWN)


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


def _enlarge(stack: Tensor, scale: int) -> Tensor:
    if scale == 1:
        return stack
    enlarged = F.interpolate(stack[None], scale_factor=scale, mode="bilinear")[0]
    return enlarged[:, scale:-scale, scale:-scale]
