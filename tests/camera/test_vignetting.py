import math

import pytest
import torch

from genphoto.camera.camera import Camera
from genphoto.camera.colorimetry import srgb_to_linear
from genphoto.camera.imaging import photograph
from genphoto.camera.photo import Photo
from genphoto.camera.stages.vignetting import falloff


def test_the_corner_loses_what_is_asked_for():
    share = falloff((401, 601), 2.0)
    assert share[200, 300] == 1
    assert share[0, 0].log2() == pytest.approx(-2, abs=0.01)
    assert share.min() == share[0, 0] == share[-1, -1]
    assert torch.equal(falloff((401, 601), 0.0), torch.ones(401, 601))
    assert torch.equal(falloff((401, 601), 2.0, rows=slice(100, 130)), share[100:130])


def test_it_is_the_cosine_fourth_law():
    """Of a 24 mm lens on 36 x 24 mm: 1.72 EV in the corner, and cos^4 of the angle everywhere else."""
    corner_mm = math.hypot(18, 12)
    corner_ev = -4 * math.log2(math.cos(math.atan(corner_mm / 24)))
    assert corner_ev == pytest.approx(1.72, abs=0.005)
    share = falloff((240, 360), corner_ev)
    for row, column in ((0, 0), (30, 200), (119, 300), (239, 17)):
        radius_mm = math.hypot((row - 119.5) / 10, (column - 179.5) / 10)
        assert share[row, column] == pytest.approx(math.cos(math.atan(radius_mm / 24)) ** 4, rel=1e-4)


def ev(frame, before):
    return torch.log2(srgb_to_linear(frame) / srgb_to_linear(before))


def test_a_photograph_keeps_the_corners_it_has():
    """Taken with 1.5 EV and photographed with 2 EV: half a stop is added in the corner; with 0 they are evened out."""
    gray = torch.full((3, 100, 150), 0.5)
    photo = Photo(gray, camera=Camera(vignetting_ev=1.5))
    assert torch.allclose(photograph(photo, photo.camera), gray, atol=2e-6)
    darker = ev(photograph(photo, Camera(vignetting_ev=2.0)), gray)
    assert darker[:, 0, 0].mean() == pytest.approx(-0.5, abs=0.02)
    evened = ev(photograph(photo, Camera(vignetting_ev=0.0)), gray)
    assert evened[:, 0, 0].mean() == pytest.approx(1.5, abs=0.03)
    assert evened[:, 50, 75].abs().max() < 0.01


def test_a_zoom_leaves_the_corners_of_the_photograph_behind():
    """Twice the focal length sees the middle half, whose corner had lost less; the longer lens loses its own."""
    gray = torch.full((3, 100, 150), 0.5)
    photo = Photo(gray, camera=Camera(24, vignetting_ev=2.0))
    change = ev(photograph(photo, Camera(48, vignetting_ev=2.0)), gray)
    lost = 2 * math.log2(1 + (2 - 1) / 4)  # of cos^4 at half the corner's radius
    assert change[:, 0, 0].mean() == pytest.approx(lost - 2, abs=0.03)
