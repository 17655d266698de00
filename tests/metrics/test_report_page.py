"""The page over many sequences: the matrix of what each setting changes beside its own quantity."""

import torch

from genphoto.camera.imaging import Photo, simulate
from genphoto.camera.sweep import CameraSweep
from genphoto.metrics.report_page import Entry, cross_talk, report_page
from genphoto.metrics.sweep_metrics import measure_sweep


def found(setting, values, extra_light=1.0):
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 24, 36, generator=generator) * 0.5 + 0.2
    image = torch.nn.functional.interpolate(coarse, (128, 192), mode="bicubic")[0].clamp(0, 1)
    sweep = CameraSweep({setting: values})
    frames = torch.stack([*simulate(Photo(image, camera=sweep.base), sweep)])
    frames[-1] = (frames[-1] * extra_light).clamp(0, 1)
    return measure_sweep(frames, sweep, cross_talk=True).to_dict()


def test_a_light_that_drifts_stands_in_the_row_of_its_sweep():
    steady, drifting = found("color_temperature", [6504, 5500]), found("color_temperature", [6504, 5500], 0.8)
    (row,) = cross_talk([steady]).values()
    assert row["exposure"][0] < 0.02
    matrix = cross_talk([drifting])
    assert list(matrix) == ["color_temperature"]
    assert matrix["color_temperature"]["exposure"][0] > 0.3
    assert matrix["color_temperature"]["exposure"][1] == "EV"
    page = report_page([Entry("one", drifting)])
    assert "<h2>Cross-talk</h2>" in page
    assert f"{matrix['color_temperature']['exposure'][0]:.3g} EV" in page


def test_what_was_measured_alone_gives_no_matrix():
    sequence = found("shutter_speed", [0.5, 0.4])
    own = {"exposure": sequence["measurements"]["exposure"]}
    assert cross_talk([sequence | {"measurements": own}, {"error": "no frames"}]) == {}
    assert "Cross-talk" not in report_page([Entry("one", {"error": "no frames"})])
