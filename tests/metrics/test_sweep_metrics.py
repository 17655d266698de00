import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from genphoto.camera.camera import Camera
from genphoto.camera.imaging import simulate
from genphoto.camera.photo import Photo
from genphoto.camera.sweep import CameraSweep
from genphoto.files.photos import read_depth, read_photo
from genphoto.metrics.quantities import QUANTITIES
from genphoto.metrics.quantities.zoom import ZOOM
from genphoto.metrics.sweep_metrics import measure_sweep

DOCS = Path(__file__).parents[2] / "docs"

SWEEPS = {
    "zoom": CameraSweep({"focal_length": [24, 30, 45, 65]}),
    "exposure": CameraSweep({"shutter_speed": [0.1, 0.3, 0.5, 1.0]}),
    "color_temperature": CameraSweep({"color_temperature": [5455, 2455, 4155, 10000]}),
    "blur": CameraSweep({"bokeh": [2.44, 8.3, 17.2, 24]}),
}


@pytest.fixture(scope="module")
def sequence(shoot, shoot_cards):
    def frames(name, quantity):
        sweep = SWEEPS[quantity]
        return shoot_cards(name, sweep)[0] if quantity == "blur" else shoot(name, sweep)

    return frames


@pytest.mark.parametrize("quantity", SWEEPS)
def test_a_right_sequence_has_no_findings(sequence, quantity):
    report = measure_sweep(sequence("coffee", quantity), SWEEPS[quantity])
    assert report.asked_for == (quantity,)
    assert list(report.measurements) == [quantity]
    assert report.findings == ()
    assert report.measurements[quantity].rank_correlation == pytest.approx(1)


@pytest.mark.parametrize("quantity", SWEEPS)
def test_frozen_shuffled_and_changing_sequences_are_called_that(sequence, quantity):
    sweep, right = SWEEPS[quantity], sequence("coffee", quantity)
    frozen = measure_sweep(right[:1].expand_as(right), sweep)
    assert "frozen" in frozen.findings[0]

    shuffled = measure_sweep(right[[2, 0, 3, 1]], sweep)
    assert any("does not follow the order" in finding for finding in shuffled.findings)

    other = sequence("astronaut", quantity)
    scenes = measure_sweep(torch.stack([right[0], other[1], right[2], other[3]]), sweep)
    assert any("not the first frame under the requested camera" in finding for finding in scenes.findings)
    assert any("cannot be measured in frame" in finding for finding in scenes.findings)


# Largest deviation of what was not asked for: zoom [x], blur [px or K], exposure [EV], color [mired], tint [Duv].
CROSS_TALK = {
    "zoom": 0.005,
    "blur": 0.5,
    "exposure": 0.01,
    "color_temperature": 0.5,
    "tint": 0.0005,
    "vignetting": 0.02,
}


@pytest.mark.parametrize("quantity", SWEEPS)
def test_a_right_sequence_has_no_cross_talk(sequence, quantity):
    report = measure_sweep(sequence("chelsea", quantity), SWEEPS[quantity], cross_talk=True)
    assert list(report.measurements) == [q.name for q in QUANTITIES]
    for name, measurement in report.measurements.items():
        if name not in report.asked_for:
            worst = max(abs(e) for e in measurement.errors if e is not None)
            assert worst < CROSS_TALK[name] * (100 if measurement.percent else 1), name


def test_blur_fakes_no_zoom_and_stays_measurable_without_depth(measure):
    """The photograph in docs/: focused on the back, its blurred front shifts the structure by 2.5 % of a zoom."""
    size = (256, 384)
    image = read_photo(DOCS / "sample.jpg")
    disparity = read_depth(DOCS / "sample_depth.png", image.shape[1:], near_m=0.366, far_m=0.8)
    image = F.interpolate(image[None], size, mode="bicubic", antialias=True)[0].clamp(0, 1)
    disparity = F.interpolate(disparity[None, None], size, mode="nearest-exact")[0, 0]
    sweep = CameraSweep({"aperture": [16, 2, 1.4]}, Camera(50, focus_distance_m=0.7))
    frames = (torch.stack([*simulate(Photo(image, disparity, sweep.base), sweep)]) * 255).round() / 255
    report = measure_sweep(frames, sweep, cross_talk=True)
    assert max(map(abs, report.measurements["zoom"].errors)) < 0.5
    assert report.measurements["blur"].complete
    unasked = measure(ZOOM, frames, CameraSweep({"shutter_speed": [0.1] * 3}))  # was 2.5 %
    assert max(map(abs, unasked.errors)) < 0.5


def test_a_zoom_that_cross_talk_finds_does_not_take_the_blur_away(sequence):
    """Without depth, blur is compared at one scale only; more that is measured is no reason to measure less."""
    sweep, frames = SWEEPS["blur"], sequence("coffee", "blur").clone()
    closer = torch.nn.functional.interpolate(frames[2:], scale_factor=1.02, mode="bilinear")
    frames[2:] = closer[..., 1:129, 1:193]
    alone, all_ = (measure_sweep(frames, sweep, cross_talk=also).measurements for also in (False, True))
    assert all_["zoom"].measured[3] == pytest.approx(1.02, abs=0.01)
    assert None not in all_["blur"].measured[:2]
    assert all_["blur"].measured == alone["blur"].measured


def test_a_zoom_that_leaves_no_patch_in_common_has_a_reason(shoot):
    sweep = CameraSweep({"focal_length": [24, 70, 200]})
    depth = torch.linspace(0.1, 1, 192).expand(128, 192)
    for disparity, why in ((None, "without depth"), (depth, "too small a part")):
        blur = measure_sweep(shoot("coffee", sweep), sweep, disparity=disparity).measurements["blur"]
        assert blur.measured[2] is None
        assert why in blur.reasons[2]


def test_cross_talk_is_found(sequence):
    frames = sequence("coffee", "color_temperature")
    darker = (frames * torch.tensor([1, 0.9, 0.8, 0.7])[:, None, None, None]).clamp(0, 1)
    report = measure_sweep(darker, SWEEPS["color_temperature"], cross_talk=True)
    assert report.measurements["exposure"].measured[3] < -0.8


def test_a_reference_adds_the_published_score(sequence):
    frames = sequence("coffee", "exposure")
    report = measure_sweep(frames, SWEEPS["exposure"], reference=sequence("chelsea", "exposure"))
    assert report.published["shutter_speed"].correlation > 0.9
    json.dumps(report.to_dict(), allow_nan=False)


def test_several_settings_are_measured_together(shoot):
    sweep = CameraSweep({"focal_length": [24, 35, 50], "shutter_speed": [0.5, 0.25, 0.4]})
    report = measure_sweep(shoot("astronaut", sweep), sweep)
    assert report.asked_for == ("zoom", "exposure")
    assert max(map(abs, report.measurements["zoom"].errors)) < 0.5
    assert max(map(abs, report.measurements["exposure"].errors)) < 0.01
    assert report.consistency.mean > 0.95


def test_what_the_frames_could_not_show_is_the_first_finding(shoot):
    sweep = CameraSweep({"focal_length": [24, 35, 70, 100]}, reach={"focal_length": (24, 70)})
    shown = CameraSweep({"focal_length": [24, 35, 70, 70]})
    report = measure_sweep(shoot("astronaut", shown), sweep)
    assert report.findings[0] == sweep.limitations[0]
    assert measure_sweep(shoot("astronaut", shown), shown).findings == ()


GRAY = torch.full((3, 3, 64, 96), 0.5)
THREE = CameraSweep({"shutter_speed": [0.1, 0.2, 0.4]})


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (GRAY[:1], "1 frame: .* at least 2"),
        (GRAY[:2], "2 frames do not fit a sweep of 3 values"),
        ([GRAY[0], GRAY[1], GRAY[2, :, :60]], "different sizes"),
        ([], "different sizes: none"),
        (GRAY * torch.tensor([1, 0, 0])[:, None, None, None], r"Frame\(s\) 2, 3 are black"),
        (GRAY[:, :1], r"\(3, 1, 64, 96\)"),
        (GRAY.mul(255).byte(), "uint8"),
        (GRAY * 3, "from 1.5 to 1.5; they must lie in"),
        (GRAY * torch.tensor([1, float("nan"), 1])[:, None, None, None], r"Frame\(s\) 2 hold .*NaN"),
        (torch.cat([GRAY[:2], GRAY[2:] / torch.zeros(96)]), r"Frame\(s\) 3 hold .* infinite"),
        (GRAY[..., :40], "40 x 64 pixels are too small"),
    ],
)
def test_unusable_frames_are_refused_with_one_sentence(frames, message):
    with pytest.raises(ValueError, match=message):
        measure_sweep(frames, THREE)


def test_a_disparity_of_another_size_is_refused():
    with pytest.raises(ValueError, match="Depth of 95 x 64 pixels does not fit frames of 96 x 64"):
        measure_sweep(GRAY, THREE, disparity=torch.ones(64, 95))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_depth_without_numbers_is_refused(value):
    disparity = torch.ones(64, 96)
    disparity[3, 5] = value
    with pytest.raises(ValueError, match="Depth holds values that are no numbers"):
        measure_sweep(GRAY, THREE, disparity=disparity)


def test_a_reference_of_another_length_is_refused():
    with pytest.raises(ValueError, match="The reference has 2 frames, the sequence 3"):
        measure_sweep(GRAY, THREE, reference=GRAY[:2])


def test_frames_are_measured_in_any_float_type(sequence):
    sweep = SWEEPS["exposure"]
    report = measure_sweep(sequence("coffee", "exposure").half(), replace(sweep))
    assert max(map(abs, report.measurements["exposure"].errors)) < 0.01


def test_without_opencv_only_the_published_zoom_is_missing(sequence, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)  # as in ComfyUI: importing it fails
    frames = sequence("coffee", "zoom")
    report = measure_sweep(frames, SWEEPS["zoom"], reference=frames)
    assert report.measurements["zoom"].complete
    score = report.published["focal_length"]
    assert score.correlation is None
    assert "needs OpenCV" in score.reason


def test_a_reference_says_how_alike_frames_can_be(sequence):
    sweep, right, other = SWEEPS["zoom"], sequence("coffee", "zoom"), sequence("astronaut", "zoom")
    itself = measure_sweep(right, sweep, reference=right)
    assert itself.consistency_excess == 0
    changing = measure_sweep(torch.stack([right[0], other[1], other[2], other[3]]), sweep, reference=right)
    assert changing.consistency_excess < -0.3
    larger = torch.nn.functional.interpolate(right, scale_factor=2, mode="bilinear")
    assert measure_sweep(right, sweep, reference=larger).consistency_excess == pytest.approx(0, abs=0.03)
    alone = measure_sweep(right, sweep)
    assert alone.consistency_excess is None
    assert alone.to_dict()["reference_consistency"] is None


def test_progress_goes_on_with_every_frame_and_ends_at_1(sequence):
    shares = []
    frames = sequence("coffee", "zoom")
    report = measure_sweep(frames, SWEEPS["zoom"], reference=frames, cross_talk=True, on_progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    quantities_read = len(report.measurements) - 1  # temperature and tint in one
    assert len(shares) >= quantities_read * (len(frames) - 1) + 2 * len(frames)


class Cancelled(Exception):
    pass


@pytest.mark.parametrize("after", [1, 2, 4, 7])
def test_a_measurement_is_cancelled_at_any_frame(sequence, after):
    calls = []

    def cancel(done):
        calls.append(done)
        if len(calls) == after:
            raise Cancelled

    with pytest.raises(Cancelled):
        measure_sweep(sequence("coffee", "exposure"), SWEEPS["exposure"], on_progress=cancel)
    assert len(calls) == after
