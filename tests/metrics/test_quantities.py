"""What every quantity promises, that no setting or stage is without one, and that a new one is one value."""

from dataclasses import replace

import pytest
import torch

from genphoto.camera.camera import Camera
from genphoto.camera.colorimetry import linear_to_srgb, srgb_to_linear
from genphoto.camera.progress import unreported
from genphoto.camera.settings import SETTINGS
from genphoto.camera.sweep import CameraSweep
from genphoto.metrics.consistency import compensated_pair
from genphoto.metrics.quantities import QUANTITIES, color_temperature
from genphoto.metrics.quantities.exposure import EXPOSURE
from genphoto.metrics.quantity import Quantity
from genphoto.metrics.sweep_metrics import measure_sweep

every_quantity = pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda quantity: quantity.name)
every_setting = pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
UNMEASURED_STAGES = {"readout"}  # noise is no change that a sweep asks for


def asked_for(cameras):
    return [quantity for quantity in QUANTITIES if quantity.asked_for(cameras)]


def middle_of(setting):
    """A sweep over the middle of the setting's domain, where nothing is clipped for good."""
    low, high = setting.domain
    return CameraSweep.linear(setting.name, low + 0.25 * (high - low), low + 0.75 * (high - low), 3)


@every_setting
def test_every_setting_asks_for_something_measurable(setting):
    cameras = CameraSweep.linear(setting.name, *setting.domain, 3).cameras
    assert asked_for(cameras), f"nothing measures what {setting.name} changes: add a quantity to metrics/quantities"


def test_every_stage_is_measured():
    stages = {stage.name for stage in pytest.importorskip("genphoto.camera.stages").STAGES}
    measured = {name for quantity in QUANTITIES for name in quantity.stages}
    missing = sorted(stages - UNMEASURED_STAGES - measured)
    assert not missing, f"no quantity reads what these stages do: {', '.join(missing)}"
    assert measured <= stages, f"stages that do not exist: {', '.join(sorted(measured - stages))}"


def test_quantities_have_names_of_their_own():
    assert len({quantity.name for quantity in QUANTITIES}) == len(QUANTITIES)
    assert all(quantity.stages for quantity in QUANTITIES)


@every_quantity
def test_what_does_not_change_is_not_asked_for(quantity):
    still = CameraSweep({"focal_length": [35, 35, 35]})
    assert not quantity.asked_for(still.cameras)
    assert len(quantity.requested(still.cameras)) == 3


def difference(sequence):
    """Mean difference of the last frame from the first, where both are valid, once the changes are undone."""
    first, frame, valid = compensated_pair(sequence, len(sequence.cameras) - 1)
    return float((first - frame).abs().mean(0)[valid].mean())


@every_setting
def test_undoing_a_change_makes_frames_alike_and_frozen_ones_unlike(setting, shoot_cards, sequence_of):
    sweep = middle_of(setting)
    frames, disparity = shoot_cards("coffee", sweep)
    right = sequence_of(frames, sweep, disparity)
    frozen = sequence_of(frames[:1].expand_as(frames), sweep, disparity)
    for quantity in asked_for(sweep.cameras):
        others = tuple(other for other in QUANTITIES if other.undo is not quantity.undo)
        assert difference(right) < 0.4 * difference(replace(right, quantities=others)), quantity.name
        assert difference(frozen) > 2 * difference(right), quantity.name


@every_quantity
def test_progress_is_reported_after_every_frame(quantity, shoot, sequence_of):
    sweep = CameraSweep({"shutter_speed": [0.5, 0.4, 0.3, 0.2]})
    shares = []
    quantity.measure(sequence_of(shoot("coffee", sweep), sweep), shares.append)
    assert len(shares) >= len(sweep) - 1
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_temperature_and_tint_are_read_once(shoot, monkeypatch):
    sweep = CameraSweep({"color_temperature": [6504, 5000, 4000], "tint": [0, 0.005, 0.01]})
    calls = []
    real = color_temperature.light_change

    def counted(*pair):
        calls.append(1)
        return real(*pair)

    monkeypatch.setattr(color_temperature, "light_change", counted)
    report = measure_sweep(shoot("coffee", sweep), sweep)
    assert report.asked_for == ("color_temperature", "tint")
    assert len(calls) == len(sweep) - 1


# A quantity that the library does not know: light that falls off to the corners, the more the nearer the focus is.


def falloff(camera, picture):
    """Share of the light (h,w) that reaches each pixel."""
    y, x = (torch.linspace(-1, 1, n) for n in picture.shape[1:])
    return 1 / (1 + (x.square() + y[:, None].square()) / camera.focus_distance_m)


def corner_ev(cameras):
    ends = [-2 * torch.tensor(1 + 2 / camera.focus_distance_m).log2().item() for camera in cameras]
    return tuple(end - ends[0] for end in ends)


def at_the_stronger_falloff(pair, first, camera, sequence):
    ratio = falloff(camera, pair.frame) / falloff(first, pair.frame)
    return pair._replace(reference=pair.reference * ratio.clamp(max=1), frame=pair.frame / ratio.clamp(min=1))


FALLOFF = Quantity(
    name="falloff",
    unit="EV",
    stages=("vignetting",),
    requested=corner_ev,
    noticeable=0.05,
    measure=None,
    undo=at_the_stronger_falloff,
)


def test_a_new_quantity_is_undone_by_all_that_compare_frames(shoot, sequence_of):
    sweep = CameraSweep({"shutter_speed": [0.5, 0.25]})
    cameras = tuple(replace(c, focus_distance_m=m) for c, m in zip(sweep.cameras, (1000, 1.0), strict=True))
    assert FALLOFF.asked_for(cameras)
    assert not FALLOFF.asked_for((Camera(), Camera()))
    light = srgb_to_linear(shoot("coffee", sweep))
    light = torch.stack([x * falloff(camera, x) for x, camera in zip(light, cameras, strict=True)])
    unknown = replace(sequence_of(linear_to_srgb(light), sweep), cameras=cameras)
    known = replace(unknown, quantities=(*QUANTITIES[:2], FALLOFF, *QUANTITIES[2:]))
    errors = [abs(EXPOSURE.measure(sequence, unreported).errors[1]) for sequence in (unknown, known)]
    assert errors[0] > 0.3
    assert errors[1] < 0.02
    assert difference(known) < 0.1 * difference(unknown)
