"""sRGB, illuminant whites and CAT16 against colour-science, which shares no code or table with the module."""

import colour
import numpy as np
import pytest
import torch
from colour.temperature import CCT_to_uv_Ohno2013, CCT_to_xy_CIE_D, uv_to_CCT_Ohno2013

from genphoto.camera.colorimetry import (
    D65_KELVIN,
    apply_matrix,
    camera_dial_matrix,
    kelvin_gains,
    linear_to_srgb,
    srgb_to_linear,
    white_balance_matrix,
    white_point_uv,
)

D65_XY = np.array([0.3127, 0.3290])
RGB_TO_XYZ = colour.models.normalised_primary_matrix([0.64, 0.33, 0.30, 0.60, 0.15, 0.06], D65_XY)
MIREDS = np.arange(25.0, 1000.5, 2.5)


def cct_and_duv(xyz) -> tuple[float, float]:
    kelvin, duv = uv_to_CCT_Ohno2013(colour.UCS_to_uv(colour.XYZ_to_UCS(np.asarray(xyz))))
    return float(kelvin), float(duv)


def rendered_white(kelvin: float, tint_duv: float = 0.0) -> np.ndarray:
    """XYZ of an image white after the change of light, by way of the image operation."""
    white = torch.ones(3, 1, 1, dtype=torch.float64)
    return RGB_TO_XYZ @ apply_matrix(white, white_balance_matrix(kelvin, tint_duv=tint_duv)).flatten().numpy()


def test_srgb_curve_matches_colour_science():
    codes = np.concatenate([np.arange(256) / 255, [0.0404, 0.0405]])  # the last two on both sides of the knee
    linear = colour.models.eotf_sRGB(codes)
    np.testing.assert_allclose(srgb_to_linear(torch.tensor(codes)).numpy(), linear, atol=1e-12)
    np.testing.assert_allclose(linear_to_srgb(torch.tensor(linear)).numpy(), codes, atol=2e-8)


def test_srgb_curve_has_its_published_values():
    # 10/255 from docs/OPTICS.md (a power of 2.2 gives 0.0008); 0.5 is IEC 61966-2-1 evaluated by hand.
    assert srgb_to_linear(torch.tensor(10 / 255)).item() == pytest.approx(0.0030, abs=5e-5)
    assert srgb_to_linear(torch.tensor(0.5)).item() == pytest.approx(0.214041, abs=1e-6)
    assert linear_to_srgb(torch.tensor(0.18)).item() == pytest.approx(0.461356, abs=1e-6)


def test_srgb_round_trip_keeps_negative_and_bright_light():
    linear = torch.linspace(-0.5, 4.0, 1001)
    torch.testing.assert_close(srgb_to_linear(linear_to_srgb(linear)), linear, atol=2e-6, rtol=2e-6)


@pytest.mark.parametrize("curve", [srgb_to_linear, linear_to_srgb])
def test_srgb_gradients_are_right_at_zero_and_elsewhere(curve):
    x = torch.tensor([0.0, -0.2, 1e-4, 0.2, 1.0, 1.5], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(curve, x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_half_types_are_computed_in_float32(dtype):
    image = torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(0)).to(dtype)
    warm = white_balance_matrix(3000)
    for operation in (srgb_to_linear, linear_to_srgb, lambda x: apply_matrix(x, warm)):
        result = operation(image)
        assert result.dtype == dtype
        assert result.shape == image.shape
        assert torch.equal(result, operation(image.float()).to(dtype))


def test_white_has_the_requested_temperature():
    errors = {mired: 1e6 / cct_and_duv(rendered_white(1e6 / mired))[0] - mired for mired in MIREDS}
    assert max(abs(error) for error in errors.values()) < 0.1  # 1000..40000 K; the target is 1 mired


def test_white_point_has_the_requested_temperature():
    errors = [1e6 / uv_to_CCT_Ohno2013(np.array(white_point_uv(1e6 / mired)))[0] - mired for mired in MIREDS]
    assert np.abs(errors).max() < 0.35  # 10 nm sums; in a matrix most of it cancels against the reference


def test_white_is_planckian_below_and_daylight_above():
    for kelvin in (1000, 1700, 2500, 3300, 4000):
        np.testing.assert_allclose(white_point_uv(kelvin), CCT_to_uv_Ohno2013([kelvin, 0.0]), atol=1e-4)
    for kelvin in (5000, 6504, 8000, 12000, 25000):
        daylight = colour.UCS_to_uv(colour.XYZ_to_UCS(colour.xy_to_XYZ(CCT_to_xy_CIE_D(kelvin))))
        np.testing.assert_allclose(white_point_uv(kelvin), daylight, atol=6e-5)


@pytest.mark.parametrize("kelvin", [1700, 2500, 4000, 4500, 6504, 12000])
@pytest.mark.parametrize("tint", [-0.015, -0.005, 0.005, 0.015])
def test_tint_is_duv_and_keeps_the_temperature(kelvin, tint):
    _, duv_without = cct_and_duv(rendered_white(kelvin))
    tinted, duv = cct_and_duv(rendered_white(kelvin, tint))
    assert duv - duv_without == pytest.approx(tint, abs=2e-4)
    assert 1e6 / tinted == pytest.approx(1e6 / kelvin, abs=1.0)


def test_positive_tint_is_green():
    green, magenta = kelvin_gains(5000, 5000, tint_duv=0.01), kelvin_gains(5000, 5000, tint_duv=-0.01)
    assert green[1] > 1 > magenta[1]


@pytest.mark.parametrize("kelvin", [2000, 2500, 3000, 4000, 5000, 8000, 10000, 20000])
def test_matrix_is_cat16_of_colour_science(kelvin):
    # Whites of colour-science too: Ohno's Planckian locus, CIE daylight, the D65 of sRGB. Planck to 4000 K, D above.
    uv = CCT_to_uv_Ohno2013([kelvin, 0.0])
    xy = colour.UCS_uv_to_xy(uv) if kelvin <= 4000 else CCT_to_xy_CIE_D(kelvin)
    white, d65 = colour.xy_to_XYZ(xy), colour.xy_to_XYZ(D65_XY)
    chart = colour.CCS_COLOURCHECKERS["ColorChecker24 - After November 2014"]
    xyz = colour.xyY_to_XYZ(list(chart.data.values()))
    xyz = colour.chromatic_adaptation(xyz, colour.xy_to_XYZ(chart.illuminant), d65)
    truth = colour.adaptation.chromatic_adaptation_VonKries(xyz, d65, white, transform="CAT16")
    image = torch.tensor(xyz @ np.linalg.inv(RGB_TO_XYZ).T).T.reshape(3, 4, 6)
    ours = apply_matrix(image, white_balance_matrix(kelvin)).flatten(1).T.numpy() @ RGB_TO_XYZ.T
    difference = colour.delta_E(colour.XYZ_to_Lab(ours, D65_XY), colour.XYZ_to_Lab(truth, D65_XY), method="CIE 2000")
    assert difference.max() < 0.1


@pytest.mark.parametrize(("kelvin", "reference", "tint"), [(2500, 6504, 0.0), (9000, 3200, 0.01), (4500, 4400, -0.02)])
def test_matrix_is_the_von_kries_formula(kelvin, reference, tint):
    white, reference_white = (
        colour.xy_to_XYZ(colour.UCS_uv_to_xy(np.array(uv)))
        for uv in (white_point_uv(kelvin, tint), white_point_uv(reference))
    )
    adaptation = colour.adaptation.matrix_chromatic_adaptation_VonKries(reference_white, white, transform="CAT16")
    expected = np.linalg.inv(RGB_TO_XYZ) @ adaptation @ RGB_TO_XYZ
    np.testing.assert_allclose(white_balance_matrix(kelvin, reference, tint).numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("kelvin", [1000, 2500, 4300, 6504, 7000, 40000])
def test_equal_light_is_exactly_the_identity(kelvin):
    identity = torch.eye(3, dtype=torch.float64)
    assert torch.equal(white_balance_matrix(kelvin, kelvin), identity)
    assert torch.equal(white_balance_matrix(kelvin, kelvin, 0.01, 0.01), identity)
    assert torch.equal(white_balance_matrix(D65_KELVIN), identity)
    image = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(apply_matrix(image, white_balance_matrix(kelvin, kelvin)), image)


def test_changes_of_light_compose():
    two_steps = white_balance_matrix(8000, 4500) @ white_balance_matrix(4500, 2700)
    torch.testing.assert_close(two_steps, white_balance_matrix(8000, 2700), atol=1e-12, rtol=0)


@pytest.mark.parametrize("mired", range(25, 1001, 75))
def test_white_keeps_its_luminance(mired):
    assert rendered_white(1e6 / mired)[1] == pytest.approx(1.0, abs=3e-5)


def test_sweep_is_smooth_and_monotone():
    sweep = np.array([kelvin_gains(1e6 / mired).numpy() for mired in np.arange(25.0, 1000.25, 0.5)])
    steps = np.diff(sweep, axis=0)
    assert (steps[:, 0] > 0).all()  # more mired, more red
    # The white leaves sRGB at 525 mired and its negative blue turns back towards 0 near 945 mired.
    assert (steps[: 2 * 900, 2] < 0).all()
    # Half a mired moves no channel by 0.5 % of white, and in the blend of the two loci (3500..5500 K) the step itself
    # changes by less than 0.00005: no jump and no corner that an 8-bit sweep could show.
    assert np.abs(steps).max() < 0.005
    blend = slice(round(2 * (1e6 / 5500 - 25)), round(2 * (1e6 / 3500 - 25)))
    assert np.abs(np.diff(sweep[blend], n=2, axis=0)).max() < 0.00005


def test_warm_light_is_orange_and_a_warm_dial_is_blue():
    red, green, blue = kelvin_gains(2000)
    assert red > green > blue > 0
    red, green, blue = camera_dial_matrix(2000).sum(dim=1)
    assert red < green < blue


def test_dial_is_the_inverse_of_the_illuminant():
    product = camera_dial_matrix(3000, 5500, 0.004, -0.01) @ white_balance_matrix(3000, 5500, 0.004, -0.01)
    torch.testing.assert_close(product, torch.eye(3, dtype=torch.float64), atol=1e-12, rtol=0)
    assert torch.equal(camera_dial_matrix(3200, 3200), torch.eye(3, dtype=torch.float64))


def test_matrix_acts_on_the_channels_of_images_and_videos():
    matrix = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 2.0], [3.0, 0.0, 0.0]], dtype=torch.float64)
    image = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([image[1], 2 * image[2], 3 * image[0]])
    torch.testing.assert_close(apply_matrix(image, matrix), expected)
    torch.testing.assert_close(apply_matrix(image.expand(2, -1, -1, -1), matrix), expected.expand(2, -1, -1, -1))
    with pytest.raises(ValueError, match=r"\(4, 5, 3\).*\(\.\.\., 3, H, W\)"):
        apply_matrix(torch.rand(4, 5, 3), matrix)


@pytest.mark.parametrize("kelvin", [999.0, 40001.0, 0.0, -5000.0, float("nan")])
def test_kelvin_outside_the_domain_is_refused(kelvin):
    with pytest.raises(ValueError, match=f"kelvin is {kelvin} K; give a value from 1000 to 40000 K"):
        white_balance_matrix(kelvin)
    with pytest.raises(ValueError, match="1000 to 40000 K"):
        white_balance_matrix(5000, kelvin)


def test_tint_outside_the_domain_is_refused():
    with pytest.raises(ValueError, match=r"tint_duv is 0\.06 Duv; give a value from -0\.05 to 0\.05"):
        white_point_uv(5000, 0.06)
