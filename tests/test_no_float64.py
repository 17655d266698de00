"""Nothing reaches a device in float64: MPS has none."""

import pytest
import torch

from genphoto.camera.imaging import simulate
from genphoto.camera.photo import Photo
from genphoto.camera.settings import SETTINGS, setting_named
from genphoto.camera.sweep import CameraSweep
from genphoto.metrics.sweep_metrics import measure_sweep
from genphoto.model.noise import sweep_noise

from .no_float64 import no_float64


def noise(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def test_the_device_of_these_tests_refuses_float64_and_computes():
    with no_float64() as device:
        there = noise(3).to(device)
        assert there.device == device
        assert torch.equal((there + 1).cpu(), noise(3) + 1)
        with pytest.raises(TypeError, match="float64"):
            there.double()
        with pytest.raises(TypeError, match="float64"):
            torch.ones(2, dtype=torch.float64).to(device)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_photographs_are_simulated(setting):
    sweep = CameraSweep({setting.name: setting.domain})
    with no_float64() as device:
        photo = Photo(noise(3, 24, 36).to(device), noise(24, 36).to(device), sweep.base)
        frames = torch.stack(
            [*simulate(photo, sweep, size=(20, 30), generator=torch.Generator().manual_seed(0), background=photo)]
        )
        assert frames.device == device
        here = frames.cpu()
    photo = Photo(noise(3, 24, 36), noise(24, 36), sweep.base)
    expected = torch.stack(
        [*simulate(photo, sweep, size=(20, 30), generator=torch.Generator().manual_seed(0), background=photo)]
    )
    assert torch.equal(here, expected)


@pytest.mark.parametrize("setting", [s for s in SETTINGS if s.published], ids=lambda setting: setting.name)
def test_published_frames_are_simulated(setting):
    sweep = CameraSweep({setting.name: setting.domain})
    with no_float64() as device:
        photo = Photo(noise(3, 24, 36).to(device), noise(24, 36).to(device), sweep.base)
        assert torch.stack([*simulate(photo, sweep, variant="published", size=(16, 24))]).device == device


def test_the_noise_of_sweeps_is_shared():
    with no_float64() as device:
        mixed = sweep_noise(noise(4, 2, 8, 8).to(device), torch.tensor([[1, 1.5], [1, 2]]).to(device), 30)
        assert mixed.device == device


def measured_there_and_here(setting, with_depth, **options):
    from skimage.data import astronaut

    low, high = setting.domain
    sweep = CameraSweep.linear(setting.name, 0.8 * low + 0.2 * high, 0.4 * low + 0.6 * high, 2)
    image = torch.from_numpy(astronaut()[::5, ::5].copy()).movedim(-1, 0) / 255
    disparity = torch.linspace(0.1, 1, image.shape[2]).expand(image.shape[1:])
    frames = torch.stack([*simulate(Photo(image, disparity, sweep.base), sweep)])
    options["disparity"] = disparity if with_depth else None
    here = measure_sweep(frames, sweep, reference=frames, **options)
    with no_float64() as device:
        there = measure_sweep(frames.to(device), sweep, reference=frames.to(device), **options)
    assert here.measurements
    return there.to_dict(), here.to_dict()


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_sweeps_are_measured_there_as_here(setting):
    there, here = measured_there_and_here(setting, with_depth=True)
    assert there == here


def test_cross_talk_is_measured_there_as_here():
    there, here = measured_there_and_here(setting_named("bokeh"), with_depth=False, cross_talk=True)
    assert there == here
