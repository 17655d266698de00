"""What a camera adapter asks of a sweep, and what of a sweep it was not trained on."""

from dataclasses import replace

import pytest
import torch

from genphoto.camera.camera import Camera
from genphoto.camera.settings import SETTINGS, setting_named
from genphoto.camera.sweep import CameraSweep
from genphoto.model.config import PUBLISHED
from genphoto.model.steering import CameraQuestion, Steering, with_reach

VARIANTS = [(s, v) for s in SETTINGS for v in ("physical", "published") if v == "physical" or s.published]


def steering(*names, variant="physical", **told):
    return Steering(tuple(map(setting_named, names)), variant, **told)


def question(sweep, *names, variant="physical"):
    return steering(*names, variant=variant).question(CameraSweep(sweep))


def concerns(sweep, *names, variant="physical"):
    return steering(*names, variant=variant).concerns(sweep, PUBLISHED.encoder.positions)


def test_settings_are_asked_together():
    """Coarse pictures side by side, words in one text, and sizes multiplied."""
    sweep = {"focal_length": [24, 36, 48], "shutter_speed": [0.5, 1.0, 0.25]}
    both = question(sweep, "shutter_speed", "focal_length")
    apart = [question(sweep, name) for name in ("shutter_speed", "focal_length")]
    assert torch.equal(both.prior((4, 6)), torch.cat([one.prior((4, 6)) for one in apart], 1))
    assert both.prior((4, 6)).shape == (3, 6, 4, 6)
    assert both.prompts == [" ".join(prompts) for prompts in zip(*(one.prompts for one in apart), strict=True)]
    assert both.prompts[0] == "<exposure: 0.5> <focal length: 24.0>"
    assert both.magnification().tolist() == [1.0, 1.5, 2.0]
    assert both.magnification(strength=2.0, reference=2).tolist() == [0.25, 0.5625, 1.0]
    assert both.label == "shutter speed and focal length"


def test_sizes_of_several_settings_multiply():
    closer = replace(setting_named("shutter_speed"), magnification=lambda seconds: 10 * seconds)
    zoom = setting_named("focal_length")
    asked = CameraQuestion(CameraSweep({"focal_length": [24, 48], "shutter_speed": [0.5, 0.1]}), (zoom, closer), "x")
    assert asked.magnification().tolist() == pytest.approx([1.0, 0.4])


def test_one_of_several_settings_may_stay():
    still = question({"focal_length": [24, 48]}, "focal_length", "shutter_speed")
    assert still.prompts == ["<focal length: 24.0> <exposure: 0.5>", "<focal length: 48.0> <exposure: 0.5>"]
    with pytest.raises(ValueError, match="steers focal_length and shutter_speed, but the sweep varies tint"):
        question({"tint": [-0.01, 0.01]}, "focal_length", "shutter_speed")
    with pytest.raises(ValueError, match=r"steers tint, but the sweep varies focal_length\..*or sweep tint"):
        steering("tint").question(CameraSweep({"focal_length": [24, 48]}, Camera(tint_duv=-0.01)))


def test_a_sweep_of_the_dial_is_no_sweep_of_the_light():
    kelvin = {"color_temperature": [3000, 6500]}
    assert question(kelvin, "color_temperature").prompts[0].startswith("<color temperature: 3000")
    with pytest.raises(ValueError, match="those of a white-balance dial"):
        steering("color_temperature").question(CameraSweep(kelvin, dial=True))
    assert steering("focal_length").question(CameraSweep({"focal_length": [24, 50]}, dial=True))


@pytest.mark.parametrize(
    ("sweep", "name"),
    [
        ({"focal_length": [24, 50]}, "focal_length"),
        ({"aperture": [2, 8]}, "bokeh"),
        ({"shutter_speed": [0.5, 0.5]}, "shutter_speed"),
    ],
)
def test_an_adapter_that_does_not_say_its_setting_is_settled_by_the_sweep(sweep, name):
    unsaid = steering(variant="published")
    assert unsaid.name == ""
    assert unsaid.settled(CameraSweep(sweep)) == steering(name, variant="published")
    assert [setting.name for setting in unsaid.question(CameraSweep(sweep)).settings] == [name]
    with pytest.raises(ValueError, match="the sweep varies focal_length and shutter_speed"):
        unsaid.question(CameraSweep({"focal_length": [24, 50], "shutter_speed": [0.5, 1]}))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: steering("bokeh", variant="real"), "Unknown variant 'real'. Variants: physical, published"),
        (lambda: steering("bokeh", "tint", variant="published"), "No adapter was published for tint. Settings with"),
        (lambda: steering("bokeh", "tint", "bokeh"), "steers bokeh twice"),
        (lambda: steering("bokeh", "tint", ranges=((1, 30),)), "ranges of 1 settings, and steers 2"),
    ],
)
def test_a_steering_that_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_every_setting_has_its_own_reach():
    told = steering("tint", "bokeh", ranges=((-0.01, 0.01), (2.0, 20.0)))
    assert told.reach == {"tint": (-0.01, 0.01), "bokeh": (2.0, 20.0)}
    assert steering("bokeh").reach == {"bokeh": (1.0, 30.0)}
    both = CameraSweep({"bokeh": [1, 8], "tint": [0.0, 0.02]})
    assert [concern.split(":")[0] for concern in told.concerns(both, 16)] == ["Tint", "Bokeh"]


@pytest.mark.parametrize(("setting", "variant"), VARIANTS, ids=lambda x: getattr(x, "name", x))
def test_a_training_concerns_nobody_within_its_range(setting, variant):
    assert concerns(CameraSweep({setting.name: setting.domain}), setting.name, variant=variant) == []


ENDS = [(setting, end) for setting in SETTINGS for end in (0, 1) if setting.domain[end] != setting.limits[end]]


@pytest.mark.parametrize(("setting", "end"), ENDS, ids=lambda x: getattr(x, "name", x))
def test_every_setting_has_an_end_beyond_which_it_is_told(setting, end):
    low, high = setting.domain
    beyond = (low - 0.1 * abs(low), high + 0.1 * abs(high))[end]
    (said,) = concerns(CameraSweep({setting.name: [setting.domain[end], beyond]}), setting.name)
    assert said.startswith(f"{setting.label}: the camera adapter was trained on {setting.format(low)} to ")
    assert f"frame 2 (asked: {setting.format(float(f'{beyond:.4g}'))})" in said
    assert f"like {setting.format(setting.domain[end])}. Sweep within that range." in said


def test_more_frames_than_the_adapter_sees_at_once_are_told():
    assert concerns(CameraSweep.linear("focal_length", 24, 70, 16), "focal_length") == []
    (said,) = concerns(CameraSweep.linear("focal_length", 24, 70, 17), "focal_length")
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
    (concern,) = concerns(sweep, name)
    assert f"not the one of the adapter's training ({said})" in concern


def test_a_base_camera_that_the_adapter_does_not_see_is_not_told():
    sweep = CameraSweep({"focal_length": [24, 70]}, Camera(iso=800, focus_distance_m=5, f_number=8))
    assert concerns(sweep, "focal_length") == []
    other = CameraSweep({"focal_length": [24, 70]}, Camera(50))
    assert concerns(other, "focal_length", variant="published") == []


def test_the_reach_of_a_sweep_is_that_of_all_its_adapters():
    sweep = CameraSweep({"focal_length": [24, 100], "shutter_speed": [0.5, 0.2]})
    one, both = {"focal_length": (24, 70)}, {"focal_length": (24, 70), "shutter_speed": (0.1, 1)}
    assert with_reach(sweep, both).reach == {"focal_length": (24, 70)}
    assert with_reach(sweep, both).unsteered == ()
    assert with_reach(sweep, one).reach == {"focal_length": (24, 70)}
    assert with_reach(sweep, one).unsteered == ("shutter_speed",)
    still = CameraSweep({"focal_length": [24, 70], "shutter_speed": [0.5, 0.5]})
    assert with_reach(still, one) == still
    assert with_reach(CameraSweep({"focal_length": [24, 70]}), one) == CameraSweep({"focal_length": [24, 70]})
    iris = CameraSweep({"aperture": [2, 8]})
    assert with_reach(iris, {"bokeh": (1, 30)}) == iris
