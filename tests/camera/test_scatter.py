"""The scatter against a plain loop over pixels, against the emulated CUDA kernel, and its contract."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from genphoto.camera.scatter import scatter

GOLDEN = Path(__file__).parents[1] / "golden" / "published_frames.npz"


def scatter_by_pixel(image, radius_px):
    """The definition, one source and one neighbor at a time, in double precision."""
    height, width = radius_px.shape
    total, weights = torch.zeros(image.shape, dtype=torch.float64), torch.zeros(height, width, dtype=torch.float64)
    for y in range(height):
        for x in range(width):
            r = abs(radius_px[y, x].item())
            reach = int(r) + 1
            for ny in range(max(0, y - reach), min(height, y + reach + 1)):
                for nx in range(max(0, x - reach), min(width, x + reach + 1)):
                    weight = (0.5 + 0.5 * math.tanh(4 * (r - math.dist((y, x), (ny, nx))))) / (r * r + 0.2)
                    total[:, ny, nx] += weight * image[:, y, x].double()
                    weights[ny, nx] += weight
    return total / weights


def random_scene(max_radius, height=11, width=14, channels=3):
    generator = torch.Generator().manual_seed(7)
    radius = max_radius * (2 * torch.rand(height, width, generator=generator) - 1)
    return torch.rand(channels, height, width, generator=generator), radius


@pytest.mark.parametrize("max_radius", [0.0, 0.9, 3.0, 7.5, 30.0])
def test_equals_the_loop_over_pixels(max_radius):
    image, radius = random_scene(max_radius)
    assert (scatter(image, radius) - scatter_by_pixel(image, radius)).abs().max() < 1e-6


@pytest.mark.parametrize("radius_px", [2.0, 2.999, 3.0, 3.001])
def test_support_ends_at_the_truncated_radius_plus_one(radius_px):
    image, radius = torch.zeros(1, 13, 13), torch.zeros(13, 13)
    image[0, 6, 6], radius[6, 6] = 1.0, radius_px
    reached = scatter(image, radius)[0, 6] > 0
    assert reached.nonzero().max().item() == 6 + int(radius_px) + 1


def test_equals_the_emulated_kernel_on_a_photo():
    golden = np.load(GOLDEN)
    linear = (torch.from_numpy(golden["small"]).permute(2, 0, 1) / 255) ** 2.2
    result = scatter(linear, torch.from_numpy(golden["scatter_radius_px"]))
    assert (result - torch.from_numpy(golden["scatter"])).abs().max() < 1e-6


def test_sign_of_the_radius_is_ignored():
    image, radius = random_scene(6.0)
    assert torch.equal(scatter(image, radius), scatter(image, -radius))


def test_constant_image_stays_constant():
    _, radius = random_scene(9.0)
    assert (scatter(torch.full((2, 11, 14), 0.7), radius) - 0.7).abs().max() < 1e-6


def test_radius_zero_still_leaks_into_the_direct_neighbors():
    image = torch.zeros(1, 5, 5)
    image[0, 2, 2] = 1.0
    side = 0.5 - 0.5 * math.tanh(4)
    result = scatter(image, torch.zeros(5, 5))
    # Diagonal neighbors receive (1 - tanh(4 sqrt 2)) / 2 = 1.2e-5 each.
    assert result[0, 2, 3].item() == pytest.approx(side / (0.5 + 4 * side + 4 * 1.22e-5), rel=1e-4)


def test_channels_and_dtype_follow_the_image():
    image, radius = random_scene(4.0, channels=5)
    result = scatter(image.half(), radius)
    assert (result.dtype, result.shape) == (torch.float16, image.shape)
    assert (result - scatter_by_pixel(image.half(), radius)).abs().max() < 5e-4


def test_reports_progress_often_up_to_one():
    fractions = []
    scatter(*random_scene(8.0), on_progress=fractions.append)
    assert len(fractions) > 20
    assert fractions == sorted(set(fractions))
    assert fractions[-1] == 1.0


def test_progress_can_cancel():
    calls = []

    def cancel(fraction):
        calls.append(fraction)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        scatter(*random_scene(8.0), on_progress=cancel)
    assert len(calls) == 1


def test_rejects_another_size_and_nan():
    image, radius = random_scene(2.0)
    with pytest.raises(ValueError, match=r"\(11, 14\).*\(11, 13\)"):
        scatter(image, radius[:, 1:])
    with pytest.raises(ValueError, match="NaN"):
        scatter(image, torch.full_like(radius, math.nan))
