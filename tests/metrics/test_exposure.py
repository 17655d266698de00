import pytest
import torch

from genphoto.camera.colorimetry import srgb_to_linear
from genphoto.camera.sweep import CameraSweep
from genphoto.metrics.exposure_change import exposure_change
from genphoto.metrics.frames import Pair
from genphoto.metrics.quantities.exposure import EXPOSURE, requested_ev

SWEEP = CameraSweep({"shutter_speed": [0.1, 0.3, 0.5, 1.0]})
# Largest error [EV] over 3.3 stops. Measured at 128 x 192: 0.0002, 0.005, 0.005, 0.004.
TOLERANCE = {"8 bit": 0.001, "JPEG 90": 0.01, "GIF": 0.01, "noise": 0.01}


@pytest.fixture
def measured(measure):
    return lambda *sequence: measure(EXPOSURE, *sequence)


@pytest.mark.parametrize("name", ["coffee", "chelsea", "astronaut"])
def test_stops_are_recovered_from_any_storage(shoot, stored, name, measured):
    result = measured(stored(shoot(name, SWEEP)), SWEEP)
    assert max(map(abs, result.errors)) < TOLERANCE[stored.name]
    assert result.slope == pytest.approx(1, abs=TOLERANCE[stored.name])


def test_sensor_noise_does_not_shift_the_median(shoot, measured):
    frames = shoot("coffee", SWEEP, generator=torch.Generator().manual_seed(0))
    assert max(map(abs, measured(frames, SWEEP).errors)) < 0.002


def test_iso_counts_as_exposure_but_aperture_priority_does_not():
    assert requested_ev(CameraSweep({"aperture": [2.8, 8]}).cameras) == pytest.approx((0, 0))


def test_moved_content_is_compared_by_its_histogram(shoot, sequence_of):
    sweep = CameraSweep({"shutter_speed": [0.3, 0.6]})
    frames = shoot("coffee", sweep)
    moved = torch.stack([frames[0], frames[1].roll(10, -1)])
    assert exposure_change(sequence_of(moved, sweep).pair(1)).value == pytest.approx(1, abs=0.02)


def test_a_change_of_light_is_no_change_of_exposure(shoot, measured):
    sweep = CameraSweep({"color_temperature": [5455, 2455, 9000]})
    assert max(map(abs, measured(shoot("coffee", sweep), sweep).errors)) < 0.002


def test_a_frame_that_is_all_clipped_cannot_be_measured():
    reading = exposure_change(Pair.of(torch.full((3, 64, 64), 0.3), torch.ones(3, 64, 64)))
    assert reading.value is None
    assert "clipped" in reading.reason


def test_different_scenes_have_no_exposure(shoot):
    coffee, astronaut = (srgb_to_linear(shoot(name, SWEEP)[2]) for name in ("coffee", "astronaut"))
    reading = exposure_change(Pair.of(coffee, astronaut))
    assert reading.value is None
    assert "different scenes" in reading.reason


def test_stops_beyond_the_range_of_one_picture_are_chained(shoot, measured):
    sweep = CameraSweep({"shutter_speed": [1 / 128, 1 / 16, 1 / 2]})
    frames = shoot("coffee", sweep)
    assert measured(frames[[0, 2]], CameraSweep({"shutter_speed": [1 / 128, 1 / 2]})).measured[1] is None
    assert measured(frames, sweep).measured == pytest.approx((0, 3, 6), abs=0.02)


def tone_curve(frames):
    """As a camera's standard picture: steeper in the middle, rolled off at both ends."""
    return (frames + 0.6 * frames * (1 - frames) * (2 * frames - 1)).clamp(0, 1)


def test_pictures_with_a_tone_curve_are_remarked_and_srgb_is_not(shoot, stored, measured):
    sweep = CameraSweep({"shutter_speed": [1 / 16, 1 / 2]})
    frames = shoot("coffee", sweep)
    stretched = measured(stored(tone_curve(frames)), sweep)
    assert stretched.measured[1] == pytest.approx(3.8, abs=0.15)
    assert "+3.00 EV were asked for" in stretched.remarks[1]
    assert "tone curve" in stretched.remarks[1]
    assert measured(stored(frames), sweep).remarks == (None, None)
