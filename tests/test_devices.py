"""Devices without float64, such as Apple's: nothing asks them for it."""

import pytest
import torch

from genphoto.camera.colorimetry import apply_matrix, white_balance_matrix
from genphoto.camera.imaging import Photo, simulate
from genphoto.camera.optics import zoom
from genphoto.camera.settings import FOCAL_LENGTH, SETTINGS
from genphoto.camera.sweep import CameraSweep
from genphoto.model.differential import magnifications
from genphoto.model.noise import sweep_noise


class NoDouble(torch.Tensor):
    """A tensor on a device without float64: only after .cpu() may it become one."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is torch.Tensor.cpu or (function is torch.Tensor.to and args[1:2] == ("cpu",)):
            plain = args[0].as_subclass(torch.Tensor)
            return plain if function is torch.Tensor.cpu else plain.to(*args[1:], **kwargs)
        result = super().__torch_function__(function, types, args, kwargs)
        if isinstance(result, NoDouble) and result.dtype == torch.float64:
            raise TypeError("this device has no float64")
        return result


def on_device(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)).as_subclass(NoDouble)


def test_the_test_device_has_no_float64():
    with pytest.raises(TypeError, match="no float64"):
        on_device(2).double()
    assert on_device(2).cpu().double().dtype == torch.float64


def test_noise_zoom_and_color_need_no_float64():
    sweep_noise(on_device(10, 4, 4, 6), on_device(2, 5) + 1, 30)
    zoom(on_device(3, 20, 30), 0.7, (20, 30))
    apply_matrix(on_device(3, 4, 4), white_balance_matrix(3000))
    assert magnifications([24, 35], FOCAL_LENGTH).dtype == torch.float32


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_rendering_needs_no_float64(setting):
    camera = setting.base
    photo = Photo(on_device(3, 16, 24), on_device(16, 24), camera)
    sweep = CameraSweep.linear(setting.name, *setting.domain, 2, camera)
    simulate(photo, sweep, generator=torch.Generator().manual_seed(0))
    if setting.published:
        simulate(photo, sweep, variant="published")
