import json
import math
from dataclasses import replace

import pytest

from genphoto.camera.camera import Camera
from genphoto.camera.sweep import CameraSweep


def test_a_published_sweep_is_one_line():
    sweep = CameraSweep({"focal_length": [24, 28, 35, 50, 70]})
    assert [c.focal_length_mm for c in sweep.cameras] == [24, 28, 35, 50, 70]
    assert len({(c.f_number, c.exposure_time_s, c.iso, c.color_temperature_k) for c in sweep.cameras}) == 1


def test_linear_spacing_reaches_both_ends():
    assert CameraSweep.linear("focal_length", 24, 70, 5).values["focal_length"] == (24, 35.5, 47, 58.5, 70)


def test_stops_are_equal_ratios():
    values = CameraSweep.stops("shutter_speed", "1/125", "1/7.8125", 5).values["shutter_speed"]
    assert values == pytest.approx([1 / 125, 2 / 125, 4 / 125, 8 / 125, 16 / 125])


@pytest.mark.parametrize("spacing", [CameraSweep.linear, CameraSweep.stops])
def test_one_frame_is_the_start(spacing):
    assert spacing("color_temperature", 2000, 10000, 1).values["color_temperature"] == (2000,)


@pytest.mark.parametrize(
    ("setting", "text", "value"),
    [
        ("focal_length", "35 mm", 35),
        ("focal_length", "3.5cm", 35),
        ("shutter_speed", "1/125", 1 / 125),
        ("shutter_speed", "1/125 s", 1 / 125),
        ("shutter_speed", "8ms", 0.008),
        ("shutter_speed", '2"', 2),
        ("aperture", "f/2.8", 2.8),
        ("aperture", "F2.8", 2.8),
        ("bokeh", "K24", 24),
        ("color_temperature", "5600K", 5600),
        ("color_temperature", "1e4", 10000),
    ],
)
def test_photographers_notation_is_read(setting, text, value):
    assert CameraSweep({setting: [text]}).values[setting] == (pytest.approx(value),)


@pytest.mark.parametrize(
    ("setting", "value", "label"),
    [
        ("focal_length", 35, "35 mm"),
        ("shutter_speed", 1 / 125, "1/125 s"),
        ("shutter_speed", 0.7, "0.7 s"),
        ("shutter_speed", 2, "2 s"),
        ("aperture", 1.4, "f/1.4"),
        ("aperture", 11, "f/11"),
        ("bokeh", 2.44, "K 2.44"),
        ("color_temperature", 5600, "5600 K"),
    ],
)
def test_labels_speak_photographers_units_and_are_read_back(setting, value, label):
    sweep = CameraSweep({setting: [value]})
    assert sweep.labels == (label,)
    assert CameraSweep({setting: [label]}).values[setting] == (pytest.approx(value),)


def test_text_of_several_values_is_split():
    assert CameraSweep({"aperture": "f/1.4, f/2 2.8"}).values["aperture"] == (1.4, 2.0, 2.8)


@pytest.mark.parametrize(
    ("setting", "text", "values"),
    [
        ("focal_length", "24 mm, 35 mm", (24, 35)),
        ("shutter_speed", "1/60 s 1/30 s", (1 / 60, 1 / 30)),
        ("bokeh", "K 2.44; K 24", (2.44, 24)),
        ("color_temperature", "2500\n4000 K", (2500, 4000)),
        ("tint", "-0.01 0 +0.01", (-0.01, 0, 0.01)),
    ],
)
def test_text_with_units_is_split_between_values(setting, text, values):
    assert CameraSweep({setting: text}).values[setting] == pytest.approx(values)


def test_the_meaning_of_kelvin_belongs_to_the_sweep():
    sweep = CameraSweep({"color_temperature": [3000, 6500]}, dial=True)
    assert CameraSweep.from_json(sweep.to_json()) == sweep
    assert "dial" not in CameraSweep({"color_temperature": [3000, 6500]}).to_json()  # as it was written before
    with pytest.raises(ValueError, match='"dial" is 1, not true or false'):
        CameraSweep.from_json(sweep.to_json().replace("true", "1"))


def test_arrays_and_tensors_are_values():
    import numpy as np
    import torch

    assert CameraSweep({"focal_length": np.linspace(24, 70, 3)}).values["focal_length"] == (24, 47, 70)
    assert CameraSweep({"focal_length": torch.tensor([24.0, 70.0])}).values["focal_length"] == (24, 70)


@pytest.mark.parametrize("setting", ["bokeh", "shutter_speed", "color_temperature"])
@pytest.mark.parametrize("spacing", [CameraSweep.linear, CameraSweep.stops])
def test_both_ends_are_exact(setting, spacing):
    from genphoto.camera.settings import setting_named

    high, low = reversed(setting_named(setting).limits)
    values = spacing(setting, high, low, 7).values[setting]
    assert (values[0], values[-1]) == (high, low)


def test_stops_need_positive_ends():
    with pytest.raises(ValueError, match=r"Equal stops from -0.01 to 0.01 do not exist.*linear"):
        CameraSweep.stops("tint", -0.01, 0.01, 3)


def test_several_settings_vary_together():
    sweep = CameraSweep({"shutter_speed": ["1/60", "1/30"], "color_temperature": [3000, 6000]})
    assert [(c.exposure_time_s, c.color_temperature_k) for c in sweep.cameras] == [(1 / 60, 3000), (1 / 30, 6000)]
    assert sweep.labels == ("1/60 s, 3000 K", "1/30 s, 6000 K")


def test_the_order_in_which_settings_are_named_does_not_matter():
    one = CameraSweep({"shutter_speed": [0.5], "aperture": [2.8]}, Camera())
    other = CameraSweep({"aperture": [2.8], "shutter_speed": [0.5]}, Camera())
    assert one.cameras == other.cameras
    assert one.cameras[0].exposure_time_s == 0.5
    assert one.cameras[0].f_number == 2.8


def test_aperture_and_bokeh_are_one_iris():
    with pytest.raises(ValueError, match=r"Bokeh cannot be K 24 in frame 1.*Sweep one of them at a time"):
        CameraSweep({"aperture": [2.8], "bokeh": [24]})


def test_json_round_trip_is_equal():
    base = Camera(focal_length_mm=50, sensor="phone", iso=800)
    sweep = CameraSweep({"bokeh": [2.44, 8.3], "color_temperature": [3000, 5455.5]}, base)
    assert CameraSweep.from_json(sweep.to_json()) == sweep


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "format"),
        ('{"format": "genphoto-sweep", "version": 2}', "version 2.*reads version 1"),
        ('{"format": "genphoto-sweep", "version": 1, "values": {"focal_length": []}, "base": {}}', "no values"),
        ('{"format": "genphoto-sweep", "version": 1, "base": {}}', '"values"'),
        ('{"format": "genphoto-sweep", "version": 1, "values": {}, "base": {"zoom": 1}}', r"field\(s\) \['zoom'\]"),
    ],
)
def test_json_that_is_no_sweep_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        CameraSweep.from_json(text)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "at least one setting"),
        ({"focal_length": []}, "Focal length: the sweep has no values.*mm"),
        ({"focal_length": ""}, "no values"),
        ({"zoom": [1]}, "Unknown camera setting 'zoom'.*focal_length.*color_temperature"),
        ({"focal_length": [0]}, "Focal length = 0 mm is not between 1 and 5000 mm"),
        ({"shutter_speed": [-1]}, "Shutter speed = -1 s is not between"),
        ({"color_temperature": [500]}, "Color temperature = 500 K is not between 1000 and 40000 K"),
        ({"bokeh": [math.nan]}, "Bokeh = nan is not between"),
        ({"aperture": [math.inf]}, "Aperture = inf is not between"),
        ({"focal_length": [None]}, "Focal length = None is not between"),
        ({"focal_length": ["50kg"]}, "Focal length = '50kg' cannot be read as a value in mm.*such as"),
        ({"shutter_speed": ["1/0"]}, "Shutter speed = '1/0' cannot be read"),
        ({"shutter_speed": ["1/60", "1/30"], "bokeh": [1]}, "same number of values.*'bokeh': 1.*'shutter_speed': 2"),
    ],
)
def test_bad_sweeps_name_setting_value_unit_and_range(values, message):
    with pytest.raises(ValueError, match=message):
        CameraSweep(values)


@pytest.mark.parametrize("frames", [0, -1, math.nan, 2.7])
def test_a_sweep_has_at_least_one_frame(frames):
    with pytest.raises(ValueError, match=r"frames = .* is not (between 1 and 10000|a whole number)"):
        CameraSweep.linear("focal_length", 24, 70, frames)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"f_number": 0}, r"Camera.f_number = 0 \(f-number\) is not between"),
        ({"iso": "fast"}, "Camera.iso = 'fast' is not between 25 and 1e"),
        ({"focus_distance_m": 0.05, "focal_length_mm": 85}, "not beyond the focal length of 85 mm"),
        ({"sensor": "large"}, "large.*full-frame"),
        ({"sensor": None}, "Camera.sensor = None is no Sensor"),
        ({"aperture": "round"}, "Camera.aperture = 'round' is no Aperture"),
    ],
)
def test_bad_cameras_are_refused(state, message):
    with pytest.raises(ValueError, match=message):
        Camera(**state)


def test_aperture_priority_keeps_the_light():
    from genphoto.camera.optics import light_ev

    sweep = CameraSweep({"aperture": [1.4, 2.8, 16]})
    assert [light_ev(c, sweep.base) for c in sweep.cameras] == pytest.approx([0, 0, 0])


def test_repr_is_one_short_line():
    assert repr(CameraSweep({"focal_length": [24, 35]})) == "CameraSweep of focal length: 24 mm; 35 mm"


REACH = {"focal_length": (24, 70)}


def test_values_out_of_reach_are_told_beside_what_was_asked():
    sweep = CameraSweep({"focal_length": [14, 24, 70, 100, 200]}, reach=REACH)
    assert sweep.labels == ("14 mm", "24 mm", "70 mm", "100 mm", "200 mm")
    assert sweep.captions == (
        "14 mm (asked; adapter reaches 24 mm)",
        "24 mm",
        "70 mm",
        "100 mm (asked; adapter reaches 70 mm)",
        "200 mm (asked; adapter reaches 70 mm)",
    )
    assert sweep.limitations == (
        "Focal length: the camera adapter was trained on 24 mm to 70 mm; frames 1, 4, 5 (asked: 14 mm, 100 mm, 200 mm) "
        "will look about like 24 mm and 70 mm. Sweep within that range.",
    )


def test_a_reach_may_be_that_of_another_view_of_the_same_setting():
    sweep = CameraSweep({"aperture": [2, 64], "shutter_speed": [0.5, 0.1]}, reach={"bokeh": (1, 30)})
    assert sweep.captions == ("f/2, 0.5 s", "f/64, 1/10 s (asked; adapter reaches K 1)")
    both = CameraSweep(sweep.values, sweep.base, reach={"bokeh": (1, 30)}, unsteered=("shutter_speed",))
    assert both.captions[1] == "f/64, 1/10 s (asked; adapter reaches K 1, 0.5 s)"
    assert both.limitations[1] == (
        "Shutter speed: no camera adapter steers it; frame 2 (asked: 1/10 s) will look about like 0.5 s. Add the "
        "adapter of this setting, or do not sweep it."
    )


def test_a_sweep_within_its_reach_has_nothing_to_tell():
    sweep = CameraSweep({"focal_length": [24, 70]}, reach=REACH)
    assert sweep.captions == sweep.labels
    assert sweep.limitations == ()


def test_of_many_values_out_of_reach_a_sentence_names_the_first_and_the_last():
    sweep = CameraSweep({"focal_length": range(71, 1071)}, reach={"focal_length": (24, 70)})
    (sentence,) = sweep.limitations
    assert "frames 1, 2, 3, 4, 5, 6, ..., 1000 (asked: 71 mm, 72 mm," in sentence
    assert len(sentence) < 300


def test_one_value_is_a_reach_of_its_own():
    (sentence,) = CameraSweep({"focal_length": [24, 200]}, reach={"focal_length": (24, 24)}).limitations
    assert "the camera adapter was trained on 24 mm to 24 mm; frame 2" in sentence


def test_settings_that_nothing_steers_survive_the_file():
    sweep = CameraSweep({"focal_length": [24, 100], "shutter_speed": [0.5, 0.1]}, reach=REACH)
    told = replace(sweep, unsteered=("shutter_speed",))
    assert CameraSweep.from_json(told.to_json()) == told != sweep
    assert '"unsteered"' not in sweep.to_json()
    of_0_1 = json.loads(sweep.to_json()) | {"reach": {"focal_length": [24, 70], "shutter_speed": [0.5, 0.5]}}
    assert CameraSweep.from_json(json.dumps(of_0_1)) == told
    for damaged, message in (("iris", "is 'iris', not a list"), (["iris"], "Unknown camera setting 'iris'")):
        with pytest.raises(ValueError, match=message):
            CameraSweep.from_json(json.dumps(of_0_1 | {"unsteered": damaged}))


def test_the_reach_survives_the_file():
    sweep = CameraSweep({"focal_length": [24, 200]}, reach=REACH)
    assert CameraSweep.from_json(sweep.to_json()) == sweep
    assert sweep != CameraSweep({"focal_length": [24, 200]})
    assert '"reach"' not in CameraSweep({"focal_length": [24, 200]}).to_json()


@pytest.mark.parametrize(
    ("reach", "message"),
    [
        ({"zoom": [1, 2]}, "Unknown camera setting 'zoom'"),
        ({"focal_length": [24]}, r"The reach of focal_length is \[24\]\. Give its lowest and highest value \[mm\]"),
        ({"focal_length": "24"}, "The reach of focal_length is '24'"),
        ({"focal_length": [70, 24]}, "goes from 70 down to 24"),
        ({"focal_length": [24, math.nan]}, "Focal length = nan is not between"),
        ([24, 70], "not an object of"),
    ],
)
def test_a_damaged_reach_is_refused(reach, message):
    document = json.loads(CameraSweep({"focal_length": [24, 200]}).to_json()) | {"reach": reach}
    with pytest.raises(ValueError, match=message):
        CameraSweep.from_json(json.dumps(document))
