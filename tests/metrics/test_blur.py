import pytest
import torch

from genphoto.camera.optics import blur_radius_px
from genphoto.camera.sweep import CameraSweep
from genphoto.metrics.patch_blur import patch_radii
from genphoto.metrics.quantities.blur import BLUR

SWEEP = CameraSweep({"bokeh": [2.44, 8.3, 17.2, 24]})
PHOTOS = ["coffee", "chelsea", "astronaut"]
# Largest error [px], over radii up to 6 px at 128 x 192. Measured: 0.02, 0.04, 0.06, 0.04; and of K in percent of 24.
TOLERANCE = {"8 bit": 0.05, "JPEG 90": 0.1, "GIF": 0.1, "noise": 0.1}
TOLERANCE_K = {"8 bit": 0.3, "JPEG 90": 0.6, "GIF": 0.6, "noise": 0.6}


@pytest.fixture
def measured(measure):
    return lambda *sequence: measure(BLUR, *sequence)


@pytest.mark.parametrize("name", PHOTOS)
def test_radii_are_recovered_with_depth(shoot_cards, stored, name, measured):
    frames, disparity = shoot_cards(name, SWEEP)
    result = measured(stored(frames), SWEEP, disparity)
    assert result.unit == "px"
    assert max(map(abs, result.errors)) < TOLERANCE[stored.name]
    assert result.slope == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("name", PHOTOS)
def test_k_is_followed_without_depth(shoot_cards, stored, name, measured):
    result = measured(stored(shoot_cards(name, SWEEP)[0]), SWEEP)
    assert result.unit == "K"
    assert result.slope is None  # the scale is fitted
    assert max(map(abs, result.errors)) < TOLERANCE_K[stored.name]
    assert result.rank_correlation == pytest.approx(1)


def test_larger_frames_give_larger_radii(shoot_cards, measured):
    frames, disparity = shoot_cards("coffee", SWEEP, (256, 384))
    result = measured(frames, SWEEP, disparity)
    assert max(map(abs, result.errors)) < 0.1
    assert result.requested[-1] > 7.5


def test_the_sharpest_requested_frame_is_the_reference(shoot_cards, measured):
    sweep = CameraSweep({"aperture": [1.4, 2.8, 11]})
    frames, disparity = shoot_cards("chelsea", sweep)
    result = measured(frames, sweep, disparity)
    assert result.reference == 2
    assert result.measured[2] == 0
    assert max(map(abs, result.errors)) < 0.1


def test_half_the_blur_is_seen_in_the_slope(shoot_cards, measured):
    frames, disparity = shoot_cards("coffee", CameraSweep({"bokeh": [1.22, 4.15, 8.6, 12]}))
    result = measured(frames, SWEEP, disparity)
    assert result.slope == pytest.approx(0.5, abs=0.03)


def test_a_frame_sharper_than_the_reference_is_below_zero(shoot_cards, measured):
    frames, disparity = shoot_cards("coffee", SWEEP)
    result = measured(frames.flip(0), SWEEP, disparity)
    assert result.measured[-1] < -1
    assert measured(frames.flip(0), SWEEP).rank_correlation == pytest.approx(-1)


def test_patches_read_a_disc_of_known_radius(shoot_cards, sequence_of):
    sweep = CameraSweep({"bokeh": [1, 20]})
    frames, disparity = shoot_cards("astronaut", sweep)
    blur = patch_radii(sequence_of(frames, sweep).pair(1))
    assert blur.side == 16
    near = blur_radius_px(disparity, sweep.cameras[1], 192)[120, 96]
    assert blur.radius[7, 6] == pytest.approx(float(near), abs=0.1)


def test_plain_walls_do_not_count(shoot_cards, measured):
    frames, _ = shoot_cards("coffee", SWEEP)
    walls = frames.clone()
    walls[:, :, :64], walls[:, :, :, :80] = 0.6, 0.6
    assert max(map(abs, measured(walls, SWEEP).errors)) < 0.5
    (reading,) = measured(torch.full((2, 3, 64, 96), 0.6), CameraSweep({"bokeh": [2, 20]})).reasons[1:]
    assert "flat" in reading


def test_frozen_frames_add_no_blur(shoot_cards, measured):
    frames, disparity = shoot_cards("coffee", SWEEP)
    frozen = frames[:1].expand_as(frames)
    assert measured(frozen, SWEEP, disparity).slope == pytest.approx(0, abs=0.01)
    assert measured(frozen, SWEEP).measured == pytest.approx((0, 0, 0, 0), abs=1e-6)


def test_another_scene_is_no_blurred_version_of_this_one(shoot_cards, measured):
    frames, _ = shoot_cards("coffee", SWEEP)
    other, _ = shoot_cards("chelsea", SWEEP)
    result = measured(torch.stack([frames[0], frames[1], frames[2], other[3]]), SWEEP)
    assert result.measured[3] is None
    assert "resembles" in result.reasons[3]
