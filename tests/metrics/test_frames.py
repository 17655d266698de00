import pytest
import torch

from genphoto.metrics.frames import smooth


@pytest.mark.parametrize("shape", [(40, 56), (3, 40, 56), (5, 3, 41, 57)])
def test_planes_are_smoothed_one_by_one(shape):
    planes = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    alone = [smooth(plane, 1.5) for plane in planes.reshape(-1, *shape[-2:])]
    assert torch.allclose(smooth(planes, 1.5).reshape(-1, *shape[-2:]), torch.stack(alone), rtol=0, atol=1e-6)


def test_smoothing_is_a_gaussian_whose_border_repeats():
    point = torch.zeros(41, 41)
    point[20, 20] = 1
    taps = torch.exp(-0.5 * (torch.arange(-20, 21) / 2.0) ** 2)
    taps = torch.where(torch.arange(-20, 21).abs() <= 6, taps, 0)
    expected = taps[:, None] * taps / taps.sum() ** 2
    assert torch.allclose(smooth(point, 2.0), expected, atol=1e-7)
    assert torch.allclose(smooth(torch.full((20, 30), 0.7), 2.0), torch.tensor(0.7))
