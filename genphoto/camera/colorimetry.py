"""Color of light: sRGB encoding, the white of an illuminant, and the change of a picture under another illuminant.

Kelvin means the illuminant: 2000 K turns a picture orange. A camera dial works the other way, see camera_dial_matrix.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

MIN_KELVIN, MAX_KELVIN = 1000.0, 40000.0
MAX_TINT_DUV = 0.05  # CIE 15: beyond this distance from the Planckian locus a color temperature has no meaning
D65_KELVIN = 6504.0

# Planckian light up to the first, CIE daylight from the second: lamps and fires below, sun and sky above.
PLANCKIAN_UP_TO_KELVIN, DAYLIGHT_FROM_KELVIN = 4000.0, 5000.0
# CIE 15:2004, domain of the daylight formula.
MIN_DAYLIGHT_KELVIN, MAX_DAYLIGHT_KELVIN = 4000.0, 25000.0
SECOND_RADIATION_CONSTANT_NM_K = 1.438776877e7  # CODATA 2018, h c / k

# CIE 1931 2 degree color-matching functions, 380..780 nm in steps of 10 nm (ISO/CIE 11664-1).
CMF_NM = range(380, 781, 10)
# fmt: off
CMF_X = (
    0.001368, 0.004243, 0.014310, 0.043510, 0.134380, 0.283900, 0.348280, 0.336200, 0.290800, 0.195360, 0.095640,
    0.032010, 0.004900, 0.009300, 0.063270, 0.165500, 0.290400, 0.433450, 0.594500, 0.762100, 0.916300, 1.026300,
    1.062200, 1.002600, 0.854450, 0.642400, 0.447900, 0.283500, 0.164900, 0.087400, 0.046770, 0.022700, 0.011359,
    0.005790, 0.002899, 0.001440, 0.000690, 0.000332, 0.000166, 0.000083, 0.000042,
)
CMF_Y = (
    0.000039, 0.000120, 0.000396, 0.001210, 0.004000, 0.011600, 0.023000, 0.038000, 0.060000, 0.090980, 0.139020,
    0.208020, 0.323000, 0.503000, 0.710000, 0.862000, 0.954000, 0.994950, 0.995000, 0.952000, 0.870000, 0.757000,
    0.631000, 0.503000, 0.381000, 0.265000, 0.175000, 0.107000, 0.061000, 0.032000, 0.017000, 0.008210, 0.004102,
    0.002091, 0.001047, 0.000520, 0.000249, 0.000120, 0.000060, 0.000030, 0.000015,
)
CMF_Z = (
    0.006450, 0.020050, 0.067850, 0.207400, 0.645600, 1.385600, 1.747060, 1.772110, 1.669200, 1.287640, 0.812950,
    0.465180, 0.272000, 0.158200, 0.078250, 0.042160, 0.020300, 0.008750, 0.003900, 0.002100, 0.001650, 0.001100,
    0.000800, 0.000340, 0.000190, 0.000050, 0.000020, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000,
    0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000,
)
# fmt: on

SRGB_KNEE, LINEAR_KNEE = 0.04045, 0.0031308  # of the sRGB curve, IEC 61966-2-1
# CIE xy of the sRGB primaries and white, IEC 61966-2-1 (ITU-R BT.709).
SRGB_PRIMARIES_XY = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
SRGB_WHITE_XY = (0.3127, 0.3290)
# Adobe RGB (1998) 4.3.1; its white is that of sRGB.
ADOBE_RGB_PRIMARIES_XY = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
ADOBE_RGB_GAMMA = 563 / 256
# XYZ to cone-like responses of CAT16, Li et al. 2017, "Comprehensive color solutions: CAM16, CAT16, and CAM16-UCS".
CAT16 = torch.tensor(
    [[0.401288, 0.650173, -0.051461], [-0.250268, 1.204414, 0.045854], [-0.002079, 0.048952, 0.953127]],
    dtype=torch.float64,
)


def srgb_to_linear(encoded: Tensor) -> Tensor:
    """Linear light of sRGB codes in [0, 1], any shape; the curve of IEC 61966-2-1, odd-symmetric below 0."""
    x = encoded.to(torch.promote_types(encoded.dtype, torch.float32))
    size, sign = x.abs(), x.sign()
    # Thresholds in place of a choice between both branches, which takes longer than either.
    straight = (x - sign * F.threshold(size, SRGB_KNEE, 0.0)) / 12.92
    power = ((F.threshold(size, SRGB_KNEE, -0.055) + 0.055) / 1.055) ** 2.4
    return (straight + sign * power).to(encoded.dtype)


def linear_to_srgb(linear: Tensor) -> Tensor:
    """sRGB codes of linear light, any shape, the inverse of srgb_to_linear; not clamped, odd-symmetric below 0."""
    x = linear.to(torch.promote_types(linear.dtype, torch.float32))
    size, sign = x.abs(), x.sign()
    straight = 12.92 * (x - sign * F.threshold(size, LINEAR_KNEE, 0.0))
    # Below the knee a small light, at which the branch is below 0 and has a finite gradient.
    power = (1.055 * F.threshold(size, LINEAR_KNEE, 5e-4) ** (1 / 2.4) - 0.055).relu()
    return (straight + sign * power).to(linear.dtype)


def adobe_rgb_to_srgb(encoded: Tensor) -> Tensor:
    """sRGB codes (3, ...) in [0, 1] of Adobe RGB (1998) codes; colors outside sRGB are clipped."""
    linear = encoded.clamp(0, 1) ** ADOBE_RGB_GAMMA
    matrix = torch.linalg.solve(_rgb_to_xyz(SRGB_PRIMARIES_XY), _rgb_to_xyz(ADOBE_RGB_PRIMARIES_XY))
    return linear_to_srgb(torch.tensordot(matrix.to(linear), linear, dims=1).clamp(0, 1))


def white_point_uv(kelvin: float, tint_duv: float = 0.0) -> tuple[float, float]:
    """CIE 1960 (u, v) of the white of light with this correlated color temperature [K], 1000..40000 K.

    Planckian up to 4000 K, CIE daylight from 5000 K, in between a C2 blend over mired. Daylight and tint_duv (Duv,
    + is green) are displacements along the isotherm, perpendicular to the Planckian locus: the temperature stays.
    """
    _require_in("kelvin", kelvin, MIN_KELVIN, MAX_KELVIN, "K")
    _require_in("tint_duv", tint_duv, -MAX_TINT_DUV, MAX_TINT_DUV, "Duv")
    u, v, green_u, green_v = _planckian_locus(kelvin)
    duv = tint_duv + _daylight_weight(kelvin) * _daylight_duv(kelvin)
    return u + duv * green_u, v + duv * green_v


def white_balance_matrix(
    kelvin: float, reference_kelvin: float = D65_KELVIN, tint_duv: float = 0.0, reference_tint_duv: float = 0.0
) -> Tensor:
    """Linear-sRGB matrix (3, 3), float64 on the CPU, from light of reference_kelvin to light of kelvin.

    von Kries in CAT16; the reference white becomes the new white at equal luminance. Exactly the identity for equal
    arguments. A low kelvin gives an orange picture; below about 1900 K its white leaves sRGB (blue is negative).
    """
    to_cone = CAT16 @ _rgb_to_xyz(SRGB_PRIMARIES_XY)
    cone_ratio = (CAT16 @ _white_xyz(kelvin, tint_duv)) / (CAT16 @ _white_xyz(reference_kelvin, reference_tint_duv))
    # I + A^-1 diag(r - 1) A is A^-1 diag(r) A, and exactly I for r = 1.
    change = torch.linalg.inv(to_cone) @ torch.diag(cone_ratio - 1.0) @ to_cone
    return torch.eye(3, dtype=torch.float64) + change


def camera_dial_matrix(
    kelvin: float, scene_kelvin: float = D65_KELVIN, tint_duv: float = 0.0, scene_tint_duv: float = 0.0
) -> Tensor:
    """Matrix (3, 3) of a camera set to kelvin in light of scene_kelvin; 2000 K on the dial gives a blue picture.

    The camera takes light of its dial setting for white: the inverse of white_balance_matrix with these arguments.
    """
    return white_balance_matrix(scene_kelvin, kelvin, scene_tint_duv, tint_duv)


def kelvin_gains(
    kelvin: float, reference_kelvin: float = D65_KELVIN, tint_duv: float = 0.0, reference_tint_duv: float = 0.0
) -> Tensor:
    """Linear RGB (3,), float64, of a white surface after white_balance_matrix with these arguments."""
    return white_balance_matrix(kelvin, reference_kelvin, tint_duv, reference_tint_duv).sum(dim=1)


def apply_matrix(image: Tensor, matrix: Tensor) -> Tensor:
    """Linear image (..., 3, H, W) after a color matrix (3, 3); not clamped."""
    if image.ndim < 3 or image.shape[-3] != 3:
        raise ValueError(f"image has shape {tuple(image.shape)}; a color matrix needs (..., 3, H, W).")
    dtype = torch.promote_types(image.dtype, torch.float32)
    return (matrix.to(dtype).to(image.device) @ image.to(dtype).flatten(-2)).view(image.shape).to(image.dtype)


def _planckian_locus(kelvin: float) -> tuple[float, float, float, float]:
    """(u, v) of a black body by Planck's law, and the unit normal of the locus that points to green."""
    xyz, slope = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
    for nm, *weights in zip(CMF_NM, CMF_X, CMF_Y, CMF_Z, strict=True):
        exponent = SECOND_RADIATION_CONSTANT_NM_K / (nm * kelvin)
        radiance = (nm / 560.0) ** -5 / math.expm1(exponent)
        radiance_slope = radiance * exponent / -math.expm1(-exponent)  # d radiance / d ln T
        for i, weight in enumerate(weights):
            xyz[i] += weight * radiance
            slope[i] += weight * radiance_slope
    total, total_slope = (x[0] + 15.0 * x[1] + 3.0 * x[2] for x in (xyz, slope))
    u, v = 4.0 * xyz[0] / total, 6.0 * xyz[1] / total
    du, dv = (4.0 * slope[0] - u * total_slope) / total, (6.0 * slope[1] - v * total_slope) / total
    return u, v, dv / math.hypot(du, dv), -du / math.hypot(du, dv)


def _daylight_duv(kelvin: float) -> float:
    """Duv of CIE daylight, CIE 15:2004; outside 4000..25000 K that of the nearest end."""
    t = min(max(kelvin, MIN_DAYLIGHT_KELVIN), MAX_DAYLIGHT_KELVIN)
    if t <= 7000.0:
        x = 0.244063 + 0.09911e3 / t + 2.9678e6 / t**2 - 4.6070e9 / t**3
    else:
        x = 0.237040 + 0.24748e3 / t + 1.9018e6 / t**2 - 2.0064e9 / t**3
    y = -3.000 * x**2 + 2.870 * x - 0.275
    u, v = _xy_to_uv(x, y)
    planck_u, planck_v, green_u, green_v = _planckian_locus(t)
    return (u - planck_u) * green_u + (v - planck_v) * green_v


def _daylight_weight(kelvin: float) -> float:
    """0 for Planckian light, 1 for daylight, smootherstep over mired between."""
    start, end = 1e6 / PLANCKIAN_UP_TO_KELVIN, 1e6 / DAYLIGHT_FROM_KELVIN
    x = min(max((1e6 / kelvin - start) / (end - start), 0.0), 1.0)
    return x**3 * (10.0 - 15.0 * x + 6.0 * x**2)


def _white_xyz(kelvin: float, tint_duv: float) -> Tensor:
    """XYZ (3,) at Y = 1 of white_point_uv; x / y = 3u / 2v and z / y = (4 - u - 10v) / 2v."""
    u, v = white_point_uv(kelvin, tint_duv)
    return torch.tensor([1.5 * u / v, 1.0, (4.0 - u - 10.0 * v) / (2.0 * v)], dtype=torch.float64)


def _rgb_to_xyz(primaries_xy: tuple[tuple[float, float], ...]) -> Tensor:
    """Linear RGB to XYZ (3, 3): the primaries, each scaled so that RGB (1, 1, 1) is the white of sRGB at Y = 1."""
    xyz = torch.tensor(
        [[x / y, 1.0, (1.0 - x - y) / y] for x, y in (*primaries_xy, SRGB_WHITE_XY)], dtype=torch.float64
    ).T
    return xyz[:, :3] * torch.linalg.solve(xyz[:, :3], xyz[:, 3])


def _xy_to_uv(x: float, y: float) -> tuple[float, float]:
    return 4.0 * x / (-2.0 * x + 12.0 * y + 3.0), 6.0 * y / (-2.0 * x + 12.0 * y + 3.0)


def _require_in(name: str, value: float, low: float, high: float, unit: str) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} is {value} {unit}; give a value from {low:g} to {high:g} {unit}.")
