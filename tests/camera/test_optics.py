import math

import pytest
import torch

from genphoto.camera import optics
from genphoto.camera.camera import Camera
from genphoto.camera.colorimetry import linear_to_srgb, srgb_to_linear


def test_angle_of_view_of_a_normal_lens():
    assert math.degrees(optics.angle_of_view_rad(36, 50)) == pytest.approx(39.6, abs=0.05)  # textbooks: 39.6 degrees


@pytest.mark.parametrize(("focal_mm", "ratio"), [(24, 1), (28, 0.8571), (35, 0.6857), (50, 0.48), (200, 0.12)])
def test_crop_ratio_is_the_ratio_of_focal_lengths(focal_mm, ratio):
    assert optics.crop_ratio(Camera(focal_length_mm=focal_mm), Camera()) == pytest.approx(ratio, abs=1e-4)


def test_zooming_out_of_the_photograph_names_the_widest_possible():
    with pytest.raises(ValueError, match=r"18 mm sees more.*taken at 24 mm.*widest possible here is 24 mm"):
        optics.crop_ratio(Camera(focal_length_mm=18), Camera())


def test_a_smaller_sensor_crops():
    assert optics.crop_ratio(Camera(sensor="micro-four-thirds"), Camera()) == pytest.approx(17.3 / 36)


def refracted_radius_mm(camera, z_mm):
    """Radius of the blur on the sensor by tracing the marginal ray through a thin lens."""
    f, s = camera.focal_length_mm, camera.focus_distance_m * 1000
    image_mm = 1 / (1 / f - 1 / z_mm)  # where the point is imaged
    sensor_mm = 1 / (1 / f - 1 / s)
    return f / (2 * camera.f_number) * abs(image_mm - sensor_mm) / image_mm


@pytest.mark.parametrize("z_m", [0.5, 1.0, 1.9, 5.0, 1000.0])
@pytest.mark.parametrize("camera", [Camera(50, 1.8, 2.0), Camera(85, 1.4, 3.0), Camera(6.8, 1.8, 1.0)])
def test_blur_radius_is_the_ray_traced_one(camera, z_m):
    radius_px = optics.blur_radius_px(torch.tensor(1 / z_m, dtype=torch.float64), camera, 1536).item()
    assert abs(radius_px) == pytest.approx(refracted_radius_mm(camera, z_m * 1000) * 1536 / 36, rel=1e-9)
    assert (radius_px > 0) == (z_m < camera.focus_distance_m)


@pytest.mark.parametrize(("focal_mm", "f_number", "k"), [(24, 2.8, 1.1), (50, 1.8, 7.6), (85, 1.4, 28.8)])
def test_blur_parameter_of_common_lenses(focal_mm, f_number, k):
    camera = Camera(focal_length_mm=focal_mm, f_number=f_number, focus_distance_m=2)
    assert optics.blur_parameter(camera) == pytest.approx(k, abs=0.06)
    assert optics.f_number_of_blur_parameter(camera, k) == pytest.approx(f_number, rel=0.02)


@pytest.mark.parametrize(
    ("camera", "ev"),
    [
        (Camera(exposure_time_s=1), 1),
        (Camera(f_number=32), 2),
        (Camera(iso=800), 0),
        (Camera(exposure_time_s=0.25), -1),
    ],
)
def test_light_in_stops(camera, ev):
    assert optics.light_ev(camera, Camera()) == pytest.approx(ev)


@pytest.mark.parametrize("size", [(64, 96), (31, 47), (1, 1)])
def test_zoom_by_one_is_exactly_the_picture(size):
    picture = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    assert torch.equal(optics.zoom(picture, 1.0, size), picture)
    assert torch.equal(optics.zoom(picture, 1.0, size, nearest=True), picture)


def chart_positions(ratio, step=40, size=(480, 720)):
    """Centers of gravity of a chart of soft dots after a zoom, and where rectilinear optics puts them."""
    height, width = size
    y, x = torch.meshgrid(torch.arange(height) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2, indexing="ij")
    reach_x, reach_y = ratio * width / 2 - step / 2, ratio * height / 2 - step / 2
    found, true = [], []
    for dx in torch.arange(-reach_x, reach_x, step).tolist():
        for dy in (-reach_y, 0.0, reach_y * 0.7):
            dot = torch.exp(-((x - dx) ** 2 + (y - dy) ** 2) / (2 * 3.0**2))
            seen = optics.zoom(dot[None], ratio, size)[0]
            total = seen.sum()
            found.append([float((seen * x).sum() / total), float((seen * y).sum() / total)])
            true.append([dx / ratio, dy / ratio])
    return torch.tensor(found), torch.tensor(true)


@pytest.mark.parametrize("focal_mm", [24, 28, 35, 50, 70, 105])
def test_zoom_of_a_chart_is_measured_back_within_a_fifth_of_a_percent(focal_mm):
    found, true = chart_positions(24 / focal_mm)
    scale = (found * true).sum() / (true * true).sum()
    assert scale.item() == pytest.approx(1, abs=0.002)
    assert (found - true).abs().max() < 0.1  # px: no shift of the center either


def test_zooming_out_of_a_dense_source_is_antialiased():
    stripes = (torch.arange(512) % 2).float().expand(1, 64, 512)  # the finest pattern there is: averages to grey
    seen = optics.zoom(stripes, 1.0, (8, 64))
    assert (seen[..., 4:-4] - 0.5).abs().max() < 0.01  # at the borders the edge repeats


@pytest.mark.parametrize("ratio", [0.34, 0.5, 0.6857, 0.8571, 1.0])
@pytest.mark.parametrize("size", [(40, 60), (15, 22)])
@pytest.mark.parametrize("turned", [False, True])
def test_zoom_makes_no_dark_halo_beside_a_bright_edge(ratio, size, turned):
    bright = (torch.arange(60) >= 33).expand(3, 60, 60)
    picture = torch.where(bright.mT if turned else bright, 0.9, 0.05)
    codes = 255 * linear_to_srgb(optics.zoom(picture, ratio, size).clamp(0, 1))
    dark, light = (255 * linear_to_srgb(torch.tensor(value)) for value in (0.05, 0.9))
    assert dark - codes.min() < 10
    assert codes.max() - light < 10


def test_zoom_keeps_the_sharpness_of_photographs():
    """Against a picture of twice the resolution."""
    from skimage.data import astronaut

    fine = srgb_to_linear(torch.from_numpy(astronaut()[:300, :450].copy()).movedim(-1, 0) / 255)
    seen = optics.zoom(torch.nn.functional.avg_pool2d(fine[None], 2)[0], 1.0, (300, 450)).clamp(0, 1)
    error = (linear_to_srgb(seen) - linear_to_srgb(fine))[:, 8:-8, 8:-8]
    assert -10 * math.log10(error.square().mean()) > 30.75  # the kernel without a limit: 30.69


def test_zoom_with_margin_shows_more_of_the_same():
    picture = torch.rand(3, 60, 90, generator=torch.Generator().manual_seed(1))
    plain = optics.zoom(picture, 0.5, (30, 45))
    wide = optics.zoom(picture, 0.5, (30, 45), margin=(7, 3))
    assert torch.equal(wide[:, 7:-7, 3:-3], plain)


def test_zoom_keeps_depth_edges_hard():
    depth = torch.tensor([1.0, 5.0]).repeat_interleave(16).expand(1, 32, 32)
    assert set(optics.zoom(depth, 0.37, (32, 32), nearest=True).unique().tolist()) == {1.0, 5.0}
