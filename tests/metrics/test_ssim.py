import pytest
import torch

from genphoto.metrics.ssim import ssim


def test_ssim_agrees_with_scikit_image(picture):
    from skimage.metrics import structural_similarity

    a = picture("chelsea")[:, :100, :150]
    b = (a + 0.05 * torch.randn(a.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    # scikit-image leaves out the same border of 5 pixels from its mean.
    expected = structural_similarity(a.numpy(), b.numpy(), channel_axis=0, **options)
    assert ssim(a, b) == pytest.approx(expected, abs=1e-4)
    assert ssim(a, a) == pytest.approx(1)


def test_what_is_not_valid_has_no_weight(picture):
    a = picture("chelsea")[:, :100, :150]
    b = a.clone()
    b[:, :, 90:] = 0
    valid = torch.ones(100, 150, dtype=torch.bool)
    valid[:, 90:] = False
    assert ssim(a, b) < 0.7
    assert ssim(a, b, valid) == pytest.approx(1, abs=1e-5)
    assert ssim(a, b, torch.zeros_like(valid)) is None
