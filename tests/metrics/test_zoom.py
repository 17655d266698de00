import pytest
import torch

from genphoto.camera.colorimetry import srgb_to_linear
from genphoto.camera.imaging import simulate
from genphoto.camera.photo import Photo
from genphoto.camera.sweep import CameraSweep
from genphoto.metrics.frames import smooth
from genphoto.metrics.magnification import zoom_between
from genphoto.metrics.quantities.zoom import ZOOM

SWEEP = CameraSweep({"focal_length": [24, 30, 45, 65]})
PHOTOS = ["coffee", "chelsea", "astronaut"]
# Largest error [%]. At 65 mm a frame of 128 x 192 rests on 47 x 71 pixels of the first. Measured: 0.30 and 0.09.
TOLERANCE = {(128, 192): 0.5, (256, 384): 0.15}


@pytest.fixture
def measured(measure):
    return lambda *sequence: measure(ZOOM, *sequence)


@pytest.mark.parametrize("name", PHOTOS)
def test_zoom_is_recovered_from_any_storage(shoot, stored, name, measured):
    zooms = measured(stored(shoot(name, SWEEP)), SWEEP)
    assert zooms.complete
    assert max(map(abs, zooms.errors)) < TOLERANCE[128, 192]
    assert zooms.slope == pytest.approx(1, abs=0.005)
    assert zooms.linearity > 0.9999


def test_larger_frames_are_measured_more_exactly(shoot, measured):
    zooms = measured(shoot("astronaut", SWEEP, (256, 384)), SWEEP)
    assert max(map(abs, zooms.errors)) < TOLERANCE[256, 384]


def test_zooming_out_is_measured_as_well(shoot, measured):
    sweep = CameraSweep({"focal_length": [70, 40, 24]})
    zooms = measured(shoot("chelsea", sweep), sweep)
    assert zooms.requested == pytest.approx((1, 40 / 70, 24 / 70))
    assert max(map(abs, zooms.errors)) < TOLERANCE[128, 192]


def test_a_texture_without_objects_is_measured(noise_texture, measured):
    frames = torch.stack([*simulate(Photo(noise_texture), SWEEP, size=(128, 192))])
    assert max(map(abs, measured(frames, SWEEP).errors)) < TOLERANCE[128, 192]


def test_blur_exposure_and_light_do_not_matter(shoot, measured):
    sweep = CameraSweep({"focal_length": [24, 35], "shutter_speed": [0.5, 0.15], "color_temperature": [6504, 3500]})
    frames = shoot("coffee", sweep)
    frames = torch.stack([frames[0], smooth(frames[1], 1.5)])
    (error,) = measured(frames, sweep).errors[1:]
    assert abs(error) < TOLERANCE[128, 192]


@pytest.mark.parametrize("name", PHOTOS)
def test_a_changed_sixth_of_every_frame_does_not_matter(shoot, name, measured):
    frames = shoot(name, SWEEP).clone()
    frames[1:, :, 32:96, 48:112] = shoot("retina", SWEEP)[1:, :, 32:96, 48:112]
    errors = [e for e in measured(frames, SWEEP).errors[1:] if e is not None]
    assert len(errors) >= 2  # at 65 mm little of the first frame is left
    assert max(map(abs, errors)) < 1  # measured: 0.3


def test_half_the_zoom_is_seen_in_the_slope(shoot, measured):
    half = CameraSweep({"focal_length": [24, 27, 34.5, 44.5]})
    zooms = measured(shoot("coffee", half), SWEEP)
    assert zooms.slope == pytest.approx(0.5, abs=0.01)
    assert zooms.linearity > 0.999


@pytest.mark.parametrize(("first", "second"), [("coffee", "chelsea"), ("astronaut", "coffee")])
def test_two_scenes_have_no_zoom(shoot, first, second):
    frames = [srgb_to_linear(shoot(name, SWEEP)[0]) for name in (first, second)]
    reading = zoom_between(*frames)
    assert reading.value is None
    assert "different scenes" in reading.reason


def test_a_flat_frame_has_no_zoom(shoot):
    frame = srgb_to_linear(shoot("coffee", SWEEP)[0])
    assert zoom_between(frame, torch.full_like(frame, 0.3)).value is None


def test_a_pattern_that_repeats_is_ambiguous():
    x = torch.arange(192)[None, :].expand(128, 192)
    stripes = 0.5 + 0.3 * torch.sin(x / 3)
    frame = srgb_to_linear(stripes.expand(3, -1, -1))
    assert zoom_between(frame, frame.roll(3, -1)).value is None
