import pytest
import torch

from genphoto.camera.imaging import simulate
from genphoto.camera.photo import Photo
from genphoto.camera.sweep import CameraSweep
from genphoto.metrics.frames import Pair
from genphoto.metrics.light_change import light_change
from genphoto.metrics.quantities.color_temperature import COLOR_TEMPERATURE
from genphoto.metrics.quantities.tint import TINT
from genphoto.metrics.sweep_metrics import measure_sweep

# The second frame of "coffee" has lost its blue: it is measured by red and green.
SWEEP = CameraSweep({"color_temperature": [5455, 2455, 4155, 10000]})
# Largest error [mired]. Measured at 128 x 192: 0.08, 0.8, 0.8, 1.1.
TOLERANCE = {"8 bit": 0.5, "JPEG 90": 2.0, "GIF": 2.0, "noise": 2.0}


@pytest.fixture
def measured(measure):
    return lambda *sequence: [measure(quantity, *sequence) for quantity in (COLOR_TEMPERATURE, TINT)]


@pytest.mark.parametrize("name", ["coffee", "chelsea", "astronaut"])
def test_mired_are_recovered_from_any_storage(shoot, stored, name, measured):
    temperature, _ = measured(stored(shoot(name, SWEEP)), SWEEP)
    assert max(map(abs, temperature.errors)) < TOLERANCE[stored.name]
    assert temperature.slope == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", ["coffee", "chelsea", "astronaut"])
def test_a_sweep_may_start_at_candle_light(shoot, name, measured):
    sweep = CameraSweep({"color_temperature": [2000, 4000, 10000]})
    temperature, tint = measured(shoot(name, sweep), sweep)
    assert max(map(abs, temperature.errors)) < 2
    assert tint.measured[0] == 0


def test_tint_is_told_from_temperature(shoot, measured):
    sweep = CameraSweep({"tint": [0, -0.02, 0.02], "color_temperature": [6504, 4000, 6504]})
    temperature, tint = measured(shoot("chelsea", sweep), sweep)
    assert max(map(abs, temperature.errors)) < 0.5
    assert max(map(abs, tint.errors)) < 0.0005


def test_exposure_does_not_matter(shoot, measured):
    sweep = CameraSweep({"color_temperature": [6504, 3500], "shutter_speed": [0.5, 0.2]})
    temperature, _ = measured(shoot("astronaut", sweep), sweep)
    assert max(map(abs, temperature.errors)) < 0.5


def test_where_blue_is_lost_tint_says_so(shoot, measured):
    _, tint = measured(shoot("coffee", SWEEP), SWEEP)
    assert tint.measured[1] is None
    assert "blue" in tint.reasons[1]


def test_colors_of_no_light_are_refused(shoot):
    (frame,) = shoot("astronaut", CameraSweep({"color_temperature": [6504]}))
    purple = torch.tensor([1, 0.3, 1])[:, None, None]
    temperature, tint = light_change(Pair.of(frame, frame * purple), 6504)
    assert temperature.value is None
    assert tint.value is None


def test_different_scenes_have_no_light_in_common(shoot, measured):
    frames = torch.stack([shoot(name, SWEEP)[0] for name in ("astronaut", "chelsea")])
    temperature, _ = measured(frames, CameraSweep({"color_temperature": [5455, 4000]}))
    assert temperature.measured[1] is None


def test_a_dial_is_judged_as_a_dial(picture):
    sweep = CameraSweep({"color_temperature": [5000, 3500, 8000]}, dial=True)
    frames = torch.stack([*simulate(Photo(picture("coffee"), camera=sweep.base), sweep, size=(128, 192))])
    report = measure_sweep(frames, sweep)
    temperature = report.measurements["color_temperature"]
    assert max(map(abs, temperature.errors)) < 1
    assert temperature.slope == pytest.approx(1, abs=0.01)
    assert report.consistency.mean > 0.97
    wrong = measure_sweep(frames, CameraSweep({"color_temperature": [5000, 3500, 8000]}))
    assert wrong.measurements["color_temperature"].slope < 0
