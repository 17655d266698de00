"""The depth-of-field renderer against ray-traced pictures, against closed forms, and its contract."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from genphoto.camera import defocus as module
from genphoto.camera.defocus import Aperture, defocus, expand_highlights
from genphoto.camera.hidden_surface import sides_of_edges
from genphoto.camera.scatter import scatter

TRUTH = Path(__file__).parents[1] / "data" / "defocus_cards.npz"  # how it was made: its entry "note"


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def steps(height, width, values):
    """Vertical stripes of constant radius: depth edges."""
    columns = torch.arange(width) * len(values) // width
    return torch.tensor(values)[columns].expand(height, width).contiguous()


def point_light(radius_px, size, aperture=module.CIRCLE):
    image = torch.zeros(1, size, size)
    image[0, size // 2, size // 2] = 100.0
    return defocus(image, torch.full((size, size), radius_px), aperture=aperture)[0]


def encoded_psnr(picture, truth, border):
    def encode(linear):
        linear = linear.clamp(0, 1)
        curve = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
        return torch.where(linear <= 0.0031308, 12.92 * linear, curve)[:, border:-border, border:-border]

    return -10 * math.log10((encode(picture) - encode(truth)).square().mean())


# Truth


@pytest.mark.parametrize(("number", "least_db"), [(0, 31.7), (1, 38.0)])  # measured: 31.78 and 38.08
def test_ray_traced_scene(number, least_db):
    with np.load(TRUTH) as file:
        image, truth = (
            torch.from_numpy(file[name].astype(np.float32)).permute(2, 0, 1)
            for name in ("all_in_focus", f"truth_{number}")
        )
        k_px, disp_focus = file[f"lens_{number}"].tolist()
        coc = k_px * (torch.from_numpy(file["disp"].astype(np.float32)) - disp_focus)
    border = math.ceil(coc.abs().max().item())
    ours = encoded_psnr(defocus(image, coc), truth, border)
    assert ours > least_db
    assert ours > encoded_psnr(scatter(image, coc), truth, border) + 2


def test_a_step_of_more_than_a_pixel_of_blur_hides_something():
    for step, hides in ((0.9, False), (1.1, True)):
        near_side, far_side = sides_of_edges(steps(12, 20, [0.0, step]))
        assert bool(near_side.any()) == bool(far_side.any()) == hides


@pytest.mark.parametrize("radius", [0.2, 0.3, 0.5, 0.9, 1.7, 3.3, 5.2, 11.6, 24.0, 31.5, 33.0, 47.0, 70.0])
@pytest.mark.parametrize("side", [1, -1])
def test_point_light_keeps_its_energy_and_gets_the_radius(radius, side):
    spot = point_light(side * radius, 4 * math.ceil(radius) + 31).double()  # no blur disc leaves the frame
    assert spot.sum().item() == pytest.approx(100, rel=1e-3)
    offset = torch.arange(spot.shape[0], dtype=torch.float64) - spot.shape[0] // 2
    moment = (spot * (offset[:, None] ** 2 + offset**2)).sum() / spot.sum()
    assert math.sqrt(2 * moment) == pytest.approx(radius, abs=max(0.1, 0.01 * radius))


@pytest.mark.parametrize("radius", [3.0, 10.0, 40.0])
def test_sharp_foreground_stays_sharp_in_front_of_a_blurred_background(radius):
    is_near = steps(96, 96, [True, False])
    foreground = 0.1 + 0.2 * noise(3, 96, 96)
    picture = defocus(torch.where(is_near, foreground, 1.0), torch.where(is_near, 0.0, -radius))
    assert (picture - foreground)[:, is_near].abs().max() < 1e-4
    assert (picture - 1.0)[:, ~is_near].abs().max() < 1e-4


@pytest.mark.parametrize("radius", [4.0, 12.0, 28.0])
def test_blurred_foreground_edge_is_the_covered_share_of_the_disc(radius):
    size = 128
    is_near = steps(size, size, [1.0, 0.0])
    picture = defocus(is_near[None], is_near * radius)[0, size // 2]
    t = ((torch.arange(size) + 0.5 - size // 2) / radius).clamp(-1, 1)
    covered = (torch.acos(t) - t * (1 - t * t).sqrt()) / math.pi
    assert (picture - covered).abs().max() < 0.02


@pytest.mark.parametrize("radius", [1.5, 2.5])
def test_a_slight_blur_uncovers_what_is_behind_it(radius):
    is_near = steps(32, 64, [1.0, 0.0])
    picture = defocus(1 - is_near[None], is_near * radius)[0, 16]
    t = ((torch.arange(64) + 0.5 - 32) / radius).clamp(-1, 1)
    assert (picture - 1 + (torch.acos(t) - t * (1 - t * t).sqrt()) / math.pi).abs().max() < 0.05


def test_the_steps_of_a_quantized_slope_hide_nothing():
    slope = (torch.linspace(0, 40, 400) * 255 / 40).round() * 40 / 255  # an 8-bit depth map at K = 40
    near_side, far_side = sides_of_edges(slope.expand(20, 400) * torch.ones(20, 1))
    assert not near_side.any()
    assert not far_side.any()


def test_a_blurred_strand_lets_the_card_behind_it_through_and_not_the_far_background():
    columns = torch.arange(160).expand(96, 160)
    is_strand, is_card = (columns >= 60) & (columns < 63), columns < 80
    image = torch.where(is_strand, 0.0, torch.where(is_card, 0.4, 1.0))[None]
    coc = torch.where(is_strand, 6.0, torch.where(is_card, 0.0, -20.0))
    t = ((torch.arange(160) + 0.5 - torch.tensor([[60], [63]])) / 6).clamp(-1, 1)
    left, right = (torch.acos(t) - t * (1 - t * t).sqrt()) / math.pi  # share of the disc left of each strand edge
    truth = 0.4 * (1 - (right - left))
    assert (defocus(image, coc)[0, 48] - truth)[:80].abs().max() < 0.03


def test_a_caller_supplied_background_shows_through_a_blurred_foreground():
    is_near = steps(64, 64, [1.0, 0.0]) > 0
    behind = noise(3, 64, 64)
    front = torch.where(is_near, 0.0, behind)
    coc = torch.where(is_near, 10.0, 0.0)
    picture = defocus(front, coc, background=(behind, torch.zeros(64, 64)))
    t = ((torch.arange(64) + 0.5 - 32) / 10).clamp(-1, 1)
    truth = behind * (1 - (torch.acos(t) - t * (1 - t * t).sqrt()) / math.pi)
    inside = slice(12, 52)
    known = (picture - truth)[:, inside, inside].abs().mean()
    guessed = (defocus(front, coc) - truth)[:, inside, inside].abs().mean()
    assert known < 0.01
    assert known < guessed / 2


@pytest.mark.parametrize("radius", [6.0, 12.0, 24.0])
@pytest.mark.parametrize("distance", [1, 2, 6, 12])
@pytest.mark.parametrize(("light", "wall", "side"), [(20.0, 0.05, 3), (20.0, 0.05, 1), (1.0, 0.05, 3), (20.0, 0.3, 7)])
def test_a_light_behind_a_sharp_silhouette_keeps_its_strength(radius, distance, light, wall, side):
    is_near = steps(80, 128, [True, False])
    dark = torch.where(is_near, 0.02, wall)[None]
    lamp = torch.zeros(1, 80, 128)
    lamp[0, 40 : 40 + side, 63 + distance : 63 + distance + side] = light - wall
    coc = torch.where(is_near, 0.0, -radius)
    seen = (defocus(dark + lamp, coc) - defocus(dark, coc)).sum()
    truth = defocus(lamp, torch.full_like(coc, -radius))[0][~is_near].sum()  # the silhouette hides the rest of the disc
    assert seen.item() == pytest.approx(truth.item(), rel=0.15)


@pytest.mark.parametrize(("blades", "curvature"), [(3, 0.0), (5, 0.0), (6, 0.0), (8, 0.0), (6, 1.0)])
def test_polygon_covers_its_area(blades, curvature):
    spot = point_light(-20.0, 61, Aperture(blades, curvature))
    polygon = blades / 2 * math.sin(2 * math.pi / blades) * 400
    expected = math.pi * 400 if curvature == 1 else polygon
    assert (spot > spot.max() / 2).sum().item() == pytest.approx(expected, rel=0.06)


def test_hexagon_has_its_vertices_at_the_blur_radius():
    spot = point_light(-20.0, 61, Aperture(6))
    assert spot[30, 30 + 19] > 0
    assert spot[30 + 19, 30] < 1e-4
    turned = point_light(-20.0, 61, Aperture(6, rotation_deg=90))
    torch.testing.assert_close(turned, spot.T, atol=1e-4, rtol=0)


def test_triangle_points_the_other_way_in_front_of_the_focus_plane():
    far, near = point_light(-20.0, 61, Aperture(3)), point_light(20.0, 61, Aperture(3))
    torch.testing.assert_close(near, far.flip(0, 1), atol=1e-4, rtol=0)
    assert far[30, 48] > 0.01
    assert far[30, 12] < 1e-4


# Invariants


@pytest.mark.parametrize("shape", [(3, 40, 57), (1, 1, 1), (4, 5, 1), (3, 1, 9)])
def test_focus_everywhere_changes_no_bit(shape):
    image = noise(*shape) * 3
    assert torch.equal(defocus(image, torch.zeros(shape[1:])), image)


@pytest.mark.parametrize("largest", [0.7, 9.0, 50.0, 1e6])
@pytest.mark.parametrize("shape", [(3, 45, 67), (1, 3, 80), (4, 1, 1)])
def test_a_uniform_picture_stays_uniform_under_any_depth(largest, shape):
    coc = (2 * noise(*shape[1:]) - 1) * largest
    coc[: shape[1] // 2] = largest
    picture = defocus(torch.full(shape, 0.7), coc)
    assert (picture - 0.7).abs().max() < 1e-5


@pytest.mark.parametrize("largest", [12.0, 45.0, 90.0])
def test_tiles_do_not_show(largest, monkeypatch):
    image = noise(3, 150, 210)
    coc = steps(150, 210, [0.3, -largest, largest, 0.0, -0.4 * largest]) + noise(150, 210)
    whole = defocus(image, coc)
    monkeypatch.setattr(module, "TILE_PX", 48)
    assert (defocus(image, coc) - whole).abs().max() < 1e-4


# Contract


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_dtype_follows_the_image(dtype, channels):
    image, coc = noise(channels, 31, 45).to(dtype), steps(31, 45, [6.0, 0.0, -4.0])
    before = image.clone()
    picture = defocus(image, coc.to(dtype))
    assert picture.dtype == dtype
    assert picture.shape == image.shape
    assert torch.equal(image, before)
    torch.testing.assert_close(picture, defocus(image.float(), coc).to(dtype))


def test_gradients_match_finite_differences():
    shape = (40, 44)
    # Radii between two layers (5.5 and 6; 0.5 and 1) on each side of a depth edge: the picture is smooth there.
    coc = steps(*shape, [5.6, -0.6]) + torch.tensor([0.25, -0.25])[steps(*shape, [0, 1])] * noise(*shape, seed=1)
    image, weight = noise(3, *shape, seed=2), noise(3, *shape, seed=3)
    image.requires_grad_()
    coc.requires_grad_()
    (defocus(image, coc) * weight).sum().backward()
    for tensor, step, seed in ((image, 1e-1, 4), (coc, 1e-2, 5)):
        assert torch.isfinite(tensor.grad).all()
        assert tensor.grad.abs().sum() > 0
        towards = noise(*tensor.shape, seed=seed)
        ends = []
        for sign in (1, -1):
            moved = tensor.detach() + sign * step * towards
            pair = (moved, coc.detach()) if tensor is image else (image.detach(), moved)
            ends.append((defocus(*pair).double() * weight).sum().item())
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx((tensor.grad * towards).sum().item(), rel=0.02)


def test_gradients_are_finite_through_every_kind_of_layer(monkeypatch):
    monkeypatch.setattr(module, "TILE_PX", 32)
    image = noise(3, 40, 70).requires_grad_()
    coc = steps(40, 70, [50.0, -38.0, 0.0, 12.0]).requires_grad_()
    defocus(image, coc).square().sum().backward()
    for grad in (image.grad, coc.grad):
        assert torch.isfinite(grad).all()
        assert grad.abs().max() > 0


def test_progress_rises_to_one_within_a_frame():
    seen = []
    defocus(noise(3, 40, 40), steps(40, 40, [8.0, -8.0]), on_progress=seen.append)
    assert len(seen) > 10
    assert seen == sorted(seen)
    assert 0 < seen[0] < 0.2
    assert seen[-1] == 1.0


def test_progress_may_cancel():
    class Cancelled(Exception):
        pass

    def cancel(fraction):
        if fraction > 0.5:
            raise Cancelled

    image, coc = noise(3, 40, 40), steps(40, 40, [8.0, -8.0])
    expected = defocus(image, coc)
    with pytest.raises(Cancelled):
        defocus(image, coc, on_progress=cancel)
    assert torch.equal(defocus(image, coc), expected)


def test_highlights_grow_by_the_given_stops_and_the_rest_stays():
    image = torch.tensor([0.0, 0.5, 0.89, 0.95, 1.0]).expand(3, 1, 5)
    grown = expand_highlights(image, 2.0)
    assert torch.equal(grown[..., :3], image[..., :3])
    assert grown[0, 0, 4] == 4.0
    assert 0.95 < grown[0, 0, 3] < 4 * 0.95
    assert torch.equal(expand_highlights(image, 0.0), image)
    saturated = torch.tensor([1.0, 0.5, 0.25]).view(3, 1, 1)
    assert torch.equal(expand_highlights(saturated, 1.0), 2 * saturated)


@pytest.mark.parametrize(
    ("image", "coc", "message"),
    [
        (torch.ones(4, 5), torch.ones(4, 5), r"image .*\(4, 5\)"),
        (torch.ones(1, 3, 4, 5), torch.ones(4, 5), r"one by one"),
        (torch.ones(3, 4, 5, dtype=torch.uint8), torch.ones(4, 5), r"uint8"),
        (torch.ones(3, 4, 5), torch.ones(5, 4), r"coc_px .*\(4, 5\).*\(5, 4\).*resize"),
        (torch.ones(3, 4, 5), torch.full((4, 5), math.nan), r"coc_px .*NaN"),
        (torch.ones(3, 4, 5), torch.full((4, 5), math.inf), r"coc_px .*infinity"),
        (torch.full((3, 4, 5), math.nan), torch.ones(4, 5), r"image .*NaN"),
    ],
)
def test_bad_input_is_named(image, coc, message):
    with pytest.raises(ValueError, match=message):
        defocus(image, coc)


def test_bad_background_is_named():
    image, coc = torch.ones(3, 4, 5), torch.ones(4, 5)
    with pytest.raises(ValueError, match=r"background image .*\(3, 4, 6\)"):
        defocus(image, coc, background=(torch.ones(3, 4, 6), coc))
    with pytest.raises(ValueError, match=r"background coc_px .*\(5, 4\)"):
        defocus(image, coc, background=(image, coc.T))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"blades": 2}, "blades is 2"),
        ({"blades": -5}, "blades is -5"),
        ({"curvature": 1.5}, "curvature is 1.5"),
        ({"rotation_deg": math.nan}, "rotation_deg is nan"),
    ],
)
def test_bad_aperture_is_named(fields, message):
    with pytest.raises(ValueError, match=message):
        Aperture(**fields)


@pytest.mark.parametrize("strength", [-1.0, math.nan, math.inf])
def test_bad_highlight_strength_is_named(strength):
    with pytest.raises(ValueError, match="strength is"):
        expand_highlights(torch.ones(3, 2, 2), strength)
