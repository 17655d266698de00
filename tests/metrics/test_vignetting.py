import pytest
import torch

from genphoto.camera.camera import Camera
from genphoto.camera.sweep import CameraSweep
from genphoto.metrics.sweep_metrics import measure_sweep

SWEEP = CameraSweep({"vignetting": [0, 0.5, 1, 2, 3]})


@pytest.mark.parametrize("name", ["coffee", "chelsea"])
def test_corners_are_measured_in_stops(shoot, name):
    found = measure_sweep(shoot(name, SWEEP), SWEEP)
    assert found.asked_for == ("vignetting",)
    assert found.measurements["vignetting"].measured == pytest.approx((0, 0.5, 1, 2, 3), abs=0.02)
    assert found.consistency.mean > 0.98


def test_a_first_frame_with_dark_corners_is_believed(shoot):
    sweep = CameraSweep({"vignetting": [2, 1, 0]})
    assert measure_sweep(shoot("coffee", sweep), sweep).measurements["vignetting"].measured == pytest.approx(
        (0, -1, -2), abs=0.02
    )


def test_corners_exposure_and_zoom_are_told_apart(shoot):
    sweep = CameraSweep(
        {"vignetting": [0, 1, 2], "shutter_speed": [0.5, 0.35, 0.25], "focal_length": [24, 28, 35]}, Camera()
    )
    found = measure_sweep(shoot("coffee", sweep), sweep).measurements
    assert found["vignetting"].measured == pytest.approx((0, 1, 2), abs=0.1)
    assert found["exposure"].measured == pytest.approx((0, -0.515, -1), abs=0.05)
    assert found["zoom"].measured == pytest.approx((1, 28 / 24, 35 / 24), rel=0.005)


def test_frozen_corners_are_measured_as_none(shoot):
    frames = shoot("coffee", SWEEP)
    frozen = measure_sweep(frames[:1].expand_as(frames), SWEEP).measurements["vignetting"]
    assert frozen.measured == pytest.approx((0,) * 5, abs=0.01)
    assert frozen.slope == pytest.approx(0, abs=0.01)


def test_other_scenes_and_clipped_ones_are_said_to_be_unmeasurable(shoot):
    sweep = CameraSweep({"vignetting": [0, 1]})
    frames = torch.stack([shoot("coffee", sweep)[0], shoot("chelsea", sweep)[1]])
    assert "different scenes" in measure_sweep(frames, sweep).measurements["vignetting"].reasons[1]
    white = torch.ones(2, 3, 128, 192)
    assert "too few pixels" in measure_sweep(white, sweep).measurements["vignetting"].reasons[1]
