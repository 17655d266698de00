import sys

import numpy as np
import pytest
import torch
from scipy import ndimage

from genphoto.camera.sweep import CameraSweep
from genphoto.metrics.published import blur_degrees, mean_brightness, mean_colors, published_score, zoom_scales

RISING = CameraSweep({"shutter_speed": [0.1, 0.2, 0.35, 0.6]})


def test_per_frame_numbers_are_those_of_their_definitions(shoot):
    cv2 = pytest.importorskip("cv2")
    frames = shoot("coffee", RISING)
    codes = (frames * 255).round().byte().movedim(1, -1).numpy()
    # Pillow's luma: 16 bit fixed point of ITU-R 601-2.
    gray = (codes @ np.array([19595, 38470, 7471]) + 0x8000) >> 16
    assert np.array_equal(mean_brightness(frames), gray.mean((1, 2)))
    assert np.array_equal(mean_colors(frames), codes.mean((1, 2)))
    expected = [cv2.Laplacian(g.astype(np.uint8), cv2.CV_64F).var() for g in gray]
    assert blur_degrees(frames) == pytest.approx(expected, rel=1e-12)
    assert ndimage.laplace(gray[0].astype(float), mode="mirror").var() == pytest.approx(expected[0])


def test_zoom_scales_are_those_of_neighbors(shoot):
    pytest.importorskip("cv2")
    sweep = CameraSweep({"focal_length": [24, 30, 36]})
    assert zoom_scales(shoot("coffee", sweep, (256, 384))) == pytest.approx([1.25, 1.2], rel=0.01)


def test_the_score_ignores_gain_and_offset_as_published(shoot):
    frames = shoot("coffee", RISING)
    assert published_score(frames, frames, "shutter_speed").correlation == pytest.approx(1)
    weak = 0.5 + 0.25 * frames
    assert published_score(weak, frames, "shutter_speed").correlation > 0.999


def test_a_constant_channel_leaves_the_score_undefined(shoot):
    frames = shoot("coffee", RISING)
    reference = frames.clone()
    reference[:, 0] = 1.0  # the reference simulator's red below 6600 K
    score = published_score(frames, reference, "color_temperature")
    assert score.correlation is None
    assert "reference" in score.reason


def test_featureless_frames_leave_the_zoom_score_undefined():
    pytest.importorskip("cv2")
    flat = torch.full((3, 3, 64, 64), 0.5)
    score = published_score(flat, flat, "focal_length")
    assert score.correlation is None
    assert "between frames 1 and 2" in score.reason


def test_two_frames_give_no_correlation(shoot):
    frames = shoot("coffee", RISING)[:2]
    assert "at least 3" in published_score(frames, frames, "shutter_speed").reason


def test_an_unscored_setting_and_another_length_are_refused(shoot):
    frames = shoot("coffee", RISING)
    with pytest.raises(ValueError, match="no score for 'tint'"):
        published_score(frames, frames, "tint")
    with pytest.raises(ValueError, match="4 frames and 3 of the reference"):
        published_score(frames, frames[:3], "shutter_speed")


def test_without_opencv_only_the_zoom_score_is_missing(shoot, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    frames = shoot("coffee", RISING)
    assert published_score(frames, frames, "bokeh").correlation == pytest.approx(1)
    with pytest.raises(ImportError, match="opencv-python-headless"):
        published_score(frames, frames, "focal_length")
