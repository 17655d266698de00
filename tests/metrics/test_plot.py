import pytest
import torch
from PIL import ImageChops

from genphoto.camera.sweep import CameraSweep
from genphoto.metrics.plot import BAD, MEASURED, REQUESTED, plot_report
from genphoto.metrics.sweep_metrics import measure_sweep

ZOOM = CameraSweep({"focal_length": [24, 35, 50]})


def colors(picture):
    return {color for _, color in picture.getcolors(1 << 24)}


@pytest.fixture
def frames(shoot):
    return shoot("coffee", ZOOM)


def test_requested_and_measured_are_drawn(frames):
    picture = plot_report(measure_sweep(frames, ZOOM), ZOOM.labels)
    assert picture.width == 960
    assert {REQUESTED, MEASURED} <= colors(picture)


def test_what_cannot_be_measured_is_marked_in_its_column(frames, shoot):
    other = shoot("astronaut", ZOOM)
    report = measure_sweep(torch.stack([frames[0], other[1], frames[2]]), ZOOM)
    right, marked = (plot_report(r, ZOOM.labels) for r in (measure_sweep(frames, ZOOM), report))
    panel = (150, 120, 920, 430)
    assert BAD not in colors(right.crop(panel))
    reds = [color == BAD for color in marked.crop(panel).get_flattened_data()]
    columns = {index % (panel[2] - panel[0]) for index, red in enumerate(reds) if red}
    assert 300 < min(columns) <= max(columns) < 470  # the second of three


def test_cross_talk_adds_panels_and_rows_add_lines(frames):
    plain = plot_report(measure_sweep(frames, ZOOM), ZOOM.labels)
    crossed = plot_report(measure_sweep(frames, ZOOM, cross_talk=True), ZOOM.labels)
    rows = plot_report(measure_sweep(frames, ZOOM), ZOOM.labels, {"CLIP": [0.3, 0.31, None]})
    assert plain.height < rows.height < crossed.height
    assert ImageChops.difference(plain, rows.crop((0, 0, *plain.size))).getbbox() is not None


def test_many_frames_thin_their_labels(shoot):
    sweep = CameraSweep.linear("shutter_speed", 0.2, 1.0, 24)
    picture = plot_report(measure_sweep(shoot("coffee", sweep), sweep), sweep.labels)
    assert picture.width == 960


def test_nothing_varies(frames):
    still = CameraSweep({"focal_length": [24, 24, 24]})
    assert plot_report(measure_sweep(frames, still), still.labels).height > 100
