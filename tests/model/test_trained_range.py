"""What of a sweep an adapter was not trained on."""

import pytest

from genphoto.camera.camera import Camera
from genphoto.camera.settings import SETTINGS, setting_named
from genphoto.camera.sweep import CameraSweep
from genphoto.model.config import PUBLISHED
from genphoto.model.trained_range import TrainingRange, with_reach

VARIANTS = [(s, v) for s in SETTINGS for v in ("physical", "published") if v == "physical" or s.published]


def trained(name, variant="physical"):
    setting = setting_named(name)
    return TrainingRange(setting, setting.domain, variant, PUBLISHED.encoder)


@pytest.mark.parametrize(("setting", "variant"), VARIANTS, ids=lambda x: getattr(x, "name", x))
def test_a_training_concerns_nobody_within_its_range(setting, variant):
    assert trained(setting.name, variant).concerns(CameraSweep({setting.name: setting.domain})) == []


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
@pytest.mark.parametrize("end", [0, 1])
def test_every_setting_has_an_end_beyond_which_it_is_told(setting, end):
    low, high = setting.domain
    beyond = (low - 0.1 * abs(low), high + 0.1 * abs(high))[end]
    (said,) = trained(setting.name).concerns(CameraSweep({setting.name: [setting.domain[end], beyond]}))
    assert said.startswith(f"{setting.label}: the camera adapter was trained on {setting.format(low)} to ")
    assert f"frame 2 (asked: {setting.format(float(f'{beyond:.4g}'))})" in said
    assert f"like {setting.format(setting.domain[end])}. Sweep within that range." in said


def test_more_frames_than_the_adapter_sees_at_once_are_told():
    assert trained("focal_length").concerns(CameraSweep.linear("focal_length", 24, 70, 16)) == []
    (said,) = trained("focal_length").concerns(CameraSweep.linear("focal_length", 24, 70, 17))
    assert said.startswith("The sweep has 17 frames, but the camera adapter sees 16 at once")


@pytest.mark.parametrize(
    ("name", "base", "said"),
    [
        ("focal_length", Camera(focal_length_mm=50), "focal_length_mm 50 mm, trained at 24 mm"),
        ("shutter_speed", Camera(exposure_time_s=0.1), "exposure_time_s 0.1 s, trained at 0.5 s"),
        ("color_temperature", Camera(color_temperature_k=3000), "color_temperature_k 3000 K, trained at 6504 K"),
        ("aperture", Camera(), "focal_length_mm 24 mm, trained at 85 mm"),
    ],
)
def test_another_base_camera_than_in_training_is_told(name, base, said):
    sweep = CameraSweep({name: setting_named(name).domain}, base)
    (concern,) = trained(name).concerns(sweep)
    assert f"not the one of the adapter's training ({said})" in concern


def test_a_base_camera_that_the_adapter_does_not_see_is_not_told():
    sweep = CameraSweep({"focal_length": [24, 70]}, Camera(iso=800, focus_distance_m=5, f_number=8))
    assert trained("focal_length").concerns(sweep) == []
    assert trained("focal_length", "published").concerns(CameraSweep({"focal_length": [24, 70]}, Camera(50))) == []


def test_the_reach_of_a_sweep_is_that_of_all_its_adapters():
    sweep = CameraSweep({"focal_length": [24, 100], "shutter_speed": [0.5, 0.2]})
    one, both = {"focal_length": (24, 70)}, {"focal_length": (24, 70), "shutter_speed": (0.1, 1)}
    assert with_reach(sweep, both).reach == {"focal_length": (24, 70)}
    assert with_reach(sweep, one).reach == {"focal_length": (24, 70), "shutter_speed": (0.5, 0.5)}
    assert with_reach(CameraSweep({"focal_length": [24, 70]}), one) == CameraSweep({"focal_length": [24, 70]})
    iris = CameraSweep({"aperture": [2, 8]})
    assert with_reach(iris, {"bokeh": (1, 30)}) == iris
